# SPDX-License-Identifier: Apache-2.0
"""What a server is to the machine it runs on: its names, its pid file, the background, folders, limits, CPUs."""

import os
import re
import resource
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from client import Http
from hubbub import BUILD, PATIENCE, ROOT, alive, find_app, free_port, kill_all, new_mark, run, session_members, stat_fields, wait_for
from master_test import compile_module, error_lines, write

CONTRACT = find_app("contract.so")


def title(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()


def status_field(pid, name):
    return re.search(rf"^{name}:\s*(.*)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE).group(1)


def get_hello(server):
    with Http(server) as connection:
        connection.request("GET", "/hello")
        return connection.response().status


# ---- names ----------------------------------------------------------------------------------------------------------

def test_processes_are_named_for_the_application_and_show_no_arguments(start):
    server = start("contract.so", "-e", "DB_PASSWORD=hunter2", workers=2)
    assert title(server.pid) == "hubbub: master [contract]"
    for slot, pid in server.pids().items():
        assert title(pid) == f"hubbub: worker {slot} [contract]"
        assert Path(f"/proc/{pid}/comm").read_text() == f"hubbub-w{slot}\n"
    assert Path(f"/proc/{server.pid}/comm").read_text() == "hubbub\n"


def test_a_name_that_is_given_stands_in_the_titles(start):
    server = start("contract.so", "-n", "the shop", workers=1)
    assert title(server.pid) == "hubbub: master [the shop]"
    assert title(server.pids()[0]) == "hubbub: worker 0 [the shop]"


# ---- the pid file ---------------------------------------------------------------------------------------------------

def test_the_pid_file_is_there_while_the_server_is(start, tmp_path):
    path = tmp_path / "chat.pid"
    server = start("contract.so", "-p", path, workers=1)
    assert path.read_text() == f"{server.pid}\n"
    server.send_signal(signal.SIGTERM)
    assert server.wait_exit() == 0
    assert os.listdir(tmp_path) == ["server0"]


def test_a_second_server_with_the_same_pid_file_is_refused(start, tmp_path):
    path = tmp_path / "chat.pid"
    server = start("contract.so", "-p", path, workers=1)
    second = run("-w", 1, "-b", f"127.0.0.1:{free_port()}", "-p", path, CONTRACT)
    assert second.returncode == 1
    assert f"{path} is held by a hubbub that runs (pid {server.pid})" in second.stderr
    assert "listening at" not in second.stderr
    assert path.read_text() == f"{server.pid}\n"


def test_the_pid_file_of_a_killed_server_is_replaced(start, tmp_path):
    path = tmp_path / "chat.pid"
    first = start("contract.so", "-p", path, workers=1)
    first.send_signal(signal.SIGKILL)
    first.process.wait()
    wait_for(lambda: not first.members(), "the killed server's worker to end")
    assert path.read_text() == f"{first.pid}\n"
    second = start("contract.so", "-p", path, workers=1)
    assert path.read_text() == f"{second.pid}\n"


def test_a_pid_file_that_became_anothers_is_left(start, tmp_path):
    path = tmp_path / "chat.pid"
    server = start("contract.so", "-p", path, workers=1)
    path.write_text("1\n")
    server.send_signal(signal.SIGTERM)
    assert server.wait_exit() == 0
    assert path.read_text() == "1\n"


def test_a_server_that_cannot_listen_leaves_the_pid_file_of_the_one_that_does(start, tmp_path):
    path = tmp_path / "chat.pid"
    server = start("contract.so", workers=1)
    result = run("-w", 1, "-b", server.bind, "-p", path, CONTRACT)
    assert result.returncode == 1 and "in use" in result.stderr
    assert not path.exists()


def test_a_file_that_is_no_pid_file_is_not_overwritten(tmp_path):
    (tmp_path / "notes").write_text("precious\n")
    result = run("-w", 1, "-b", f"127.0.0.1:{free_port()}", "-p", tmp_path / "notes", CONTRACT)
    assert result.returncode == 1 and "is no pid file" in result.stderr
    assert (tmp_path / "notes").read_text() == "precious\n"


# ---- the background -------------------------------------------------------------------------------------------------

class Background:
    """`hubbub -D`: what the command said, and the daemon that it left, by its pid file."""

    def __init__(self, folder, *options, stderr=subprocess.PIPE, app=CONTRACT):
        self.folder = folder
        self.port = free_port()
        self.mark = new_mark()
        self.pid_file = folder / "daemon.pid"
        self.command = subprocess.run(
            [BUILD / "hubbub", "-D", "-w", "2", "-b", f"127.0.0.1:{self.port}", "-p", "daemon.pid",
             *map(str, options), app], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True,
            timeout=PATIENCE, cwd=folder, env={**os.environ, **dict([self.mark.split("=")])})
        self.pid = int(self.pid_file.read_text()) if self.pid_file.exists() else None

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        try:
            if self.pid and alive(self.pid):
                os.kill(self.pid, signal.SIGTERM)
            wait_for(lambda: not self.members(), lambda: f"the daemon's processes to end: {self.members()}")
        finally:
            kill_all(self.members())

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def members(self):
        session = stat_fields(self.pid)[3] if self.pid and stat_fields(self.pid) else -1
        return session_members(session, self.mark)


def test_in_the_background_it_serves_when_the_command_returns(tmp_path):
    with Background(tmp_path) as server:
        assert server.command.returncode == 0
        assert get_hello(server) == 200
        assert "listening at" in server.command.stderr
        parent, session = int(stat_fields(server.pid)[1]), int(stat_fields(server.pid)[3])
        assert parent != os.getpid() and session not in (os.getsid(0), server.pid)
    assert not server.pid_file.exists()


def test_in_the_background_no_process_holds_the_commands_streams(tmp_path):
    """That the command's output ended is seen already: subprocess.run read it to its end."""
    with Background(tmp_path) as server:
        wait_for(lambda: len(server.members()) == 3, lambda: f"two workers beside the master: {server.members()}")
        for pid in server.members():
            wait_for(lambda: {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)} == {"/dev/null"},
                     lambda: f"streams of {pid}: {[os.readlink(f'/proc/{pid}/fd/{fd}') for fd in range(3)]}")


def test_in_the_background_a_log_file_stays(tmp_path):
    with open(tmp_path / "log", "ab") as log:
        with Background(tmp_path, stderr=log) as server:
            assert get_hello(server) == 200
    assert "SIGTERM" in (tmp_path / "log").read_text()
    assert (tmp_path / "log").read_text().rstrip().endswith("ended")


@pytest.mark.parametrize("app,code,words", [
    ("none.so", 4, "none.so"),
    ("fails.so", 4, "setup failed"),
    ("crashes.so", 3, "SIGSEGV"),
])
def test_a_failed_start_in_the_background_is_the_commands_failure(tmp_path, app, code, words):
    bodies = {"fails.so": "return HUB_EFAIL;", "crashes.so": "signal(SIGSEGV, SIG_DFL); raise(SIGSEGV); return HUB_OK;"}
    if app in bodies:
        compile_module(tmp_path / app, f"""
            #include <hubbub.h>
            #include <signal.h>
            static hub_status setup(hub_app *app) {{ (void)app; {bodies[app]} }}
            HUB_MODULE(.name = "fails", .setup = setup);
        """)
    with Background(tmp_path, app=tmp_path / app) as server:
        assert server.command.returncode == code
        assert words in server.command.stderr
        assert server.pid is None
    assert not server.pid_file.exists()


def test_in_the_background_a_port_in_use_is_the_commands_failure(start):
    server = start("contract.so", workers=1)
    result = run("-D", "-w", 1, "-b", server.bind, CONTRACT)
    assert result.returncode == 1 and "in use" in result.stderr


def test_a_configuration_file_can_ask_for_the_background(tmp_path):
    (tmp_path / "a.yaml").write_text("daemon: on\n")
    assert re.search(r"^daemon: on +#", run("-c", tmp_path / "a.yaml", "--print-config").stdout, re.MULTILINE)
    off = run("-c", tmp_path / "a.yaml", "--daemon=off", "--print-config").stdout
    assert re.search(r"^daemon: off +# command line$", off, re.MULTILINE)


# ---- folder, environment, permissions -------------------------------------------------------------------------------

ASKS_ENVIRONMENT = """
    #include <hubbub.h>
    #include <stdlib.h>
    #include <string.h>
    static const char *at_load;
    __attribute__((constructor)) static void load(void) { at_load = getenv("GREETING"); }
    static hub_status say(hub_http *http, void *arg)
    {
        (void)arg;
        return hub_http_replyf(http, 200, "text/plain", "%s", at_load ? at_load : "nothing");
    }
    static hub_status setup(hub_app *app) { return hub_on_http(app, "GET", "/", say, NULL); }
    HUB_MODULE(.name = "asks", .setup = setup);
"""


def test_variables_are_set_before_the_application_is_loaded(start, tmp_path):
    compile_module(tmp_path / "asks.so", ASKS_ENVIRONMENT)
    (tmp_path / "a.ini").write_text("[hubbub]\nenv = GREETING=Hello, all\nenv = OTHER=1\n")
    server = start(tmp_path / "asks.so", "-c", tmp_path / "a.ini", workers=1)
    with Http(server) as connection:
        connection.request("GET", "/")
        assert connection.response().body == b"Hello, all"


def test_paths_are_meant_from_chdir_and_the_configuration_from_the_start(start, tmp_path):
    home = tmp_path / "home"
    (home / "apps").mkdir(parents=True)
    compile_module(home / "apps" / "asks.so", ASKS_ENVIRONMENT)
    there = tmp_path / "server0"
    there.mkdir()
    (there / "a.yaml").write_text(f"chdir: {home}\npid: asks.pid\napp: apps/asks.so\nenv:\n  - GREETING=home\n")
    server = start("apps/asks.so", "-c", "a.yaml", workers=1)
    assert os.readlink(f"/proc/{server.pids()[0]}/cwd") == str(home)
    assert (home / "asks.pid").read_text() == f"{server.pid}\n"
    with Http(server) as connection:
        connection.request("GET", "/")
        assert connection.response().body == b"home"
    assert run("-c", "a.yaml", "--check-config", cwd=there).returncode == 0


def test_at_hup_what_can_change_does_and_the_rest_is_named(start, tmp_path):
    """Also that a relative -c is found again although the server has entered another folder."""
    home = tmp_path / "home"
    home.mkdir()
    compile_module(home / "asks.so", ASKS_ENVIRONMENT)
    there = tmp_path / "server0"
    there.mkdir()
    path = there / "a.yaml"
    path.write_text(f"chdir: {home}\nlog-size: 1M\nreload-verify: 0\nenv:\n  - GREETING=one\n")
    server = start(home / "asks.so", "-c", "a.yaml", workers=1)
    before = server.pids()[0]
    path.write_text(f"chdir: {home}\n\nlog-size: 2M\nreload-verify: 0\nenv: [GREETING=two]\nname: shop\n"
                    "umask: '077'\ncpu-affinity: auto\n")
    server.send_signal(signal.SIGHUP)
    after = server.wait_successor(0, before)
    wait_for(lambda: not alive(before), "the old worker to go: it may accept until then")
    server.wait_log(r"WARNING\] log-size changed \(a\.yaml:3\): takes effect when the server is started anew; until then "
                    r"the value from a\.yaml:2 stays")
    assert "chdir changed" not in server.log()
    with Http(server) as connection:
        connection.request("GET", "/")
        assert connection.response().body == b"two"
    assert title(server.pid) == "hubbub: master [shop]"
    assert title(after) == "hubbub: worker 0 [shop]"
    assert status_field(after, "Umask") == "0077"
    assert len(os.sched_getaffinity(after)) == 1


def test_a_folder_that_is_not_there_is_told(tmp_path):
    result = run("--chdir", tmp_path / "none", CONTRACT)
    assert (result.returncode, len(error_lines(result))) == (2, 1)
    assert f"cannot enter the folder {tmp_path}/none" in result.stderr


def test_the_mask_of_permissions_is_that_of_sockets_and_workers(start, tmp_path):
    server = start("contract.so", "-m", "027", bind=f"unix:{tmp_path}/s", workers=1)
    assert stat.S_IMODE(os.stat(tmp_path / "s").st_mode) == 0o750
    assert status_field(server.pids()[0], "Umask") == "0027"


# ---- CPUs, limits, privileges ---------------------------------------------------------------------------------------

def test_workers_are_pinned_to_the_cpus_in_turn(start):
    allowed = sorted(os.sched_getaffinity(0))
    server = start("contract.so", "--cpu-affinity", "auto", workers=3)
    for slot, pid in server.pids().items():
        assert os.sched_getaffinity(pid) == {allowed[slot % len(allowed)]}
    assert os.sched_getaffinity(server.pid) == set(allowed)


def test_a_replaced_worker_is_pinned_as_the_one_before(start):
    last = max(os.sched_getaffinity(0))
    server = start("contract.so", "--cpu-affinity", last, workers=2)
    pid = server.pids()[1]
    os.kill(pid, signal.SIGKILL)
    assert os.sched_getaffinity(server.wait_successor(1, pid)) == {last}


def test_a_cpu_that_is_not_there_is_told():
    result = run("--cpu-affinity", "1023", CONTRACT)
    assert result.returncode == 2 and "CPU 1023 is not there" in result.stderr


def test_core_files_are_as_large_as_asked_for(start):
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    wanted = 1 << 20 if hard == resource.RLIM_INFINITY or hard >= 1 << 20 else 0
    server = start("contract.so", "--core-dump", wanted, workers=1)
    for pid in (server.pid, server.pids()[0]):
        assert resource.prlimit(pid, resource.RLIMIT_CORE)[0] == wanted


@pytest.mark.parametrize("options,expected", [([], "1"), (["--no-new-privileges=off"], "0")])
def test_workers_gain_no_privileges_unless_they_may(start, options, expected):
    own = status_field("self", "NoNewPrivs")
    server = start("contract.so", *options, workers=1)
    assert status_field(server.pids()[0], "NoNewPrivs") == (expected if own == "0" else own)
    assert status_field(server.pid, "NoNewPrivs") == own


def with_file_limit(folder, *options):
    """The log of a server that starts with a hard limit of 512 open files and ends because its application is no module."""
    (folder / "text.so").write_text("not a shared object")
    return subprocess.run(
        [BUILD / "hubbub", "-w", "1", "-b", f"127.0.0.1:{free_port()}", *options, folder / "text.so"],
        capture_output=True, text=True, timeout=PATIENCE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (300, 512))).stderr


