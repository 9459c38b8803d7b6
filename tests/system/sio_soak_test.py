# SPDX-License-Identifier: Apache-2.0
"""
Memory is steady while clients come and go: after 2,000 of them 2,000 more, or by an environment variable more. Twice
a hundred thousand:
    HUBBUB_SOAK=50 python3 -m pytest tests/system/sio_soak_test.py
"""

import os
import re
import threading
from pathlib import Path

import pytest

from engine import Direct, Polling
from hubbub import wait_for

SOAK = int(os.environ.get("HUBBUB_SOAK", "1"))
CYCLES = 2000 * SOAK
THREADS = 4
PATH = "/socket.io/"

pytestmark = [pytest.mark.plain, pytest.mark.limit(120 + 120 * SOAK)]


def by_websocket(server, number):
    with Direct(server, PATH) as session:
        session.send_text("40")
        session.receive_packet()
        session.receive_packet()
        session.send_text(f'420["join","room {number % 50}"]')
        session.receive_packet()
        if number % 2:
            session.vanish()
        else:
            session.send_text("41")
            session.close_cleanly()


def by_polling(server, number):
    session = Polling(server, PATH)
    session.send("40")
    session.poll_until(2)
    session.send(f'420["join","room {number % 50}"]')
    session.poll_until(1)
    if number % 3:
        session.send("1")  # every third is left to its heartbeat's timeout


def by_upgrade(server, number):
    session = Polling(server, PATH)
    session.send("40")
    session.poll_until(2)
    with session.upgrade() as socket:
        socket.send_text('420["message-with-ack",1]')
        while not socket.receive_text().startswith("430"):
            pass
        if number % 2:
            socket.vanish()


WAYS = [by_websocket, by_polling, by_websocket, by_upgrade]


def come_and_go(server, cycles):
    failures = []

    def client(first):
        try:
            for number in range(first, cycles, THREADS):
                WAYS[number // THREADS % len(WAYS)](server, number)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=client, args=(first,)) for first in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def own_memory(server):
    """Bytes that the workers have for themselves."""
    total = 0
    for pid in server.pids().values():
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += 1024 * sum(int(size) for size in re.findall(r"^Private_(?:Clean|Dirty): +(\d+) kB", text, re.MULTILINE))
    return total


def test_memory_is_steady_while_clients_come_and_go(start):
    server = start("contract.so", "--sio-ping-interval", "1", "--sio-ping-timeout", "0.5", workers=2)
    pids = server.pids()
    come_and_go(server, CYCLES)  # what is kept for the next client, and for polls of sessions that ended just now, is there
    before = own_memory(server)
    come_and_go(server, CYCLES)
    allowed = 512 * 1024 + 16 * CYCLES  # how much ended sessions keep, and how it lies in the heap, varies
    wait_for(lambda: own_memory(server) < before + allowed,
             lambda: f"from {before} bytes to {own_memory(server)} in {CYCLES} cycles, {allowed} more are allowed", pause=0.2)
    assert server.pids() == pids, server.log()
