# SPDX-License-Identifier: Apache-2.0
"""Both logs: where lines go, what stands in them, files that are moved away, and readers that do not read."""

import base64
import json
import os
import re
import signal
import socket
import threading
import time

import pytest

from client import Http, WebSocket, get, send_raw
from hubbub import find_app, run, wait_for

DEFAULT = re.compile(r'127\.0\.0\.1 - (\S+) \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "(.*?)" (\d{3}) (\S+) "(.*)" "(.*)"')


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def wait_lines(path, count=1):
    return wait_for(lambda: (found := lines(path)) and len(found) >= count and found,
                    lambda: f"{count} lines in {path}: {lines(path)}")


@pytest.fixture
def start_logged(start, tmp_path):
    """Starts a server with an access log of a format; gives both."""
    def start_one(*options, format=None, app="contract.so", workers=1, **arguments):
        path = tmp_path / "access"
        chosen = [] if format is None else ["--access-logformat", format]
        return start(app, "--access-logfile", path, *chosen, *options, workers=workers, **arguments), path
    return start_one


# ---- lines of the access log ----------------------------------------------------------------------------------------

def test_a_request_is_a_line_in_the_common_form(start_logged):
    server, path = start_logged()
    with Http(server) as connection:
        user = base64.b64encode(b"bob:secret").decode()
        body = connection.get("/hello?a=b", [("Referer", "http://x/"), ("User-Agent", "test"), ("Authorization", f"Basic {user}")]).body
        assert connection.get("/not-there").status == 404
    first, second = (DEFAULT.fullmatch(line).groups() for line in wait_lines(path, 2))
    assert first == ("bob", "GET /hello?a=b HTTP/1.1", "200", str(len(body)), "http://x/", "test")
    assert second[1:3] == ("GET /not-there HTTP/1.1", "404") and second[4:] == ("-", "-")


def test_every_atom_has_its_value(start_logged):
    atoms = ["h", "l", "u", "r", "m", "U", "q", "H", "s", "B", "b", "f", "a", "T", "M", "D", "L", "p", "{X-Id}i", "{content-type}o",
             "{SHOP}e", "{HTTP_X_ID}e", "{REQUEST_METHOD}e", "{NOT_THERE}e"]
    server, path = start_logged(format="%%|" + "|".join(f"%({atom})s" for atom in atoms), env={"SHOP": "north"})
    with Http(server) as connection:
        answer = connection.get("/hello?x=%20", [("X-Id", "7")])
    values = wait_lines(path)[0].split("|")
    assert values[0] == "%"
    got = dict(zip(atoms, values[1:], strict=True))
    length = str(len(answer.body))
    times = {atom: got.pop(atom) for atom in "TMDL"}
    assert got == {"h": "127.0.0.1", "l": "-", "u": "-", "r": "GET /hello?x=%20 HTTP/1.1", "m": "GET", "U": "/hello", "q": "x=%20",
                   "H": "HTTP/1.1", "s": "200", "B": length, "b": length, "f": "-", "a": "-", "p": f"<{server.pids()[0]}>",
                   "{X-Id}i": "7", "{content-type}o": answer.header("content-type"), "{SHOP}e": "north", "{HTTP_X_ID}e": "7",
                   "{REQUEST_METHOD}e": "GET", "{NOT_THERE}e": "-"}
    assert re.fullmatch(r"\d+\.\d{6}", times["L"]) and all(times[atom].isdigit() for atom in "TMD")


def test_a_client_can_forge_neither_a_line_nor_a_column(start_logged):
    server, path = start_logged(format='"%(a)s" "%({X-A}i)s" %(u)s')
    with Http(server) as connection:
        user = base64.b64encode(b"bob 200:x").decode()
        connection.get("/hello", [("User-Agent", 'x" 200 "y\\'), ("X-A", "tab\there \u00e9 \u0085"), ("Authorization", f"Basic {user}")])
    line = wait_lines(path)[0]
    assert line.startswith('"x\\" 200 \\"y\\\\" "tab\\x09here ') and line.endswith(" -")
    assert len(lines(path)) == 1


def test_refused_requests_and_handshakes_are_lines(start_logged):
    server, path = start_logged(format="%(s)s %(r)s")
    with WebSocket(server):
        pass
    assert send_raw(server, b"GET / HTTP/1.1\r\n\r\n").status == 400
    assert send_raw(server, b"\x16\x03\x01\r\n\r\n").status == 400
    assert wait_lines(path, 3) == ["101 GET /echo HTTP/1.1", "400 GET / HTTP/1.1", "400 -"]


