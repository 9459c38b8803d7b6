# SPDX-License-Identifier: Apache-2.0
"""
SIGUSR2: another program takes over from the one that runs, and no client notices; nor when that fails.

Longer, by an environment variable: HUBBUB_SOAK=20 makes twenty times as many upgrades under the crowd:

    HUBBUB_SOAK=20 python3 -m pytest tests/system/upgrade_test.py -k 20_upgrades
"""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from client import CLOSE, Http, WebSocket, get
from hubbub import BUILD, PATIENCE, SANITIZED, Server, alive, wait_for
from reload_test import CROWD, SOAK
from reload_test import Load as Crowd

TOOK_OVER = "the upgrade is complete: this master is the server"


class Upgradable(Server):
    """A server whose program file can be replaced, and whose master is whoever the pid file names."""

    def __init__(self, app, *options, folder, **arguments):
        self.pidfile = Path(folder) / "pid"
        self.second = Path(folder) / "pid.2"
        arguments["env"] = {"UPGRADE_FOLDER": str(folder), **arguments.get("env", {})}
        arguments.setdefault("workers", 2)
        super().__init__(app, "-p", self.pidfile, "--graceful-timeout", "1", *options, folder=folder, **arguments)
        self.program = self.folder / "hubbub"
        os.symlink(BUILD / "hubbub", self.program)
        self.command[self.command.index(str(BUILD / "hubbub"))] = str(self.program)

    def master(self):
        return int(self.pidfile.read_text())

    def newest(self):
        """The master beside the one that the pid file names."""
        return wait_for(lambda: self.second.exists() and int(self.second.read_text()), lambda: f"a second master:\n{self.log()}")

    def tell(self, number, pid=None):
        os.kill(pid or self.master(), number)

    def upgrade(self):
        """Sends USR2 and waits until the new master is the server; the one before may have workers that finish."""
        before, count = self.master(), self.log().count(TOOK_OVER)
        self.tell(signal.SIGUSR2)
        wait_for(lambda: self.log().count(TOOK_OVER) > count,
                 lambda: f"an upgrade:\n{self.log()}", pause=0.002)
        wait_for(lambda: self.master() != before, "the pid file names the new master")
        return self.master()

    def hold(self, slot):
        (self.folder / f"hold{slot}").touch()

    def release(self, slot):
        (self.folder / f"hold{slot}").unlink()

    def finish(self):
        if self.process is not None and self.pidfile.exists() and alive(self.master()):
            self.tell(signal.SIGINT)
        if self.process is not None:
            wait_for(lambda: not self.members(), lambda: f"no process is left: {self.members()}\n{self.log()}")
            self.process.poll()
            assert not self.pidfile.exists() and not self.second.exists()
        super().finish()


@pytest.fixture
def upgradable(tmp_path, apps):
    servers = []

    def start_one(*options, app=None, prepare=None, **arguments):
        server = Upgradable(app or apps("upgrade"), *options, folder=tmp_path / f"server{len(servers)}", **arguments)
        servers.append(server)
        if prepare:
            prepare(server)
        return server.start()

    yield start_one
    for server in servers:
        server.finish()


class Load:
    """Keep-alive HTTP clients and WebSockets that come back after 1012, each in its thread; whatever else happens
    to them is a failure."""

    def __init__(self, server, http=8, sockets=8):
        self.server = server
        self.failures, self.answers, self.echoes, self.returns = [], 0, 0, 0
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(body,)) for body in [self.http] * http + [self.socket] * sockets]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.wait_turn()
        return self

    def __exit__(self, *exception):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def run(self, body):
        try:
            while not self.over.is_set():
                body()
        except Exception as failure:
            self.failures.append(f"{body.__name__}: {failure!r}")

    def count(self, name):
        with self.lock:
            setattr(self, name, getattr(self, name) + 1)

    def http(self):
        with Http(self.server) as connection:
            while not self.over.is_set():
                answer = connection.get("/whoami")
                assert answer.status == 200, answer.status
                self.count("answers")
                if (answer.header("Connection") or "").lower() == "close":
                    return
                self.over.wait(0.002)

    def socket(self):
        with WebSocket(self.server) as client:
            while not self.over.is_set():
                client.send_text("hello")
                got = client.receive_frame()
                if got.opcode == CLOSE:
                    assert got.code == 1012, got
                    self.count("returns")
                    return
                assert got.payload == b"hello"
                self.count("echoes")
                self.over.wait(0.005)

    def wait_turn(self):
        """Until everybody had an answer again, more or less."""
        answers, echoes = self.answers, self.echoes
        wait_for(lambda: self.failures or self.answers > answers + 20 and self.echoes > echoes + 20, "the clients are served")

    def assert_unharmed(self):
        self.wait_turn()
        assert not self.failures, f"{self.failures}\n{self.server.log()}"


