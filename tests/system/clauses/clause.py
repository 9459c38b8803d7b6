# SPDX-License-Identifier: Apache-2.0
"""
The standards clause by clause. A clause names a section, says in one sentence what it asks of a server, and has
cases (bytes and what they must lead to), or names the tests elsewhere that prove it, or says why no test can.
docs/conformance.md is made of these tables.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest

from client import CLOSE, TEXT, Http, WebSocket, frame

CUTS = ("whole", "pieces", "bytes")
BYTES_MAX = 3000  # longer cases are not sent byte by byte


@dataclass
class Clause:
    section: str                                   # "9112-5.1"
    says: str
    cases: dict = field(default_factory=dict)      # a name: what the module's test runs
    elsewhere: tuple = ()                          # "static_test.py::test_name" or "unit/…_test.c::name"
    untested: str = ""                             # why a server cannot be tested for it
    prefix: str = ""                               # of the cases' names, where a section has several clauses

    def name_of(self, case):
        return "-".join(filter(None, (self.section, self.prefix, case)))


def rows(clauses):
    """All cases as parameters of a test; a case is called "9112-5.1-tab-before-colon"."""
    named = [(clause.name_of(name), case) for clause in clauses for name, case in clause.cases.items()]
    repeated = [name for name, count in Counter(name for name, _ in named).items() if count > 1]
    assert not repeated, f"two cases have one name: {repeated}"
    return [pytest.param(case, id=name) for name, case in named]


def deliver(stream, data, cut):
    """
    Sends the same bytes at once, in pieces of random lengths (the same ones each time), or one by one. A server that
    has refused them need not wait for the last one: what it said is there to be read all the same.
    """
    lengths = random.Random(len(data))
    at = 0
    try:
        while at < len(data):
            size = {"whole": len(data), "bytes": 1}.get(cut) or lengths.randint(1, max(2, len(data) // 4))
            stream.send(data[at:at + size])
            at += size
    except (BrokenPipeError, ConnectionResetError):
        pass


# ---- HTTP

class Answer:
    """One expected answer. Fields are named like `content_type`; None: the field must not be there."""

    def __init__(self, status, body=None, json=None, to_head=False, **fields):
        self.status, self.body, self.json, self.to_head, self.fields = status, body, json, to_head, fields

    def check(self, got):
        assert got.status == self.status, f"{got.status} {got.reason}: {got.body[:200]!r}"
        if self.body is not None:
            assert got.body == self.body
        if self.json is not None:
            assert {name: got.json().get(name) for name in self.json} == self.json
        for name, value in self.fields.items():
            found = got.header(name.replace("_", "-"))
            assert found == value, f"{name}: {found}"


class HttpCase(NamedTuple):
    sent: bytes
    answers: list
    closed: bool


def expected(answers):
    return [answer if isinstance(answer, Answer) else Answer(answer) for answer in answers]


def kept(sent, *answers):
    """These answers, and the connection serves the next request."""
    return HttpCase(sent, expected(answers), False)


def closed(sent, *answers):
    """These answers, and nothing behind them is read as a request: the last one says close, and the end follows."""
    return HttpCase(sent, expected(answers), True)


def request(line, *lines, body=b""):
    """A request's bytes, as they are: `line` and field lines as text of Latin-1."""
    return "\r\n".join([line, *lines]).encode("latin-1") + b"\r\n\r\n" + body


def get(*lines, target="/hello", version="1.1"):
    return request(f"GET {target} HTTP/{version}", "Host: t", *lines)


def post(*lines, body=b"", target="/echo-body", version="1.1"):
    return request(f"POST {target} HTTP/{version}", "Host: t", *lines, body=body)


def chunked(body, *lines):
    return post("Transfer-Encoding: chunked", *lines, body=body)


BEHIND = post("Content-Length: 6", body=b"behind")


def run_http(server, case, cut):
    if cut == "bytes" and len(case.sent) > BYTES_MAX:
        cut = "pieces"
    with Http(server) as connection:
        deliver(connection, case.sent + BEHIND, cut)
        for answer in case.answers:
            got = connection.response(to_head=answer.to_head)
            answer.check(got)
        if case.closed:
            assert (got.header("Connection") or "").lower() == "close"
            assert connection.rest() == b"", "something came behind the last answer"
        else:
            assert (got.header("Connection") or "").lower() != "close"
            assert connection.response().body == b"behind"


# ---- WebSocket

class WebSocketCase(NamedTuple):
    sent: bytes          # frames
    frames: list         # (opcode, payload) that come back
    code: int            # of the close frame that ends it; None: without one; 0: the connection goes on
    offer: str = None    # Sec-WebSocket-Extensions


def goes_on(sent, *frames, offer=None):
    """These frames come back, and the connection goes on."""
    return WebSocketCase(sent, list(frames), 0, offer)


def closes(code, sent, *frames, offer=None):
    """These frames come back, then a close with this code, then the end: what follows is not looked at."""
    return WebSocketCase(sent, list(frames), code, offer)


def run_websocket(server, case, cut):
    if cut == "bytes" and len(case.sent) > BYTES_MAX:
        cut = "pieces"
    headers = [("Sec-WebSocket-Extensions", case.offer)] if case.offer else []
    with WebSocket(server, headers=headers) as client:
        deliver(client, case.sent + frame(TEXT, b"behind"), cut)
        for expected_frame in case.frames:
            got = client.receive_frame()
            assert (got.opcode, got.payload, got.reserved) == (*expected_frame, 0), got
        got = client.receive_frame()
        if case.code == 0:
            assert (got.opcode, got.payload) == (TEXT, b"behind"), got
        else:
            assert (got.opcode, got.code) == (CLOSE, case.code), got
            assert got.fin and len(got.payload) <= 125 and got.payload[2:].decode() is not None
            assert client.rest() == b"", "something came behind the close"
