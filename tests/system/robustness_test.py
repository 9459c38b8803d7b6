# SPDX-License-Identifier: Apache-2.0
"""
What many and bad clients do to a worker: to its memory, to its descriptors, and to a client that behaves and is
served by the same worker all the while.
"""

import ctypes
import os
import random
import re
import select
import socket
import struct
import time
from pathlib import Path

import pytest

from client import CONTINUATION, PING, TEXT, Http, WebSocket, frame
from crowd import Crowd
from hubbub import PATIENCE, SANITIZED, Server, wait_for

GROWTH = 32 << 20      # bytes by which nothing here may make a worker grow
LONGEST = PATIENCE / 4  # seconds in which the client that behaves gets each answer
ROUNDS = 30            # answers that it gets, at least

ECHO = "/any-origin"
UPGRADE = (f"GET {ECHO} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n").encode()

SO_ATTACH_FILTER = 26
DROP_ALL = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # one instruction: keep 0 bytes of a packet


@pytest.fixture(scope="module")
def server(apps, tmp_path_factory):
    """Short queues, and time enough for everything else."""
    one = Server(apps("probe"), "--queue-soft", "64K", "--queue-hard", "256K", "--queue-time", "0.5",
                 "--max-message", "64K", "--ws-close-timeout", "0.5", folder=tmp_path_factory.mktemp("server"), workers=1).start()
    yield one
    one.finish()


@pytest.fixture(scope="module")
def strict(apps, tmp_path_factory):
    """Waits for nobody."""
    one = Server(apps("probe"), "--header-timeout", "1", "--body-timeout", "1", "--keep-alive", "1.5",
                 "--ws-ping-interval", "1", "--ws-ping-timeout", "1", folder=tmp_path_factory.mktemp("strict"), workers=1).start()
    yield one
    one.finish()


# ---- what is looked at

def memory(server):
    """Bytes of the worker's memory, its part of what it shares with others included."""
    text = Path(f"/proc/{server.pids()[0]}/smaps_rollup").read_text()
    return int(re.search(r"^Pss: +(\d+) kB", text, re.MULTILINE).group(1)) << 10


def descriptors(server):
    return len(os.listdir(f"/proc/{server.pids()[0]}/fd"))


class Observer:
    """A client that behaves: it sends its next message when the last has come back. And what it sees meanwhile."""

    def __init__(self, server):
        self.server = server
        self.crowd = Crowd()
        self.member = self.crowd.add(WebSocket(server, ECHO))
        self.rounds, self.longest = 0, 0.0
        self.before = self.most = memory(server)
        self.descriptors = descriptors(server)
        self.looked = time.monotonic()
        self.say()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.crowd.__exit__(*exception)

    def say(self):
        self.said = time.monotonic()
        self.member.send(f"round {self.rounds}")

    def turn(self):
        self.crowd.turn(0.001)
        now = time.monotonic()
        assert not self.member.closed, f"closed with {self.member.code} after {self.rounds} rounds"
        if self.member.got:
            assert self.member.got == [f"round {self.rounds}".encode()]
            self.member.got.clear()
            self.longest = max(self.longest, now - self.said)
            self.rounds += 1
            self.say()
        if now - self.looked > 0.05:
            self.looked = now
            self.most = max(self.most, memory(self.server))

    def watch(self, attack, is_over, what, patience=4 * PATIENCE):
        """Calls `attack` again and again until it is over, and asserts that it harmed nobody."""
        rounds = self.rounds + ROUNDS
        deadline = time.monotonic() + patience
        while not is_over() or self.rounds < rounds:
            assert time.monotonic() < deadline, f"not within {patience} s: {what()}; {self.rounds} rounds"
            attack()
            self.turn()
        self.most = max(self.most, memory(self.server))
        assert self.longest < LONGEST, f"an answer came after {self.longest:.3f} s"
        if not SANITIZED:  # which keeps what was freed
            assert self.most - self.before < GROWTH, f"{self.before} bytes became {self.most}"

    def all_gone(self):
        """Waits until nobody else is connected."""
        self.crowd.turn_until(lambda: descriptors(self.server) <= self.descriptors,
                              lambda: f"{descriptors(self.server)} descriptors, {self.descriptors} before")


