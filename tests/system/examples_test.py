# SPDX-License-Identifier: Apache-2.0
"""The examples as they are shipped, and an installed server."""

import json
import shutil
import subprocess

import pytest

from client import Http, WebSocket, get
from engine import Direct
from hubbub import BUILD, ROOT, Server

EXAMPLES = ROOT / "examples"


@pytest.mark.parametrize("name", ["contract.ini", "contract.yaml"])
def test_the_contract_application_runs_with_its_configuration(start, name):
    server = start("contract.so", "-c", EXAMPLES / name, workers=2)
    with Http(server) as connection:
        connection.request("POST", "/len", body=b"x" * 1_000_000)
        assert connection.response().body == b"1000000\n"
    with WebSocket(server, "/echo") as client:
        client.send_text("hello")
        assert client.receive_text() == "hello"


def test_echo_sends_back(start):
    server = start("echo.so", workers=2)
    with WebSocket(server, "/echo") as client:
        client.send_frame(2, b"\0\1\2")
        assert client.receive() == (2, b"\0\1\2")


class Talker(Direct):
    """A page of the chat; `me` is what the server says of it."""

    def __init__(self, server):
        super().__init__(server, "/socket.io/")
        self.send_text("40")
        assert self.receive_packet().startswith("40{")
        event, self.me = self.hear()
        assert event == "hello" and set(self.me) == {"id", "slot", "generation", "workers"}

    def hear(self):
        packet = self.receive_packet()
        assert packet.startswith("42"), packet
        return json.loads(packet[2:])

    def tell(self, *event):
        self.send_text("42" + json.dumps(event))


def test_chat_tells_a_page_its_worker_and_relays_with_who_speaks(start):
    server = start("chat.so", workers=2)
    with Talker(server) as one, Talker(server) as two:
        assert one.me["workers"] == two.me["workers"] == 2 and one.me["id"] != two.me["id"]
        two.tell("join", "lobby")
        two.tell("say", "lobby", {"text": "I am here"})
        assert two.hear() == ["said", two.me, "lobby", {"text": "I am here"}]
        one.tell("say", "lobby", "from outside")
        assert two.hear() == ["said", one.me, "lobby", "from outside"]
        one.tell("say", "", ["to", "everybody"])
        assert one.hear() == two.hear() == ["said", one.me, "", ["to", "everybody"]]
        one.close_cleanly()
        assert two.hear() == ["gone", one.me]


@pytest.mark.parametrize("message", ['["join"]', '["join",""]', '["say"]', '["say",{"room":[]}]', '["join","%s"]' % ("x" * 300), "[]", "nothing"])
def test_chat_takes_no_harm_from_a_strange_message(start, message):
    server = start("chat.so", workers=1)
    with Talker(server) as client:
        client.send_text("42" + message)
        client.socket.shutdown(1)
        client.rest()
    assert get(server, "/").status == 200
    assert server.pids().keys() == {0} and "ended" not in server.log()


def test_message_answers_with_a_response_and_prints_who_connects(start):
    server = start("message.so", workers=2)
    with Direct(server, "/socket.io/") as client:
        client.send_text("40")
        assert client.receive_packet().startswith("40{")
        client.send_text('42["message",{"data":"hello"}]')
        assert client.receive_packet() == '42["response",{"data":"Message received"}]'
    server.wait_log("Client connected")


@pytest.mark.parametrize("name,kind", [("", "text/html"), ("chat.js", "text/javascript"), ("socket.io.js", "text/javascript"), ("chat.css", "text/css"),
                                       ("icon.svg", "image/svg+xml")])
def test_the_page_of_the_chat_is_served(start, name, kind):
    server = start("chat.so", workers=1)
    answer = get(server, f"/{name}")
    assert answer.status == 200 and answer.header("Content-Type").startswith(kind)


def test_a_c_file_finds_its_pages_beside_itself(start, tmp_path):
    server = start(EXAMPLES / "chat.c", env={"XDG_CACHE_HOME": str(tmp_path / "cache")}, workers=1)
    assert b"hubbub" in get(server, "/").body


def test_streams_go_both_ways(start):
    server = start("stream.so", workers=1)
    with Http(server) as connection:
        connection.request("POST", "/upload", [("Transfer-Encoding", "chunked")])
        connection.send(b"1\r\na\r\n6\r\nfoobar\r\n0\r\n\r\n")
        assert connection.response().body == b"7 bytes, FNV-1a %016x\n" % fnv1a(b"afoobar")
        assert connection.get("/").header("Content-Type").startswith("text/html")
        numbers = connection.get("/download/1").body
        assert len(numbers) == 1_000_000 and numbers.startswith(b"0" * 8 + b" ") and numbers.count(b"\n") == 20_000
        connection.request("GET", "/clock", [("Last-Event-ID", "41")])
        while b"id: 43\n" not in connection.buffer:
            assert connection.fill()
        assert b"retry: 1000\ndata: " in connection.buffer


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    return value


@pytest.mark.plain
def test_an_installed_server_compiles_against_the_header_that_came_with_it(tmp_path):
    if not (BUILD / "cmake_install.cmake").exists() or not shutil.which("cmake"):
        pytest.skip("this build cannot be installed")
    prefix = tmp_path / "prefix"
    subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], check=True, capture_output=True)
    server = Server(EXAMPLES / "echo.c", folder=tmp_path / "server", workers=1,
                    env={"XDG_CACHE_HOME": str(tmp_path / "cache")})
    server.command[0] = str(prefix / "bin" / "hubbub")
    server.start()
    try:
        with WebSocket(server, "/echo") as client:
            client.send_text("installed")
            assert client.receive_text() == "installed"
    finally:
        server.finish()
