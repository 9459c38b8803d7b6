# SPDX-License-Identifier: Apache-2.0
"""A server that root starts with --user: what its processes are then, and that all of supervision goes on."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from client import get
from hubbub import BUILD, find_app, run, wait_for
from process_test import status_field

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

USER, GROUP = "54321", "54322"
AS_SOMEBODY = ("-u", USER, "-g", GROUP)
# CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE
KEPT = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10


@pytest.fixture
def app(tmp_path):
    """An application in a folder that everybody may enter, as tmp_path's parents may not be."""
    for folder in tmp_path.parents:
        if folder == Path("/tmp"):
            break
        folder.chmod(0o755)
    tmp_path.chmod(0o755)
    path = tmp_path / "app.so"
    shutil.copy(find_app("contract.so"), path)
    path.chmod(0o644)
    return path


def capabilities(pid, name="CapEff"):
    return int(status_field(pid, name), 16)


def assert_is_somebody(pid):
    assert status_field(pid, "Uid").split() == [USER] * 4
    assert status_field(pid, "Gid").split() == [GROUP] * 4
    assert "\nGroups:\t \n" in Path(f"/proc/{pid}/status").read_text()
    for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"):
        assert capabilities(pid, name) == 0, name


def test_workers_have_nothing_of_roots_and_the_master_what_it_needs(start, app):
    server = start(app, *AS_SOMEBODY, workers=2)
    for pid in server.pids().values():
        assert_is_somebody(pid)
    assert status_field(server.pid, "Uid").split() == ["0"] * 4
    own = capabilities("self", "CapPrm")
    assert capabilities(server.pid) == capabilities(server.pid, "CapPrm") == own & KEPT
    assert capabilities(server.pid, "CapBnd") & ~KEPT == 0
    server.wait_log(rf"workers are user {USER}, group {GROUP}; the master stays root")


@pytest.mark.parametrize("more", [(), ("--drop-master",)])
def test_supervision_goes_on(start, app, more):
    server = start(app, *AS_SOMEBODY, *more, workers=1)
    if more:
        assert_is_somebody(server.pid)
    pid = server.pids()[0]
    os.kill(pid, signal.SIGKILL)
    pid = server.wait_successor(0, pid)
    assert_is_somebody(pid)
    server.send_signal(signal.SIGHUP)
    pid = server.wait_successor(0, pid)
    assert_is_somebody(pid)
    server.send_signal(signal.SIGTTIN)
    wait_for(lambda: server.ready_count() == 2, "a second worker")
    assert_is_somebody(server.pids()[1])
    assert get(server, "/hello").status == 200
    server.send_signal(signal.SIGTERM)
    assert server.wait_exit() == 0


@pytest.mark.parametrize("more, code", [((), 3), (("--drop-master",), 0)])
def test_the_control_socket_is_of_the_user_of_the_master(start, tmp_path, app, more, code):
    path = tmp_path / "control"
    server = start(app, *AS_SOMEBODY, *more, "--control-socket", path, workers=1)
    as_user = subprocess.run([BUILD / "hubbubctl", "-s", path, "status"], user=int(USER), group=int(GROUP), extra_groups=[],
                             capture_output=True, text=True)
    assert as_user.returncode == code, as_user.stderr
    as_root = subprocess.run([BUILD / "hubbubctl", "-s", path, "status"], capture_output=True, text=True)
    assert as_root.returncode == 0 and f"pid {server.pid}," in as_root.stdout


def test_workers_follow_a_master_that_is_killed(start, app):
    server = start(app, *AS_SOMEBODY, workers=2)
    server.send_signal(signal.SIGKILL)
    server.process.wait()
    wait_for(lambda: not server.members(), "the workers to end")


def test_a_port_below_1024_is_bound_before(start, app):
    for port in range(1023, 600, -1):
        try:
            server = start(app, *AS_SOMEBODY, workers=1, bind=f"127.0.0.1:{port}")
        except AssertionError as failure:
            assert "in use" in str(failure)
            continue
        server.port = port
        assert get(server, "/hello").status == 200
        return
    pytest.skip("no port below 1024 is free")


def test_an_application_is_compiled_as_the_user_not_as_root(start, tmp_path, app):
    source = tmp_path / "own.c"
    source.write_text("""
        #include <hubbub.h>
        static hub_status setup(hub_app *app)
        {
            return hub_static(app, "/", ".");
        }
        HUB_MODULE(.name = "own", .setup = setup);
    """)
    source.chmod(0o644)
    cache = tmp_path / "cache"
    cache.mkdir()
    os.chown(cache, int(USER), int(GROUP))
    server = start(source, *AS_SOMEBODY, workers=1, env={"XDG_CACHE_HOME": str(cache)})
    assert_is_somebody(server.pids()[0])
    made = list(cache.rglob("*.so"))
    assert made and {path.stat().st_uid for path in made} == {int(USER)}


def test_what_the_user_may_not_read_is_no_application(tmp_path, app):
    app.chmod(0o600)
    result = run(*AS_SOMEBODY, "-b", "127.0.0.1:0", app)
    assert result.returncode == 4 and "cannot read the application" in result.stderr, result.stderr


def test_who_is_not_root_cannot_become_somebody_else(tmp_path, app):
    result = run("-u", "root", "-b", "127.0.0.1:0", app, user=int(USER))
    assert result.returncode == 2, result.stderr
    assert f"user: only root can become root, and this is user {USER}" in result.stderr
    unknown = run("-u", "no-such-user", "-b", "127.0.0.1:0", app)
    assert unknown.returncode == 2 and "there is no user no-such-user" in unknown.stderr


def test_a_pid_file_in_a_folder_of_the_users_is_removed(start, tmp_path, app):
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    os.chown(folder, int(USER), int(GROUP))
    server = start(app, *AS_SOMEBODY, "-p", folder / "pid", workers=1)
    assert (folder / "pid").read_text() == f"{server.pid}\n" and (folder / "pid").stat().st_uid == 0
    server.send_signal(signal.SIGTERM)
    assert server.wait_exit() == 0
    assert not (folder / "pid").exists()
