# SPDX-License-Identifier: Apache-2.0
"""What a message or a file costs in system calls: the worker is watched by strace while clients talk to it."""

import re
import shutil
import signal
import subprocess
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from client import TEXT, Http, WebSocket, frame
from conftest import shared_server
from document_root import DIGITS, make_root
from hubbub import wait_for

RECEIVE = {"read", "readv", "recvfrom", "recvmsg"}
SEND = {"write", "writev", "sendto", "sendmsg", "sendfile"}
WAIT = {"epoll_wait", "epoll_pwait", "epoll_pwait2"}


def tracing_allowed():
    if not shutil.which("strace"):
        return False
    return subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode == 0


pytestmark = [pytest.mark.plain, pytest.mark.skipif(not tracing_allowed(), reason="strace is not there or not permitted")]

server = shared_server("contract.so", prepare=make_root, workers=1)


@contextmanager
def traced(server, tmp_path):
    """Counts the calls of the worker: on sockets (RECEIVE, SEND), to wait (WAIT), and others by their names."""
    pid = server.pids()[0]
    path = tmp_path / "trace"
    strace = subprocess.Popen(["strace", "-qq", "-yy", "-o", path, "-p", str(pid)], stderr=subprocess.DEVNULL)
    tracer = lambda: int(re.search(r"TracerPid:\s*(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1))
    wait_for(lambda: tracer() == strace.pid, "strace is attached")
    counts = Counter()
    try:
        yield counts
    finally:
        strace.send_signal(signal.SIGINT)
        strace.wait()
        wait_for(lambda: tracer() == 0, "strace is gone")
    for line in path.read_text(errors="replace").splitlines():
        call = line.partition("(")[0]
        socket = re.match(r"\w+\(\d+<TCP", line) or (call == "sendfile")
        if call in RECEIVE and socket:
            counts["receive"] += 1
        elif call in SEND and socket:
            counts["send"] += 1
        elif call in WAIT:
            counts["wait"] += 1
        elif call == "epoll_ctl":
            counts["control"] += 1
        else:
            counts[call] += 1


def test_a_message_costs_one_wait_one_receive_and_one_send(server, tmp_path):
    with WebSocket(server) as client:
        client.send_text("warm")
        client.receive_text()
        with traced(server, tmp_path) as counts:
            for number in range(200):
                client.send_text(str(number))
                assert client.receive_text() == str(number)
    assert (counts["receive"], counts["send"], counts["control"]) == (200, 200, 0)
    assert counts["wait"] <= 220  # the heartbeat's turns are among them


def test_all_answers_to_one_read_leave_in_one_write(server, tmp_path):
    with WebSocket(server) as client:
        client.send_text("warm")
        client.receive_text()
        burst = b"".join(frame(TEXT, f"message {number}") for number in range(16))
        with traced(server, tmp_path) as counts:
            for _ in range(50):
                client.send(burst)
                for number in range(16):
                    assert client.receive_text() == f"message {number}"
    assert (counts["receive"], counts["send"]) == (50, 50)


def test_idle_connections_cost_an_active_one_nothing(server, tmp_path):
    idle = [WebSocket(server, "/events/idle") for _ in range(500)]
    with WebSocket(server) as client:
        client.send_text("warm")
        client.receive_text()
        with traced(server, tmp_path) as counts:
            for number in range(100):
                client.send_text(str(number))
                assert client.receive_text() == str(number)
    assert (counts["receive"], counts["send"], counts["control"]) == (100, 100, 0)
    assert counts["wait"] <= 120
    for one in idle:
        one.close()


def test_messages_published_within_a_turn_cost_each_client_one_write(server, tmp_path):
    members = [WebSocket(server, "/events/turn") for _ in range(20)]
    burst = b"".join(frame(TEXT, f"message {number}") for number in range(50))
    with traced(server, tmp_path) as counts:
        members[0].send(burst)
        for member in members:
            for number in range(50):
                assert member.receive_text() == f"message {number}"
    assert (counts["receive"], counts["send"]) == (1, 20)
    for member in members:
        member.close()


def test_a_file_costs_its_opening_a_look_at_it_and_two_writes(server, tmp_path):
    with Http(server) as client:
        client.get("/static/digits.txt")
        with traced(server, tmp_path) as counts:
            for _ in range(100):
                assert client.get("/static/digits.txt").body == DIGITS
    assert (counts["receive"], counts["send"], counts["control"]) == (100, 200, 0)
    assert counts["openat2"] == counts["newfstatat"] + counts["fstat"] == 100
    assert counts["close"] in (99, 100)  # the last one follows what the client has read already
    assert counts["madvise"] < 10, "the handler goes deeper than the part of a stack that is kept"