def test_a_stream_is_a_line_at_its_end(start_logged):
    server, path = start_logged(format="%(s)s %(B)s %(D)s", app="stream.so")
    with Http(server) as connection:
        connection.send(b"GET /download/1 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert len(connection.response().body) == 1000000
    status, length, _ = wait_lines(path)[0].split()
    assert (status, length) == ("200", "1000000")


def test_a_format_with_an_unknown_atom_is_an_error_with_its_position():
    result = run("--access-logformat", "%(h)s %(x)s", "--check-config", find_app("contract.so"))
    assert result.returncode == 2
    assert "access-logformat" in result.stderr and 'position 7, "%(x)s"' in result.stderr


def test_standard_output_can_be_the_access_log(start):
    server = start("contract.so", "--access-logfile", "-", workers=1)
    get(server, "/hello")
    server.wait_log(r'"GET /hello HTTP/1\.1" 200')


# ---- the error log --------------------------------------------------------------------------------------------------

def test_the_error_log_is_a_file_of_either_name(start):
    for name in ["--error-logfile", "--log-file"]:
        server = start("contract.so", name, "log", workers=1, before=["sh", "-c", 'exec "$@" 2>console', "sh"])
        server.wait_log("listening at")
        assert os.readlink(f"/proc/{server.pids()[0]}/fd/2") == str(server.log_path)
        assert (server.folder / "console").read_text() == ""


def test_a_log_that_cannot_be_opened_is_said_at_the_start(tmp_path):
    for option in ["--error-logfile", "--access-logfile"]:
        result = run(option, tmp_path / "none" / "log", "-b", "127.0.0.1:0", find_app("contract.so"))
        assert result.returncode == 1
        assert option[2:] in result.stderr and "folder" in result.stderr


# ---- files that are moved away --------------------------------------------------------------------------------------

def test_no_line_is_lost_when_files_are_moved_away_under_load(start_logged):
    """logrotate's way: move the files, send USR1. Every request is in one of the files, once."""
    server, path = start_logged("--error-logfile", "log", format="%(q)s", workers=2)
    pids = set(server.pids().values())
    stop, asked = threading.Event(), [0] * 4

    def ask(number):
        with Http(server) as connection:
            while not stop.is_set():
                assert connection.get(f"/hello?{number}-{asked[number]}").status == 200
                asked[number] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(asked))]
    for thread in threads:
        thread.start()
    files = [path]
    for turn in range(5):
        wait_lines(path, 20)
        files.append(path.rename(path.with_name(f"access.{turn}")))
        server.log_path.rename(server.folder / f"log.{turn}")
        server.send_signal(signal.SIGUSR1)
        wait_for(lambda: "opened anew" in server.log(), "a new error log")
        for pid in pids:
            wait_for(lambda: os.readlink(f"/proc/{pid}/fd/2") == str(server.log_path), "its error log is the new one")
    stop.set()
    for thread in threads:
        thread.join()
    expected = sorted(f"{number}-{count}" for number in range(len(asked)) for count in range(asked[number]))
    got = lambda: sorted(line for file in files for line in lines(file))
    wait_for(lambda: len(got()) >= len(expected), "all lines")
    assert got() == expected
    assert all(os.readlink(f"/proc/{pid}/fd/2") == str(server.log_path) for pid in pids)
    assert "SIGUSR1" in (server.folder / "log.0").read_text()


def test_usr1_meant_for_the_master_harms_no_worker(start):
    server = start("contract.so", workers=1)
    os.kill(server.pids()[0], signal.SIGUSR1)
    server.send_signal(signal.SIGUSR1)
    server.wait_log("opened anew")
    assert get(server, "/hello").status == 200
    assert len(re.findall("ready in", server.log())) == 1


def test_a_file_that_cannot_be_opened_anew_goes_on(start_logged, tmp_path):
    server, path = start_logged(format="%(U)s", workers=1)
    moved = tmp_path / "moved"
    path.rename(moved)
    path.mkdir()
    server.send_signal(signal.SIGUSR1)
    server.wait_log("the log goes on in the file that was open")
    get(server, "/hello")
    assert wait_lines(moved) == ["/hello"]


