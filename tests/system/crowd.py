# SPDX-License-Identifier: Apache-2.0
"""Many WebSocket clients read by one loop: for tests whose subject is who got what, and in which order."""

import select
import time

from client import CLOSE, PING, PONG, WebSocket, one_on_each_worker
from hubbub import PATIENCE


class Member:
    def __init__(self, client):
        self.client = client
        self.slot = client.slot
        self.got = []        # payloads of messages, in order
        self.closed = False  # the connection ended
        self.code = None     # of the close frame, when there was one

    def send(self, payload):
        self.client.send_text(payload)

    def parse(self):
        """Takes all whole frames from the client's buffer. The server does not fragment."""
        buffer, at = self.client.buffer, 0
        while len(buffer) - at >= 2:
            opcode, length, head = buffer[at] & 15, buffer[at + 1], 2
            if length == 126:
                head, length = 4, int.from_bytes(buffer[at + 2:at + 4], "big")
            elif length == 127:
                head, length = 10, int.from_bytes(buffer[at + 2:at + 10], "big")
            if len(buffer) - at < head + length:
                break
            payload = bytes(buffer[at + head:at + head + length])
            at += head + length
            if opcode == PING:
                self.client.send_frame(PONG, payload)
            elif opcode == CLOSE:
                self.code = int.from_bytes(payload[:2], "big")
            elif opcode != PONG:
                self.got.append(payload)
        del buffer[:at]


class Crowd:
    def __init__(self):
        self.members = []
        self.poll = select.epoll()
        self.by_fd = {}

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for member in self.members:
            member.client.close()
        self.poll.close()

    def add(self, client):
        member = Member(client)
        self.members.append(member)
        fd = client.socket.fileno()
        self.by_fd[fd] = member
        self.poll.register(fd, select.EPOLLIN)
        return member

    def join(self, server, path, count=1):
        return [self.add(WebSocket(server, path, ask_slot=True)) for _ in range(count)]

    def join_each_worker(self, server, path):
        """{slot: Member}, one on each worker."""
        return {slot: self.add(client) for slot, client in one_on_each_worker(server, path).items()}

    def on(self, slot):
        return [member for member in self.members if member.slot == slot]

    def turn(self, timeout=0.0):
        for fd, _ in self.poll.poll(timeout):
            member = self.by_fd[fd]
            try:
                open_still = member.client.fill()
            except ConnectionError:
                open_still = False
            member.parse()
            if not open_still:
                member.closed = True
                self.poll.unregister(fd)

    def turn_until(self, condition, what, patience=PATIENCE):
        deadline = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < deadline, f"not within {patience} s: {what() if callable(what) else what}"
            self.turn(0.01)
