# SPDX-License-Identifier: Apache-2.0
"""Where a server listens: addresses that come and go, sockets that it is given, and what waits in their queues."""

import os
import shutil
import signal
import socket
import stat
import struct
import subprocess

import pytest

from client import Http, get
from hubbub import BUILD, PATIENCE, ROOT, find_app, free_port, kill_all, new_mark, run, session_members, wait_for
from master_test import compile_module

CONTRACT = find_app("contract.so")
HELLO = b"GET /hello HTTP/1.1\r\nHost: test\r\n\r\n"


class At:
    """Another address of a server, for clients."""

    def __init__(self, address):
        self.address = address

    def connect(self):
        kind = socket.AF_UNIX if isinstance(self.address, str) else socket.AF_INET
        plug = socket.socket(kind)
        plug.settimeout(PATIENCE)
        plug.connect(self.address)
        return plug


def is_refused(address):
    try:
        At(address).connect().close()
    except (ConnectionRefusedError, FileNotFoundError):
        return True
    return False


def write_binds(path, *addresses):
    path.write_text("".join(f"bind = {address}\n" for address in addresses))
    return path


def serve_file(start, path, *options, workers=1):
    """A server whose addresses stand in a file only."""
    return start("contract.so", "-c", path, "--reload-verify", "0.1", *options, workers=workers, bind="")


# ---- addresses that come and go -------------------------------------------------------------------------------------

def test_hup_adds_and_removes_addresses_and_leaves_the_others_alone(start, tmp_path):
    stays, goes, comes = free_port(), free_port(), tmp_path / "new.sock"
    binds = write_binds(tmp_path / "binds.ini", f"127.0.0.1:{stays}", f"127.0.0.1:{goes}")
    server = serve_file(start, binds, workers=2)
    with Http(At(("127.0.0.1", goes))) as client:
        assert client.get("/hello").status == 200
        write_binds(binds, f"127.0.0.1:{stays}", f"unix:{comes}")
        server.send_signal(signal.SIGHUP)
        server.wait_log("release 2 runs in all 2 workers")
        assert client.get("/hello").status == 200  # a client of the address that is gone is served once more
    assert get(At(str(comes)), "/hello").status == 200
    assert get(At(("127.0.0.1", stays)), "/hello").status == 200
    wait_for(lambda: is_refused(("127.0.0.1", goes)), "the address that is gone is refused")
    server.wait_log(f"no longer listening at 127.0.0.1:{goes}")
    write_binds(binds, f"127.0.0.1:{stays}")
    server.send_signal(signal.SIGHUP)
    server.wait_log("release 3 runs in all 2 workers")
    wait_for(lambda: not comes.exists(), "the path of the unix socket is removed")
    assert get(At(("127.0.0.1", stays)), "/hello").status == 200


def test_an_address_that_cannot_be_had_abandons_the_reload(start, tmp_path):
    stays = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        binds = write_binds(tmp_path / "binds.ini", f"127.0.0.1:{stays}")
        server = serve_file(start, binds)
        before = server.pids()
        extra = free_port()
        write_binds(binds, f"127.0.0.1:{extra}", f"127.0.0.1:{taken.getsockname()[1]}")
        server.send_signal(signal.SIGHUP)
        server.wait_log("the reload is abandoned: cannot listen at .*: the port is in use.*; release 1 goes on")
        assert server.pids() == before
        assert is_refused(("127.0.0.1", extra))
    assert get(At(("127.0.0.1", stays)), "/hello").status == 200


def test_addresses_of_an_abandoned_release_are_closed_again(start, tmp_path):
    stays, extra = free_port(), free_port()
    shutil.copy(CONTRACT, tmp_path / "app.so")
    binds = write_binds(tmp_path / "binds.ini", f"127.0.0.1:{stays}")
    server = start(tmp_path / "app.so", "-c", binds, workers=1, bind="")
    compile_module(tmp_path / "broken.so", """
        #include <hubbub.h>
        #include <stdlib.h>
        static hub_status setup(hub_app *app) { (void)app; abort(); }
        HUB_MODULE(.name = "broken", .setup = setup);
        """)
    os.replace(tmp_path / "broken.so", tmp_path / "app.so")
    write_binds(binds, f"127.0.0.1:{extra}")
    server.send_signal(signal.SIGHUP)
    server.wait_log(f"no longer listening at 127.0.0.1:{extra}")
    assert "release 2 is abandoned" in server.log()
    wait_for(lambda: is_refused(("127.0.0.1", extra)), "the address is refused")
    assert get(At(("127.0.0.1", stays)), "/hello").status == 200


