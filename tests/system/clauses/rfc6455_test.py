# SPDX-License-Identifier: Apache-2.0
"""RFC 6455, WebSocket: every clause that binds a server. Behind the frames of a case stands another, as bait."""

import base64
import struct
from threading import Thread
from typing import NamedTuple

import pytest

from clause import CUTS, Answer, Clause, HttpCase, closed, closes, deliver, goes_on, kept, request, rows, run_http, run_websocket
from client import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Http, WebSocket, frame
from conftest import shared_server
from hubbub import PATIENCE

server = shared_server("contract.so", workers=2)

GOOD = {"Host": "t", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13"}
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class Opened(NamedTuple):
    """A handshake that is accepted, with a frame right behind it."""
    sent: bytes
    fields: dict


def shake(*more, method="GET", target="/echo", version="1.1", body=b"", **changes):
    """An opening request; `changes` replace fields (None: leaves them out), `more` are lines added to it."""
    fields = {**GOOD, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return request(f"{method} {target} HTTP/{version}", *(f"{name}: {value}" for name, value in fields.items() if value is not None),
                   *more, body=body)


def opened(*more, fields=None, **changes):
    return Opened(shake(*more, **changes), {"Sec_WebSocket_Accept": ACCEPT, **(fields or {})})


def close(code, reason=b""):
    return frame(CLOSE, struct.pack("!H", code) + reason)


def header(first, second, *rest):
    """The start of a frame byte for byte, with a mask of zeros behind it."""
    return bytes([first, second, *rest]) + bytes(4)


def text(payload):
    return (TEXT, payload.encode() if isinstance(payload, str) else payload)


OLD = Answer(426, upgrade="websocket", sec_websocket_version="13")
START, MIDDLE, END = (lambda data, opcode=opcode, fin=fin: frame(opcode, data, fin=fin)
                      for opcode, fin in ((TEXT, False), (CONTINUATION, False), (CONTINUATION, True)))

CLAUSES = [
    # ---- 4 Opening handshake
    Clause("6455-4.2.1", "1: a GET request of HTTP/1.1 or higher.", {
        "get": opened(),
        "1.2": opened(version="1.2"),
        "1.0": closed(shake(version="1.0"), 400),
        "absolute-form": opened(target="http://t/echo"),
        "query": opened(target="/echo?a=b"),
        "post": kept(shake(method="POST"), Answer(405, allow="GET, OPTIONS")),
        "put": kept(shake(method="PUT"), Answer(405, allow="GET, OPTIONS")),
        "head": kept(shake(method="HEAD"), Answer(405, to_head=True)),
        "options": kept(shake(method="OPTIONS"), 204),
        "2.0": closed(shake(version="2.0"), 505),
        "body": kept(shake("Content-Length: 5", body=b"hello"), 400),
        "chunked-body": kept(shake("Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
        "body-of-length-0": opened("Content-Length: 0"),
        "other-path": kept(shake(target="/nothing"), 404),
        "path-without-websocket": kept(shake(target="/hello"), Answer(200, b"hello\n")),
    }),
    Clause("6455-4.2.1", "2: a Host field.", {
        "none": closed(shake(Host=None), 400),
        "twice": closed(shake("Host: t"), 400),
        "bad": closed(shake(Host="a b"), 400),
    }, prefix="host"),
    Clause("6455-4.2.1", "3: an Upgrade field with websocket, without case.", {
        "none": kept(shake(Upgrade=None), OLD),
        "other": kept(shake(Upgrade="frobnicate"), OLD),
        "empty": kept(shake(Upgrade=""), OLD),
        "longer": kept(shake(Upgrade="websocket2"), OLD),
        "upper-case": opened(Upgrade="WEBSOCKET"),
        "mixed-case": opened(Upgrade="WebSocket"),
        "list": opened(Upgrade="h2c, websocket"),
        "second-line": opened("Upgrade: websocket", Upgrade="h2c"),
    }, prefix="upgrade"),
    Clause("6455-4.2.1", "4: a Connection field with Upgrade, without case.", {
        "none": kept(shake(Connection=None), 400),
        "other": kept(shake(Connection="keep-alive"), 400),
        "longer": kept(shake(Connection="upgrades"), 400),
        "lower-case": opened(Connection="upgrade"),
        "upper-case": opened(Connection="UPGRADE"),
        "list": opened(Connection="keep-alive , Upgrade"),
        "second-line": opened("Connection: upgrade", Connection="keep-alive"),
    }, prefix="connection"),
    Clause("6455-4.2.1", "5: a Sec-WebSocket-Key of 16 bytes in base64, once.", {
        **{name: kept(shake(Sec_WebSocket_Key=key), 400) for name, key in {
            "none": None, "empty": "", "short": base64.b64encode(b"x" * 15).decode(), "long": base64.b64encode(b"x" * 17).decode(),
            "no-padding": "dGhlIHNhbXBsZSBub25jZQ", "one-padding": "dGhlIHNhbXBsZSBub25jZQ=", "no-base64": "dGhlIHNhbXBsZSBub25j!Q==",
            "url-base64": "_-hlIHNhbXBsZSBub25jZQ==", "space-inside": "dGhlIHNhbXBs ZSBub25jZQ==",
            "spare-bits": "dGhlIHNhbXBsZSBub25jZR==", "padding-in-front": "==dGhlIHNhbXBsZSBub25jZQ",
        }.items()},
        "twice": kept(shake(f"Sec-WebSocket-Key: {GOOD['Sec-WebSocket-Key']}"), 400),
        "white-space-around": opened(Sec_WebSocket_Key="  dGhlIHNhbXBsZSBub25jZQ==\t"),
        "name-in-any-case": opened("SEC-WEBSOCKET-KEY: dGhlIHNhbXBsZSBub25jZQ==", Sec_WebSocket_Key=None),
        "another": Opened(shake(Sec_WebSocket_Key="x3JJHMbDL1EzLkh9GBhXDw=="), {"Sec_WebSocket_Accept": "HSmrc0sMlYUkAGmm5OPpG2HaGWk="}),
    }, prefix="key"),
    Clause("6455-4.2.1", "6: version 13; to another the answer is 426 with the version that is spoken here (4.2.2, 4.4).", {
        **{name: kept(shake(Sec_WebSocket_Version=version), OLD) for name, version in {
            "none": None, "empty": "", "0": "0", "7": "7", "8": "8", "12": "12", "14": "14", "25": "25", "255": "255", "130": "130",
            "013": "013", "words": "x", "minus": "-13", "plus": "+13", "decimals": "13.0", "list": "13, 8",
        }.items()},
        "two-lines": kept(shake("Sec-WebSocket-Version: 8"), 400),
        "twice": kept(shake("Sec-WebSocket-Version: 13"), 400),
        "white-space-around": opened(Sec_WebSocket_Version=" 13 "),
    }, prefix="version"),
    Clause("6455-4.2.2", "An origin that is not let in is answered 403 (10.2).", {
        "same": opened("Origin: http://t"),
        "none": opened(),
        "other": kept(shake("Origin: http://other"), 403),
        "null": kept(shake("Origin: null"), 403),
        "two": kept(shake("Origin: http://t", "Origin: http://t"), 403),
    }, prefix="origin", elsewhere=("websocket_test.py::test_web_pages_are_let_in_by_their_origin",)),
    Clause("6455-4.2.2", "A subprotocol is answered only when it was offered, the best that both know.", {
        "none-known": opened("Sec-WebSocket-Protocol: chat", fields={"Sec_WebSocket_Protocol": None}),
        "none-offered": opened(fields={"Sec_WebSocket_Protocol": None}),
    }, prefix="subprotocol", elsewhere=("websocket_test.py::test_the_best_subprotocol_of_the_route_is_chosen",
                                        "websocket_test.py::test_no_subprotocol_is_chosen_when_none_fits",
                                        "unit/worker/ws/handshake_test.c::subprotocols_may_be_offered_on_several_lines")),
    Clause("6455-4.2.2", "Extensions are answered only when they were offered.", {
        "unknown": opened("Sec-WebSocket-Extensions: x-unknown; a=1", fields={"Sec_WebSocket_Extensions": None}),
        "none": opened(fields={"Sec_WebSocket_Extensions": None}),
        "empty": opened("Sec-WebSocket-Extensions:", fields={"Sec_WebSocket_Extensions": None}),
    }, prefix="extensions"),
    Clause("6455-4.2.2", "The answer is 101 with Upgrade, Connection and the right Sec-WebSocket-Accept.", {
        "101": opened(fields={"Upgrade": "websocket", "Connection": "Upgrade", "Content_Length": None, "Transfer_Encoding": None}),
    }, prefix="answer"),
    Clause("6455-9.1", "A Sec-WebSocket-Extensions that breaks its grammar is answered 400.", {
        **{name: kept(shake(f"Sec-WebSocket-Extensions: {value}"), 400) for name, value in {
            "semicolon": "x;", "no-value": "x; a=", "two-words": "x y", "no-name": "; a", "open-quote": 'x; a="b', "equals": "=",
            "quoted-no-token": 'x; a="b c"', "quoted-empty": 'x; a=""', "slash": "x/y", "second-bad": "x, y;",
            "two-semicolons": "x;; a", "control": "x; a=(b)",
        }.items()},
        "quoted": opened('Sec-WebSocket-Extensions: x; a="b"'),
        "empty-elements": opened("Sec-WebSocket-Extensions: ,, x, ,"),
    }, prefix="grammar"),
    Clause("6455-4.1", "What a client sends and checks.", untested="binds clients"),
    Clause("6455-3", "URIs ws and wss.", untested="binds clients; a fragment in a target is refused (9112-3.2)"),

    # ---- 5 Framing
    Clause("6455-5.1", "A frame without a mask closes with 1002; the server masks none.", {
        "text": closes(1002, frame(TEXT, "a", masked=False)),
        "empty": closes(1002, frame(TEXT, "", masked=False)),
        "ping": closes(1002, frame(PING, "a", masked=False)),
        "close": closes(1002, frame(CLOSE, struct.pack("!H", 1000), masked=False)),
        "second": closes(1002, frame(TEXT, "a") + frame(TEXT, "b", masked=False), text("a")),
        "continuation": closes(1002, START("a") + frame(CONTINUATION, "b", masked=False)),
    }),
    Clause("6455-5.2", "A reserved bit that nobody negotiated closes with 1002.", {
        f"rsv-{bits}-{name}": closes(1002, frame(opcode, payload, reserved=bits))
        for bits in range(1, 8) for name, opcode, payload in (
            ("text", TEXT, b"a"), ("empty", TEXT, b""), ("binary", BINARY, b"a"), ("ping", PING, b"a"), ("pong", PONG, b""),
            ("close", CLOSE, struct.pack("!H", 1000)))
    }),
    Clause("6455-5.2", "A reserved bit on a continuation.", {
        f"rsv-{bits}-continuation": closes(1002, START("a") + frame(CONTINUATION, "b", reserved=bits)) for bits in (1, 2, 4)
    }),
    Clause("6455-5.2", "A reserved opcode closes with 1002.", {
        **{f"opcode-{opcode}": closes(1002, frame(opcode, b"a")) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
        **{f"opcode-{opcode}-empty": closes(1002, frame(opcode)) for opcode in (3, 7, 11, 15)},
        **{f"opcode-{opcode}-behind-a-message": closes(1002, frame(TEXT, "a") + frame(opcode), text("a")) for opcode in (4, 12)},
        **{f"opcode-{opcode}-between-fragments": closes(1002, START("a") + frame(opcode) + END("b")) for opcode in (5, 13)},
    }),
    Clause("6455-5.2", "Lengths: 7, 16 and 64 bits, each in its shortest form, the 64th bit clear.", {
        **{f"length-{size}": goes_on(frame(BINARY, b"x" * size), (BINARY, b"x" * size))
           for size in (0, 1, 124, 125, 126, 127, 128, 255, 256, 65534, 65535, 65536, 65537)},
        "16-bit-0": closes(1002, header(0x82, 0xFE, 0, 0)),
        "16-bit-1": closes(1002, header(0x82, 0xFE, 0, 1) + b"x"),
        "16-bit-125": closes(1002, header(0x82, 0xFE, 0, 125) + b"x" * 125),
        "64-bit-0": closes(1002, header(0x82, 0xFF, *bytes(8))),
        "64-bit-125": closes(1002, header(0x82, 0xFF, *bytes(7), 125) + b"x" * 125),
        "64-bit-126": closes(1002, header(0x82, 0xFF, *bytes(7), 126) + b"x" * 126),
        "64-bit-65535": closes(1002, header(0x82, 0xFF, *bytes(6), 0xFF, 0xFF) + b"x" * 65535),
        "64-bit-top-bit": closes(1002, header(0x82, 0xFF, 0x80, *bytes(7))),
        "64-bit-all-ones": closes(1002, header(0x82, 0xFF, *[0xFF] * 8)),
        "64-bit-2^63-1": closes(1009, header(0x82, 0xFF, 0x7F, *[0xFF] * 7)),
        "above-the-limit": closes(1009, frame(BINARY, b"", length=(16 << 20) + 1)),
    }),
    Clause("6455-5.3", "Payloads are unmasked with the key of their frame.", {
        f"key-{key.hex()}": goes_on(frame(BINARY, bytes(range(256)) * 3, key=key), (BINARY, bytes(range(256)) * 3))
        for key in (bytes(4), b"\xff" * 4, b"\1\2\3\4", b"\0\0\0\1", b"\x80\0\0\0")
    }),
    Clause("6455-5.4", "Fragments are put together in order; a fragment may be empty.", {
        "two": goes_on(START("a") + END("b"), text("ab")),
        "empty-first": goes_on(START("") + END("b"), text("b")),
        "empty-last": goes_on(START("a") + END(""), text("a")),
        "all-empty": goes_on(START("") + MIDDLE("") + END(""), text("")),
        "binary": goes_on(frame(BINARY, b"\xff", fin=False) + END(b"\xfe"), (BINARY, b"\xff\xfe")),
        "300": goes_on(START("a") + MIDDLE("b") * 298 + END("c"), text("a" + "b" * 298 + "c")),
        "65536": goes_on(START("a") + MIDDLE("b") * 65534 + END("c"), text("a" + "b" * 65534 + "c")),
        "65536-empty": goes_on(START("") + MIDDLE("") * 65534 + END(""), text("")),
        "two-messages": goes_on(START("a") + END("b") + START("c") + END("d"), text("ab"), text("cd")),
    }),
    Clause("6455-5.4", "Control frames may stand between fragments, and are answered at once; other data may not.", {
        "ping-between": goes_on(START("a") + frame(PING, "p") + END("b"), (PONG, b"p"), text("ab")),
        "pings-between": goes_on(START("a") + frame(PING, "p") + MIDDLE("b") + frame(PING, "q") + END("c"),
                                 (PONG, b"p"), (PONG, b"q"), text("abc")),
        "pong-between": goes_on(START("a") + frame(PONG, "p") + END("b"), text("ab")),
        "close-between": closes(1000, START("a") + close(1000) + END("b")),
        "ping-behind-the-first": goes_on(START("a") + frame(PING) + frame(PING) + END("b"), (PONG, b""), (PONG, b""), text("ab")),
        "text-between": closes(1002, START("a") + frame(TEXT, "b") + END("c")),
        "binary-between": closes(1002, START("a") + frame(BINARY, b"b") + END("c")),
        "start-between": closes(1002, START("a") + START("b")),
        "continuation-of-nothing": closes(1002, END("a")),
        "continuation-of-nothing-not-last": closes(1002, MIDDLE("a")),
        "continuation-behind-a-message": closes(1002, frame(TEXT, "a") + END("b"), text("a")),
        "continuation-behind-fragments": closes(1002, START("a") + END("b") + END("c"), text("ab")),
        "continuation-behind-a-ping": closes(1002, frame(PING) + END("c"), (PONG, b"")),
    }),
    Clause("6455-5.5", "Control frames have at most 125 bytes and are not fragmented.", {
        **{f"{name}-126": closes(1002, frame(opcode, b"x" * 126)) for name, opcode in (("ping", PING), ("pong", PONG))},
        "close-126": closes(1002, close(1000, b"x" * 124)),
        **{f"{name}-65536": closes(1002, frame(opcode, b"x" * 65536)) for name, opcode in (("ping", PING), ("pong", PONG))},
        **{f"{name}-2^62": closes(1002, frame(opcode, b"", length=1 << 62)) for name, opcode in (("ping", PING), ("close", CLOSE))},
        **{f"{name}-not-final": closes(1002, frame(opcode, b"", fin=False))
           for name, opcode in (("ping", PING), ("pong", PONG), ("close", CLOSE))},
        "ping-not-final-and-its-rest": closes(1002, frame(PING, "a", fin=False) + END("b")),
        "ping-125": goes_on(frame(PING, b"x" * 125), (PONG, b"x" * 125)),
        "pong-125": goes_on(frame(PONG, b"x" * 125)),
        "close-125": closes(1000, close(1000, b"x" * 123)),
    }),
    Clause("6455-5.5.1", "A close is answered with its code, and nothing behind it is read.", {
        **{f"code-{code}": closes(code, close(code, b"bye"))
           for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3001, 3999, 4000, 4001, 4999)},
        "no-code": closes(None, frame(CLOSE)),
        "long-reason": closes(1000, close(1000, "ü".encode() * 61)),
        "nul-in-the-reason": closes(1000, close(1000, b"\0")),
        "behind-it-text": closes(1000, close(1000) + frame(TEXT, "a")),
        "behind-it-ping": closes(1000, close(1000) + frame(PING, "a")),
        "behind-it-another": closes(1000, close(1000) + close(1001)),
        "behind-it-rubbish": closes(1000, close(1000) + b"\xff" * 100),
        "after-an-echo": closes(1000, frame(TEXT, "a") + close(1000), text("a")),
    }),
    Clause("6455-5.5.2", "A ping is answered by a pong with its bytes, in order.", {
        "empty": goes_on(frame(PING), (PONG, b"")),
        "bytes": goes_on(frame(PING, b"\0\xff\xfe"), (PONG, b"\0\xff\xfe")),
        "ten": goes_on(b"".join(frame(PING, str(n)) for n in range(10)), *[(PONG, str(n).encode()) for n in range(10)]),
    }, elsewhere=("clauses/rfc6455_test.py::test_6455_5_5_2_pings_are_answered_while_the_client_does_not_read",)),
    Clause("6455-5.5.3", "A pong that nobody asked for is passed over.", {
        "empty": goes_on(frame(PONG)),
        "bytes": goes_on(frame(PONG, b"\xff\0")),
        "then-a-ping": goes_on(frame(PONG, "x") + frame(PING, "p"), (PONG, b"p")),
        "ten": goes_on(frame(PONG, "x") * 10),
    }),
    Clause("6455-5.6", "Text is UTF-8, binary is any bytes; each comes back as what it was.", {
        "text": goes_on(frame(TEXT, "Grüße, 世界 🚀"), text("Grüße, 世界 🚀")),
        "binary": goes_on(frame(BINARY, b"\xff\0\xfe"), (BINARY, b"\xff\0\xfe")),
        "empty-text": goes_on(frame(TEXT), text("")),
        "empty-binary": goes_on(frame(BINARY), (BINARY, b"")),
        "not-utf-8": closes(1007, frame(TEXT, b"\xff")),
    }),
    Clause("6455-5.8", "Extensions.", elsewhere=("clauses/rfc7692_test.py::test_clause",)),
    Clause("6455-6.2", "Frames are read wherever TCP cuts them, also right behind the opening request.",
           elsewhere=("clauses/rfc6455_test.py::test_clause", "websocket_test.py::test_frames_may_be_cut_anywhere",
                      "unit/worker/ws/message_test.c::random_streams_give_the_same_events_however_they_are_cut")),

    # ---- 7 Closing
    Clause("6455-7.1.1", "The server closes TCP as soon as both have sent a close.",
           elsewhere=("websocket_test.py::test_a_close_is_answered_with_its_code",
                      "websocket_test.py::test_the_application_closes_with_code_and_reason")),
    Clause("6455-7.1.2", "Who does not answer the server's close is cut off in time.",
           elsewhere=("websocket_test.py::test_a_client_that_does_not_answer_a_close_is_cut_off",)),
    Clause("6455-7.1.5", "The code is the one received, 1005 without one, 1006 without a close.", elsewhere=(
        "websocket_test.py::test_the_close_handler_hears_the_code_and_the_reason",
        "websocket_test.py::test_the_close_handler_hears_1005_when_no_code_was_sent",
        "websocket_test.py::test_the_close_handler_hears_1006_when_a_client_vanishes")),
    Clause("6455-7.1.7", "After a failure what follows is not processed.", {
        "text-behind": closes(1002, frame(3) + frame(TEXT, "a") * 100),
        "close-behind": closes(1002, frame(3) + close(1000)),
        "rubbish-behind": closes(1007, frame(TEXT, b"\xff") + b"\xff" * 1000),
    }),
    Clause("6455-7.2.2", "A client that ends without a close is let go.",
           elsewhere=("websocket_test.py::test_clients_that_vanish_leave_nothing_behind",)),
    Clause("6455-7.2.3", "Reconnecting.", untested="binds clients"),
    Clause("6455-7.4", "A close with one byte, with a code that must not be sent, or a reason that is not UTF-8.", {
        "one-byte": closes(1002, frame(CLOSE, b"\x03")),
        "one-byte-0": closes(1002, frame(CLOSE, b"\0")),
        **{f"code-{code}": closes(1002, close(code)) for code in (
            0, 1, 99, 500, 998, 999, 1004, 1005, 1006, 1015, 1016, 1017, 1100, 1999, 2000, 2500, 2998, 2999, 5000, 5001, 9999,
            32768, 65535)},
        "code-999-with-a-reason": closes(1002, close(999, b"why")),
        "reason-ff": closes(1007, close(1000, b"\xff")),
        "reason-cut": closes(1007, close(1000, b"abc\xc3")),
        "reason-overlong": closes(1007, close(1000, b"\xc0\xaf")),
        "reason-surrogate": closes(1007, close(1000, b"\xed\xa0\x80")),
        "reason-continuation": closes(1007, close(1000, b"\x80")),
        "reason-beyond": closes(1007, close(1000, b"\xf4\x90\x80\x80")),
    }, elsewhere=("clauses/rfc6455_test.py::test_6455_7_4_every_code_is_judged",
                  "unit/worker/ws/close_test.c::codes_that_are_reserved_or_out_of_range_may_not_be_sent")),
    Clause("6455-8.1", "Text that is not UTF-8 fails the connection, as soon as the wrong byte is there.",
           elsewhere=("clauses/rfc3629_test.py::test_3629_4_text_fails_at_the_very_byte",)),

    # ---- 10, 11
    Clause("6455-10.4", "Frames and messages are limited in size, also when put together.", {
        "declared": closes(1009, frame(TEXT, b"", length=(16 << 20) + 1)),
        "second-fragment": closes(1009, START("a") + frame(CONTINUATION, b"", length=16 << 20)),
    }, elsewhere=("websocket_test.py::test_a_message_of_16_mib_comes_back",
                  "websocket_test.py::test_fragments_that_add_up_above_the_limit_are_closed_with_1009",
                  "unit/worker/ws/message_test.c::memory_grows_with_what_came_and_not_with_what_was_declared")),
    Clause("6455-10.5", "Authentication.", untested="the application's matter"),
    Clause("6455-10.6", "TLS.", untested="TLS ends at a proxy in front of the server"),
    Clause("6455-10.7", "Before the handshake, bytes that are none are answered by HTTP.", {
        "frames-without-a-handshake": closed(frame(TEXT, "hello") * 5, 400),
    }),
    Clause("6455-11.3", "Sec-WebSocket-Key and -Version once in a request; -Extensions and -Protocol in as many lines as wanted.",
           elsewhere=("deflate_test.py::test_offers_may_come_in_several_lines",
                      "unit/worker/ws/handshake_test.c::subprotocols_may_be_offered_on_several_lines")),
]


def run_opened(server, case, cut):
    with WebSocket.__new__(WebSocket) as client:
        Http.__init__(client, server)
        deliver(client, case.sent + frame(TEXT, "behind"), cut)
        answer = client.response()
        Answer(101, **case.fields).check(answer)
        assert client.receive_text() == "behind"


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("case", rows(CLAUSES))
def test_clause(server, case, cut):
    if isinstance(case, Opened):
        run_opened(server, case, cut)
    elif isinstance(case, HttpCase):
        run_http(server, case, cut)
    else:
        run_websocket(server, case, cut)


# ---- what takes more than bytes and answers

@pytest.mark.limit(180)
def test_6455_5_5_2_pings_are_answered_while_the_client_does_not_read(start, apps):
    """The server stops reading when its pongs are not taken. When they are, the last ping is answered, and of those
    before it as many as had room (RFC 6455, 5.5.3 lets an endpoint answer only the most recent one), in order."""
    server = start(apps("probe"), workers=1)
    count, filling = 200_000, b"x" * 121
    with WebSocket(server, "/count") as client:
        pings = memoryview(b"".join(frame(PING, number.to_bytes(4, "big") + filling) for number in range(count)))
        sent = 0
        client.socket.settimeout(0.3)
        try:
            while sent < len(pings):
                sent += client.socket.send(pings[sent:sent + (1 << 20)])
        except TimeoutError:
            pass
        assert sent < len(pings), "26 MB of pings were taken from a client that reads no pong"
        client.socket.settimeout(PATIENCE)
        sender = Thread(target=client.socket.sendall, args=(pings[sent:],), daemon=True)
        sender.start()
        head, answered = bytes([0x80 | PONG, 125]), -1
        while answered < count - 1:
            pong = client.take(127)
            number = int.from_bytes(pong[2:6], "big")
            assert pong[:2] == head and pong[6:] == filling and number > answered
            answered = number
        sender.join()


VALID = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}


@pytest.mark.parametrize("codes", [range(0, 1000, 7), range(1000, 1040), range(1040, 3000, 37), range(2995, 3010),
                                   range(3010, 4990, 37), range(4990, 5010), range(5010, 65536, 997)],
                         ids=lambda codes: f"{codes.start}-{codes.stop - 1}")
def test_6455_7_4_every_code_is_judged(server, codes):
    for code in codes:
        with WebSocket(server) as client:
            client.send(close(code))
            assert client.receive_close().code == (code if code in VALID else 1002), code
