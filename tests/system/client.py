# SPDX-License-Identifier: Apache-2.0
"""
Clients that can misbehave. They write exactly the bytes they are told to and show exactly what came back, which no
ordinary library does.
"""

import base64
import hashlib
import json
import os
import socket
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
ACCEPT_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Response:
    def __init__(self, status, reason, headers, body):
        self.status, self.reason, self.headers, self.body = status, reason, headers, body

    def header(self, name):
        """The value of a header that comes at most once; None without it."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)


class Stream:
    """A socket with a buffer for reading by lines, by count, or to the end."""

    def __init__(self, plug):
        self.socket = plug
        self.buffer = bytearray()

    def send(self, data):
        self.socket.sendall(data)

    def fill(self):
        data = self.socket.recv(1 << 18)
        self.buffer += data
        return bool(data)

    def line(self):
        while b"\r\n" not in self.buffer:
            assert self.fill(), f"the connection ended within a line: {bytes(self.buffer)!r}"
        line, _, _ = self.buffer.partition(b"\r\n")
        line = bytes(line)
        del self.buffer[: len(line) + 2]
        return line

    def take(self, count):
        while len(self.buffer) < count:
            assert self.fill(), f"the connection ended after {len(self.buffer)} of {count} bytes"
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def rest(self):
        """Everything up to the end of the connection; a reset counts as an end."""
        try:
            while self.fill():
                pass
        except ConnectionResetError:
            pass
        data, self.buffer = bytes(self.buffer), bytearray()
        return data

    def at_end(self):
        """True when the server has closed; waits for it."""
        return self.rest() == b""

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


class Http(Stream):
    """One HTTP/1.1 connection."""

    def __init__(self, server):
        super().__init__(server.connect())

    def request(self, method, path, headers=(), body=None, version="1.1"):
        head = [f"{method} {path} HTTP/{version}", "Host: test"]
        head += [f"{name}: {value}" for name, value in headers]
        if body is not None:
            head.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + (body or b""))

    def response(self, to_head=False):
        """Reads one response; an interim 100 is passed over."""
        while True:
            version, _, rest = self.line().decode("latin-1").partition(" ")
            status, _, reason = rest.partition(" ")
            assert version == "HTTP/1.1", version
            headers = []
            while line := self.line().decode("latin-1"):
                name, colon, value = line.partition(":")
                assert colon and name == name.strip(), line
                headers.append((name, value.strip()))
            response = Response(int(status), reason, headers, b"")
            if response.status != 100:
                break
        if to_head or response.status in (101, 204, 304):
            return response
        if (response.header("Transfer-Encoding") or "").lower() == "chunked":
            response.body = self.chunked_body()
        elif response.header("Content-Length") is not None:
            response.body = self.take(int(response.header("Content-Length")))
        else:
            response.body = self.rest()
        return response

    def chunked_body(self):
        body = b""
        while size := int(self.line().partition(b";")[0], 16):
            body += self.take(size)
            assert self.line() == b""
        while self.line():
            pass
        return body

    def get(self, path, headers=()):
        self.request("GET", path, headers)
        return self.response()


def get(server, path, headers=()):
    with Http(server) as connection:
        return connection.get(path, headers)


def send_raw(server, data):
    """Sends bytes on a connection of their own; gives the response."""
    with Http(server) as connection:
        connection.send(data)
        return connection.response()


def mask(data, key):
    length = len(data)
    repeated = (key * (length // 4 + 1))[:length]
    return (int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")).to_bytes(length, "little")


def frame(opcode, payload=b"", fin=True, masked=True, reserved=0, length=None, key=b"\x37\xfa\x21\x3d"):
    """The bytes of one frame. `length` lies about the payload's length, as 7, 16 or 64 bits by its size."""
    payload = payload.encode() if isinstance(payload, str) else payload
    size = len(payload) if length is None else length
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    bit = 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", first, bit | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    return head + (key + mask(payload, key) if masked else payload)


