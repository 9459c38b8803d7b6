# SPDX-License-Identifier: Apache-2.0
"""What the parent process says of a start that fails and of signals to all: one line, with what to do."""

import fcntl
import os
import pty
import re
import signal
import subprocess
import termios

import pytest

from hubbub import BUILD, PATIENCE, find_app, free_port, run, wait_for
from master_test import compile_module, error_lines, run_app, write


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])
def test_a_signal_to_the_whole_process_group_starts_no_worker(start, number):
    server = start("contract.so", "--log-level", "debug", "--graceful-timeout", "1")
    os.killpg(server.pid, number)
    assert server.wait_exit() == 0
    assert len(re.findall(r"worker \d+ \(pid \d+\) boots", server.log())) == 4, server.log()


def test_ctrl_c_is_told_as_from_the_terminal_and_starts_no_worker(tmp_path):
    try:
        main, terminal = pty.openpty()
    except OSError as cause:
        pytest.skip(f"this root has no terminals (devpts is not mounted): {cause}")
    log = tmp_path / "log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [BUILD / "hubbub", "-w", "3", "-b", f"127.0.0.1:{free_port()}", find_app("contract.so")],
            stdin=terminal, stdout=output, stderr=output, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    try:
        wait_for(lambda: log.read_text().count(" ready in ") == 3, log.read_text)
        os.write(main, b"\x03")
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        os.close(main)
        os.close(terminal)
    assert "SIGINT from the terminal" in log.read_text()
    assert log.read_text().count(" ready in ") == 3


def test_a_source_with_a_missing_symbol_is_told_in_one_line_that_names_the_source(tmp_path):
    source = write(tmp_path / "hole.c", """
        #include <hubbub.h>
        int not_there(void);
        static hub_status setup(hub_app *app) { (void)app; return not_there() ? HUB_OK : HUB_EFAIL; }
        HUB_MODULE(.name = "hole", .setup = setup);
    """)
    result = run("-w", 2, "-b", f"127.0.0.1:{free_port()}", source, env={"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert result.returncode == 4
    errors = [line for line in error_lines(result) if "ERROR" in line]
    assert len(errors) == 1, result.stderr
    assert f"'{source}' cannot be loaded: undefined symbol: not_there; define it or link" in errors[0]
    assert "/cache/" not in result.stderr
    assert "listening at" not in result.stderr


def test_a_misspelt_function_in_a_source_does_not_compile(tmp_path):
    source = write(tmp_path / "typo.c", """
        #include <hubbub.h>
        static void talk(hub_ws *ws, void *arg) { (void)arg; hub_ws_sent(ws); }
        static hub_status setup(hub_app *app) { return hub_on_ws(app, "/", talk, NULL); }
        HUB_MODULE(.name = "typo", .setup = setup);
    """)
    result = run("-b", f"127.0.0.1:{free_port()}", source, env={"XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert result.returncode == 4
    assert "typo.c:3" in result.stderr and "hub_ws_sent" in result.stderr
    assert not list((tmp_path / "cache").rglob("*.so"))


@pytest.mark.parametrize("body,words", [
    ("signal(SIGSEGV, SIG_DFL); raise(SIGSEGV); return HUB_OK;", ["SIGSEGV", "while it booted", "setup or start hooks"]),
    ("exit(0);", ["exit code 0", "before it was ready", "return a status"]),
])
def test_a_setup_that_ends_the_process_is_told(tmp_path, body, words):
    result = run_app(compile_module(tmp_path / "ends.so", f"""
        #include <hubbub.h>
        #include <signal.h>
        #include <stdlib.h>
        static hub_status setup(hub_app *app) {{ (void)app; {body} }}
        HUB_MODULE(.name = "ends", .setup = setup);
    """))
    assert result.returncode == 3
    line = next(line for line in error_lines(result) if "ERROR" in line)
    for word in words:
        assert word in line, line


def test_it_says_where_it_listens_once_it_serves(start):
    server = start("contract.so", workers=1)
    server.wait_log("listening at http://")
    log = server.log()
    assert log.index("worker 0 (pid") < log.index("listening at http://")