@pytest.mark.limit(120 + 60 * SOAK)
def test_20_upgrades_in_a_row_are_noticed_by_nobody(upgradable):
    """Masters whose workers still finish are many then: none waits for them."""
    count = (5 if SANITIZED else 20) * SOAK
    server = upgradable("--reload-verify", "0", "--graceful-timeout", "5", app="contract.so")
    with Crowd(server, **CROWD) as load:
        for _ in range(count):
            server.upgrade()
            load.goes_on()
        load.assert_nobody_noticed()
    assert load.result["closed 1012"] > 0
    assert not re.search(r"abandoned|\[(ERROR|CRITICAL)\]|SIGKILL", server.log())


def test_a_new_program_file_is_what_runs_and_releases_are_counted_on(upgradable):
    server = upgradable("--reload-verify", "0")
    other = server.folder / "other"
    shutil.copy(BUILD / "hubbub", other)
    server.program.unlink()
    other.rename(server.program)
    master = server.upgrade()
    assert os.readlink(f"/proc/{master}/exe") == str(server.program)
    assert os.readlink(f"/proc/{master}/cwd") == str(server.cwd)
    assert re.search(rf"\[{master}\].*ready in .* release 2", server.log())
    assert "HUBBUB_UPGRADE" not in server.log()


def test_slots_go_over_one_by_one_and_pid_files_tell_who_is_who(upgradable):
    server = upgradable("--reload-verify", "0")
    old, workers = server.master(), server.pids()
    server.hold(1)
    server.tell(signal.SIGUSR2)
    new = server.newest()
    wait_for(lambda: not alive(workers[0]), "the old worker of slot 0 leaves")
    assert alive(workers[1]) and server.master() == old and new != old
    server.tell(signal.SIGUSR2)
    server.wait_log(r"an upgrade is under way \(process \d+\): SIGUSR2 changes nothing")
    server.tell(signal.SIGHUP)
    server.wait_log("an upgrade is under way: SIGHUP changes nothing")
    server.release(1)
    wait_for(lambda: not alive(old) and server.master() == new, "the pid file has its name")
    assert not server.second.exists() and not alive(workers[1])


def test_each_master_restarts_the_workers_of_its_own_slots(upgradable):
    server = upgradable("--reload-verify", "0")
    old, workers = server.master(), server.pids()
    server.hold(1)
    server.tell(signal.SIGUSR2)
    server.newest()
    wait_for(lambda: not alive(workers[0]), "the old worker of slot 0 leaves")
    server.release(1)
    server.hold(1)
    wait_for(lambda: server.pids()[0] != workers[0], "slot 0 is the new master's")
    server.release(1)
    wait_for(lambda: not alive(old), "the old master ends")
    ready = re.findall(rf"\[{old}\].*worker 0 .*ready", server.log())
    assert len(ready) == 1, "the old master did not fill slot 0 again"


def test_the_number_of_workers_goes_over(upgradable):
    """What TTIN made of it, until the configuration says another one."""
    server = upgradable("--reload-verify", "0", "-c", "settings.ini",
                        prepare=lambda made: (made.folder / "settings.ini").write_text("workers = 2\n"))
    server.tell(signal.SIGTTIN)
    server.wait_log(r"worker 2 \(pid \d+\) ready")
    for release in (2, 3):
        server.upgrade()
        server.wait_log(rf"worker 2 \(pid \d+\) ready .* release {release}")


