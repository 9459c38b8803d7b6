# SPDX-License-Identifier: Apache-2.0
"""Bodies that come and go in pieces, Server-Sent Events, and what they cost in memory."""

import http.client
import json
import shutil
import socket
import subprocess
import threading
import time

import pytest

from client import Http
from hubbub import SANITIZED, Server, refuses, wait_for

CHUNKED = ("Transfer-Encoding", "chunked")


@pytest.fixture(scope="module")
def server(tmp_path_factory, apps):
    made = Server(apps("streams"), "--body-timeout", "3", folder=tmp_path_factory.mktemp("server"), workers=1).start()
    yield made
    made.finish()


def pss(server):
    """Proportional memory of the only worker, in bytes."""
    with open(f"/proc/{server.pids()[0]}/smaps_rollup") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def head(method, path, *fields):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: test", *fields, "", ""]).encode()


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


HELLO = head("GET", "/subscribers")


# ---- requests -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_byte_by_byte_and_a_request_behind_it(server, framing):
    body = b"0123456789" * 3
    request = (head("POST", "/take", "Content-Length: 30") + body if framing == "length" else
               head("POST", "/take", "Transfer-Encoding: chunked") + chunk(body[:11]) + chunk(body[11:]) + chunk(b""))
    with Http(server) as connection:
        for byte in request + HELLO:
            connection.send(bytes([byte]))
        assert connection.response().text() == f"30 {sum(body)}"
        assert connection.response().status == 200


def test_pipelined_streams_are_answered_in_order(server):
    with Http(server) as connection:
        connection.send(head("POST", "/echo", "Content-Length: 3") + b"one"
                        + head("POST", "/take?each=0.02", "Content-Length: 3") + b"two"
                        + head("GET", "/give?bytes=5")
                        + head("POST", "/echo", "Transfer-Encoding: chunked") + chunk(b"four") + chunk(b"") + HELLO)
        assert [connection.response().body[:5] for _ in range(4)] == [b"one", b"3 346", b"xxxxx", b"four"]
        assert connection.response().status == 200


def test_what_is_echoed_comes_while_the_body_goes(server):
    with Http(server) as connection:
        connection.request("POST", "/echo", [CHUNKED])
        for word in (b"first", b"second"):
            connection.send(chunk(word))
            while word not in connection.buffer:
                assert connection.fill()
        connection.send(chunk(b""))
        assert connection.response().body == b"firstsecond"


def test_a_short_unread_body_leaves_the_connection_open(server):
    with Http(server) as connection:
        for _ in range(3):
            connection.send(head("POST", "/take?pieces=0", "Content-Length: 50000") + b"G" * 50000 + HELLO)
            assert connection.response().text() == "0 0"
            assert connection.response().status == 200


def test_nothing_of_a_long_unread_body_is_a_request(server):
    with Http(server) as connection:
        connection.send(head("POST", "/take?pieces=0", "Content-Length: 100000000"))
        assert connection.response().text() == "0 0"
        try:
            for _ in range(1000):
                connection.send(HELLO * 100)
        except OSError:
            pass
        assert b"HTTP/1.1" not in connection.rest()


def test_a_client_that_waits_for_100_gets_it_with_the_first_read(server):
    with Http(server) as connection:
        connection.send(head("POST", "/take?first=0.3", "Content-Length: 4", "Expect: 100-continue"))
        connection.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.fill()
        connection.socket.settimeout(30)
        assert connection.line() == b"HTTP/1.1 100 Continue" and connection.line() == b""
        connection.send(b"body" + HELLO)
        assert connection.response().text() == f"4 {sum(b'body')}"
        assert connection.response().status == 200


def test_a_client_that_waits_for_100_and_is_answered_is_closed(server):
    with Http(server) as connection:
        connection.send(head("POST", "/take?pieces=0", "Content-Length: 4", "Expect: 100-continue"))
        answer = connection.response()
        assert (answer.status, answer.header("Connection")) == (200, "close")
        connection.send(HELLO)
        assert connection.at_end()