def test_more_connections_than_open_files_are_warned_of(tmp_path):
    log = with_file_limit(tmp_path, "--worker-connections", "1000")
    assert re.search(r"WARNING\] the limit of open files is 512, so that a worker can have about \d+ connections and not "
                     r"1000 \(worker-connections\); raise it", log), log


def test_the_default_of_connections_is_no_reason_to_warn(tmp_path):
    log = with_file_limit(tmp_path)
    assert "WARNING" not in log and re.search(r"INFO\] the limit of open files is 512: a worker can have", log), log
    assert "limit of open files" not in with_file_limit(tmp_path, "--worker-connections", "100")


# ---- the environment as a command line ------------------------------------------------------------------------------

def printed(*arguments, **arguments_by_name):
    result = run(*arguments, "--print-config", **arguments_by_name)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_platforms_variables_give_way_to_everything_but_defaults(tmp_path):
    platform = {"PORT": "5000", "WEB_CONCURRENCY": "3"}
    text = printed(env=platform)
    assert re.search(r'^bind: +# environment PORT\n  - "0\.0\.0\.0:5000"$', text, re.MULTILINE)
    assert re.search(r"^workers: 3 +# environment WEB_CONCURRENCY$", text, re.MULTILINE)
    (tmp_path / "a.yaml").write_text("workers: 2\n")
    text = printed("-c", tmp_path / "a.yaml", "-b", ":1", env=platform)
    assert re.search(r"^workers: 2 ", text, re.MULTILINE) and "5000" not in text


