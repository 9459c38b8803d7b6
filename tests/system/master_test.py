# SPDX-License-Identifier: Apache-2.0
"""The parent process: how the server starts, ends, replaces workers, and what it says when it cannot."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

from client import CLOSE, Http, WebSocket, get
from crowd import Crowd
from hubbub import PATIENCE, ROOT, SANITIZED, Server, alive, find_app, free_port, refuses, run, session_members, wait_for

CONTRACT = find_app("contract.so")


# ---- ending ---------------------------------------------------------------------------------------------------------

def test_term_closes_websockets_with_1001_and_ends_with_0(start):
    server = start("contract.so", "--graceful-timeout", "1")
    with Crowd() as crowd:
        crowd.join(server, "/events/drain", 40)
        crowd.join(server, "/room/drain", 40)
        server.send_signal(signal.SIGTERM)
        crowd.turn_until(lambda: all(member.code or member.closed for member in crowd.members), "all are closed")
        assert {member.code for member in crowd.members} == {1001}
    assert server.wait_exit() == 0


def test_term_spreads_the_closes_over_the_graceful_time(start):
    server = start("contract.so", "--graceful-timeout", "2", workers=1)
    with Crowd() as crowd:
        crowd.join(server, "/events/drain", 50)
        server.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        crowd.turn_until(lambda: any(member.code for member in crowd.members), "one is closed")
        crowd.turn_until(lambda: all(member.code for member in crowd.members), "all are closed")
        assert 0.3 < time.monotonic() - begun < 5
    assert server.wait_exit() == 0


def test_term_lets_requests_in_progress_finish(start):
    server = start("contract.so", "--graceful-timeout", "10", workers=2)
    with Http(server) as connection:
        assert connection.get("/hello").status == 200  # it has been accepted
        connection.request("GET", "/sleep/0.5")
        server.send_signal(signal.SIGTERM)
        answer = connection.response()
        assert answer.body == b"slept\n"
        assert connection.at_end()
    assert server.wait_exit() == 0


def test_term_ends_within_the_graceful_time_whatever_handlers_do(start):
    server = start("contract.so", "--graceful-timeout", "0.5", workers=2)
    with Http(server) as connection:
        connection.request("GET", "/sleep/600")
        assert get(server, "/hello").status == 200
        server.send_signal(signal.SIGTERM)
        assert server.wait_exit(PATIENCE) == 0


def test_term_with_nothing_to_do_ends_at_once(start):
    server = start("contract.so")
    begun = time.monotonic()
    server.send_signal(signal.SIGTERM)
    assert server.wait_exit() == 0
    assert time.monotonic() - begun < 5  # not the 30 s of graceful-timeout


def test_term_closes_the_door_at_once(start):
    server = start("contract.so", "--graceful-timeout", "3", workers=1)
    with WebSocket(server, "/events/door") as client:
        with Http(server) as busy:
            assert busy.get("/hello").status == 200  # it has been accepted
            busy.request("GET", "/sleep/0.5")
            server.send_signal(signal.SIGTERM)
            wait_for(lambda: refuses(server), "new connections are refused")
            assert busy.response().status == 200
        assert client.receive_close().code == 1001
        client.send_frame(CLOSE, b"\x03\xe9")
    assert server.wait_exit() == 0


def test_stop_hooks_run_when_the_server_ends(start, apps):
    server = start(apps("probe"), workers=2)
    server.send_signal(signal.SIGTERM)
    assert server.wait_exit() == 0
    server.wait_log("the stop hook ran", count=2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_int_and_quit_end_at_once_even_with_clients_and_handlers(start, number):
    server = start("contract.so")
    with Crowd() as crowd, Http(server) as sleeper:
        crowd.join(server, "/room/busy", 20)
        sleeper.request("GET", "/sleep/600")
        begun = time.monotonic()
        server.send_signal(number)
        assert server.wait_exit() == 0
        assert time.monotonic() - begun < 5


def test_a_second_signal_shortens_a_graceful_end(start):
    server = start("contract.so", "--graceful-timeout", "600", workers=2)
    with Http(server) as sleeper:
        sleeper.request("GET", "/sleep/600")
        assert get(server, "/hello").status == 200
        server.send_signal(signal.SIGTERM)
        server.wait_log("finishing")
        server.send_signal(signal.SIGINT)
        assert server.wait_exit() == 0


def test_workers_finish_when_the_master_was_killed(start):
    server = start("contract.so", "--graceful-timeout", "1")
    with Crowd() as crowd:
        crowd.join(server, "/events/orphans", 20)
        server.send_signal(signal.SIGKILL)
        assert server.wait_exit() == -signal.SIGKILL
        crowd.turn_until(lambda: all(member.closed for member in crowd.members), "all clients are closed")
        assert {member.code for member in crowd.members} == {1001}
    wait_for(lambda: not session_members(server.pid), "no worker is left")


# ---- replacing ------------------------------------------------------------------------------------------------------

def test_a_killed_worker_is_replaced_at_once_and_its_end_is_told(start):
    server = start("contract.so")
    victim = server.pids()[1]
    begun = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    successor = server.wait_successor(1, victim)
    assert SANITIZED or time.monotonic() - begun < 3.0
    assert alive(successor)
    server.wait_log(rf"worker 1 \(pid {victim}\).*SIGKILL")


def test_a_successor_serves_as_the_next_generation(start):
    server = start("contract.so", workers=1)
    os.kill(victim := server.pids()[0], signal.SIGKILL)
    server.wait_successor(0, victim)
    answer = get(server, "/whoami").json()
    assert (answer["slot"], answer["generation"]) == (0, 2)


def test_a_crash_is_told_with_its_signal_and_what_was_running(start):
    server = start("contract.so", env={"HUBBUB_CONTRACT_UNSAFE": "1"}, workers=2)
    with Http(server) as connection:
        connection.request("GET", "/crash")
        assert connection.rest() == b""
    line = server.wait_log(r".*\(pid \d+\).*SIGSEGV.*").group()
    assert "/crash" in line or "GET" in line or "http" in line.lower(), line
    wait_for(lambda: get(server, "/hello").status == 200, "it serves again")


def test_a_worker_that_does_not_turn_is_replaced(start):
    server = start("contract.so", "--timeout", "1", env={"HUBBUB_CONTRACT_UNSAFE": "1"}, workers=2)
    before = server.pids()
    with Http(server) as connection:
        connection.request("GET", "/block/60")
        assert connection.rest() == b""
    wait_for(lambda: server.pids() != before, lambda: f"a new worker:\n{server.log()}")
    server.wait_log("has not turned")


def test_a_worker_in_long_sleeps_is_not_taken_for_stuck(start):
    server = start("contract.so", "--timeout", "0.5", workers=1)
    before = server.pids()
    assert get(server, "/sleep/1.5").body == b"slept\n"
    assert server.pids() == before


def test_a_worker_that_keeps_dying_is_started_again_ever_more_slowly(start):
    server = start("contract.so", workers=2)
    for _ in range(4):
        pid = server.pids()[0]
        os.kill(pid, signal.SIGKILL)
        server.wait_successor(0, pid, patience=20)
    assert get(server, "/hello").status == 200
    server.wait_log(r"worker 0 .*started again in")


# ---- starting -------------------------------------------------------------------------------------------------------

def error_lines(result):
    return [line for line in result.stderr.splitlines() if line.strip()]


def assert_one_line(result, code, *words):
    lines = error_lines(result)
    assert result.returncode == code, result
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0], lines[0]


def test_a_port_in_use_is_told_and_nothing_is_left(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        path = tmp_path / "s"
        result = run("-w", 2, "-b", f"unix:{path}", "-b", address, CONTRACT)
    assert result.returncode == 1
    assert address in result.stderr and "in use" in result.stderr
    assert not path.exists()


def test_a_wrong_option_names_the_nearest(tmp_path):
    assert_one_line(run("--worker", 2, CONTRACT), 2, "--worker", "--workers")


@pytest.mark.parametrize("arguments,words", [
    (["-w", "0"], ["workers", "0"]),
    (["-w", "many"], ["workers", "many"]),
    (["-w", "65"], ["workers", "65", "64"]),
    (["-b", "nowhere"], ["nowhere"]),
    (["-b", "127.0.0.1:70000"], ["70000"]),
    (["--timeout", "soon"], ["timeout", "soon"]),
    (["--log-size", "3M"], ["log-size", "power of two"]),
    (["--log-level", "loud"], ["log-level", "loud", "debug"]),
    (["--no-such-thing"], ["no-such-thing"]),
])
def test_a_wrong_value_is_told_with_what_is_allowed(arguments, words):
    assert_one_line(run(*arguments, CONTRACT), 2, *words)


def test_without_an_application_it_says_what_is_missing():
    assert_one_line(run("-w", 1), 2, "APP")


def test_with_two_applications_it_says_so():
    assert_one_line(run(CONTRACT, CONTRACT), 2)


def test_a_missing_configuration_file_is_named(tmp_path):
    assert_one_line(run("-c", tmp_path / "none.yaml", CONTRACT), 2, "none.yaml")


@pytest.mark.parametrize("name,text,line,word", [
    ("bad.ini", "workers = 2\nthis is no setting\n", 2, ""),
    ("value.ini", "; a comment\nworkers = two\n", 2, "two"),
    ("name.ini", "workres = 2\n", 1, "workers"),
    ("bad.yaml", "workers: 2\n}: 3\n", 2, ""),
    ("value.yaml", "# a comment\n\ntimeout: soon\n", 3, "soon"),
    ("name.yaml", "timeout: 3\nworkres: 2\n", 2, "workers"),
    ("kind.yaml", "workers:\n  a: 1\n", 2, ""),
])
def test_a_mistake_in_a_configuration_file_is_told_with_file_and_line(tmp_path, name, text, line, word):
    path = tmp_path / name
    path.write_text(text)
    result = run("-c", path, CONTRACT)
    assert result.returncode == 2
    assert len(error_lines(result)) == 1, result.stderr
    assert f"{name}:{line}" in result.stderr or (name == "kind.yaml" and f"{name}:1" in result.stderr), result.stderr
    assert word in result.stderr


def test_files_of_both_kinds_configure_the_server(start, tmp_path):
    for name, text in (("a.ini", "max-body = 5\n"), ("a.yaml", "max-body: 5\n")):
        (tmp_path / name).write_text(text)
        server = start("contract.so", "-c", tmp_path / name, workers=1)
        with Http(server) as connection:
            connection.request("POST", "/len", body=b"123456")
            assert connection.response().status == 413


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("timeout: 11\nboot-timeout: 12\nkeep-alive: 13\n")
    result = run("-c", path, "--keep-alive", "33", "--print-config", CONTRACT,
                 env={"HUBBUB_BOOT_TIMEOUT": "22", "HUBBUB_KEEP_ALIVE": "23"})
    assert result.returncode == 0
    values = {line.split(":")[0]: line.split(":")[1].split("#")[0].strip()
              for line in result.stdout.splitlines() if line and not line.startswith(("#", " ", "-"))}
    assert (values["timeout"], values["boot-timeout"], values["keep-alive"]) == ("11", "22", "33")


def test_a_printed_configuration_can_be_read_again(tmp_path):
    path = tmp_path / "printed.yaml"
    first = run("-w", 3, "--timeout", "7.5", "-b", "unix:/tmp/x", "-b", ":8080", "--ws-origins", "https://a.example",
                "--print-config", CONTRACT)
    assert first.returncode == 0
    path.write_text(first.stdout)
    second = run("-c", path, "--print-config")
    without_sources = lambda text: [line.split("#")[0].rstrip() for line in text.splitlines()]
    assert without_sources(second.stdout) == without_sources(first.stdout)


def test_help_and_the_printed_configuration_name_every_option_of_the_reference():
    reference = (ROOT / "docs" / "configuration.md").read_text()
    options = re.findall(r"^### `([a-z-]+)`$", reference, re.MULTILINE)
    assert len(options) >= 30
    helped = re.findall(r"^  (?:-\w, |    )--([a-z-]+)", run("--help").stdout, re.MULTILINE)
    commands = ["config", "help", "version", "print-config", "check-config"]
    assert helped == commands + options
    printed = re.findall(r"^#? ?([a-z-]+):", run("--print-config", CONTRACT).stdout, re.MULTILINE)
    assert printed == options
    letters = re.findall(r"^`-(\w)`, `--([a-z-]+)", reference, re.MULTILINE)
    assert letters and all(f"  -{letter}, --{name}" in run("--help").stdout for letter, name in letters)


def test_check_config_starts_nothing():
    result = run("--check-config", "-b", "127.0.0.1:1", CONTRACT)
    assert (result.returncode, error_lines(result)) == (0, [])


def test_a_missing_application_is_named(tmp_path):
    result = run("-b", f"127.0.0.1:{free_port()}", tmp_path / "none.so")
    assert result.returncode == 4
    assert "none.so" in result.stderr


# ---- files that the server's user may not read ----

NOBODY = 65534
as_root = pytest.mark.skipif(
    os.geteuid() != 0 or not all(folder.stat().st_mode & 1 for folder in CONTRACT.parents),
    reason="only root can start the server as another user, who must be able to enter the build folder")


@pytest.fixture
def forbidden():
    """A folder that everybody may enter, for files that only root may read; the server's cache is there, too."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o777)
        yield Path(name)


