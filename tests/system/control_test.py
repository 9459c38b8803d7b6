# SPDX-License-Identifier: Apache-2.0
"""The control socket and hubbubctl: what is told, what is ordered, and that no client of it harms the server."""

import json
import os
import re
import signal
import socket
import stat
import struct
import subprocess
from contextlib import ExitStack

import pytest

from client import WebSocket, get
from hubbub import BUILD, PATIENCE, alive, run, wait_for
from reload_test import answer, assert_answers, compile_app

HANG = "if (access(HANG, F_OK) == 0) for (;;) pause();"


class Pending:
    """A command of hubbubctl that has not ended; ended by whoever leaves the block."""

    def __init__(self, path, *arguments):
        self.process = subprocess.Popen([BUILD / "hubbubctl", "-s", path, *map(str, arguments)], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def result(self, patience=3 * PATIENCE):
        output, errors = self.process.communicate(timeout=patience)
        return self.process.returncode, output, errors


def ctl(server, *arguments):
    """(exit status, standard output, standard error) of a command that has ended."""
    with Pending(server.control, *arguments) as pending:
        return pending.result()


def status(server):
    code, output, errors = ctl(server, "--json", "status")
    assert (code, errors) == (0, "")
    return json.loads(output)


def talk(server):
    plug = socket.socket(socket.AF_UNIX)
    plug.connect(str(server.control))  # waits when the queue is full, as it would not with a limit of time
    plug.settimeout(PATIENCE)
    return plug


def say(plug, request):
    text = json.dumps(request).encode()
    plug.sendall(struct.pack(">I", len(text)) + text)


def hear(plug):
    def take(count):
        data = b""
        while len(data) < count:
            part = plug.recv(count - len(data))
            assert part, f"the end after {data}"
            data += part
        return data

    return json.loads(take(struct.unpack(">I", take(4))[0]))


@pytest.fixture
def controlled(start, tmp_path):
    """Starts a server with a control socket, as server.control; options go to hubbub."""

    def start_one(app="contract.so", *options, workers=2, **arguments):
        path = tmp_path / "control"
        server = start(app, "--control-socket", path, "--reload-verify", "0", *options, workers=workers, **arguments)
        server.control = path
        return server

    return start_one


# ---- what is told ---------------------------------------------------------------------------------------------------

def test_status_tells_of_the_server_and_its_workers(controlled):
    server = controlled()
    with WebSocket(server, "/echo"), WebSocket(server, "/echo"):
        got = wait_for(lambda: (now := status(server)) and sum(worker["connections"] for worker in now["workers"]) == 2 and now,
                       "two connections")
    assert got["ok"] is True and got["pid"] == server.pid and got["phase"] == "serving" and got["upgrade"] is False
    assert got["release"] == 1 and got["releases"] == [1] and got["reload"] is None and got["degraded"] == []
    assert got["app"].endswith("contract.so") and got["addresses"] == [server.bind] and got["workers_wanted"] == 2
    assert {worker["slot"]: worker["pid"] for worker in got["workers"]} == server.pids()
    for worker in got["workers"]:
        assert (worker["role"], worker["state"], worker["generation"], worker["restarts"]) == ("slot", "ready", 1, 0)
        assert worker["memory"] > 0 and 0 < worker["uptime"] <= got["uptime"]
    assert sum(worker["requests"] for worker in got["workers"]) >= 2
    code, output, _ = ctl(server, "status")
    assert code == 0 and f"pid {server.pid}, serving for" in output and f"listening at {server.bind}" in output
    assert len(re.findall(r"^ +[01] +\d+  ready +1 +1 +0 ", output, re.MULTILINE)) == 2, output


def test_status_counts_restarts_and_names_degraded_slots(controlled, tmp_path):
    mark = tmp_path / "crash"
    app = compile_app(tmp_path / "app.so", "one", setup=f'if (hub_worker().slot == 1 && access("{mark}", F_OK) == 0) abort();')
    server = controlled(app)
    mark.touch()
    os.kill(server.pids()[1], signal.SIGKILL)
    got = wait_for(lambda: (now := status(server))["degraded"] and now, "a degraded slot")
    assert got["degraded"] == [1]
    first, second = got["workers"]
    assert (first["degraded"], first["restarts"]) == (False, 0)
    assert second["degraded"] and second["restarts"] >= 5
    assert "degraded slots: 1\n" in ctl(server, "status")[1]


# ---- orders ---------------------------------------------------------------------------------------------------------

def test_reload_answers_when_the_release_runs_everywhere(controlled, tmp_path):
    app = compile_app(tmp_path / "app.so", "one")
    server = controlled(app)
    before = server.pids()
    compile_app(app, "two")
    code, output, errors = ctl(server, "reload")
    assert (code, errors) == (0, "") and output.endswith("release 2 runs in all 2 workers\n")
    assert len(re.findall(r"^worker \d \(pid \d+\) of release 2 is ready$", output, re.MULTILINE)) == 2
    assert not set(before.values()) & set(server.pids().values())
    assert_answers(server, "two")
    assert (reload := status(server)["reload"]) and (reload["state"], reload["release"], reload["replaced"]) == ("done", 2, 2)


def test_an_older_release_comes_back_by_its_number_whatever_became_of_the_file(controlled, tmp_path):
    app = compile_app(tmp_path / "app.so", "one")
    server = controlled(app)
    for text in ("two", "three"):
        compile_app(app, text)
        assert ctl(server, "reload")[0] == 0
    app.unlink()
    assert status(server)["releases"] == [3, 2, 1]
    code, output, errors = ctl(server, "reload", 1)
    assert (code, errors) == (0, "") and output.endswith("release 1 runs in all 2 workers\n")
    assert_answers(server, "one")
    assert (got := status(server)) and (got["release"], got["releases"]) == (1, [1, 3, 2])
    assert ctl(server, "reload", 1)[:2] == (0, "release 1 runs in all 2 workers\n")  # it runs: nobody is replaced
    assert status(server)["reload"]["replaced"] == 0
    compile_app(app, "four")
    assert ctl(server, "reload")[1].endswith("release 4 runs in all 2 workers\n")
    assert_answers(server, "four")
    code, _, errors = ctl(server, "reload", 2)
    assert code == 1 and "there is no release 2 to go back to" in errors
    assert_answers(server, "four")


@pytest.mark.parametrize("damage, why", [
    pytest.param(lambda app: compile_app(app, "two", setup="return HUB_EFAIL;"),
                 r"release 2 is abandoned: worker 0 could not boot, and the log says more; release 1 goes on", id="cannot-boot"),
    pytest.param(lambda app: app.unlink(),
                 r"the reload is abandoned: cannot find the application .*app\.so: .*; release 1 goes on", id="missing"),
])
def test_a_reload_that_is_abandoned_tells_why(controlled, tmp_path, damage, why):
    app = compile_app(tmp_path / "app.so", "one")
    server = controlled(app)
    damage(app)
    code, _, errors = ctl(server, "reload")
    assert code == 1 and re.fullmatch(f"hubbubctl: {why}\n", errors), errors
    got = status(server)["reload"]
    assert got["state"] == "abandoned" and re.fullmatch(why, got["error"])
    assert answer(server) == "one" and server.pids() == {worker["slot"]: worker["pid"] for worker in status(server)["workers"]}


def test_a_reload_during_a_reload_is_answered_by_its_own_end(controlled, tmp_path):
    hang = tmp_path / "hang"
    app = compile_app(tmp_path / "app.so", "one")
    server = controlled(app)
    compile_app(app, "two", includes=f'#define HANG "{hang}"', setup=HANG + " return HUB_EFAIL;")
    hang.touch()
    with Pending(server.control, "reload") as first:
        server.wait_log(r"release 2: ")
        assert status(server)["reload"]["state"] == "under way"
        with Pending(server.control, "reload") as second:
            server.wait_log(r"another one follows it")
            compile_app(app, "three")
            hang.unlink()
            os.kill(next(worker["pid"] for worker in status(server)["workers"] if worker["role"] == "successor"), signal.SIGKILL)
            code, _, errors = first.result()
            assert code == 1 and "release 2 is abandoned" in errors
            code, output, errors = second.result()
    assert (code, errors) == (0, "") and "release 3 runs in all 2 workers" in output
    assert_answers(server, "three")


def test_going_back_does_not_wait_for_a_reload_that_hangs(controlled, tmp_path):
    hang = tmp_path / "hang"
    app = compile_app(tmp_path / "app.so", "one")
    server = controlled(app)
    hang.touch()
    compile_app(app, "two", includes=f'#define HANG "{hang}"', setup=HANG)
    with Pending(server.control, "reload") as first, Pending(server.control, "reload") as second:
        server.wait_log(r"another one follows it")
        wait_for(lambda: any(worker["role"] == "successor" for worker in status(server)["workers"]), "a successor")
        assert ctl(server, "reload", 1)[:2] == (0, "release 1 runs in all 2 workers\n")
        for pending in (first, second):
            code, _, errors = pending.result()
            assert code == 1 and "going back to an older release was asked for" in errors
    assert answer(server) == "one" and status(server)["releases"] == [1]
    hang.unlink()
    assert ctl(server, "reload")[1].endswith("release 3 runs in all 2 workers\n")
    assert_answers(server, "two")


def test_going_back_starts_paused_workers_again(controlled):
    server = controlled()
    before = server.pids()
    server.send_signal(signal.SIGWINCH)
    wait_for(lambda: status(server)["phase"] == "paused", "a pause")
    assert ctl(server, "reload", 1)[0] == 0
    assert not set(before.values()) & set(server.pids().values()) and get(server, "/hello").status == 200


def test_scale(controlled):
    server = controlled()
    assert ctl(server, "scale", 4)[:2] == (0, "workers from now on: 4\n")
    wait_for(lambda: server.ready_count() == 4, "four workers")
    assert ctl(server, "scale", 1)[0] == 0
    wait_for(lambda: len(status(server)["workers"]) == 1, "one worker")
    assert ctl(server, "reload")[0] == 0  # the number stays
    assert len([worker for worker in status(server)["workers"] if worker["role"] == "slot"]) == 1
    for number in (0, 65, "x", -1):
        code, _, errors = ctl(server, "scale", number)
        assert code in (1, 2) and errors.startswith("hubbubctl: "), number
    with talk(server) as plug:
        for number in (0, 65, -1, "2", 1.5, None, 1 << 40):
            say(plug, {"command": "scale", "workers": number})
            assert hear(plug) == {"ok": False, "error": "workers: write a number from 1 to 64"}


def test_reopen_opens_log_files_anew(controlled, tmp_path):
    log = tmp_path / "access"
    server = controlled("contract.so", "--access-logfile", log)
    log.rename(tmp_path / "access.1")
    assert ctl(server, "reopen")[0] == 0
    assert log.exists()


@pytest.mark.parametrize("arguments", [(), ("--now",)])
def test_shutdown(controlled, arguments):
    server = controlled()
    assert ctl(server, "shutdown", *arguments)[0] == 0
    assert server.wait_exit() == 0
    assert not server.control.exists()
    assert ("ending at once" in server.log()) == bool(arguments)


def test_who_waits_is_told_when_the_server_ends(controlled, tmp_path):
    hang = tmp_path / "hang"
    app = compile_app(tmp_path / "app.so", "one")
    server = controlled(app, "--graceful-timeout", "5")
    hang.touch()
    compile_app(app, "two", includes=f'#define HANG "{hang}"', setup=HANG)
    with Pending(server.control, "reload") as pending:
        server.wait_log(r"release 2: ")
        assert ctl(server, "shutdown")[0] == 0
        code, _, errors = pending.result()
        assert (code, errors) == (1, "hubbubctl: the server ends\n")
    assert server.wait_exit() == 0


# ---- clients that do harm -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("bytes_sent", [
    pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", id="http"),
    pytest.param(b"\0\0\0\0", id="nothing"),
    pytest.param(b"\xff" * 100_000, id="too-long"),
    pytest.param(struct.pack(">I", 65_537), id="a-byte-too-long"),
])
def test_what_is_no_message_ends_the_conversation(controlled, bytes_sent):
    server = controlled(workers=1)
    with talk(server) as plug:
        try:
            plug.sendall(bytes_sent)
            assert plug.recv(1) == b""
        except (ConnectionResetError, BrokenPipeError):
            pass
    assert status(server)["phase"] == "serving"


