# SPDX-License-Identifier: Apache-2.0
"""RFC 3629, UTF-8, as WebSocket's text is held to it: each sequence of its grammar, at its borders and one beyond."""

import pytest

from clause import CUTS, Clause, closes, goes_on, rows, run_websocket
from client import CONTINUATION, PING, PONG, TEXT, WebSocket, frame
from conftest import shared_server

server = shared_server("contract.so", workers=2)

VALID = [0x00, 0x01, 0x7F, 0x80, 0x7FF, 0x800, 0xFFF, 0x1000, 0xCFFF, 0xD000, 0xD7FF, 0xE000, 0xFFFD, 0xFFFE, 0xFFFF,
         0xFEFF, 0xFDD0, 0x10000, 0x1FFFE, 0x3FFFF, 0x40000, 0xFFFFF, 0x100000, 0x10FFFF]

# Sequences of which the last byte is the first wrong one.
WRONG = {
    "alone": [bytes([lead]) for lead in (*range(0x80, 0xC2), *range(0xF5, 0x100))],
    "second-of-two": [bytes([lead, second]) for lead in (0xC2, 0xDF) for second in (0x00, 0x7F, 0xC0, 0xFF)],
    "second-of-three": [bytes([lead, second]) for lead, seconds in (
        (0xE0, (0x41, 0x7F, 0x80, 0x9F, 0xC0)), (0xE1, (0x7F, 0xC0)), (0xEC, (0x7F, 0xC0)), (0xED, (0x7F, 0xA0, 0xBF, 0xC0)),
        (0xEE, (0x7F, 0xC0)), (0xEF, (0x7F, 0xC0))) for second in seconds],
    "third-of-three": [bytes([*start, third]) for start in (b"\xe0\xa0", b"\xe0\xbf", b"\xe1\x80", b"\xed\x9f", b"\xef\xbf")
                       for third in (0x00, 0x7F, 0xC0, 0xFF)],
    "second-of-four": [bytes([lead, second]) for lead, seconds in (
        (0xF0, (0x7F, 0x80, 0x8F, 0xC0)), (0xF1, (0x7F, 0xC0)), (0xF3, (0x7F, 0xC0)), (0xF4, (0x7F, 0x90, 0xBF, 0xC0)))
        for second in seconds],
    "third-of-four": [bytes([*start, third]) for start in (b"\xf0\x90", b"\xf1\x80", b"\xf4\x8f") for third in (0x7F, 0xC0)],
    "fourth-of-four": [bytes([*start, fourth]) for start in (b"\xf0\x90\x80", b"\xf3\xbf\xbf", b"\xf4\x8f\xbf")
                       for fourth in (0x7F, 0xC0)],
}


def mixed(data):
    """A text with the sequence behind ASCII of many lengths, so that it meets every border of a vector."""
    return b"".join(b"a" * length + data for length in range(70))


CLAUSES = [
    Clause("3629-3", "Every character from U+0000 to U+10FFFF but surrogates has one form, which is taken.", {
        **{f"u+{point:04x}": goes_on(frame(TEXT, chr(point)), (TEXT, chr(point).encode())) for point in VALID},
        **{f"u+{point:04x}-at-every-place": goes_on(frame(TEXT, mixed(chr(point).encode())), (TEXT, mixed(chr(point).encode())))
           for point in (0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF)},
    }),
    Clause("3629-3", "A sequence that ends early is not taken.", {
        f"cut-{data.hex()}": closes(1007, frame(TEXT, data))
        for data in (b"\xc2", b"\xdf", b"\xe0", b"\xe0\xa0", b"\xed\x9f", b"\xef\xbf", b"\xf0", b"\xf0\x90", b"\xf0\x90\x80", b"\xf4\x8f\xbf")
    }),
    Clause("3629-4", "What the grammar does not make is not taken: lone and overlong forms, surrogates, what lies beyond.", {
        f"{name}-{data.hex()}": closes(1007, frame(TEXT, b"a" + data + b"\x80" * 3))
        for name, sequences in WRONG.items() for data in sequences
    }, elsewhere=("clauses/rfc3629_test.py::test_3629_4_text_fails_at_the_very_byte",
                  "unit/worker/ws/utf8_test.c::every_code_point_is_judged_rightly",
                  "unit/worker/ws/utf8_test.c::a_wrong_byte_is_found_at_any_place_among_ascii")),
    Clause("3629-3", "A character may be cut anywhere, also between fragments.",
           elsewhere=("clauses/rfc3629_test.py::test_3629_3_a_character_may_be_cut_between_fragments",
                      "unit/worker/ws/utf8_test.c::a_text_may_be_cut_at_any_byte")),
    Clause("3629-6", "A byte order mark is a character like others.", {
        "in-front": goes_on(frame(TEXT, "\ufeffa"), (TEXT, "\ufeffa".encode())),
        "inside": goes_on(frame(TEXT, "a\ufeffb"), (TEXT, "a\ufeffb".encode())),
    }),
]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("case", rows(CLAUSES))
def test_clause(server, case, cut):
    run_websocket(server, case, cut)


@pytest.mark.parametrize("point", VALID, ids=lambda point: f"u+{point:04x}")
def test_3629_3_a_character_may_be_cut_between_fragments(server, point):
    data = b"a" + chr(point).encode() + b"b"
    with WebSocket(server) as client:
        for at in range(len(data) + 1):
            client.send(frame(TEXT, data[:at], fin=False) + frame(PING, "p") + frame(CONTINUATION, data[at:]))
            pong = client.receive_frame()
            assert (pong.opcode, pong.payload) == (PONG, b"p")  # what came until there may yet become valid
            assert client.receive_text().encode() == data


@pytest.mark.parametrize("name", WRONG)
def test_3629_4_text_fails_at_the_very_byte(server, name):
    """The byte before the wrong one is borne; the wrong one closes, though its frame and message go on."""
    for data in WRONG[name]:
        with WebSocket(server) as client:
            client.send(frame(TEXT, b"a" * 1000 + data[:-1], fin=False) + frame(PING, "p"))
            assert client.receive_frame().opcode == PONG
            rest = frame(CONTINUATION, data[-1:] + b"a" * 1000, fin=False, key=bytes(4))
            client.send(rest[:-1000])
            got = client.receive_close()
            assert got.code == 1007, data