class Frame:
    def __init__(self, opcode, fin, reserved, payload):
        self.opcode, self.fin, self.reserved, self.payload = opcode, fin, reserved, payload

    @property
    def code(self):
        return struct.unpack("!H", self.payload[:2])[0] if len(self.payload) >= 2 else None

    @property
    def reason(self):
        return self.payload[2:].decode()

    def __repr__(self):
        return f"Frame({self.opcode}, fin={self.fin}, {self.payload[:60]!r})"


class WebSocket(Http):
    """One WebSocket connection; `slot` is its worker's when it was asked for."""

    def __init__(self, server, path="/echo", headers=(), ask_slot=False):
        super().__init__(server)
        self.slot = self.get("/whoami").json()["slot"] if ask_slot else None
        self.upgrade = self.handshake(path, headers)
        assert self.upgrade.status == 101, f"{self.upgrade.status} {self.upgrade.reason} {self.upgrade.body!r}"

    def handshake(self, path, headers=()):
        key = base64.b64encode(os.urandom(16))
        self.request("GET", path, [("Upgrade", "websocket"), ("Connection", "Upgrade"),
                                   ("Sec-WebSocket-Key", key.decode()), ("Sec-WebSocket-Version", "13"), *headers])
        response = self.response()
        if response.status == 101:
            expected = base64.b64encode(hashlib.sha1(key + ACCEPT_SUFFIX).digest()).decode()
            assert response.header("Sec-WebSocket-Accept") == expected
            assert response.header("Upgrade").lower() == "websocket"
            assert response.header("Connection").lower() == "upgrade"
        return response

    def send_frame(self, opcode, payload=b"", **how):
        self.send(frame(opcode, payload, **how))

    def send_text(self, text):
        self.send_frame(TEXT, text)

    def receive_frame(self):
        first, second = self.take(2)
        assert not second & 0x80, "the server masked a frame"
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self.take(2))
            assert length >= 126, "a length in more bytes than it needs"
        elif length == 127:
            (length,) = struct.unpack("!Q", self.take(8))
            assert length >= 1 << 16, "a length in more bytes than it needs"
        return Frame(first & 0x0F, bool(first & 0x80), first >> 4 & 7, self.take(length))

    def receive(self):
        """The next whole message: (TEXT, str), (BINARY, bytes); pings are answered; a close is a failure."""
        opcode, payload = None, b""
        while True:
            got = self.receive_frame()
            assert got.reserved == 0, got
            if got.opcode == PING:
                self.send_frame(PONG, got.payload)
                continue
            if got.opcode == PONG:
                continue
            assert got.opcode != CLOSE, f"closed with {got.code} {got.payload[2:]!r}"
            opcode = got.opcode if opcode is None else opcode
            payload += got.payload
            if got.fin:
                return opcode, payload.decode() if opcode == TEXT else payload

    def receive_text(self):
        opcode, text = self.receive()
        assert opcode == TEXT
        return text

    def receive_close(self):
        """The server's close frame; other frames before it are passed over."""
        while True:
            got = self.receive_frame()
            if got.opcode == CLOSE:
                return got

    def wait_end(self):
        """Until the server has ended the connection, or begins to close it; gives the messages before that."""
        messages = []
        try:
            while (got := self.receive_frame()).opcode != CLOSE:
                messages.append(got.payload)
        except (AssertionError, ConnectionError):
            pass
        return messages

    def close_cleanly(self, code=1000):
        self.send_frame(CLOSE, struct.pack("!H", code))
        answer = self.receive_close()
        assert self.at_end()
        self.close()
        return answer

    def vanish(self):
        """Ends without a word, as a machine that lost its power: a reset, no close frame."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()


def one_on_each_worker(server, path):
    """{slot: WebSocket}, one client on each worker."""
    found = {}
    spare = []
    while len(found) < server.workers:
        client = WebSocket(server, path, ask_slot=True)
        if client.slot in found:
            spare.append(client)
            assert len(spare) < 200, f"clients only on the workers {sorted(found)}"
        else:
            found[client.slot] = client
    for client in spare:
        client.close_cleanly()
    return found