# ---- sockets that the server is given -------------------------------------------------------------------------------

@pytest.fixture
def given():
    """A listening socket of somebody else."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen(64)
        yield made


class Given:
    """A server that is started with descriptors of the test's own."""

    def __init__(self, folder, *options, environment=(), sockets=(), activate=False, names=None):
        self.log_path = folder / "given.log"
        self.mark = new_mark()
        at = {3 + i: plug.fileno() for i, plug in enumerate(sockets)}
        said = {"LISTEN_FDS": str(len(at))} if activate else {}
        if names:
            said["LISTEN_FDNAMES"] = names

        def place():
            high = {to: os.dup2(fd, 100 + to) for to, fd in at.items()}
            for to, fd in high.items():
                os.dup2(fd, to)
                os.close(fd)

        command = [BUILD / "hubbub", "-w", "1", *map(str, options), CONTRACT]
        if activate:  # LISTEN_PID must be the process's own, which only itself knows
            command = ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *command]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [*map(str, command)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=place,
                close_fds=False, start_new_session=True, cwd=folder,
                env={**os.environ, **said, **dict(environment), **dict([self.mark.split("=")])})

    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_log(self, words):
        wait_for(lambda: words in self.log(), lambda: f"{words!r} in the log:\n{self.log()}")
        return self

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        assert self.process.wait(PATIENCE) == 0, self.log()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        kill_all(session_members(self.process.pid, self.mark))
        self.process.wait()


def test_an_inherited_descriptor_is_served_and_left_open(tmp_path, given):
    with Given(tmp_path, "-b", "fd://3", sockets=[given]) as server:
        server.wait_log("ready in")
        assert get(At(given.getsockname()), "/hello").status == 200
        server.end()
    with At(given.getsockname()).connect():  # it still listens: it is ours
        given.accept()[0].close()


@pytest.mark.parametrize("number, words", [(0, "is no socket"), (77, "is not open"), (3, "does not listen")])
def test_a_descriptor_that_cannot_be_listened_at_is_told(tmp_path, number, words):
    with socket.socket() as silent:
        with Given(tmp_path, "-b", f"fd://{number}", sockets=[silent]) as server:
            assert server.process.wait(PATIENCE) == 1
            assert f'bind address "fd://{number}": descriptor {number} {words}' in server.log()


def test_a_socket_unit_s_sockets_are_taken_when_no_address_is_given(tmp_path, given):
    with socket.socket(socket.AF_UNIX) as local:
        local.bind(str(tmp_path / "unit.sock"))
        local.listen()
        with Given(tmp_path, activate=True, sockets=[given, local]) as server:
            server.wait_log("ready in")
            assert get(At(given.getsockname()), "/hello").status == 200
            assert get(At(str(tmp_path / "unit.sock")), "/hello").status == 200
            server.end()
        assert (tmp_path / "unit.sock").exists()


def test_a_socket_unit_s_sockets_are_chosen_by_name(tmp_path, given):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with Given(tmp_path, "-b", "systemd:web", activate=True, sockets=[other, given], names="admin:web") as server:
            server.wait_log("ready in")
            assert get(At(given.getsockname()), "/hello").status == 200
            assert str(other.getsockname()[1]) not in server.log()
            server.end()


def test_a_name_that_no_socket_unit_has_is_told(tmp_path, given):
    with Given(tmp_path, "-b", "systemd:web", activate=True, sockets=[given], names="admin") as server:
        assert server.process.wait(PATIENCE) == 1
        assert "the service manager gave no socket named web" in server.log()


def test_sockets_meant_for_another_process_are_not_taken(tmp_path, given):
    port = free_port()
    with Given(tmp_path, "-b", f"127.0.0.1:{port}", sockets=[given],
               environment={"LISTEN_FDS": "1", "LISTEN_PID": "1"}) as server:
        server.wait_log("ready in")
        assert get(At(("127.0.0.1", port)), "/hello").status == 200
        server.end()


def test_a_stop_and_a_start_under_a_manager_s_socket_refuse_nobody(tmp_path, given):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with Given(tmp_path / "a", activate=True, sockets=[given]) as server:
        server.wait_log("ready in")
        server.end()
    with At(given.getsockname()).connect() as waiting:
        waiting.sendall(HELLO)
        with Given(tmp_path / "b", activate=True, sockets=[given]) as server:
            assert waiting.recv(1000).startswith(b"HTTP/1.1 200")
            server.end()


