# SPDX-License-Identifier: Apache-2.0
"""What the log says of a worker that hangs, crashes or is asked: who ran, and what everybody else waited for."""

import os
import re
import signal

import pytest

from client import Http, WebSocket
from hubbub import SANITIZED

UNSAFE = {"HUBBUB_CONTRACT_UNSAFE": "1"}


def lines_of(server, pid):
    """The lines that a process wrote, from the first that tells of stacks on."""
    return [line for line in server.log().splitlines() if f"[{pid}]" in line]


def test_the_log_says_where_a_worker_hangs_and_what_the_others_wait_for(start):
    server = start("contract.so", "--timeout", "1", env=UNSAFE, workers=1)
    pid = server.pids()[0]
    with WebSocket(server, "/echo"), Http(server) as connection:
        connection.request("GET", "/block/60")
        assert connection.rest() == b""
    server.wait_successor(0, pid)
    text = "\n".join(lines_of(server, pid))
    assert re.search(r"\[CRITICAL\] worker 0: SIGABRT from the master, process \d+$", text, re.MULTILINE), text
    assert re.search(r"worker 0: greenlet 0x[0-9a-f]+ '[^']*/block[^']*' runs, in turn \d+, which began \d+\.\d{3} s ago:$",
                     text, re.MULTILINE), text
    assert re.search(r"worker 0:     #\d+ \w+\+0x[0-9a-f]+ \([^ )]*contract\.so\+0x[0-9a-f]+\)", text), text
    assert re.search(r"'[^']*/echo[^']*' is parked, waits for .* since \d+\.\d{3} s$", text, re.MULTILINE), text
    stale = server.wait_log(r".*has not turned for 1 s \(timeout\).*").group()
    assert "/block" in stale and "one of 2 greenlets" in stale, stale
    obituary = server.wait_log(r".*\(pid \d+\) was killed by SIGABRT.*").group()
    assert "it was running" in obituary and "/block" in obituary and "its hub had not turned for" in obituary, obituary


def test_a_setup_that_hangs_tells_where(start, tmp_path):
    source = tmp_path / "slow.c"
    source.write_text("""
        #include <hubbub.h>
        #include <unistd.h>
        static hub_status hang_in_setup(hub_app *app)
        {
            if (hub_worker().generation > 1)
                for (;;)
                    pause();
            return hub_static(app, "/", ".");
        }
        HUB_MODULE(.name = "slow", .setup = hang_in_setup);
    """)
    server = start(source, "--boot-timeout", "2", workers=1)
    os.kill(server.pids()[0], signal.SIGKILL)
    server.wait_log(r"was not ready within 2 s \(boot-timeout\): SIGABRT")
    server.wait_log(r"the hub runs \(nothing\)")
    server.wait_log(r"hang_in_setup\+0x[0-9a-f]+ \([^ )]*slow\.c\+0x")


@pytest.mark.skipif(SANITIZED, reason="the sanitizer says it")
def test_a_crash_says_where(start, tmp_path):
    source = tmp_path / "broken.c"
    source.write_text("""
        #include <hubbub.h>
        static hub_status break_it(hub_http *http, void *arg)
        {
            (void)http;
            *(volatile char *)arg = 1;
            return HUB_OK;
        }
        static hub_status setup(hub_app *app)
        {
            return hub_on_http(app, "GET", "/break", break_it, (void *)0x1230);
        }
        HUB_MODULE(.name = "broken", .setup = setup);
    """)
    server = start(source, workers=1)
    pid = server.pids()[0]
    with Http(server) as connection:
        connection.request("GET", "/break")
        assert connection.rest() == b""
    server.wait_successor(0, pid)
    text = "\n".join(lines_of(server, pid))
    assert "SIGSEGV at address 0x1230" in text, text
    assert re.search(r"greenlet 0x[0-9a-f]+ 'GET /break' runs", text), text
    assert re.search(r"#0 break_it\+0x[0-9a-f]+ \([^ )]*broken\.c\+0x", text), text


def test_who_is_asked_for_stacks_goes_on_serving(start):
    server = start("contract.so", workers=1)
    pid = server.pids()[0]
    with WebSocket(server, "/echo") as client:
        client.send_text("before")
        assert client.receive_text() == "before"
        os.kill(pid, signal.SIGRTMIN)
        server.wait_log(r"\[WARNING\] worker 0: the hub runs \([^)]+\), in turn \d+")
        server.wait_log(r"'[^']*/echo[^']*' is parked, waits for ")
        client.send_text("after")
        assert client.receive_text() == "after"
    assert server.pids() == {0: pid}