def test_arguments_in_the_environment_take_part_in_the_start(start):
    server = start("contract.so", env={"HUBBUB_CMD_ARGS": f"-b 127.0.0.1:{free_port()} --name 'the shop'"}, workers=1)
    assert title(server.pid) == "hubbub: master [the shop]"
    assert get_hello(server) == 200  # -b of the command line replaces the other


def test_arguments_in_the_environment_win_over_the_file(tmp_path):
    (tmp_path / "a.yaml").write_text("timeout: 11\nboot-timeout: 12\n")
    text = printed(env={"HUBBUB_CMD_ARGS": f"-c {tmp_path}/a.yaml -t 21", "HUBBUB_KEEP_ALIVE": "23"})
    assert re.search(r"^timeout: 21 +# environment HUBBUB_CMD_ARGS$", text, re.MULTILINE)
    assert re.search(r"^boot-timeout: 12 +# .*a\.yaml:2$", text, re.MULTILINE)


def test_a_class_of_workers_is_explained_or_refused(start):
    server = start("contract.so", "-k", "gevent", workers=1)
    server.wait_log("worker-class gevent: every worker of hubbub is a hub")
    refused = run("-k", "gthread", CONTRACT)
    assert refused.returncode == 2 and "pool of threads" in refused.stderr and "greenlet" in refused.stderr