def test_what_is_no_request_is_refused_and_the_conversation_goes_on(controlled):
    server = controlled(workers=1)
    with talk(server) as plug:
        for text in (b"{", b"[]", b"[[[[", b"nul", b"\xff\xfe", b'{"command": 7}', b'{"command": "what"}', b'{"command": "\\u0000"}',
                     b"[" * 5000, b'{"command": "reload", "release": "1"}', b'{"command": "reload", "release": -1}',
                     b'{"command": "reload", "release": 4294967297}', b'{"command": "shutdown", "now": 1}'):
            plug.sendall(struct.pack(">I", len(text)) + text)
            got = hear(plug)
            assert got["ok"] is False and got["error"] and "\n" not in got["error"], text
        say(plug, {"command": "status"})
        assert hear(plug)["ok"] is True


def test_silent_clients_and_such_that_die_harm_nobody(controlled, tmp_path):
    hang = tmp_path / "hang"
    app = compile_app(tmp_path / "app.so", "one")
    server = controlled(app)
    hang.touch()
    compile_app(app, "two", includes=f'#define HANG "{hang}"', setup=HANG)
    with ExitStack() as silent:
        for _ in range(40):
            silent.enter_context(talk(server)).sendall(b"\0\0")
        assert status(server)["phase"] == "serving"
        for _ in range(5):
            with talk(server) as plug:
                say(plug, {"command": "reload"})
        assert answer(server) == "one"
        with Pending(server.control, "reload") as pending:
            server.wait_log(r"release 2: ")
            pending.process.kill()
        assert ctl(server, "reload", 1)[0] == 0
    assert answer(server) == "one"