# ---- unix sockets ---------------------------------------------------------------------------------------------------

def test_a_unix_socket_has_the_mode_that_is_given_whatever_the_umask(start, tmp_path):
    path = tmp_path / "chat.sock"
    start("contract.so", "--socket-mode", "660", "--umask", "077", workers=1, bind=f"unix:{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a socket away")
def test_a_unix_socket_has_the_owner_that_is_given(start, tmp_path):
    path = tmp_path / "chat.sock"
    start("contract.so", "--socket-user", "daemon", "--socket-group", "65534", workers=1, bind=f"unix:{path}")
    assert (path.stat().st_uid, path.stat().st_gid) == (1, 65534)


def test_an_owner_that_does_not_exist_is_told(tmp_path):
    result = run("-w", 1, "-b", f"unix:{tmp_path}/chat.sock", "--socket-user", "nobody-at-all", CONTRACT)
    assert result.returncode == 1
    assert "socket-user nobody-at-all: this machine has no such user" in result.stderr
    assert not (tmp_path / "chat.sock").exists()


# ---- shared ports ---------------------------------------------------------------------------------------------------

def test_two_servers_share_a_port_when_both_say_so(start, tmp_path):
    first = start("contract.so", "--reuse-port", workers=1)
    second = start("contract.so", "--reuse-port", workers=1, bind=f"127.0.0.1:{first.port}")
    first.send_signal(signal.SIGTERM)
    assert first.wait_exit() == 0
    assert get(first, "/hello").status == 200  # by the second
    second.send_signal(signal.SIGTERM)
    assert second.wait_exit() == 0


# ---- what waits in the queue of a server that stops -----------------------------------------------------------------

@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_connections_that_wait_when_the_server_stops_are_answered(start, tmp_path, kind):
    path = tmp_path / "queue.sock"
    server = start("contract.so", workers=1, bind=f"unix:{path}" if kind == "unix" else None)
    worker = server.pids()[0]
    os.kill(worker, signal.SIGSTOP)
    waiting = [server.connect() for _ in range(40)]
    try:
        for plug in waiting[:39]:
            plug.sendall(HELLO)
        server.send_signal(signal.SIGTERM)
        server.wait_log("finishing")
        if kind == "tcp":
            with socket.socket() as late:  # nobody new gets into the queue
                late.setblocking(False)
                late.connect_ex(("127.0.0.1", server.port))
                os.kill(worker, signal.SIGCONT)
        else:
            assert is_refused(str(path))
            os.kill(worker, signal.SIGCONT)
        waiting[39].sendall(HELLO)  # one that asks only now
        for plug in waiting:
            with plug.makefile("rb") as answer:
                text = answer.read()
                assert text.startswith(b"HTTP/1.1 200"), text
        assert b"\r\nConnection: close\r\n" in text
    finally:
        if server.process.poll() is None:
            os.kill(worker, signal.SIGCONT)
        for plug in waiting:
            plug.close()
    assert server.wait_exit() == 0


# ---- the service manager --------------------------------------------------------------------------------------------

