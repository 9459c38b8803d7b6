# SPDX-License-Identifier: Apache-2.0
"""
Reloads, more workers and fewer, and what goes wrong meanwhile, under a load of clients none of which may notice.

Longer, by an environment variable: HUBBUB_SOAK=20 makes twenty times as many reloads under the load:

    HUBBUB_SOAK=20 python3 -m pytest tests/system/reload_test.py -k reloads_one_after
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from client import Http, WebSocket, get, one_on_each_worker
from hubbub import BUILD, PATIENCE, ROOT, SANITIZED, Server, alive, find_app, free_port, wait_for

SOAK = int(os.environ.get("HUBBUB_SOAK", "1"))
CONTRACT = find_app("contract.so")
CROWD = {"http": 30, "short": 5, "ws": 40} if SANITIZED else {"http": 100, "short": 10, "ws": 150}
FEW = {"http": 20, "short": 3, "ws": 20}


class Load:
    """The clients of load.py against a server, as a context; `look` says what became of them so far."""

    def __init__(self, server, http=0, short=0, ws=0):
        command = [sys.executable, "-B", Path(__file__).parent / "load.py", "127.0.0.1", str(server.port),
                   "--http", str(http), "--short", str(short), "--ws", str(ws)]
        self.server = server
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.killer = threading.Timer(10 * PATIENCE, self.process.kill)  # so that no read here waits for ever
        self.killer.start()
        self.result = None

    def __enter__(self):
        try:
            assert self.process.stdout.readline() == "ready\n"
        except BaseException:
            self.__exit__(True)
            raise
        return self

    def look(self):
        self.process.stdin.write("look\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def goes_on(self, what="requests", count=100):
        """Waits until so many more requests were answered."""
        before = self.look().get(what, 0)
        wait_for(lambda: self.look().get(what, 0) >= before + count, lambda: f"{count} more {what}: {self.look()}",
                 3 * PATIENCE, pause=0.05)

    def finish(self):
        self.process.stdin.close()
        self.result = json.loads(self.process.stdout.readline())
        return self.result

    def assert_nobody_noticed(self):
        result = self.finish()
        assert result["failures"] == {}, f"{result}\n{self.server.log()[-8000:]}"
        assert result["requests"] > 0

    def __exit__(self, *exception):
        self.killer.cancel()
        if self.process.poll() is None and not self.process.stdin.closed and not any(exception):
            self.process.stdin.close()
        elif any(exception):
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        if not self.process.stdin.closed:
            self.process.stdin.close()


def reload(server, release, patience=3 * PATIENCE):
    """A HUP that comes to its good end as this release."""
    server.send_signal(signal.SIGHUP)
    return server.wait_log(rf"release {release} runs in all", patience=patience)


def assert_manned(server):
    """Each slot serves."""
    for client in one_on_each_worker(server, "/echo").values():
        client.close()


def answer(server):
    return get(server, "/").text()


def assert_answers(server, body):
    """A worker that was told to go may take one more client before it hears that."""
    wait_for(lambda: {answer(server) for _ in range(20)} == {body}, lambda: f"only {body}:\n{server.log()}")


def compile_app(path, body, includes="", setup="", after=""):
    """An application whose / answers `body`; written beside and moved into place, as deploys should."""
    source = path.with_suffix(".c.new")
    source.write_text(app_source(body, includes, setup, after))
    fresh = path.with_suffix(".so.new")
    subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu17", "-shared", "-fPIC", f"-I{ROOT}/include", "-x", "c", source,
                    "-o", fresh], check=True)
    os.replace(fresh, path)
    return path


def app_source(body, includes="", setup="", after=""):
    return f"""