@pytest.mark.parametrize("request_bytes,status", [
    (head("POST", "/little", "Content-Length: 101"), 413),
    (head("POST", "/little", "Transfer-Encoding: chunked") + chunk(b"x" * 60) + b"29\r\n", 413),
    (head("POST", "/take", "Transfer-Encoding: chunked") + b"4\r\nbodyxx", 400),
    (head("POST", "/take", "Transfer-Encoding: chunked") + b"g\r\n", 400),
    (head("POST", "/take", "Content-Length: 4") + b"bod", 408),
])
def test_a_body_that_cannot_be_read_is_answered_with_its_status(server, request_bytes, status):
    with Http(server) as connection:
        connection.send(request_bytes)
        answer = connection.response()
        assert (answer.status, answer.header("Connection")) == (status, "close")
        assert connection.at_end()


# ---- answers --------------------------------------------------------------------------------------------------------

def test_an_answer_that_fails_is_seen_to_be_incomplete(server):
    for path in ("/give?bytes=50&fail=1", "/give?bytes=50&length=60", "/give?bytes=70&length=60"):
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        client.request("GET", path)
        with pytest.raises(http.client.IncompleteRead):
            client.getresponse().read()
        client.close()


def test_an_old_client_reads_to_the_end_and_sees_a_failure(server):
    with Http(server) as connection:
        connection.request("GET", "/give?bytes=200000", version="1.0")
        answer = connection.response()
        assert answer.header("Transfer-Encoding") is None and answer.header("Connection") == "close"
        assert answer.body == b"x" * 200000
    with Http(server) as connection, pytest.raises(ConnectionResetError):
        connection.request("GET", "/give?bytes=20&fail=1", version="1.0")
        while connection.fill():
            pass


def test_head_of_a_stream(server):
    with Http(server) as connection:
        connection.request("HEAD", "/give?bytes=1000000")
        assert connection.response(to_head=True).header("Transfer-Encoding") == "chunked"
        connection.request("HEAD", "/give?bytes=1000000&length=1000000")
        assert connection.response(to_head=True).header("Content-Length") == "1000000"
        assert connection.get("/subscribers").status == 200


def test_a_client_that_ended_its_side_gets_its_stream(server):
    with Http(server) as connection:
        connection.request("GET", "/give?bytes=3000000")
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.response().body == b"x" * 3000000
        assert connection.at_end()


# ---- real clients ---------------------------------------------------------------------------------------------------

def test_pythons_client_sends_and_reads_streams(server):
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    for _ in range(2):
        client.request("POST", "/echo", body=iter([b"a" * 70000, b"b" * 5]), encode_chunked=True,
                       headers={"Transfer-Encoding": "chunked"})
        assert client.getresponse().read() == b"a" * 70000 + b"b" * 5
    client.close()


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_nodes_client_sends_and_reads_streams(server):
    script = """
        const http = require("http");
        const request = http.request({port: %d, path: "/echo", method: "POST"}, (answer) => {
            let length = 0;
            answer.on("data", (piece) => length += piece.length);
            answer.on("end", () => console.log(JSON.stringify({status: answer.statusCode, length})));
        });
        for (let i = 0; i < 30; i++) request.write(Buffer.alloc(100000, i));
        request.end();
    """ % server.port
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, timeout=50, check=True)
    assert json.loads(done.stdout) == {"status": 200, "length": 3000000}


# ---- events ---------------------------------------------------------------------------------------------------------

def test_events_come_one_by_one(server):
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    client.request("GET", "/events")
    answer = client.getresponse()
    assert answer.getheader("Content-Type") == "text/event-stream"
    assert answer.getheader("Cache-Control") == "no-cache" and answer.getheader("X-Accel-Buffering") == "no"
    for number in (b"1", b"2", b"3"):
        lines = [answer.readline() for _ in range(5)]
        assert lines == [b"event: tick\n", b"id: " + number + b"\n", b"data: two\n", b"data: lines\n", b"\n"]
    client.close()


def subscribers(server):
    with Http(server) as connection:
        return int(connection.get("/subscribers").body)