def broken(server, text):
    server.program.unlink()
    server.program.write_text(text)
    server.program.chmod(0o755)


def go_on(server, load, old, workers):
    """The old master still serves with the workers that it had."""
    load.assert_unharmed()
    assert server.master() == old and alive(old) and not server.second.exists()
    assert server.pids() == workers and all(alive(pid) for pid in workers.values())


@pytest.mark.parametrize("make, line", [
    (lambda server: server.program.unlink(), r"the upgrade is abandoned: cannot execute .*hubbub: No such file"),
    (lambda server: broken(server, "no program"), r"the upgrade is abandoned: cannot execute .*hubbub: Exec format error"),
    (lambda server: broken(server, "#!/bin/sh\nexit 7\n"), r"the upgrade is abandoned: process \d+ ended with exit code 7"),
    (lambda server: broken(server, "#!/bin/sh\nkill -9 $$\n"), r"the upgrade is abandoned: process \d+ was killed by SIGKILL"),
    (lambda server: (server.folder / "fail0").touch(), r"the upgrade is abandoned: process \d+ ended with exit code 4"),
], ids=["missing", "not a program", "exits", "dies", "worker cannot boot"])
def test_a_program_that_cannot_take_over_changes_nothing(upgradable, make, line):
    server = upgradable("--reload-verify", "0")
    old, workers = server.master(), server.pids()
    with Load(server) as load:
        make(server)
        server.tell(signal.SIGUSR2)
        server.wait_log(line)
        go_on(server, load, old, workers)


def test_a_program_that_says_nothing_is_not_waited_for_longer_than_a_boot(upgradable):
    server = upgradable("--reload-verify", "0", "--boot-timeout", "1")
    old, workers = server.master(), server.pids()
    with Load(server) as load:
        broken(server, "#!/bin/sh\nexec sleep 1000\n")
        server.tell(signal.SIGUSR2)
        server.wait_log(r"the upgrade is abandoned: process \d+ was killed by SIGKILL")
        go_on(server, load, old, workers)


def restored(server, load, old):
    """The old master serves again, with workers of its own in all slots."""
    wait_for(lambda: server.log().count("slots are served by this master again") == 1, lambda: server.log())
    wait_for(lambda: not server.second.exists(), "the second pid file is gone")
    assert server.master() == old and alive(old)
    assert all(re.search(rf"\[{old}\].*worker {slot} \(pid {pid}\) ready", server.log()) for slot, pid in server.pids().items())
    load.assert_unharmed()


def test_a_later_worker_that_cannot_boot_undoes_the_upgrade(upgradable):
    server = upgradable("--reload-verify", "0")
    old = server.master()
    with Load(server) as load:
        (server.folder / "fail1").touch()
        server.hold(1)
        server.tell(signal.SIGUSR2)
        server.newest()
        wait_for(lambda: re.search(r"ready .* release 2", server.log()), "slot 0 is taken")
        server.release(1)
        server.wait_log("the upgrade is abandoned: worker 1 did not live")
        (server.folder / "fail1").unlink()
        restored(server, load, old)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGQUIT])
def test_a_new_master_that_ends_half_way_is_as_if_it_had_not_been(upgradable, number):
    server = upgradable("--reload-verify", "0")
    old, workers = server.master(), server.pids()
    with (Quiet() if number == signal.SIGQUIT else Load(server)) as load:
        server.hold(1)
        server.tell(signal.SIGUSR2)
        new = server.newest()
        wait_for(lambda: not alive(workers[0]), "slot 0 was given away")
        server.tell(number, new)
        restored(server, load, old)
        server.release(1)


class Quiet:
    """No clients: where some are cut off because it was asked for."""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def assert_unharmed(self):
        pass