def test_a_client_that_asks_and_never_reads_is_left(controlled):
    server = controlled(workers=1)
    request = json.dumps({"command": "status"}).encode()
    message = struct.pack(">I", len(request)) + request
    with talk(server) as plug:
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while True:
                plug.sendall(message * 100)
    assert status(server)["phase"] == "serving"


# ---- the socket -----------------------------------------------------------------------------------------------------

def test_the_socket_is_the_owners_alone(controlled):
    server = controlled(workers=1)
    mode = server.control.stat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
    server.send_signal(signal.SIGTERM)
    assert server.wait_exit() == 0
    assert not server.control.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_is_turned_away_even_when_the_file_lets_him(controlled, tmp_path):
    server = controlled(workers=1)
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(0o755)
    for mode, told in ((0o600, "Permission denied"), (0o666, "turned this client away")):
        server.control.chmod(mode)
        refused = subprocess.run([BUILD / "hubbubctl", "-s", server.control, "shutdown"], user=54321, group=54321, extra_groups=[],
                                 capture_output=True, text=True)
        assert refused.returncode == 3 and told in refused.stderr, refused.stderr
    assert alive(server.pid)


def test_one_that_was_left_is_replaced_and_one_that_is_used_is_not(controlled, tmp_path):
    server = controlled(workers=1)
    refused = run("-b", "127.0.0.1:0", "--control-socket", server.control, BUILD / "examples" / "contract.so")
    assert refused.returncode == 1 and f"control-socket: somebody listens at {server.control} already" in refused.stderr
    assert status(server)["pid"] == server.pid
    server.send_signal(signal.SIGKILL)
    server.process.wait()
    wait_for(lambda: not server.members(), "the workers to end")
    again = controlled(workers=1)
    assert status(again)["pid"] == again.pid