@pytest.mark.limit(120)
def test_a_thousand_subscribers_cost_little_and_leave_nothing(start, apps):
    server = start(apps("streams"), workers=1)
    count = 100 if SANITIZED else 1000
    wait_for(lambda: subscribers(server) == 0, "no subscriber")
    before = pss(server)
    clients = [Http(server) for _ in range(count)]
    for client in clients:
        client.request("GET", "/events")
    wait_for(lambda: subscribers(server) == count, "all subscribers", patience=60)
    for client in clients:
        while b"id: 3\n" not in client.buffer:
            assert client.fill()
    grown = pss(server) - before
    for client in clients:
        client.close()
    wait_for(lambda: subscribers(server) == 0, "no subscriber is left", patience=60)
    if not SANITIZED:
        assert grown < count * 16384, f"{grown / count:.0f} bytes for each"


# ---- memory ---------------------------------------------------------------------------------------------------------

class Watch(threading.Thread):
    """The most memory that the worker had meanwhile, above what it had at first."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.first, self.most, self.stop = server, pss(server), 0, False

    def run(self):
        while not self.stop:
            self.most = max(self.most, pss(self.server) - self.first)
            time.sleep(0.02)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        self.stop = True
        self.join()


@pytest.mark.plain
@pytest.mark.limit(120)
def test_an_upload_to_a_slow_handler_stays_out_of_memory(start, apps):
    server = start(apps("streams"), workers=1)
    size = 100_000_000
    with Http(server) as connection, Watch(server) as watch:
        connection.request("POST", "/take?each=0.001", [("Content-Length", str(size))])
        piece = bytes(1_000_000)
        for _ in range(size // len(piece)):
            connection.send(piece)
        assert connection.response().text() == f"{size} 0"
    assert watch.most < 2_000_000


@pytest.mark.plain
@pytest.mark.limit(120)
def test_a_download_to_a_slow_client_stays_out_of_memory(start, apps):
    server = start(apps("streams"), workers=1)
    size = 100_000_000
    with Http(server) as connection, Watch(server) as watch:
        connection.request("GET", f"/give?bytes={size}&length={size}")
        assert connection.line() == b"HTTP/1.1 200 OK"
        while connection.line():
            pass
        count = len(connection.buffer)
        while count < size:
            data = connection.socket.recv(1_000_000)
            assert data
            count += len(data)
            time.sleep(0.005)
    assert watch.most < 2_000_000


# ---- clients that go, and the end of a worker -----------------------------------------------------------------------

def test_handlers_of_clients_that_vanish_end(start, apps):
    server = start(apps("streams"), workers=1)
    for path in ("/give?bytes=1000000000", "/events"):
        for _ in range(5):
            with Http(server) as connection:
                connection.request("GET", path)
                assert connection.fill()
    for _ in range(5):
        with Http(server) as connection:
            connection.request("POST", "/take", [CHUNKED])
            connection.send(chunk(b"some"))
    server.wait_log("gave all but .* ECLOSED", 5)
    server.wait_log("took [04] bytes: ECLOSED", 5)
    wait_for(lambda: subscribers(server) == 0, "no subscriber is left")


def test_a_drain_lets_a_stream_go_on_and_closes_behind_it(start, apps):
    server = start(apps("streams"), "--graceful-timeout", "20", workers=1)
    with Http(server) as connection:
        connection.request("POST", "/echo", [CHUNKED])
        connection.send(chunk(b"before "))
        while b"before" not in connection.buffer:
            assert connection.fill()
        server.send_signal(15)
        wait_for(lambda: refuses(server), "the worker drains: new connections are refused")
        connection.send(chunk(b"after") + chunk(b"") + HELLO)
        assert connection.response().body == b"before after"
        assert connection.at_end()
    assert server.wait_exit() == 0


def test_a_drain_ends_streams_that_do_not_end_at_its_graceful_time(start, apps):
    server = start(apps("streams"), "--graceful-timeout", "1", workers=1)
    with Http(server) as connection:
        connection.request("GET", "/events")
        assert connection.fill()
        server.send_signal(15)
        assert server.wait_exit() == 0
        connection.rest()