def close_to_others(path):
    path.chmod(0o600)
    return path


def run_as_nobody(folder, *arguments):
    return run("-w", 1, "-b", f"127.0.0.1:{free_port()}", *arguments, patience=30, user=NOBODY, cwd=folder,
               env={"HOME": str(folder), "XDG_CACHE_HOME": str(folder)})


@as_root
@pytest.mark.parametrize("name,source", [("app.so", CONTRACT), ("app.c", ROOT / "examples" / "echo.c")])
def test_an_application_that_cannot_be_read_is_told_in_one_line(forbidden, name, source):
    shutil.copy(source, forbidden / name)
    result = run_as_nobody(forbidden, close_to_others(forbidden / name))
    assert_one_line(result, 4, name, "Permission denied")


@as_root
@pytest.mark.parametrize("name,text", [("a.yaml", "workers: 1\n"), ("a.ini", "workers = 1\n")])
def test_a_configuration_that_cannot_be_read_is_told_in_one_line(forbidden, name, text):
    (forbidden / name).write_text(text)
    result = run_as_nobody(forbidden, "-c", close_to_others(forbidden / name), CONTRACT)
    assert_one_line(result, 2, name, "Permission denied")


def write(path, text):
    path.write_text(textwrap.dedent(text))
    return path


def compile_module(path, source):
    subprocess.run(["gcc", "-shared", "-fPIC", f"-I{ROOT}/include", write(path.with_suffix(".c"), source), "-o", path],
                   check=True)
    return path