def test_hup_takes_another_file(start, tmp_path):
    file, first, second = (tmp_path / name for name in ["c.yaml", "first", "second"])
    file.write_text(f"access-logfile: {first}\naccess-logformat: '%(U)s'\n")
    server = start("contract.so", "-c", file, "--reload-verify", "0", workers=1)
    get(server, "/hello")
    assert wait_lines(first) == ["/hello"]
    pid = server.pids()[0]
    file.write_text(f"access-logfile: {second}\naccess-logformat: '%(m)s %(U)s'\n")
    server.send_signal(signal.SIGHUP)
    server.wait_successor(0, pid)
    server.wait_log(rf"\(pid {pid}\) ended")
    get(server, "/hello")
    assert wait_lines(second) == ["GET /hello"]


# ---- readers that do not read ---------------------------------------------------------------------------------------

def test_a_pipe_that_nobody_reads_delays_nobody_and_is_said_once(start, tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    server = start("contract.so", "--access-logfile", path, "--access-logformat", "%(q)s", workers=1)
    began = time.monotonic()
    with Http(server) as connection:
        for number in range(100):
            assert connection.get(f"/hello?{number}-" + "x" * 2000).status == 200
    server.wait_log(r"line\(s\) of the access log were dropped")
    got = b""
    while piece := os.read(reader, 1 << 20) if got.count(b"\n") < 20 else b"":
        got += piece
    whole = [f"{number}-".encode() + b"x" * 2000 for number in range(100)]
    assert got.endswith(b"\n") and got.splitlines() == whole[:len(got.splitlines())]
    assert len(re.findall("were dropped", server.log())) <= 1 + (time.monotonic() - began) // 10
    os.close(reader)


# ---- JSON -----------------------------------------------------------------------------------------------------------

def test_lines_are_objects_of_json(start, tmp_path):
    path, errors = tmp_path / "access", tmp_path / "server0" / "log"
    server = start("contract.so", "--log-json", "--access-logfile", path, workers=1)
    server.wait_log("listening at")
    with Http(server) as connection:
        connection.get("/hello", [("User-Agent", 'a "b" \u00e9')])
    line = json.loads(wait_lines(path)[0])
    assert list(line) == ["time", "log", "remote_address", "identity", "user", "date", "request", "status", "length", "referrer", "user_agent"]
    assert line["request"] == "GET /hello HTTP/1.1" and line["status"] == 200 and line["user"] is None
    found = [json.loads(text) for text in lines(errors)]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", item["time"]) for item in found)
    assert any(item.get("label") == "worker 0" and item["level"] == "info" for item in found)
    assert any(item["message"].startswith("listening at") and item["pid"] == server.pid for item in found)


# ---- syslog ---------------------------------------------------------------------------------------------------------

def receive_until(listener, part):
    """The first datagram that has a part."""
    listener.settimeout(30)
    while True:
        line = listener.recv(65536).decode()
        if part in line:
            return line


def test_both_logs_go_to_a_syslog_daemon_and_find_it_again(start, tmp_path):
    path = tmp_path / "syslog"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(path))
    server = start("contract.so", "--log-syslog", "--log-syslog-to", f"unix://{path}", "--log-syslog-prefix", "shop",
                   "--log-syslog-facility", "local1", "--access-logformat", "%(U)s", workers=1)
    assert re.fullmatch(rf"<142>\w{{3}} [ \d]\d \d\d:\d\d:\d\d hubbub\.shop\[{server.pid}\]: listening at .*",
                        receive_until(listener, "listening at"))
    get(server, "/hello")
    assert receive_until(listener, "/hello").endswith(f"hubbub.shop[{server.pids()[0]}]: /hello")
    listener.close()
    path.unlink()
    get(server, "/hello?lost")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(path))
    listener.settimeout(0.05)

    def found_again():
        get(server, "/hello")
        try:
            return "/hello" in listener.recv(65536).decode()
        except TimeoutError:
            return False

    wait_for(found_again, "the new daemon gets lines")
    assert re.search(r"<140>.* \d+ line\(s\) of this process were dropped before", receive_until(listener, "dropped"))
    listener.close()


def test_syslog_over_udp_has_the_newer_form_and_can_be_without_requests(start):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        server = start("contract.so", "--log-syslog", "--log-syslog-to", f"udp://127.0.0.1:{listener.getsockname()[1]}",
                       "--disable-redirect-access-to-syslog", workers=1)
        assert re.fullmatch(rf"<14>1 \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{6}}Z \S+ hubbub {server.pid} error - listening at .*",
                            receive_until(listener, "listening at"))
        get(server, "/hello")
        server.send_signal(signal.SIGUSR1)
        while "opened anew" not in (line := receive_until(listener, "")):
            assert "/hello" not in line