#include <hubbub.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
{includes}
static hub_status root(hub_http *http, void *arg) {{ (void)arg; return hub_http_reply(http, 200, NULL, hub_text("{body}")); }}
static hub_status whoami(hub_http *http, void *arg)
{{
    (void)arg;
    hub_worker_info worker = hub_worker();
    return hub_http_replyf(http, 200, "application/json", "{{\\"pid\\": %ld, \\"slot\\": %u, \\"generation\\": %u}}",
                           (long)getpid(), worker.slot, worker.generation);
}}
static hub_status echo(hub_ws *ws, const hub_message *message, void *arg)
{{ (void)arg; return hub_ws_send(ws, message->type, message->body); }}
{after}
static hub_status setup(hub_app *app)
{{
    {setup}
    hub_status status = hub_on_http(app, "GET", "/", root, NULL);
    if (status == HUB_OK)
        status = hub_on_http(app, "GET", "/whoami", whoami, NULL);
    if (status == HUB_OK)
        status = hub_on_ws_route(app, &(hub_ws_route){{.path = "/echo", .on_message = echo}});
    return status;
}}
HUB_MODULE(.name = "deploy", .setup = setup);
"""


# ---- reloads that succeed -------------------------------------------------------------------------------------------

@pytest.mark.limit(120 + 60 * SOAK)
def test_reloads_one_after_the_other_are_noticed_by_nobody(start):
    count = (10 if SANITIZED else 50) * SOAK
    server = start("contract.so", "--reload-verify", "0", "--graceful-timeout", "3", workers=2)
    with Load(server, **CROWD) as load:
        for release in range(2, count + 2):
            reload(server, release)
            load.goes_on(count=20)  # by whoever serves now, beside those that finish
        load.goes_on()
        load.assert_nobody_noticed()
    assert load.result["closed 1012"] > 0 and load.result["told to close"] > 0
    assert not re.search(r"abandoned|\[(ERROR|CRITICAL)\]|SIGKILL", server.log())
    # Both slots were there for new clients to the end.
    newest = {slot: max(int(worker.partition(".")[2]) for worker in load.result["workers"] if worker.startswith(f"{slot}."))
              for slot in (0, 1)}
    assert newest == {0: count + 1, 1: count + 1}


def test_a_new_worker_gets_its_share_of_new_clients(start):
    server = start("contract.so", "--reload-verify", "0", workers=1)
    keep = [WebSocket(server, "/echo") for _ in range(5)]
    server.send_signal(signal.SIGTTIN)
    server.wait_log(r"worker 1 \(pid \d+\) ready")
    more = [WebSocket(server, "/echo", ask_slot=True) for _ in range(15)]
    slots = [client.slot for client in more]
    assert 8 <= slots.count(1) <= 14, slots
    for client in keep + more:
        client.close()


def test_one_worker_becomes_eight_and_one_again_and_nobody_notices(start):
    server = start("contract.so", "--graceful-timeout", "3", workers=1)
    with Load(server, **CROWD) as load:
        for count in range(2, 9):
            server.send_signal(signal.SIGTTIN)
            server.wait_log(rf"worker {count - 1} \(pid \d+\) ready")
        load.goes_on()
        for count in range(7, 0, -1):
            server.send_signal(signal.SIGTTOU)
            server.wait_log(rf"{count} workers? from now on", count=2 if count > 1 else 1)
        wait_for(lambda: sum(map(alive, server.pids().values())) == 1, "one worker is left", 3 * PATIENCE)
        load.goes_on()
        load.assert_nobody_noticed()


def test_a_request_in_progress_is_finished_by_the_worker_that_began_it(start):
    server = start("contract.so", "--reload-verify", "0", workers=1)
    with Http(server) as connection:
        connection.request("GET", "/sleep/1")
        assert get(server, "/hello").status == 200
        reload(server, 2)
        got = connection.response()
        assert (got.status, got.header("Connection")) == (200, "close")


def test_a_stream_in_progress_goes_on_to_its_end(start, apps):
    server = start(apps("streams"), "--reload-verify", "0", workers=1)
    with Http(server) as connection:
        connection.send(b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        while connection.line():
            pass
        assert (connection.line(), connection.take(5)) == (b"3", b"abc\r\n")
        reload(server, 2)
        connection.send(b"3\r\ndef\r\n0\r\n\r\n")
        assert connection.chunked_body() == b"def"
        assert connection.at_end()


def test_an_idle_client_is_answered_once_more_and_asked_to_come_back(start):
    server = start("contract.so", "--reload-verify", "0", workers=1)
    with Http(server) as connection:
        assert connection.get("/whoami").json()["generation"] == 1
        reload(server, 2)
        last = connection.get("/whoami")
        assert (last.json()["generation"], last.header("Connection")) == (1, "close")
        assert connection.at_end()
    assert get(server, "/whoami").json()["generation"] == 2


def test_a_client_that_stays_idle_is_let_go_when_the_graceful_time_ends(start):
    server = start("contract.so", "--reload-verify", "0", "--graceful-timeout", "1", workers=1)
    old = server.pids()[0]
    with Http(server) as connection:
        assert connection.get("/hello").status == 200
        reload(server, 2)
        assert connection.at_end()
    wait_for(lambda: not alive(old), "the old worker has ended")
    assert "SIGKILL" not in server.log()


# ---- what is deployed -----------------------------------------------------------------------------------------------

def test_a_file_that_is_overwritten_in_place_changes_nothing_until_the_reload(start, tmp_path):
    app = compile_app(tmp_path / "app.so", "one")
    new = compile_app(tmp_path / "new.so", "two").read_bytes()
    server = start(app, "--reload-verify", "0", workers=2)
    with Load(server, http=10) as load:
        with open(app, "r+b") as file:
            file.truncate(0)
            file.write(new[:1000])
            file.flush()
            # Half a deploy: a worker that crashes now comes back as it was.
            old = server.pids()[0]
            load.goes_on()
            load.assert_nobody_noticed()
            os.kill(old, signal.SIGKILL)
            server.wait_successor(0, old)
            assert {answer(server) for _ in range(20)} == {"one"}
            file.write(new[1000:])
        assert {answer(server) for _ in range(20)} == {"one"}
    reload(server, 2)
    assert_answers(server, "two")
    old = server.pids()[1]
    os.kill(old, signal.SIGKILL)
    server.wait_successor(1, old)
    assert_answers(server, "two")


CRASH_LATER = "static hub_status start_hook(void *arg) { (void)arg; signal(SIGALRM, SIG_DFL); alarm(1); return HUB_OK; }"
BROKEN = {
    "aborts at start": (dict(setup="abort();"), r"release 2 is abandoned: worker 0 could not boot"),
    "hangs at boot": (dict(setup="for (;;) pause();"), r"release 2 is abandoned: worker 0 could not boot"),
    "setup fails": (dict(setup="return HUB_EFAIL;"), r"release 2 is abandoned: worker 0 could not boot"),
    "symbol is missing": (dict(includes="void nowhere(void);", setup="nowhere();"),
                          r"release 2 is abandoned: worker 0 could not boot"),
    "crashes after ready": (dict(after=CRASH_LATER, setup="hub_on_start(app, start_hook, NULL);"),
                            r"release 2 is abandoned: worker 0 died of SIGALRM"),
    "crashes in a later slot": (dict(after=CRASH_LATER, setup="if (hub_worker().slot == 1) hub_on_start(app, start_hook, NULL);"),
                                r"release 2 is abandoned: worker 1 died of SIGALRM"),
}


@pytest.fixture
def deployed(start, tmp_path):
    """A server of two workers whose application and configuration can be replaced, and few clients."""
    app = compile_app(tmp_path / "app.so", "one")
    path = tmp_path / "a.yaml"
    path.write_text("graceful-timeout: 2\nreload-verify: 2\nboot-timeout: 30\n")
    server = start(app, "-c", path, workers=2)
    server.app, server.file = app, path
    return server


LOST = {"end instead of an answer", "request: ConnectionResetError", "ws: end without a close frame",
        "ws: ConnectionResetError"}


def assert_only_lost_with_a_worker(load):
    """A worker that is killed takes its connections along; nobody else noticed, was refused, or waited in vain."""
    failures = load.finish()["failures"]
    assert set(failures) <= LOST, failures
    ends = re.findall(r"was killed by SIG.*", load.server.log())
    lost = sum(int(count) for end in ends for count in re.findall(r"(\d+) connections? lost", end))
    assert sum(failures.values()) <= lost + len(ends), (failures, ends)  # one it may have been accepting


def assert_goes_on_as_before(server, load, crashed=False):
    load.goes_on()
    if crashed:
        assert_only_lost_with_a_worker(load)
    else:
        load.assert_nobody_noticed()
    assert {answer(server) for _ in range(20)} == {"one"}
    assert_manned(server)


@pytest.mark.parametrize("kind", BROKEN)
def test_a_deploy_that(deployed, kind):
    changes, line = BROKEN[kind]
    deployed.file.write_text("graceful-timeout: 2\nreload-verify: 3\nboot-timeout: %s\n" % ("2" if kind == "hangs at boot" else "30"))
    compile_app(deployed.app, "two", **changes)
    with Load(deployed, **CROWD) as load:
        deployed.send_signal(signal.SIGHUP)
        deployed.wait_log(line + r".*; going back to release 1", patience=3 * PATIENCE)
        if kind == "crashes in a later slot":
            deployed.wait_log(r"worker 0 \(pid \d+\) ready in \d+ ms, release 1", count=2)
        assert_goes_on_as_before(deployed, load, crashed=kind.startswith("crashes"))
    # The next one is none the worse for it.
    compile_app(deployed.app, "three")
    deployed.file.write_text("reload-verify: 0\n")
    reload(deployed, 3)
    assert_answers(deployed, "three")


@pytest.mark.parametrize("damage, line", [
    pytest.param(lambda server: server.app.unlink(), r"cannot find the application .*app\.so", id="file-is-missing"),
    pytest.param(lambda server: server.file.write_text("keep-alife: 3\n"), r"a\.yaml:1: .*keep-alife.*keep-alive",
                 id="configuration-is-wrong"),
    pytest.param(lambda server: server.file.unlink(), r"a\.yaml", id="configuration-is-missing"),
])
def test_a_deploy_that_cannot_be_sealed_replaces_nobody(deployed, damage, line):
    damage(deployed)
    before = deployed.pids()
    with Load(deployed, **CROWD) as load:
        deployed.send_signal(signal.SIGHUP)
        deployed.wait_log(line)
        deployed.wait_log(r"the reload is abandoned: .*release 1 goes on")
        assert_goes_on_as_before(deployed, load)
    assert deployed.pids() == before


def test_a_file_that_is_no_module_replaces_nobody(deployed):
    deployed.app.write_text("not an application")
    with Load(deployed, **FEW) as load:
        deployed.send_signal(signal.SIGHUP)
        deployed.wait_log(r"release 2 is abandoned: worker 0 could not boot; going back to release 1")
        assert_goes_on_as_before(deployed, load)


def test_a_source_that_does_not_compile_replaces_nobody(start, tmp_path):
    app = tmp_path / "app.c"
    app.write_text(app_source("one"))
    server = start(app, "--reload-verify", "0", workers=2)
    app.write_text(app_source("two", after="int missing_semicolon"))
    with Load(server, **FEW) as load:
        server.send_signal(signal.SIGHUP)
        server.wait_log(r"the reload is abandoned: .*release 1 goes on", patience=3 * PATIENCE)
        assert_goes_on_as_before(server, load)
    app.write_text(app_source("three"))
    reload(server, 2)
    assert_answers(server, "three")


# ---- configuration --------------------------------------------------------------------------------------------------

def test_a_reload_changes_the_level_of_the_log_and_the_time_of_idle_connections(deployed):
    assert "DEBUG]" not in deployed.log()
    deployed.file.write_text("reload-verify: 0\nlog-level: debug\nkeep-alive: 0.2\nbacklog: 77\n")
    reload(deployed, 2)
    deployed.wait_log(r"\[DEBUG\]")
    with Http(deployed) as connection:
        assert connection.get("/").status == 200
        assert connection.at_end()
    deployed.wait_log(r"backlog changed .*takes effect when the server is started anew")


def test_the_number_of_workers_in_the_file_counts_when_it_has_changed(start, tmp_path):
    path = tmp_path / "a.yaml"

    def configure(workers):
        path.write_text(f"app: {CONTRACT}\nbind: 127.0.0.1:{server.port}\nreload-verify: 0\nworkers: {workers}\n")

    server = Server("contract.so", folder=tmp_path / "server", workers=2)
    server.command = [str(BUILD / "hubbub"), "-c", str(path)]
    configure(2)
    try:
        server.start()
        server.send_signal(signal.SIGTTIN)
        server.wait_log(r"worker 2 \(pid \d+\) ready")
        reload(server, 2)
        server.wait_log(r"release 2 runs in all 3 workers, 3 replaced")
        configure(4)
        reload(server, 3)
        server.wait_log(r"4 workers from now on")
        server.wait_log(r"worker 3 \(pid \d+\) ready")
        configure(1)
        reload(server, 4)
        server.wait_log(r"1 worker from now on")
        wait_for(lambda: sum(map(alive, server.pids().values())) == 1, "one worker is left")
    finally:
        server.finish()


# ---- orders that meet -----------------------------------------------------------------------------------------------

def test_workers_come_back_from_a_pause_at_once(start):
    server = start("contract.so", "--reload-verify", "0", workers=2)
    with WebSocket(server, "/echo"), Http(server) as connection:
        assert connection.get("/hello").status == 200
        connection.request("GET", "/sleep/1")
        server.send_signal(signal.SIGWINCH)
        server.wait_log("the workers finish and the master stays")
        server.send_signal(signal.SIGHUP)
        server.wait_log(r"worker 0 \(pid \d+\) ready", count=2)
        assert get(server, "/whoami").json()["generation"] == 2
        assert connection.response().status == 200  # of the worker that finishes


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_the_end_during_a_reload(deployed, number):
    compile_app(deployed.app, "two", setup="for (;;) pause();")
    deployed.send_signal(signal.SIGHUP)
    deployed.wait_log(r"replaces release 1")
    deployed.send_signal(number)
    assert deployed.wait_exit() == 0


def test_the_end_during_the_boot_waits_for_nobody(start, tmp_path):
    app = compile_app(tmp_path / "app.so", "one", setup="""hub_log(HUB_INFO, "booting"); for (;;) pause();""")
    server = Server(app, folder=tmp_path / "booting", workers=2).launch()
    try:
        server.wait_log("booting")
        server.send_signal(signal.SIGTERM)
        assert server.wait_exit() == 0  # within less than the 30 s of graceful-timeout
        assert "SIGKILL" not in server.log()
    finally:
        server.finish()


def test_reloads_during_reloads_become_one_more(start):
    server = start("contract.so", "--reload-verify", "0.5", workers=2)
    with Load(server, **FEW) as load:
        for _ in range(10):
            server.send_signal(signal.SIGHUP)
        server.wait_log(r"release 2 runs in all", patience=3 * PATIENCE)
        load.goes_on()
        load.assert_nobody_noticed()


def test_a_boot_that_hangs_is_given_up_for_the_next_reload(start, tmp_path):
    app = compile_app(tmp_path / "app.so", "one")
    server = start(app, "--reload-verify", "0", "--boot-timeout", "600", workers=2)
    compile_app(app, "two", setup="for (;;) pause();")
    with Load(server, **FEW) as load:
        server.send_signal(signal.SIGHUP)
        server.wait_log(r"release 2: .* replaces release 1")
        compile_app(app, "three")
        server.send_signal(signal.SIGHUP)
        server.wait_log(r"release 2 is abandoned: a worker still boots, and another reload was asked for; going back to release 1")
        server.wait_log(r"release 3 runs in all 2 workers")
        load.goes_on()
        load.assert_nobody_noticed()
    assert_answers(server, "three")


SLOW_RESOLVER = """
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* slow.example is this host, and whoever asks for it waits while there is a file. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo");
    if (!host || strcmp(host, "slow.example") != 0 || (hints->ai_flags & AI_NUMERICHOST))
        return real(host, port, hints, found);
    while (access(getenv("SLOW_RESOLVER"), F_OK) == 0)
        usleep(10000);
    return real("127.0.0.1", port, hints, found);
}
"""


@pytest.mark.skipif(SANITIZED, reason="a sanitizer wants to be the first library that is loaded")
def test_the_master_waits_for_no_resolver(start, tmp_path):
    source, library, slow = tmp_path / "slow.c", tmp_path / "slow.so", tmp_path / "slow"
    source.write_text(SLOW_RESOLVER)
    subprocess.run([os.environ.get("CC", "gcc"), "-D_GNU_SOURCE", "-shared", "-fPIC", source, "-o", library], check=True)
    file = tmp_path / "a.yaml"
    first, second = free_port(), free_port()
    file.write_text(f'bind: "127.0.0.1:{first}"\nreload-verify: 0\n')
    server = start("contract.so", "-c", file, bind="", workers=1, env={"LD_PRELOAD": str(library), "SLOW_RESOLVER": str(slow)})
    server.port = first
    slow.touch()
    file.write_text(f'bind: ["127.0.0.1:{first}", "slow.example:{second}"]\nreload-verify: 0\n'
                    f'log-syslog: on\nlog-syslog-to: "udp://slow.example:{second}"\n')
    server.send_signal(signal.SIGHUP)
    server.wait_log(r"release 2 is made")
    # Who waits could not replace a worker.
    pid = server.pids()[0]
    os.kill(pid, signal.SIGKILL)
    server.wait_successor(0, pid)
    assert get(server, "/hello").status == 200
    assert "replaces release 1" not in server.log()
    slow.unlink()
    server.wait_log(r"release 2 runs in all 1 workers")
    server.port = second
    assert get(server, "/hello").status == 200


@pytest.mark.parametrize("whom", ["successor", "old", "other"])
def test_a_worker_that_is_killed_while_a_successor_boots(start, tmp_path, whom):
    slow = dict(after="""