def run_app(app, *options):
    return run("-w", 2, "-b", f"127.0.0.1:{free_port()}", *options, app, patience=30)


def test_a_module_without_an_application_is_refused(tmp_path):
    result = run_app(compile_module(tmp_path / "empty.so", "int x;"))
    assert result.returncode == 4
    assert "empty.so" in result.stderr and "HUB_MODULE" in result.stderr


def test_a_module_with_a_missing_symbol_is_refused_with_its_name(tmp_path):
    result = run_app(compile_module(tmp_path / "hole.so", """
        #include <hubbub.h>
        int not_there(void);
        static hub_status setup(hub_app *app) { (void)app; return not_there() ? HUB_OK : HUB_EFAIL; }
        HUB_MODULE(.name = "hole", .setup = setup);
    """))
    assert result.returncode == 4
    assert "hole.so" in result.stderr and "not_there" in result.stderr


def test_a_file_that_is_no_module_is_refused(tmp_path):
    (tmp_path / "text.so").write_text("not a shared object")
    result = run_app(tmp_path / "text.so")
    assert result.returncode == 4
    assert "text.so" in result.stderr


def test_a_module_of_another_interface_is_refused(tmp_path):
    result = run_app(compile_module(tmp_path / "old.so", """
        #include <hubbub.h>
        static hub_status setup(hub_app *app) { (void)app; return HUB_OK; }
        #undef HUB_ABI
        #define HUB_ABI 999
        HUB_MODULE(.name = "old", .setup = setup);
    """))
    assert result.returncode == 4
    assert "999" in result.stderr