def test_in_the_folder_of_a_service_manager_it_is_there_by_itself(start, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    environment = {"RUNTIME_DIRECTORY": f"{folder}:/nowhere"}
    server = start("contract.so", env=environment, workers=1)
    found = subprocess.run([BUILD / "hubbubctl", "status"], env={**os.environ, **environment}, capture_output=True, text=True)
    assert found.returncode == 0 and f"pid {server.pid}," in found.stdout
    second = start("contract.so", env=environment, workers=1)  # in the same folder: nobody asked for a socket
    assert "the server goes on without one" in second.log()
    third = start("contract.so", "--control-socket", "off", env=environment, workers=1)
    assert "control-socket" not in third.log()


def test_hubbubctl_explains_itself_and_its_mistakes(tmp_path):
    def mistake(*arguments):
        environment = {key: value for key, value in os.environ.items() if key not in ("HUBBUB_CONTROL_SOCKET", "RUNTIME_DIRECTORY")}
        result = subprocess.run([BUILD / "hubbubctl", *arguments], env=environment, capture_output=True, text=True)
        return result.returncode, result.stderr

    explained = subprocess.run([BUILD / "hubbubctl", "--help"], capture_output=True, text=True)
    assert explained.returncode == 0 and all(f"  {name} " in explained.stdout for name in ("status", "reload", "scale", "reopen", "shutdown"))
    assert mistake("-s", tmp_path / "none", "status")[0] == 3
    for wrong in ((), ("status",), ("-s", "x"), ("-s", "x", "what"), ("-s", "x", "status", "more"), ("-s", "x", "scale"),
                  ("-s", "x", "scale", "many"), ("-s", "x", "reload", "0"), ("-s", "x", "shutdown", "now"), ("-x",)):
        code, text = mistake(*wrong)
        assert code == 2 and text.startswith("hubbubctl: ") and text.count("\n") == 1, wrong
