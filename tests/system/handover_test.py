# SPDX-License-Identifier: Apache-2.0
"""What a master hands to the next one at SIGUSR2 besides its clients: sockets that it was given itself, logs, the
user, the service manager's ear."""

import os
import re
import signal
import socket

import pytest

from client import Http, WebSocket, get
from hubbub import PATIENCE, alive, wait_for
from listeners_test import At, Manager, is_refused, write_binds
from privileges_test import AS_SOMEBODY, app, assert_is_somebody, capabilities  # noqa: F401 (a fixture)
from process_test import status_field
from upgrade_test import TOOK_OVER, First, Load, in_namespace, upgradable  # noqa: F401 (a fixture)

FAST = ("--reload-verify", "0")


# ---- sockets --------------------------------------------------------------------------------------------------------

@pytest.fixture
def given():
    """Listening sockets of somebody else, at the descriptors from 3 on in who is started."""
    with socket.socket() as web, socket.socket() as admin:
        for plug in (web, admin):
            plug.bind(("127.0.0.1", 0))
            plug.listen(64)
        yield web, admin


def giving(sockets, **variables):
    """Lets a server be started with them, as a service manager does: LISTEN_PID is its own process."""
    def prepare(server):
        fds = [plug.fileno() for plug in sockets]
        moves = " ".join(f"{10 + i}<&{fd}" for i, fd in enumerate(fds)) + " " + " ".join(
            f"{3 + i}<&{10 + i} {10 + i}<&-" for i in range(len(fds)))
        said = "".join(f"{name}={value} " for name, value in variables.items())
        server.command = ["/bin/bash", "-c", f'exec {moves}; {said} LISTEN_PID=$$ exec "$@"', "bash", *server.command]
        server.passed = fds

    return prepare


def test_a_socket_unit_s_sockets_go_on_through_upgrades(upgradable, given):
    web, admin = given
    server = upgradable(*FAST, bind="", prepare=giving(given, LISTEN_FDS=2, LISTEN_FDNAMES="web:admin"))
    for _ in range(2):
        server.upgrade()
        for plug in given:
            assert get(At(plug.getsockname()), "/whoami").status == 200
    assert server.log().count(f"listening at http://127.0.0.1:{web.getsockname()[1]}\n") == 3


def test_a_socket_unit_s_sockets_are_chosen_by_name_after_an_upgrade_too(upgradable, given, tmp_path):
    web, admin = given
    binds = write_binds(tmp_path / "binds.ini", "systemd:web")
    server = upgradable(*FAST, "-c", binds, bind="", prepare=giving(given, LISTEN_FDS=2, LISTEN_FDNAMES="web:admin"))
    server.upgrade()
    write_binds(binds, "systemd:web", "systemd:admin")
    server.tell(signal.SIGHUP)
    server.wait_log("runs in all 2 workers")
    assert all(get(At(plug.getsockname()), "/whoami").status == 200 for plug in given)


def test_an_inherited_descriptor_goes_on_through_upgrades(upgradable, given):
    web, _ = given
    server = upgradable(*FAST, bind="fd://3", prepare=giving(given[:1]))
    for _ in range(2):
        server.upgrade()
        assert get(At(web.getsockname()), "/whoami").status == 200
    with Load(At(web.getsockname()), http=2, sockets=2) as load:
        load.server.log = server.log
        server.upgrade()
        load.assert_unharmed()


def test_addresses_come_and_go_by_hup_after_an_upgrade(upgradable, tmp_path):
    stays, goes, comes = (str(tmp_path / f"{name}.sock") for name in ("stays", "goes", "comes"))
    binds = write_binds(tmp_path / "binds.ini", f"unix:{stays}", f"unix:{goes}")
    server = upgradable(*FAST, "-c", binds, bind="")
    server.upgrade()
    write_binds(binds, f"unix:{stays}", f"unix:{comes}")
    with Http(At(stays)) as client:
        server.tell(signal.SIGHUP)
        server.wait_log("runs in all 2 workers")
        assert client.get("/whoami").status == 200
    assert get(At(comes), "/whoami").status == 200
    wait_for(lambda: is_refused(goes) and not os.path.exists(goes), "the address that was given up is closed")