@pytest.mark.parametrize("body,word", [
    ("return HUB_EFAIL;", "setup failed"),
    ('return hub_on_ws(app, "no-slash", 0, 0);', "no-slash"),
    ('return hub_static(app, "/", "no/such/folder");', "no/such/folder"),
])
def test_a_setup_that_fails_ends_the_server(tmp_path, body, word):
    result = run_app(compile_module(tmp_path / "fails.so", f"""
        #include <hubbub.h>
        static hub_status setup(hub_app *app) {{ (void)app; {body} }}
        HUB_MODULE(.name = "fails", .setup = setup);
    """))
    assert result.returncode == 4
    assert word in result.stderr, result.stderr


def test_a_start_hook_that_fails_ends_the_server(tmp_path):
    result = run_app(compile_module(tmp_path / "hook.so", """
        #include <hubbub.h>
        static hub_status hook(void *arg) { (void)arg; return HUB_EFAIL; }
        static hub_status setup(hub_app *app) { return hub_on_start(app, hook, NULL); }
        HUB_MODULE(.name = "hook", .setup = setup);
    """))
    assert result.returncode == 4
    assert "start hook failed" in result.stderr, result.stderr


def test_a_c_file_runs(start, tmp_path):
    shutil.copy(ROOT / "examples" / "echo.c", tmp_path)
    server = start(tmp_path / "echo.c", env={"XDG_CACHE_HOME": str(tmp_path / "cache")}, workers=2)
    with WebSocket(server, "/echo") as client:
        client.send_text("compiled on the spot")
        assert client.receive_text() == "compiled on the spot"
    assert list((tmp_path / "cache").rglob("*.so"))


