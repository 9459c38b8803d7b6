# SPDX-License-Identifier: Apache-2.0
"""RFC 7692, permessage-deflate: every clause that binds a server. It compresses nothing below its threshold here."""

import struct
import zlib

import pytest

from clause import CUTS, Clause, closes, goes_on, kept, rows, run_http, run_websocket
from client import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame
from conftest import shared_server
from rfc6455_test import Opened, opened, run_opened, shake

server = shared_server("contract.so", "--ws-deflate-threshold", "1G", workers=2)

OFFER = "permessage-deflate"
NONE = "server_no_context_takeover; client_no_context_takeover"
AGREED = f"{OFFER}; {NONE}"


def offered(value, answer, *more):
    return opened(f"Sec-WebSocket-Extensions: {value}", *more, fields={"Sec_WebSocket_Extensions": answer})


def bits(number, answer=None):
    return offered(f"{OFFER}; server_max_window_bits={number}", answer)


def client_bits(number, answer=None):
    return offered(f"{OFFER}; client_max_window_bits={number}", answer)


def deflate(data, level=9, flush=zlib.Z_SYNC_FLUSH, window=15, strategy=zlib.Z_DEFAULT_STRATEGY):
    packer = zlib.compressobj(level, zlib.DEFLATED, -window, 9, strategy)
    packed = packer.compress(data.encode() if isinstance(data, str) else data) + packer.flush(flush)
    return packed.removesuffix(b"\0\0\xff\xff")


def packed(data, opcode=TEXT, **how):
    return frame(opcode, data, reserved=4, **how)


def comes(sent, payload, opcode=TEXT):
    return goes_on(sent, (opcode, payload), offer=OFFER)


def fails(code, sent, *frames):
    return closes(code, sent, *frames, offer=OFFER)


HELLO = deflate("Hello")
TEXT_OF_5000 = b"compress me, " * 385
STORED = b"\x00\x05\x00\xfa\xffHello\x00"  # 7.2.3.3
BOMB = deflate(bytes((16 << 20) + 1))