static hub_status start_hook(void *arg)
{ (void)arg; hub_log(HUB_INFO, "%ld boots release %u", (long)getpid(), hub_worker().release); return hub_sleep(0.7); }""",
                setup="hub_on_start(app, start_hook, NULL);")
    app = compile_app(tmp_path / "app.so", "one", **slow)
    server = start(app, "--reload-verify", "0", workers=2)
    before = server.pids()
    compile_app(app, "two", **slow)
    with Load(server, short=5) as load:
        server.send_signal(signal.SIGHUP)
        successor = int(server.wait_log(r"(\d+) boots release 2")[1])
        os.kill({"successor": successor, "old": before[0], "other": before[1]}[whom], signal.SIGKILL)
        if whom == "successor":
            server.wait_log(r"release 2 is abandoned: worker 0 could not boot; going back to release 1")
        else:
            server.wait_log(r"release 2 runs in all 2 workers", patience=3 * PATIENCE)
        load.goes_on(count=50)
        assert_only_lost_with_a_worker(load)
    assert_manned(server)
    assert_answers(server, "one" if whom == "successor" else "two")


# Whom a kill -9 hits, and when: a line of the log, and the worker by slot and generation.
PHASES = {
    "the successor while it is watched": (r"ready in \d+ ms, release 2", "successor"),
    "the old worker while its successor is watched": (r"ready in \d+ ms, release 2", "old"),
    "another slot's worker while the first successor is watched": (r"ready in \d+ ms, release 2", "other"),
    "the master's sealing": (r"reloading: release 2 is made", "old"),
}


@pytest.mark.parametrize("phase", PHASES)
def test_a_worker_that_is_killed_during_a_reload(start, phase):
    line, whom = PHASES[phase]
    server = start("contract.so", "--reload-verify", "1", workers=2)
    before = server.pids()
    with Load(server, short=5) as load:
        server.send_signal(signal.SIGHUP)
        server.wait_log(line)
        victim = {"successor": server.pids()[0], "old": before[0], "other": before[1]}[whom]
        os.kill(victim, signal.SIGKILL)
        if whom == "successor":
            server.wait_log(r"release 2 is abandoned: worker 0 died of SIGKILL .*; going back to release 1")
        else:
            server.wait_log(r"release 2 runs in all 2 workers", patience=3 * PATIENCE)
        load.goes_on(count=50)
        assert_only_lost_with_a_worker(load)
    assert_manned(server)


# ---- workers that ask to be replaced --------------------------------------------------------------------------------

def test_workers_are_replaced_after_so_many_requests_one_at_a_time_and_nobody_notices(start):
    server = start("contract.so", "--max-requests", "300", "--max-requests-jitter", "100", "--graceful-timeout", "3", workers=3)
    with Load(server, http=60, short=10, ws=60) as load:
        server.wait_log(r"is replaced: max-requests", count=6, patience=3 * PATIENCE)
        load.assert_nobody_noticed()
    # Between two replacements the first one's successor became ready.
    events = re.findall(r"worker \d+ \(pid \d+\) (ready|is replaced)", server.log())
    assert events[:3] == ["ready"] * 3
    assert not any(a == b == "is replaced" for a, b in zip(events, events[1:])), events


def send_messages(server, count):
    with WebSocket(server, "/echo") as client:
        for _ in range(count):
            client.send_text("x")
            assert client.receive_frame().payload == b"x"


def connect_only(server, count):
    for _ in range(count):
        socket.create_connection(("127.0.0.1", server.port), PATIENCE).close()


@pytest.mark.parametrize("use", [send_messages, connect_only])
def test_messages_and_connections_count_as_requests_do(start, use):
    server = start("contract.so", "--max-requests", "100", workers=1)
    old = server.pids()[0]
    use(server, 50)
    assert "is replaced" not in server.log()
    use(server, 45)
    use(server, 10)
    server.wait_log(rf"worker 0 \(pid {old}\) is replaced: max-requests")
    server.wait_successor(0, old)


def test_a_worker_is_replaced_at_an_age(start):
    server = start("contract.so", "--max-worker-lifetime", "1", workers=1)
    with Load(server, **FEW) as load:
        server.wait_log(r"is replaced: max-worker-lifetime", count=2)
        load.assert_nobody_noticed()


@pytest.mark.plain
def test_a_worker_is_replaced_at_a_size(start, tmp_path):
    leak = "static hub_status leak(hub_http *h, void *a) { char *m = malloc(32 << 20); if (m) for (size_t i = 0; i < 32 << 20; i += 512)" \
           " m[i] = 1; return hub_http_reply(h, 200, NULL, hub_text(m && a == m ? \"\" : \"leaked\")); }"
    app = compile_app(tmp_path / "app.so", "one", after=leak, setup='hub_on_http(app, "GET", "/leak", leak, NULL);')
    server = start(app, "--max-worker-memory", "64M", workers=1)
    old = server.pids()[0]
    with Load(server, **FEW) as load:
        for _ in range(4):
            assert get(server, "/leak").text() == "leaked"
        server.wait_log(rf"worker 0 \(pid {old}\) is replaced: max-worker-memory")
        server.wait_successor(0, old)
        load.assert_nobody_noticed()


# ---- slots that fail ------------------------------------------------------------------------------------------------

def test_a_slot_that_fails_again_and_again_is_told_once_and_the_others_serve(start, tmp_path):
    app = compile_app(tmp_path / "app.so", "one", after="""
static hub_status start_hook(void *arg) { (void)arg; if (hub_worker().slot == 1 && access("broken", F_OK) == 0) abort(); return HUB_OK; }""",
                      setup="hub_on_start(app, start_hook, NULL);")
    server = start(app, "--reload-verify", "0", workers=2)
    flag = server.cwd / "broken"
    flag.touch()
    old = server.pids()[1]
    os.kill(old, signal.SIGKILL)
    with Load(server, **FEW) as load:
        server.wait_log(r"worker 1 .*degraded", patience=3 * PATIENCE)
        load.goes_on()
        load.assert_nobody_noticed()
    delays = [float(text) for text in re.findall(r"worker 1 is started again in ([\d.]+) s", server.log())]
    assert len(delays) >= 3 and delays == sorted(delays) and delays[-1] > 2 * delays[0]
    assert len(re.findall(r"degraded", server.log())) == 1
    # What mends it is a reload, which need not wait for the slot's turn.
    flag.unlink()
    reload(server, 2)
    assert_manned(server)