def test_the_compilers_errors_are_shown(tmp_path):
    source = write(tmp_path / "broken.c", """\
        #include <hubbub.h>
        static hub_status setup(hub_app *app) { return undeclared_name; }
        HUB_MODULE(.name = "broken", .setup = setup);
    """)
    result = run("-b", f"127.0.0.1:{free_port()}", source, env={"XDG_CACHE_HOME": str(tmp_path)}, patience=30)
    assert result.returncode == 4
    assert "broken.c:2" in result.stderr and "undeclared_name" in result.stderr


def test_a_missing_compiler_is_named(tmp_path):
    source = write(tmp_path / "app.c", "#include <hubbub.h>\n")
    result = run("-b", f"127.0.0.1:{free_port()}", source, env={"XDG_CACHE_HOME": str(tmp_path), "CC": "no-such-cc"})
    assert result.returncode == 4
    assert "no-such-cc" in result.stderr


# ---- places to listen -----------------------------------------------------------------------------------------------

def test_it_listens_at_a_unix_socket_and_removes_it(start, tmp_path):
    server = start("contract.so", bind=f"unix:{tmp_path}/s", workers=2)
    assert get(server, "/hello").status == 200
    server.send_signal(signal.SIGTERM)
    assert server.wait_exit() == 0
    assert not os.path.exists(f"{tmp_path}/s")


def test_a_socket_file_that_nobody_serves_is_replaced(start, tmp_path):
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(f"{tmp_path}/s")
    server = start("contract.so", bind=f"unix:{tmp_path}/s", workers=1)
    assert get(server, "/hello").status == 200


def test_a_socket_file_that_somebody_serves_is_left_alone(start, tmp_path):
    server = start("contract.so", bind=f"unix:{tmp_path}/s", workers=1)
    second = run("-w", 1, "-b", f"unix:{tmp_path}/s", CONTRACT)
    assert second.returncode == 1 and f"{tmp_path}/s" in second.stderr
    assert get(server, "/hello").status == 200


def test_a_file_that_is_no_socket_is_left_alone(tmp_path):
    (tmp_path / "data").write_text("precious")
    result = run("-w", 1, "-b", f"unix:{tmp_path}/data", CONTRACT)
    assert result.returncode == 1
    assert (tmp_path / "data").read_text() == "precious"


def test_it_listens_at_several_places(start, tmp_path):
    port = free_port()
    server = start("contract.so", "-b", f"127.0.0.1:{port}", "-b", f"unix:{tmp_path}/s", workers=2)
    assert get(server, "/hello").status == 200
    server.port = port
    assert get(server, "/hello").status == 200
    server.unix = f"{tmp_path}/s"
    assert get(server, "/hello").status == 200


# ---- as the first process of a container ----------------------------------------------------------------------------

def namespaces_allowed():
    command = ["unshare", "--pid", "--fork", "true"]
    return shutil.which("unshare") and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.skipif(not namespaces_allowed(), reason="process namespaces are not permitted here")
def test_as_pid_1_it_serves_ends_on_term_and_reaps_foreign_children(start, apps):
    server = start(apps("probe"), workers=2, before=["unshare", "--pid", "--fork", "--kill-child"])
    assert get(server, "/whoami").json()["pid"] in (3, 4)  # 2 has sealed the release
    for _ in range(5):
        assert get(server, "/orphan").body == b"0"
    master = int(open(f"/proc/{server.pid}/task/{server.pid}/children").read())
    children = lambda: open(f"/proc/{master}/task/{master}/children").read().split()
    wait_for(lambda: len(children()) == 2, lambda: f"only workers are left: {children()}")
    os.kill(master, signal.SIGTERM)
    assert server.wait_exit() == 0
    assert "ended" in server.log()
