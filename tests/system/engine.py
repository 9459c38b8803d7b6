# SPDX-License-Identifier: Apache-2.0
"""Engine.IO without a library: sessions over polling whose every request is seen, and the WebSocket of a session."""

import json

from client import Http, WebSocket

SEPARATOR = "\x1e"


def target(path, transport, **query):
    return f"{path}?EIO=4&transport={transport}" + "".join(f"&{key}={value}" for key, value in query.items())


def ask(server, method, path, body=None, headers=()):
    """One request on a connection of its own, so that any worker may get it."""
    with Http(server) as connection:
        connection.request(method, path, headers, body=body)
        return connection.response()


def assert_refused(answer, code, status=400):
    """An error of the protocol: its status, and its code in a JSON body."""
    assert answer.status == status and answer.header("Content-Type").startswith("application/json"), (answer.status, answer.body)
    told = answer.json()
    assert told["code"] == code and isinstance(told["message"], str), told


class Polling:
    """One session. `on`: an Http connection for its requests, else each has its own."""

    def __init__(self, server, path="/engine.io/", on=None, headers=(), **query):
        self.server, self.path, self.on, self.headers = server, path, on, headers
        answer = self.request("GET", target(path, "polling", **query))
        assert answer.status == 200, (answer.status, answer.body)
        self.opening = answer
        packets = answer.text().split(SEPARATOR)
        assert packets[0][:1] == "0", answer.text()
        self.open = json.loads(packets[0][1:])
        self.sid = self.open["sid"]

    def request(self, method, path, body=None):
        if self.on is None:
            return ask(self.server, method, path, body, self.headers)
        self.on.request(method, path, self.headers, body=body)
        return self.on.response()

    def url(self, transport="polling", **query):
        return target(self.path, transport, sid=self.sid, **query)

    def get(self):
        return self.request("GET", self.url())

    def poll(self):
        """The packets of the next answer."""
        answer = self.get()
        assert answer.status == 200, (answer.status, answer.body)
        return answer.text().split(SEPARATOR)

    def poll_until(self, count):
        """That many packets, pings left out."""
        packets = []
        while len(packets) < count:
            packets += [packet for packet in self.poll() if packet != "2"]
        return packets

    def post(self, body):
        return self.request("POST", self.url(), body.encode() if isinstance(body, str) else body)

    def send(self, *packets):
        answer = self.post(SEPARATOR.join(packets))
        assert (answer.status, answer.text()) == (200, "ok"), (answer.status, answer.body)

    def begin(self, method="GET", body=b"", length=None):
        """Sends a request, or its beginning, and gives the connection on which the answer will come."""
        connection = Http(self.server)
        size = len(body) if length is None else length
        connection.send(f"{method} {self.url()} HTTP/1.1\r\nHost: test\r\n".encode() +
                        (f"Content-Length: {size}\r\n".encode() if method == "POST" else b"") + b"\r\n" + body)
        return connection

    def socket(self):
        """The WebSocket that asks to take this session over."""
        return WebSocket(self.server, self.url("websocket"))

    def is_gone(self):
        answer = self.post("4x")
        return answer.status == 400 and answer.json()["code"] == 1

    def upgrade(self):
        """Takes the session to a WebSocket, as clients do."""
        socket = self.socket()
        socket.send_text("2probe")
        assert socket.receive_text() == "3probe"
        socket.send_text("5")
        return socket


class Direct(WebSocket):
    """A session that begins with a WebSocket."""

    def __init__(self, server, path="/engine.io/", headers=(), **query):
        super().__init__(server, target(path, "websocket", **query), headers)
        packet = self.receive_text()
        assert packet[:1] == "0", packet
        self.open = json.loads(packet[1:])
        self.sid = self.open["sid"]

    def receive_packet(self):
        """The next message that is no heartbeat's ping."""
        while True:
            opcode, payload = self.receive()
            if payload != "2":
                return payload