class Attacker:
    """Sends the same bytes over and over, as fast as they are taken; reads, or does not."""

    def __init__(self, server, block, reads=True, first=b""):
        self.client = WebSocket(server, ECHO)
        self.client.send(first)
        self.client.socket.setblocking(False)
        self.block = memoryview(block * max(1, 65536 // len(block)))
        self.reads, self.at, self.sent, self.gone = reads, 0, 0, False

    def attack(self):
        if self.gone:
            return
        try:
            if self.reads:
                self.gone = self.client.socket.recv(1 << 18) == b""
        except BlockingIOError:
            pass
        except ConnectionError:
            self.gone = True
        try:
            taken = self.client.socket.send(self.block[self.at:])
            self.at = (self.at + taken) % len(self.block)
            self.sent += taken
        except BlockingIOError:
            pass
        except ConnectionError:
            self.gone = True

    def close(self):
        self.client.vanish()


def attack_all(attackers):
    for one in attackers:
        one.attack()


# ---- many

def fragments(payload, pieces, chance):
    """The frames of a message in so many pieces at least one byte long, with pings in between."""
    cuts = sorted(chance.sample(range(1, len(payload)), pieces - 1))
    for number, (begin, end) in enumerate(zip([0, *cuts], [*cuts, len(payload)])):
        yield frame(CONTINUATION if number else TEXT, payload[begin:end], fin=end == len(payload))
        if chance.random() < 0.3:
            yield frame(PING, b"between")


def messages_of(number, chance):
    return [f"{number}.{i} ".encode() + chance.randbytes(chance.randrange(4, 500)).hex().encode() for i in range(3)]


def test_fragments_of_300_clients_interleave_and_each_message_comes_back_whole(server):
    chance = random.Random(6455)
    with Crowd() as crowd:
        members = [crowd.add(WebSocket(server, ECHO)) for _ in range(300)]
        sent = [messages_of(number, chance) for number in range(len(members))]
        order, streams = [], []
        for number, messages in enumerate(sent):
            stream = b"".join(b"".join(fragments(one, chance.randint(2, 6), chance)) for one in messages)
            cuts = sorted(chance.sample(range(1, len(stream)), 11))  # anywhere: in the midst of headers, too
            streams.append([stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)])][::-1])
            order += [number] * len(streams[-1])
        chance.shuffle(order)
        for turn, number in enumerate(order):
            members[number].client.send(streams[number].pop())
            if turn % 300 == 0:
                crowd.turn()
        crowd.turn_until(lambda: all(len(one.got) >= 3 or one.closed for one in members), "all messages came back")
        for member, messages in zip(members, sent):
            assert member.got == messages


# ---- slow readers

def test_clients_that_read_nothing_are_closed_and_what_waited_for_them_was_bounded(server):
    with Observer(server) as observer:
        attackers = [Attacker(server, frame(TEXT, "x" * 16000), reads=False) for _ in range(40)]
        observer.watch(lambda: attack_all(attackers), lambda: all(one.gone for one in attackers),
                       lambda: f"{sum(not one.gone for one in attackers)} clients are still there")
        for one in attackers:
            one.close()
        observer.all_gone()


# ---- slow writers

class Trickle:
    """Clients that begin with the same bytes and go on with one byte now and then, or with nothing."""

    def __init__(self, server, count, begin, then=b""):
        self.then = then
        self.poll = select.epoll()
        self.clients = {}
        self.answers = []
        self.sent = time.monotonic()
        for _ in range(count):
            client = Http(server)
            client.send(begin)
            client.socket.setblocking(False)
            self.clients[client.socket.fileno()] = client
            self.poll.register(client.socket.fileno(), select.EPOLLIN)

    def attack(self):
        for fd, _ in self.poll.poll(0):
            client = self.clients[fd]
            try:
                open_still = client.fill()
            except ConnectionError:
                open_still = False
            if not open_still:
                self.poll.unregister(fd)
                self.answers.append(bytes(client.buffer))
                self.clients.pop(fd).close()
        if self.then and time.monotonic() - self.sent > 0.1:
            self.sent = time.monotonic()
            for client in self.clients.values():
                if not client.buffer:  # else it was answered already
                    client.send(self.then)

    def is_over(self):
        return not self.clients