CLAUSES = [
    # ---- 5, 7.1 Negotiation
    Clause("7692-5.1", "The first offer that can be kept is answered; with none, the connection opens without.", {
        "one": offered(OFFER, AGREED),
        "unknown-extension": offered("x-deflate-frame", None),
        "unknown-first": offered(f"mux; a=1, {OFFER}", AGREED),
        "fallback": offered(f"{OFFER}; server_max_window_bits=8, {OFFER}", AGREED),
        "fallback-by-an-unknown-parameter": offered(f"{OFFER}; x, {OFFER}; y=1, {OFFER}", AGREED),
        "first-of-two": offered(f"{OFFER}; server_max_window_bits=10, {OFFER}", f"{AGREED}; server_max_window_bits=10"),
        "in-two-lines": offered(f"{OFFER}; x", AGREED, f"Sec-WebSocket-Extensions: {OFFER}"),
        "name-in-any-case": offered("PerMessage-Deflate", AGREED),
        "white-space": offered(f" ,\t{OFFER} ;\tclient_no_context_takeover ,", AGREED),
        "all-four": offered(f"{OFFER}; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12; "
                            "client_max_window_bits=11", f"{AGREED}; server_max_window_bits=12; client_max_window_bits=11"),
        "all-four-in-another-order": offered(f"{OFFER}; client_max_window_bits; server_max_window_bits=9; "
                                             "client_no_context_takeover; server_no_context_takeover",
                                             f"{AGREED}; server_max_window_bits=9"),
        "unknown-parameter": offered(f"{OFFER}; x", None),
        "unknown-parameter-value": offered(f"{OFFER}; x=1", None),
        "none-can-be-kept": offered(f"{OFFER}; x, {OFFER}; y", None),
        "broken-grammar": kept(shake(f"Sec-WebSocket-Extensions: {OFFER};"), 400),
        "broken-grammar-behind-a-good-one": kept(shake(f"Sec-WebSocket-Extensions: {OFFER}, x;"), 400),
    }, elsewhere=("deflate_test.py::test_the_option_off_declines_every_offer",)),
    Clause("7692-7.1", "A parameter that is repeated declines the offer.", {
        **{name: offered(f"{OFFER}; {name}; {name}", None)
           for name in ("server_no_context_takeover", "client_no_context_takeover", "client_max_window_bits")},
        "server_max_window_bits": offered(f"{OFFER}; server_max_window_bits=10; server_max_window_bits=10", None),
        "client_max_window_bits-value": offered(f"{OFFER}; client_max_window_bits; client_max_window_bits=10", None),
    }),
    Clause("7692-7.1.1", "The two parameters about context takeover have no value.", {
        "server": offered(f"{OFFER}; server_no_context_takeover", AGREED),
        "client": offered(f"{OFFER}; client_no_context_takeover", AGREED),
        "name-in-any-case": offered(f"{OFFER}; Server_No_Context_Takeover", AGREED),
        "server-value": offered(f"{OFFER}; server_no_context_takeover=1", None),
        "client-value": offered(f"{OFFER}; client_no_context_takeover=1", None),
        "server-quoted": offered(f'{OFFER}; server_no_context_takeover="1"', None),
    }, elsewhere=("deflate_test.py::test_the_option_takeover_keeps_windows_unless_the_client_rules_it_out",)),
    Clause("7692-7.1.2.1", "server_max_window_bits has a value from 8 to 15, without leading zeros, and is answered; 8 is "
                           "declined, since zlib writes no such window.", {
        **{str(n): bits(n, f"{AGREED}; server_max_window_bits={n}") for n in range(9, 16)},
        **{name: bits(value) for name, value in {
            "8": "8", "7": "7", "16": "16", "0": "0", "00": "00", "leading-zero": "09", "leading-zero-10": "010", "150": "150",
            "minus": "-9", "plus": "+9", "words": "x", "hexadecimal": "0xa", "long": "9" * 300,
        }.items()},
        "quoted": bits('"10"', f"{AGREED}; server_max_window_bits=10"),
        "quoted-pair": bits('"1\\0"', f"{AGREED}; server_max_window_bits=10"),
        "no-value": offered(f"{OFFER}; server_max_window_bits", None),
        "empty-value": kept(shake(f"Sec-WebSocket-Extensions: {OFFER}; server_max_window_bits="), 400),
    }),
    Clause("7692-7.1.2.2", "client_max_window_bits may have a value from 8 to 15; it is answered when it has one.", {
        "no-value": offered(f"{OFFER}; client_max_window_bits", AGREED),
        **{str(n): client_bits(n, f"{AGREED}; client_max_window_bits={n}") for n in range(8, 16)},
        **{name: client_bits(value) for name, value in {
            "7": "7", "16": "16", "0": "0", "leading-zero": "09", "minus": "-9", "words": "x", "150": "150",
        }.items()},
        "quoted": client_bits('"9"', f"{AGREED}; client_max_window_bits=9"),
    }),

    # ---- 6, 7.2 Messages
    Clause("7692-6", "RSV1 on the first frame of a data message says that it is compressed; elsewhere it closes with 1002.", {
        "text": comes(packed(HELLO), b"Hello"),
        "binary": comes(packed(deflate(b"\xff\0"), BINARY), b"\xff\0", BINARY),
        "plain": comes(frame(TEXT, "Hello"), b"Hello"),
        "plain-and-compressed": goes_on(frame(TEXT, "a") + packed(HELLO) + frame(TEXT, "b"), (TEXT, b"a"), (TEXT, b"Hello"),
                                        (TEXT, b"b"), offer=OFFER),
        "continuation": fails(1002, packed(HELLO[:2], fin=False) + frame(CONTINUATION, HELLO[2:], reserved=4)),
        "continuation-of-a-plain-one": fails(1002, frame(TEXT, "a", fin=False) + frame(CONTINUATION, HELLO, reserved=4)),
        "ping": fails(1002, frame(PING, "a", reserved=4)),
        "pong": fails(1002, frame(PONG, "", reserved=4)),
        "close": fails(1002, frame(CLOSE, struct.pack("!H", 1000), reserved=4)),
        "not-negotiated": closes(1002, packed(HELLO)),
        "rsv-2": fails(1002, frame(TEXT, HELLO, reserved=2)),
        "rsv-3": fails(1002, frame(TEXT, HELLO, reserved=1)),
        "rsv-1-and-2": fails(1002, frame(TEXT, HELLO, reserved=6)),
        "rsv-1-and-3": fails(1002, frame(TEXT, HELLO, reserved=5)),
        "reserved-opcode": fails(1002, frame(3, HELLO, reserved=4)),
    }),
    Clause("7692-6.1", "A compressed message may be fragmented anywhere, with control frames between.", {
        **{f"at-{at}": comes(packed(HELLO[:at], fin=False) + frame(CONTINUATION, HELLO[at:]), b"Hello") for at in range(len(HELLO) + 1)},
        "byte-by-byte": comes(packed(HELLO[:1], fin=False) + b"".join(frame(CONTINUATION, HELLO[n:n + 1], fin=False)
                              for n in range(1, len(HELLO))) + frame(CONTINUATION), b"Hello"),
        "ping-between": goes_on(packed(HELLO[:3], fin=False) + frame(PING, "p") + frame(CONTINUATION, HELLO[3:]),
                                (PONG, b"p"), (TEXT, b"Hello"), offer=OFFER),
        "empty-fragments": comes(packed(b"", fin=False) + frame(CONTINUATION, HELLO, fin=False) + frame(CONTINUATION), b"Hello"),
    }),
    Clause("7692-7.2.2", "Blocks of every kind are inflated, of any level and window that was agreed.", {
        **{f"level-{level}": comes(packed(deflate(TEXT_OF_5000, level)), TEXT_OF_5000) for level in range(10)},
        **{f"window-{window}": comes(packed(deflate(TEXT_OF_5000, window=window)), TEXT_OF_5000) for window in range(9, 16)},
        "fixed-codes": comes(packed(deflate(TEXT_OF_5000, strategy=zlib.Z_FIXED)), TEXT_OF_5000),
        "huffman-only": comes(packed(deflate(TEXT_OF_5000, strategy=zlib.Z_HUFFMAN_ONLY)), TEXT_OF_5000),
        "run-lengths": comes(packed(deflate(TEXT_OF_5000, strategy=zlib.Z_RLE)), TEXT_OF_5000),
        "full-flush": comes(packed(deflate(TEXT_OF_5000, flush=zlib.Z_FULL_FLUSH)), TEXT_OF_5000),
        "two-blocks": comes(packed(deflate("Hel", flush=zlib.Z_FULL_FLUSH) + b"\0\0\xff\xff" + deflate("lo")), b"Hello"),
    }),
    Clause("7692-7.2.3.1", "A message of one block.", {"hello": comes(packed(bytes.fromhex("f248cdc9c90700")), b"Hello")}),
    Clause("7692-7.2.3.2", "Sharing of a window between messages needs takeover; without it each message stands alone.", {
        "refers-back": fails(1007, packed(HELLO) + packed(bytes.fromhex("f200110000")), (TEXT, b"Hello")),
        "the-same-again": goes_on(packed(HELLO) * 3, *[(TEXT, b"Hello")] * 3, offer=OFFER),
    }, elsewhere=("deflate_test.py::test_windows_that_are_kept_make_messages_smaller",)),
    Clause("7692-7.2.3.3", "A block without compression.", {"stored": comes(packed(STORED), b"Hello")}),
    Clause("7692-7.2.3.4", "A block with BFINAL set.", {
        "final": comes(packed(bytes.fromhex("f348cdc9c9070000")), b"Hello"),
        "final-and-nothing": comes(packed(bytes.fromhex("f348cdc9c90700")), b"Hello"),
        "final-and-another": comes(packed(bytes.fromhex("f348cdc9c90700") + HELLO), b"Hello" * 2),
    }),
    Clause("7692-7.2.3.5", "Two blocks in one message.", {
        "two": comes(packed(bytes.fromhex("f24805000000ffffcac9c90700")), b"Hello"),
    }),
    Clause("7692-7.2.3.6", "An empty message.", {
        "one-zero": comes(packed(b"\0"), b""),
        "nothing": comes(packed(b""), b""),
        "stored-empty": comes(packed(b"\0\0\0\xff\xff\0"), b""),
        "many-empty-blocks": comes(packed(b"\0\0\0\xff\xff" * 1000 + b"\0"), b""),
        "fixed-empty": comes(packed(b"\x02\x00"), b""),
    }),
    Clause("7692-7.2.2", "What cannot be inflated closes with 1007, and text that is not UTF-8 too.", {
        "reserved-block": fails(1007, packed(b"\xff\xff\xff")),
        "cut": fails(1007, packed(deflate(TEXT_OF_5000)[:20])),
        "stored-length-wrong": fails(1007, packed(b"\x00\x05\x00\xfa\xfeHello\x00")),
        "distance-too-far": fails(1007, packed(bytes.fromhex("4b04220000"))),
        "zlib-header": fails(1007, packed(zlib.compress(b"Hello"))),
        "gzip-header": fails(1007, packed(b"\x1f\x8b\x08\0\0\0\0\0\0\3" + HELLO)),
        "not-utf-8": fails(1007, packed(deflate(b"\xff"))),
        "utf-8-cut": fails(1007, packed(deflate("ü".encode()[:1]))),
        "behind-a-good-one": fails(1007, packed(HELLO) + packed(b"\xff\xff\xff"), (TEXT, b"Hello")),
    }, prefix="broken"),
    Clause("7692-8", "A message that inflates beyond the limit closes with 1009, without having been inflated.", {
        "bomb": fails(1009, packed(BOMB, BINARY)),
        "bomb-in-fragments": fails(1009, packed(BOMB[:5000], BINARY, fin=False) + frame(CONTINUATION, BOMB[5000:])),
    }, elsewhere=("deflate_test.py::test_a_bomb_is_closed_with_1009_and_costs_the_worker_next_to_nothing",
                  "deflate_test.py::test_a_message_that_inflates_to_the_limit_is_taken_and_one_byte_more_is_closed_with_1009")),
    Clause("7692-7.2.1", "What is compressed is inflated by what was agreed, and ends without 00 00 ff ff.", elsewhere=(
        "deflate_test.py::test_a_compressed_message_comes_back_compressed",
        "deflate_test.py::test_a_smaller_window_of_the_server_is_kept_to",
        "deflate_test.py::test_small_and_incompressible_messages_go_out_as_they_are",
        "deflate_test.py::test_python_gets_back_what_it_sends")),
    Clause("7692-7.1.3", "Examples and what a client does with the answer.", untested="binds clients"),
    Clause("7692-8.1", "Secrets in compressed messages.", untested="told with the option ws-deflate"),
]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("case", rows(CLAUSES))
def test_clause(server, case, cut):
    if isinstance(case, Opened):
        run_opened(server, case, cut)
    elif hasattr(case, "closed"):
        run_http(server, case, cut)
    else:
        run_websocket(server, case, cut)