# ---- files to begin with --------------------------------------------------------------------------------------------

@pytest.mark.plain
@pytest.mark.parametrize("ending", ["yaml", "ini"])
def test_the_samples_are_made_from_the_table_and_can_be_loaded(ending):
    sample = ROOT / "deploy" / f"hubbub.{ending}"
    assert sample.read_text() == run(f"--print-sample-{ending}").stdout
    result = run("-c", sample, "--check-config", CONTRACT)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("ending", ["yaml", "ini"])
def test_a_sample_with_every_option_open_is_valid(tmp_path, ending):
    text = (ROOT / "deploy" / f"hubbub.{ending}").read_text()
    opened = re.sub(r"^#(?=[a-z]|  - )", "", text, flags=re.MULTILINE)
    opened = re.sub(r"^(app\W+)chat\.c", rf"\g<1>{CONTRACT}", opened, flags=re.MULTILINE)
    opened = opened.replace("/srv/chat", str(tmp_path))
    write(tmp_path / f"open.{ending}", opened)
    result = run("-c", tmp_path / f"open.{ending}", "--check-config")
    assert (result.returncode, result.stderr) == (0, "")
    options = re.findall(r"^### `([a-z-]+)`$", (ROOT / "docs" / "configuration.md").read_text(), re.MULTILINE)
    assert re.findall(r"^([a-z-]+)(?::| =)", opened, re.MULTILINE) == options