def test_a_master_that_ends_while_another_one_takes_over_closes_no_queue(upgradable):
    """What the end of a server does to a queue that is its own alone."""
    server = upgradable("--reload-verify", "60")
    old = server.master()
    server.hold(1)
    server.tell(signal.SIGUSR2)
    server.newest()
    server.wait_log(r"ready .* release 2")
    server.tell(signal.SIGTERM, old)
    server.wait_log(r"finishing")
    for _ in range(10):
        assert get(server, "/whoami").status == 200
    server.release(1)
    wait_for(lambda: not alive(old), "the old master ends")


# ---- logs -----------------------------------------------------------------------------------------------------------

def paths_of(server):
    """Where the standard error of each process of a server leads."""
    def lead(pid):
        try:
            return os.readlink(f"/proc/{pid}/fd/2")
        except FileNotFoundError:  # it has ended
            return None

    return {lead(pid) for pid in server.members()} - {None}


def test_log_files_are_opened_anew_by_the_new_master_and_its_workers(upgradable, tmp_path):
    error, access = tmp_path / "error", tmp_path / "access"
    server = upgradable(*FAST, "--error-logfile", error, "--access-logfile", access,
                        prepare=lambda made: setattr(made, "log_path", error))
    server.upgrade()
    get(server, "/whoami")
    wait_for(lambda: len(access.read_text().splitlines()) == 1, "the request's line")
    access.rename(tmp_path / "access.1")
    error.rename(tmp_path / "error.1")
    server.tell(signal.SIGUSR1)
    wait_for(lambda: "opened anew" in server.log(), "a new error log")
    wait_for(lambda: paths_of(server) == {str(error)}, lambda: paths_of(server))
    get(server, "/whoami")
    wait_for(lambda: access.exists() and len(access.read_text().splitlines()) == 1, "the next line is in the new file")


def test_the_console_is_known_to_the_new_master(upgradable, tmp_path):
    """A file stands in for it, until the configuration says otherwise."""
    settings, error = tmp_path / "settings.ini", tmp_path / "error"
    settings.write_text(f"error-logfile = {error}\n")
    server = upgradable(*FAST, "-c", settings, before=["sh", "-c", 'exec "$@" 2>console', "sh"],
                        prepare=lambda made: setattr(made, "log_path", error))
    console = server.folder / "console"
    server.upgrade()
    assert console.read_text() == ""
    settings.write_text("")
    server.tell(signal.SIGHUP)
    wait_for(lambda: "release 3 runs in all 2 workers" in console.read_text(), lambda: console.read_text())


def test_during_an_upgrade_usr1_is_for_both_masters(upgradable, tmp_path):
    access = tmp_path / "access"
    server = upgradable(*FAST, "--access-logfile", access)
    server.hold(1)
    server.tell(signal.SIGUSR2)
    server.newest()
    server.wait_log(r"ready .* release 2")
    access.rename(tmp_path / "access.1")
    server.tell(signal.SIGUSR1)
    server.wait_log("opened anew", count=2)
    server.release(1)
    wait_for(lambda: TOOK_OVER in server.log(), lambda: server.log())
    before = access.read_text()
    get(server, "/whoami")
    wait_for(lambda: access.read_text() != before, "the line is in the new file")


def test_usr1_is_for_workers_that_still_finish_too(upgradable, tmp_path):
    error = tmp_path / "error"
    server = upgradable(*FAST, "--error-logfile", error, "--graceful-timeout", "30",
                        prepare=lambda made: setattr(made, "log_path", error))
    with WebSocket(server):
        old = server.master()
        server.upgrade()
        server.upgrade()
        error.rename(tmp_path / "error.1")
        server.tell(signal.SIGUSR1)
        wait_for(lambda: paths_of(server) == {str(error)}, lambda: paths_of(server))
        assert alive(old)