class Manager:
    """What a service manager hears."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(PATIENCE)
        self.environment = {"NOTIFY_SOCKET": str(path)}

    def wait_for(self, *lines):
        """Reads until each of these has come, in this order; gives what each datagram said."""
        heard, left = [], list(lines)
        while left:
            heard.append(self.socket.recv(4096).decode())
            if heard[-1].split("\n")[0].startswith(left[0]):
                left.pop(0)
        return heard


def test_the_manager_hears_of_start_reload_and_stop(start, tmp_path):
    manager = Manager(tmp_path / "notify")
    server = start("contract.so", "--reload-verify", "0.1", workers=2,
                   env={**manager.environment, "WATCHDOG_USEC": "400000"})
    manager.wait_for("STATUS=starting", "READY=1", "STATUS=serving: release 1, 2 of 2 workers ready", "WATCHDOG=1")
    server.send_signal(signal.SIGHUP)
    said = manager.wait_for("RELOADING=1", "READY=1")
    assert "STATUS=serving: release 2, 2 of 2 workers ready" in said
    assert any("\nMONOTONIC_USEC=" in text for text in said)
    server.send_signal(signal.SIGTERM)
    manager.wait_for("STOPPING=1")
    assert server.wait_exit() == 0


def test_the_manager_hears_that_a_reload_has_ended_also_when_it_failed(start, tmp_path):
    manager = Manager(tmp_path / "notify")
    binds = write_binds(tmp_path / "binds.ini", f"127.0.0.1:{free_port()}")
    server = start("contract.so", "-c", binds, workers=1, bind="", env=manager.environment)
    manager.wait_for("READY=1")
    binds.write_text("no such thing\n")
    server.send_signal(signal.SIGHUP)
    manager.wait_for("RELOADING=1", "READY=1")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_the_sample_units_are_valid(tmp_path):
    for name in ["hubbub.service", "hubbub.socket"]:
        text = (ROOT / "deploy" / "systemd" / name).read_text()
        (tmp_path / name).write_text(text.replace("/usr/local/bin/hubbub", str(BUILD / "hubbub")))
    result = subprocess.run(["systemd-analyze", "verify", tmp_path / "hubbub.service", tmp_path / "hubbub.socket"],
                            capture_output=True, text=True)
    about_ours = [line for line in result.stderr.splitlines() if "hubbub" in line and "Failed to " not in line]
    assert not about_ours, result.stderr


# ---- proxies --------------------------------------------------------------------------------------------------------

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ASK_PEER = b"GET /peer HTTP/1.1\r\nHost: test\r\n\r\n"


def peer_told(server, header, in_pieces=False):
    with Http(server) as client:
        for piece in ([bytes([byte]) for byte in header + ASK_PEER] if in_pieces else [header + ASK_PEER]):
            client.send(piece)
        return client.response().text()


def test_the_proxy_s_word_about_the_client_is_taken(start, apps):
    server = start(apps("probe"), "--proxy-protocol", workers=1)
    v4 = SIGNATURE + b"\x21\x11" + struct.pack("!H", 12 + 5) + socket.inet_aton("192.0.2.7") + \
        socket.inet_aton("127.0.0.1") + struct.pack("!HH", 51000, 80) + b"\x04\0\x02ab"  # with a TLV
    v6 = SIGNATURE + b"\x21\x21" + struct.pack("!H", 36) + socket.inet_pton(socket.AF_INET6, "2001:db8::1") * 2 + \
        struct.pack("!HH", 1, 2)
    for header, client in [(b"PROXY TCP4 192.0.2.7 127.0.0.1 51000 80\r\n", "192.0.2.7:51000"),
                           (b"PROXY TCP6 2001:db8::1 ::1 51000 80\r\n", "[2001:db8::1]:51000"),
                           (v4, "192.0.2.7:51000"), (v6, "[2001:db8::1]:1")]:
        assert peer_told(server, header) == client
        assert peer_told(server, header, in_pieces=True) == client
    for header in [b"PROXY UNKNOWN\r\n", SIGNATURE + b"\x20\0\0\0"]:
        assert peer_told(server, header).startswith("127.0.0.1:")


def test_a_proxy_that_sends_no_header_is_not_served(start, apps):
    server = start(apps("probe"), "--proxy-protocol", "--header-timeout", "0.3", workers=1)
    for text in [ASK_PEER, b"PROXY TCP4 192.0.2.7\r\n" + ASK_PEER, b"", b"PROXY"]:
        with Http(server) as client:
            client.send(text)
            assert client.at_end()


def test_others_than_proxies_are_served_without_a_header_and_not_with_one(start, apps):
    server = start(apps("probe"), "--proxy-protocol", "--proxy-allow-from", "192.0.2.0/24", workers=1)
    assert peer_told(server, b"").startswith("127.0.0.1:")
    with Http(server) as client:
        client.send(b"PROXY TCP4 192.0.2.7 127.0.0.1 51000 80\r\n" + ASK_PEER)
        assert client.response().status == 400


def test_forwarded_headers_are_believed_from_those_that_are_listed(start, apps):
    headers = [("X-Forwarded-For", "203.0.113.9, 198.51.100.1, 10.1.2.3"), ("X-Forwarded-Proto", "https")]
    server = start(apps("probe"), "--forwarded-allow-ips", "127.0.0.1,10.0.0.0/8", workers=1)
    assert get(server, "/peer", headers).text() == "198.51.100.1"
    assert get(server, "/scheme", headers).text() == "https"
    assert get(server, "/peer", [("Forwarded", 'for="[2001:db8::1]:17";proto=https')]).text() == "[2001:db8::1]:17"
    assert get(server, "/scheme").text() == "http"
    wary = start(apps("probe"), "--forwarded-allow-ips", "none", workers=1)
    assert get(wary, "/peer", headers).text().startswith("127.0.0.1:")
    assert get(wary, "/scheme", headers).text() == "http"