def test_an_old_master_that_is_killed_leaves_the_new_one_alone(upgradable):
    server = upgradable("--reload-verify", "60")
    old = server.master()
    with Load(server) as load:
        server.hold(1)
        server.tell(signal.SIGUSR2)
        new = server.newest()
        wait_for(lambda: re.search(r"ready .* release 2", server.log()), "slot 0 is taken")
        server.tell(signal.SIGKILL, old)
        server.wait_log(rf"process {old} ends: this master takes what is left")
        server.release(1)
        wait_for(lambda: len(re.findall(r"ready .* release 2", server.log())) == 2, "all slots are taken")
        wait_for(lambda: server.master() == new and not server.second.exists(), "the pid file names the new master")
        load.assert_unharmed()


@pytest.mark.parametrize("who", ["master", "worker"])
def test_a_death_during_probation_undoes_the_upgrade(upgradable, who):
    server = upgradable("--reload-verify", "60")
    old, workers = server.master(), server.pids()
    server.tell(signal.SIGUSR2)
    new = server.newest()
    wait_for(lambda: len(re.findall(r"ready .* release 2", server.log())) == 2, "all slots are taken")
    server.tell(signal.SIGKILL, new if who == "master" else server.pids()[1])
    restored(server, Quiet(), old)
    assert get(server, "/whoami").json()["pid"] not in workers.values()


def test_term_to_the_old_master_leaves_the_new_one_alone(upgradable):
    server = upgradable("--reload-verify", "60")
    old = server.master()
    with Load(server) as load:
        server.hold(1)
        server.tell(signal.SIGUSR2)
        new = server.newest()
        wait_for(lambda: re.search(r"ready .* release 2", server.log()), "slot 0 is taken")
        server.tell(signal.SIGTERM, old)
        server.release(1)
        wait_for(lambda: not alive(old) and server.master() == new, lambda: server.log())
        load.assert_unharmed()


def test_the_old_master_that_was_paused_takes_its_slots_back_by_hup(upgradable):
    server = upgradable("--reload-verify", "60")
    old = server.master()
    with Load(server) as load:
        server.tell(signal.SIGUSR2)
        new = server.newest()
        wait_for(lambda: len(re.findall(r"ready .* release 2", server.log())) == 2, "all slots are taken")
        server.tell(signal.SIGWINCH, old)
        server.wait_log("the workers finish and the master stays")
        server.tell(signal.SIGHUP, old)
        wait_for(lambda: not alive(new), lambda: server.log())
        restored(server, load, old)


def test_a_region_of_another_size_is_not_shared_and_the_log_says_so(upgradable, tmp_path):
    settings = tmp_path / "settings.yaml"
    settings.write_text("log-size: 1M\n")
    server = upgradable("--reload-verify", "0", "-c", settings)
    with Load(server) as load:
        settings.write_text("log-size: 2M\n")
        server.upgrade()
        load.assert_unharmed()
    assert "broadcasts do not cross between old and new workers" in server.log()


def test_addresses_that_changed_are_bound_and_closed(upgradable, tmp_path):
    first, second = tmp_path / "first.sock", tmp_path / "second.sock"
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"bind: [unix:{first}]\n")

    def without_bind(made):
        at = made.command.index("-b")
        del made.command[at:at + 2]

    server = upgradable("--reload-verify", "0", "-c", settings, prepare=without_bind)
    server.unix = str(first)
    assert get(server, "/whoami").status == 200
    settings.write_text(f"bind: [unix:{second}]\n")
    server.upgrade()
    server.unix = str(second)
    assert get(server, "/whoami").status == 200 and not first.exists()


def test_a_unix_socket_outlives_the_master_that_made_it(upgradable, tmp_path):
    server = upgradable("--reload-verify", "0", bind=f"unix:{tmp_path}/own.sock")
    server.upgrade()
    server.upgrade()
    assert get(server, "/whoami").status == 200