def test_the_end_at_once_is_for_workers_that_still_finish_too(upgradable):
    server = upgradable(*FAST, "--graceful-timeout", "60")
    with WebSocket(server), WebSocket(server):
        old = server.master()
        server.upgrade()
        server.upgrade()
        assert alive(old)
        server.tell(signal.SIGINT)
        wait_for(lambda: not server.members(), lambda: f"no process is left: {server.members()}\n{server.log()}")


@in_namespace
def test_as_process_1_workers_that_were_adopted_get_new_log_files(upgradable, tmp_path):
    access = tmp_path / "access"
    with First(upgradable, "--access-logfile", access) as first:
        before = first.children()
        (first.server.folder / "fail0").touch()
        os.kill(first.pid, signal.SIGUSR2)
        first.server.wait_log("going back to release 1")
        wait_for(lambda: first.children() == before, lambda: first.server.log())
        access.rename(tmp_path / "access.1")
        os.kill(first.pid, signal.SIGUSR1)
        wait_for(lambda: get(first.server, "/whoami").status == 200 and access.exists() and access.read_text(),
                 "lines in the new file")


# ---- the user -------------------------------------------------------------------------------------------------------

@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("more", [(), ("--drop-master",)], ids=["root stays", "dropped"])
def test_who_the_processes_are_stays_so(upgradable, app, tmp_path, more):
    def open_folders(server):
        server.folder.chmod(0o777)

    server = upgradable(*FAST, *AS_SOMEBODY, *more, app=app, prepare=open_folders)
    before = server.master()
    kept = capabilities(before)
    after = server.upgrade()
    assert status_field(after, "Uid") == (f"{AS_SOMEBODY[1]}\t" * 4).strip() if more else "0\t0\t0\t0"
    assert capabilities(after) == kept
    for pid in server.pids().values():
        assert_is_somebody(pid)


# ---- the service manager --------------------------------------------------------------------------------------------

def test_the_manager_hears_which_process_is_the_main_one(upgradable, tmp_path):
    manager = Manager(tmp_path / "notify")
    server = upgradable(*FAST, env={**manager.environment, "WATCHDOG_USEC": "400000"})
    manager.wait_for("READY=1", "WATCHDOG=1")
    new = server.upgrade()
    said = manager.wait_for(f"MAINPID={new}", f"MAINPID={new}", "STATUS=serving: release 2, 2 of 2", "WATCHDOG=1")
    assert not any(re.match("READY|STOPPING|STATUS=fin", text) for text in said), said


def test_the_manager_hears_of_the_next_master_when_the_one_before_is_told_to_end(upgradable, tmp_path):
    manager = Manager(tmp_path / "notify")
    server = upgradable("--reload-verify", "60", env=manager.environment)
    manager.wait_for("READY=1")
    old = server.master()
    server.tell(signal.SIGUSR2)
    new = server.newest()
    wait_for(lambda: len(re.findall(r"ready .* release 2", server.log())) == 2, "all slots are taken")
    server.tell(signal.SIGTERM, old)
    said = manager.wait_for(f"MAINPID={new}")
    wait_for(lambda: server.master() == new and not server.second.exists(), lambda: server.log())
    assert not any(text.startswith("STOPPING") for text in said), said


def test_the_manager_hears_nothing_of_an_upgrade_that_fails(upgradable, tmp_path):
    manager = Manager(tmp_path / "notify")
    server = upgradable(*FAST, env=manager.environment)
    manager.wait_for("READY=1", "STATUS=serving: release 1, 2 of 2")
    (server.folder / "fail0").touch()
    server.tell(signal.SIGUSR2)
    server.wait_log("the upgrade is abandoned")
    (server.folder / "fail0").unlink()
    server.tell(signal.SIGHUP)
    said = manager.wait_for("RELOADING=1")
    assert len(said) == 1, said