@pytest.mark.parametrize("begin,then,answer", [
    pytest.param(b"GET /users/me HTTP/1.1\r\nHost: test\r\nX: ", b"x", b"HTTP/1.1 408 ", id="heads-that-trickle"),
    pytest.param(b"GET /users/me", b"", b"HTTP/1.1 408 ", id="heads"),
    pytest.param(b"POST /any-method HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nabc", b"", b"HTTP/1.1 408 ", id="bodies"),
    pytest.param(UPGRADE + frame(TEXT, "x" * 9)[:-3], b"", b"HTTP/1.1 101 ", id="frames"),
    pytest.param(b"", b"", b"", id="nothing"),
])
def test_hundreds_of_slow_writers_meet_their_time_outs(strict, begin, then, answer):
    with Observer(strict) as observer:
        slow = Trickle(strict, 200, begin, then)
        observer.watch(slow.attack, slow.is_over, lambda: f"{len(slow.clients)} slow writers are still there")
        assert len(slow.answers) == 200
        assert all(one.startswith(answer) and (answer or not one) for one in slow.answers)
        observer.all_gone()


# ---- half-open peers

def fall_silent(client):
    """From here on the client's kernel drops what comes for it, and acknowledges nothing: its machine is gone."""
    program = struct.pack("HL", 1, ctypes.addressof(DROP_ALL))
    client.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def assert_nothing_came(clients):
    """Not even the server's end reached them: that their kernels answered cannot be what ended them."""
    for client in clients:
        client.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.socket.recv(1)
        client.close()


def test_clients_whose_machine_is_gone_end_with_1006(strict):
    with Observer(strict) as observer, Crowd() as crowd:
        watcher = crowd.add(WebSocket(strict, "/farewell/half-open"))
        gone = [WebSocket(strict, "/farewell/half-open") for _ in range(20)]
        for client in gone:
            fall_silent(client)
        observer.watch(crowd.turn, lambda: len(watcher.got) == 20, lambda: f"{watcher.got}: 20 ends")
        assert set(watcher.got) == {b"1006 "}
        crowd.__exit__()
        observer.all_gone()
        assert_nothing_came(gone)


@pytest.mark.parametrize("begin", [
    pytest.param(b"", id="before-a-request"),
    pytest.param(b"GET /users/me HTTP/1.1\r\nHost", id="in-a-head"),
    pytest.param(b"POST /any-method HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nabc", id="in-a-body"),
])
def test_http_clients_whose_machine_is_gone_are_left(strict, begin):
    with Observer(strict) as observer:
        gone = [Http(strict) for _ in range(20)]
        for client in gone:
            client.send(begin)
        wait_for(lambda: descriptors(strict) >= observer.descriptors + 20, "all are accepted")
        for client in gone:
            fall_silent(client)
        observer.all_gone()
        assert_nothing_came(gone)


# ---- floods

@pytest.mark.parametrize("block,first,reads", [
    pytest.param(frame(PING, b"x" * 125), b"", True, id="pings"),
    pytest.param(frame(PING, b"x" * 125), b"", False, id="pings-not-read"),
    pytest.param(frame(PING), b"", False, id="empty-pings-not-read"),
    pytest.param(frame(TEXT, "x"), b"", True, id="tiny-messages"),
    pytest.param(frame(CONTINUATION, "x", fin=False), frame(TEXT, "x", fin=False), True, id="tiny-fragments"),
    pytest.param(frame(CONTINUATION, fin=False), frame(TEXT, fin=False), True, id="empty-fragments"),
])
def test_floods_of_frames_harm_nobody(server, block, first, reads):
    with Observer(server) as observer:
        attackers = [Attacker(server, block, reads, first) for _ in range(20)]
        observer.watch(lambda: attack_all(attackers),
                       lambda: sum(one.sent for one in attackers) > 2 << 20 or all(one.gone for one in attackers),
                       lambda: f"{sum(one.sent for one in attackers)} bytes were taken")
        for one in attackers:
            one.close()
        observer.all_gone()


def test_a_flood_of_handshakes_harms_nobody(server):
    opened = []

    def attack():
        for _ in range(10):
            one = Http(server)
            one.send(UPGRADE)
            opened.append(one)
        if len(opened) % 50 == 0:  # not before the last ones were accepted, as a rule
            for one in opened[-50:]:
                WebSocket.vanish(one)

    with Observer(server) as observer:
        observer.watch(attack, lambda: len(opened) >= 1000, lambda: f"{len(opened)} handshakes")
        for one in opened:
            one.close()
        observer.all_gone()


def test_a_thousand_connections_that_say_nothing_harm_nobody(server):
    opened = []

    def attack():
        if len(opened) < 1000:
            opened.extend(Http(server) for _ in range(20))

    with Observer(server) as observer:
        observer.watch(attack, lambda: len(opened) >= 1000, lambda: f"{len(opened)} connections")
        observer.crowd.turn_until(lambda: descriptors(server) >= observer.descriptors + 1000, "all are accepted")
        for one in opened:
            one.close()
        observer.all_gone()