def test_a_wrong_variable_ends_the_program(tmp_path):
    for value in ["99", "x", "0"]:
        ended = subprocess.run([BUILD / "hubbub", "--version"], env={**os.environ, "HUBBUB_UPGRADE": value}, capture_output=True, text=True)
        assert ended.returncode == 1 and "HUBBUB_UPGRADE: " in ended.stderr


# ---- as process 1 ---------------------------------------------------------------------------------------------------

def namespaces_allowed():
    command = ["unshare", "--pid", "--fork", "true"]
    return shutil.which("unshare") and subprocess.run(command, capture_output=True).returncode == 0


in_namespace = pytest.mark.skipif(not namespaces_allowed(), reason="process namespaces are not permitted here")


class First:
    """A server that is process 1 of its namespace."""

    def __init__(self, upgradable, *options):
        self.server = upgradable("--reload-verify", "0", *options,
                                 before=["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"])
        self.pid = int(open(f"/proc/{self.server.pid}/task/{self.server.pid}/children").read())

    def children(self):
        return open(f"/proc/{self.pid}/task/{self.pid}/children").read().split()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        os.kill(self.pid, signal.SIGINT)
        self.server.wait_exit()


@in_namespace
def test_as_process_1_it_becomes_the_new_program_and_keeps_its_workers_until_they_are_replaced(upgradable):
    with First(upgradable) as first:
        server = first.server
        with Load(server) as load:
            for i in range(1, 6):
                before = first.children()
                os.kill(first.pid, signal.SIGUSR2)
                wait_for(lambda: re.search(rf"release {i + 1} runs in all 2 workers, 2 replaced", server.log()), lambda: server.log())
                wait_for(lambda: len(now := first.children()) == 2 and not set(now) & set(before), lambda: server.log())
            load.assert_unharmed()
        assert server.log().count("has taken over in place, with 2 workers") == 5


@in_namespace
def test_as_process_1_a_program_that_cannot_take_over_changes_nothing(upgradable):
    with First(upgradable) as first:
        server = first.server
        before = first.children()
        with Load(server) as load:
            broken(server, "no program")
            os.kill(first.pid, signal.SIGUSR2)
            server.wait_log("the upgrade is abandoned: cannot execute .*: Exec format error")
            broken(server, "#!/bin/sh\nexit 0\n")
            os.kill(first.pid, signal.SIGUSR2)
            server.wait_log("the upgrade is abandoned: process .* ended with exit code 0 before it could take over")
            load.assert_unharmed()
        assert first.children() == before


@in_namespace
def test_as_process_1_a_release_that_fails_leaves_the_adopted_workers(upgradable):
    with First(upgradable) as first:
        server = first.server
        before = first.children()
        (server.folder / "fail0").touch()
        with Load(server) as load:
            os.kill(first.pid, signal.SIGUSR2)
            server.wait_log("release 2 is abandoned: worker 0 could not boot; going back to release 1")
            (server.folder / "fail0").unlink()
            wait_for(lambda: first.children() == before, lambda: server.log())
            os.kill(int(before[0]), signal.SIGKILL)
            server.wait_log(r"worker 0 \(pid \d+\) was killed by SIGKILL")
            wait_for(lambda: len(re.findall(r"worker 0 .* ready in .* release 1", server.log())) == 2, lambda: server.log())


def test_the_control_socket_goes_over_to_the_new_master(upgradable, tmp_path):
    path = tmp_path / "control"
    server = upgradable("--control-socket", path)

    def pid_at(where):
        told = subprocess.run([BUILD / "hubbubctl", "-s", where, "--json", "status"], capture_output=True, text=True)
        return told.returncode == 0 and json.loads(told.stdout)["pid"]

    before = server.master()
    server.hold(1)
    server.tell(signal.SIGUSR2)
    second = server.newest()
    assert pid_at(path) == before
    wait_for(lambda: pid_at(f"{path}.2") == second, "the new master beside the old one")
    server.release(1)
    wait_for(lambda: pid_at(path) == second, lambda: f"the new master at the path:\n{server.log()}")
    assert not os.path.exists(f"{path}.2")
