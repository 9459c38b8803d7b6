#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the hand-made inputs of connection_fuzz: tests/fuzz/connection_seeds.py FOLDER. What the fuzzer found itself
stands beside them in corpus/connection."""
import os
import struct
import sys
import zlib

WILD, TAKEOVER, NO_DEFLATE, TIMERS, COMPRESS = 1, 2, 4, 8, 16


def get(path, *fields, method="GET", body=b"", host="Host: a"):
    lines = [f"{method} {path} HTTP/1.1", host, *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def upgrade(path, *fields):
    return get(path, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *fields)


def frame(opcode, body=b"", fin=True, rsv1=False, mask=b"\0\0\0\0", length=None):
    first = opcode | (0x80 if fin else 0) | (0x40 if rsv1 else 0)
    size = len(body) if length is None else length
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, 0xFE, size)
    else:
        head = struct.pack("!BBQ", first, 0xFF, size)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(body))


def deflated(body):
    squeeze = zlib.compressobj(wbits=-15)
    return (squeeze.compress(body) + squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4]


def chunks(*pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def close(code=1000, reason=b""):
    return frame(8, struct.pack("!H", code) + reason)


TEXT = "grüße, κόσμε, 世界, 🜂".encode()
OFFER = "Sec-WebSocket-Extensions: permessage-deflate"
CHUNKED = "Transfer-Encoding: chunked"
SEEDS = {
    "get": get("/digest/x?q=%41"),
    "pipelined": get("/digest/a") + get("/later") + get("/files/hello.txt", method="HEAD") + get("/none"),
    "body": get("/digest/a", "Content-Length: 11", method="POST", body=b"hello world") + get("/digest/b"),
    "later-body": get("/later", "Content-Length: 300", method="POST", body=b"x" * 300) * 4,
    "chunked": get("/digest/a", CHUNKED, "Trailer: X", method="PUT", body=b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n") + get("/"),
    "continue": get("/digest/a", "Expect: 100-continue", "Content-Length: 3", method="POST", body=b"abc"),
    "too-big": get("/digest/a", "Content-Length: 4000", method="POST"),
    "long-line": get("/" + "a" * 400),
    "long-head": get("/", *[f"X-{i}: {'y' * 200}" for i in range(10)]),
    "many-fields": get("/", *[f"X-{i}: y" for i in range(20)]),
    "bad": b"GET / HTTP/1.1\nHost: a\n\n", "bad-line": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "old": b"GET / HTTP/1.0\r\n\r\n",
    "partial": b"GET /digest/x HTTP/1.1\r\nHos", "partial-body": get("/digest/a", "Content-Length: 9", method="POST", body=b"abc"),
    "two-lengths": get("/digest/a", "Content-Length: 1", "Content-Length: 2", method="POST", body=b"abc"),
    "smuggling": get("/digest/a", "Content-Length: 4", CHUNKED, method="POST", body=b"0\r\n\r\n") + get("/"),
    "no-host": get("/", host="X: y"), "two-hosts": get("/", "Host: b"), "absolute": get("http://a/digest/b?q"),
    "options": get("*", method="OPTIONS") + get("/later", method="OPTIONS"), "method": get("/files/hello.txt", method="POST"),
    "last": get("/digest/x", "Connection: close") + get("/digest/y"),
    "file": get("/files/hello.txt", "Accept-Encoding: gzip") + get("/files/dir") + get("/files/dir/") + get("/files/"),
    "range": get("/files/hello.txt", "Range: bytes=1-3,5-6") + get("/files/hello.txt", "Range: bytes=-2")
    + get("/files/hello.txt", "Range: bytes=99-"),
    "conditions": get("/files/hello.txt", "If-Modified-Since: Mon, 01 Jan 2035 00:00:00 GMT")
    + get("/files/hello.txt", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT") + get("/files/hello.txt", "If-None-Match: *"),
    "outside": get("/files/../connection_fuzz.c") + get("/files/%2e%2e/x") + get("/files/%00") + get("/files/a%2fb"),
    "loop": upgrade("/loop") + frame(1, b"hello") + frame(2, bytes(range(256))) + close(),
    "later": upgrade("/later") + frame(1, b"a") * 20 + frame(9, b"p") + close(),
    "events": upgrade("/events", "Sec-WebSocket-Protocol: echo") + frame(1, TEXT, mask=b"abcd") + frame(1, b"!") + frame(1, b"x"),
    "fails": upgrade("/events") + frame(1, b"?") + frame(1, b"x"),
    "fragments": upgrade("/loop") + frame(1, TEXT[:3], fin=False) + frame(9, b"p1") + frame(0, TEXT[3:9], fin=False)
    + frame(0, TEXT[9:]) + close(1000, b"done"),
    "pings": upgrade("/loop") + b"".join(frame(9, b"ping %d" % i) for i in range(60)) + frame(1, b"x"),
    "tiny": upgrade("/events") + frame(1, b"x") * 200,
    "large": upgrade("/loop") + frame(2, b"z" * 20000) + frame(1, b"after"),
    "deflate": upgrade("/events", OFFER) + frame(1, deflated(b"hello " * 20), rsv1=True) + frame(1, b"plain") + close(),
    "deflate-room": upgrade("/room/a%20b", OFFER + "; client_max_window_bits=10; server_max_window_bits=9")
    + frame(1, deflated(b"room " * 20), rsv1=True) * 3,
    "deflate-fragments": upgrade("/loop", OFFER) + frame(2, deflated(b"a" * 999)[:4], fin=False, rsv1=True)
    + frame(0, deflated(b"a" * 999)[4:]),
    "takeover": upgrade("/loop", OFFER) + frame(1, deflated(b"again and again " * 9), rsv1=True) * 2,
    "bomb": upgrade("/loop", OFFER) + frame(2, deflated(bytes(100000)), rsv1=True),
    "bad-deflate": upgrade("/loop", OFFER) + frame(2, b"\xff" * 9, rsv1=True), "rsv": upgrade("/loop") + frame(1, b"x", rsv1=True),
    "small": upgrade("/small") + frame(1, b"x" * 100) + frame(1, b"x" * 101), "unmasked": upgrade("/loop") + b"\x81\x01x",
    "bad-text": upgrade("/loop") + frame(1, b"abc\xed\xa0\x80def"), "bad-close": upgrade("/events") + close(1005),
    "half-close": upgrade("/events") + frame(8, b"\x03"), "no-code": upgrade("/events") + frame(8) + frame(1, b"x"),
    "long-ping": upgrade("/loop") + frame(9, b"p" * 126), "room": upgrade("/room/x") + frame(2, b"to all") * 3,
    "huge": upgrade("/loop") + frame(2, b"x", length=1 << 40), "partial-frame": upgrade("/loop") + frame(1, b"hello")[:-2],
    "then-upgrade": get("/later") + upgrade("/events") + frame(1, b"x"), "wrong-key": upgrade("/loop").replace(b"==", b""),
    "old-version": upgrade("/loop").replace(b": 13", b": 8"), "no-route": upgrade("/nowhere") + frame(1, b"x"),
    "take": get("/take", "Content-Length: 900", method="POST", body=b"take " * 180) + get("/take") + get("/digest/x"),
    "take-chunks": get("/take", CHUNKED, method="POST", body=chunks(b"a" * 70, b"b", b"c" * 500)) + get("/take", method="POST"),
    "take-continue": get("/take", CHUNKED, "Expect: 100-continue", method="POST", body=chunks(b"hello")) + get("/later"),
    "take-bad-chunk": get("/take", CHUNKED, method="POST", body=b"5\r\nhello\r\nx\r\n") + get("/digest/x"),
    "take-too-big": get("/some", CHUNKED, method="POST", body=chunks(b"a" * 1500, b"b" * 1500)) + get("/digest/x"),
    "take-partial": get("/take", "Content-Length: 90", method="POST", body=b"take"),
    "take-old": get("/take", "Content-Length: 4", method="POST", body=b"take").replace(b"/1.1", b"/1.0") + get("/take"),
    "some": get("/some", "Content-Length: 1900", method="POST", body=b"x" * 1900) + get("/some", CHUNKED, method="PUT", body=chunks(b"a", b"b"))
    + get("/digest/x"),
    "some-partial": get("/some", "Content-Length: 900", method="POST", body=b"x" * 9),
    "some-bad-chunk": get("/some", CHUNKED, method="POST", body=b"5\r\nhello\r\n-1\r\n") + get("/digest/x"),
    "back": get("/back", "Content-Length: 200", "Accept-Encoding: gzip", method="POST", body=b"ab" * 100) + get("/back", method="HEAD"),
    "back-chunks": get("/back", CHUNKED, "Accept-Encoding: gzip", method="POST", body=chunks(b"a" * 100, b"b" * 30)) + get("/rows?n=2"),
    "back-bad-chunk": get("/back", CHUNKED, method="POST", body=b"64\r\n" + b"a" * 100 + b"\r\n;\r\n"),
    "back-partial": get("/back", CHUNKED, method="POST", body=b"64\r\n" + b"a" * 90),
    "rows": get("/rows?n=300", "Accept-Encoding: gzip") + get("/rows?n=3&length=96") + get("/rows", method="HEAD"),
    "rows-short": get("/rows?n=3&length=99") + get("/rows"), "rows-long": get("/rows?n=9&length=40", "Accept-Encoding: gzip") + get("/rows"),
    "rows-old": get("/rows?n=9", "Accept-Encoding: gzip", "Connection: keep-alive").replace(b"/1.1", b"/1.0") + get("/rows"),
    "ticks": get("/ticks?n=20", "Accept-Encoding: gzip") + get("/ticks", method="HEAD") + get("/ticks?n=1"),
    "digest-gzip": get("/digest/a%20b", "Accept-Encoding: gzip;q=0.5, identity;q=0.1") + get("/digest/a", "Accept-Encoding: *"),
    "take-then-upgrade": get("/take", "Content-Length: 3", method="POST", body=b"abc") + upgrade("/events") + frame(1, b"x"),
}


def main():
    for number, (name, content) in enumerate(SEEDS.items()):
        plans = {0: "", WILD: "-wild"}
        if b"permessage" in content:
            plans.update({TAKEOVER: "-kept", NO_DEFLATE: "-plain"})
        if b"Accept-Encoding" in content:
            plans.update({COMPRESS: "-gzip", COMPRESS | WILD: "-gzip-wild"})
        if b"partial" in name.encode() or number % 7 == 0:
            plans[TIMERS] = "-timers"
        for plan, suffix in plans.items():
            with open(os.path.join(sys.argv[1], name + suffix), "wb") as file:
                file.write(bytes((plan, number, 7)) + content)


main()
