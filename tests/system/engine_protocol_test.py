# SPDX-License-Identifier: Apache-2.0
"""
Engine.IO protocol 4 on the wire, at the endpoint of the contract application that sends every message back. Requests
come on connections of their own: with four workers most reach one that does not own the session.
"""

import base64
import threading
import time

import pytest

from client import BINARY, CLOSE, TEXT, Http, WebSocket
from conftest import shared_server
from engine import SEPARATOR, Direct, Polling, ask, assert_refused, target
from hubbub import wait_for

PATH = "/engine.io/"
server = shared_server("contract.so")
beating = shared_server("contract.so", "--sio-ping-interval", "0.3", "--sio-ping-timeout", "0.2")


def refused_socket(server, path):
    with Http(server) as connection:
        answer = WebSocket.handshake(connection, path)
        assert answer.status == 400, answer.status
        return answer


# ---- opening --------------------------------------------------------------------------------------------------------

def test_a_polling_session_opens(server):
    session = Polling(server)
    assert session.opening.header("Content-Type") == "text/plain; charset=UTF-8"
    assert set(session.open) == {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}
    assert session.open["upgrades"] == ["websocket"]
    assert (session.open["pingInterval"], session.open["pingTimeout"]) == (25000, 20000)
    assert session.open["maxPayload"] == 1000000


def test_a_websocket_session_opens(server):
    with Direct(server) as session:
        assert set(session.open) == {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}
        assert session.open["upgrades"] == [] and session.open["maxPayload"] == 1000000


def test_the_configured_times_are_told(beating):
    opened = Polling(beating).open
    assert (opened["pingInterval"], opened["pingTimeout"]) == (300, 200)


def test_the_path_needs_no_last_slash(server):
    assert Polling(server, "/engine.io").open["sid"]


def test_session_ids_are_long_and_never_the_same(server):
    sids = [Polling(server).sid for _ in range(20)]
    assert len(set(sids)) == 20 and all(len(sid) >= 20 for sid in sids)
    assert len({sid[-8:] for sid in sids}) == len({sid[:8] for sid in sids}) == 20 or len({sid[8:16] for sid in sids}) == 20


@pytest.mark.parametrize("query", ["transport=polling", "EIO=abc&transport=polling", "EIO=5&transport=polling", "EIO=&transport=polling"])
def test_another_version_is_refused(server, query):
    assert_refused(ask(server, "GET", f"{PATH}?{query}"), 5)


@pytest.mark.parametrize("query", ["EIO=4", "EIO=4&transport=abc", "EIO=4&transport=", "EIO=4&transport=webtransport2"])
def test_an_unknown_transport_is_refused(server, query):
    assert_refused(ask(server, "GET", f"{PATH}?{query}"), 0)
    refused_socket(server, f"{PATH}?{query}")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_another_method_opens_nothing(server, method):
    assert_refused(ask(server, method, target(PATH, "polling"), b""), 2)


@pytest.mark.parametrize("sid", ["abc", "", "A" * 20, "..%2f..", "A" * 3000])
def test_an_unknown_session_is_refused(server, sid):
    path = target(PATH, "polling", sid=sid)
    if sid:
        assert_refused(ask(server, "GET", path), 1)
        assert_refused(ask(server, "POST", path, b"4x"), 1)
        refused_socket(server, target(PATH, "websocket", sid=sid))


def test_a_websocket_session_needs_an_upgrade(server):
    assert_refused(ask(server, "GET", target(PATH, "websocket")), 3)


def test_a_websocket_session_takes_no_polls(server):
    with Direct(server) as session:
        assert_refused(ask(server, "GET", target(PATH, "polling", sid=session.sid)), 3)
        session.send_text("4still here")
        assert session.receive_text() == "4still here"


@pytest.mark.parametrize("query", ["transport=websocket", "EIO=abc&transport=websocket"])
def test_a_websocket_of_another_version_is_refused(server, query):
    refused_socket(server, f"{PATH}?{query}")


# ---- messages -------------------------------------------------------------------------------------------------------

def test_one_text_comes_back(server):
    session = Polling(server)
    session.send("4hello")
    answer = session.get()
    assert (answer.status, answer.text()) == (200, "4hello")
    assert answer.header("Content-Type") == "text/plain; charset=UTF-8"


def test_several_texts_of_a_payload_come_back_in_one(server):
    session = Polling(server)
    session.send("4one", "4", "4three ü 𝄞")
    assert session.poll_until(3) == ["4one", "4", "4three ü 𝄞"]


def test_binary_travels_as_base64(server):
    session = Polling(server)
    blobs = ["b" + base64.b64encode(bytes(range(256))[:size]).decode() for size in (4, 5, 6, 256)]
    session.send("4text", *blobs, "4more")
    assert session.poll_until(6) == ["4text", *blobs, "4more"]


def test_a_poll_waits_for_a_message(server):
    session = Polling(server)
    with session.begin() as poll:
        session.send("4later")
        assert poll.response().text() == "4later"


def test_an_answer_has_at_most_sixteen_packets(server):
    session = Polling(server)
    packets = [f"4{number}" for number in range(100)]
    session.send(*packets)
    got = []
    while len(got) < 100:
        answer = session.poll()
        assert len(answer) <= 16
        got += answer
    assert got == packets


@pytest.mark.parametrize("opcode,sent", [(TEXT, "4hello ü"), (TEXT, "4"), (BINARY, bytes(range(256))), (BINARY, b"")])
def test_a_websocket_message_comes_back(server, opcode, sent):
    with Direct(server) as session:
        session.send_frame(opcode, sent)
        assert session.receive() == (opcode, sent)


@pytest.mark.parametrize("body", ["abc", "", "9", "4a\x1ex", "8hello"])
def test_a_payload_that_is_none_closes_the_session(server, body):
    session = Polling(server)
    assert session.post(body).status in (200, 400)
    wait_for(session.is_gone, "the session is gone")


@pytest.mark.parametrize("opcode,sent", [(TEXT, "abc"), (TEXT, ""), (TEXT, "9")])
def test_a_packet_that_is_none_closes_the_websocket(server, opcode, sent):
    with Direct(server) as session:
        session.send_frame(opcode, sent)
        session.wait_end()


def test_a_payload_of_the_allowed_size_comes_back(server):
    session = Polling(server)
    text = "4" + "x" * 999_999
    session.send(text)
    assert session.poll() == [text]


def test_a_larger_payload_is_refused(server):
    session = Polling(server)
    assert session.post("4" + "x" * 1_000_000).status == 413


def test_a_larger_websocket_message_closes_with_1009(server):
    with Direct(server) as session:
        session.send_text("4" + "x" * 1_000_000)
        assert session.receive_close().code == 1009


# ---- two at once ----------------------------------------------------------------------------------------------------

def test_a_second_poll_closes_the_session(server):
    session = Polling(server)
    with session.begin() as first:
        # A poll that overtakes the first is the second for the server: one of the two is refused in any case.
        time.sleep(0.05)
        second = session.get()
        answer = first.response()
        assert sorted([answer.status, second.status]) == [200, 400]
        assert "1" in (answer.text(), second.text())
    wait_for(session.is_gone, "the session is gone")


def test_a_second_post_is_refused_or_overtakes_the_first(server):
    """A server that looks at whole requests only sees the first when the second is done with."""
    session = Polling(server)
    with session.begin("POST", b"4fir", length=6) as first:
        second = session.post("4second")
        if second.status == 200:
            first.send(b"st")
            assert first.response().text() == "ok"
            assert session.poll_until(2) == ["4second", "4first"]
        else:
            assert second.status == 400
            wait_for(session.is_gone, "the session is gone")


# ---- heartbeat ------------------------------------------------------------------------------------------------------

def test_a_polling_client_is_pinged(beating):
    session = Polling(beating)
    for _ in range(3):
        assert session.poll() == ["2"]
        session.send("3")


def test_a_polling_client_that_does_not_answer_is_closed(beating):
    session = Polling(beating)
    assert session.poll() == ["2"]
    wait_for(session.is_gone, "the session is gone", pause=0.1)


def test_a_polling_client_that_is_never_seen_again_is_closed(beating):
    session = Polling(beating)
    time.sleep(1)  # of silence: any request would be a sign of life
    assert_refused(session.get(), 1)


def test_a_websocket_client_is_pinged(beating):
    with Direct(beating) as session:
        for _ in range(3):
            assert session.receive_text() == "2"
            session.send_text("3")


def test_a_websocket_client_that_does_not_answer_is_closed(beating):
    with Direct(beating) as session:
        assert session.receive_text() == "2"
        begun = time.monotonic()
        session.wait_end()
        assert time.monotonic() - begun < 20


def test_messages_do_not_stand_for_an_answer_to_a_ping(beating):
    """A client that talks but never answers a ping is closed all the same."""
    with Direct(beating) as session:
        ended = threading.Event()

        def talk():
            try:
                while not ended.wait(0.05):
                    session.send_text("4on")
            except OSError:
                pass

        talking = threading.Thread(target=talk)
        talking.start()
        session.wait_end()
        ended.set()
        talking.join()


# ---- closing --------------------------------------------------------------------------------------------------------

def test_a_client_closes_its_polling_session(server):
    session = Polling(server)
    with session.begin() as poll:
        time.sleep(0.05)  # the poll waits when the close comes, or it would be refused
        session.send("1")
        answer = poll.response()
    assert (answer.status, answer.text()) == (200, "6")
    assert_refused(session.get(), 1)


def test_a_client_closes_its_websocket_session(server):
    with Direct(server) as session:
        session.send_text("1")
        session.wait_end()
        sid = session.sid
    assert_refused(ask(server, "GET", target(PATH, "polling", sid=sid)), 1)


def test_who_vanishes_is_forgotten(server):
    session = Direct(server)
    session.vanish()
    wait_for(lambda: (answer := ask(server, "GET", target(PATH, "polling", sid=session.sid))).status == 400 and answer.json()["code"] == 1,
             "the session is gone", pause=0.02)


# ---- upgrading ------------------------------------------------------------------------------------------------------

def test_a_session_moves_to_a_websocket(server):
    session = Polling(server)
    with session.socket() as socket:
        with session.begin() as poll:
            socket.send_text("2probe")
            assert socket.receive_text() == "3probe"
            answer = poll.response()
            assert (answer.status, answer.text()) == (200, "6")  # sends the poll home, so that nothing is lost in it
        socket.send_text("5")
        socket.send_text("4hello")
        assert socket.receive_text() == "4hello"
        socket.send_frame(BINARY, b"\x01\x02")
        assert socket.receive() == (BINARY, b"\x01\x02")


def test_a_poll_that_begins_after_the_probe_is_sent_home(server):
    session = Polling(server)
    with session.socket() as socket:
        socket.send_text("2probe")
        assert socket.receive_text() == "3probe"
        assert session.poll() == ["6"]
        socket.send_text("5")
        socket.send_text("4hello")
        assert socket.receive_text() == "4hello"


def test_messages_sent_while_it_moves_are_not_lost(server):
    session = Polling(server)
    with session.socket() as socket:
        session.send("4before")
        socket.send_text("2probe")
        assert socket.receive_text() == "3probe"
        session.send("4between")
        got = [packet for packet in session.poll() if packet != "6"]
        socket.send_text("5")
        socket.send_text("4after")
        while len(got) < 3:
            got.append(socket.receive_text())
    assert got == ["4before", "4between", "4after"]


def test_a_session_that_moved_takes_no_polls(server):
    session = Polling(server)
    with session.upgrade() as socket:
        wait_for(lambda: (answer := session.post("4x")).status == 400 and answer.json()["code"] == 3, "polls are refused", pause=0.02)
        assert_refused(session.get(), 3)
        socket.send_text("4end")
        while socket.receive_text() != "4end":  # a post that overtook the upgrade was carried out
            pass


def test_a_session_that_moved_takes_no_second_websocket(server):
    session = Polling(server)
    with session.upgrade() as socket:
        socket.send_text("4one")
        assert socket.receive_text() == "4one"
        with Http(server) as second:
            if WebSocket.handshake(second, session.url("websocket")).status != 400:
                assert second.take(1)[0] & 15 == CLOSE
        socket.send_text("4two")
        assert socket.receive_text() == "4two"


def test_a_websocket_that_never_finishes_the_move_harms_nothing(server):
    session = Polling(server)
    with session.socket() as socket:
        socket.send_text("2probe")
        assert socket.receive_text() == "3probe"
        socket.vanish()

    def talks():
        session.send("4still polling")
        return "4still polling" in session.poll()

    wait_for(talks, "the session goes on by polling", pause=0.02)


@pytest.mark.parametrize("sent", ["4hello", "2", "2other", "abc"])
def test_a_websocket_that_begins_with_anything_but_a_probe_is_closed(server, sent):
    session = Polling(server)
    with session.socket() as socket:
        socket.send_text(sent)
        assert socket.wait_end() == []
    session.send("4still polling")
    assert session.poll_until(1) == ["4still polling"]


# ---- other origins --------------------------------------------------------------------------------------------------

def test_pages_of_every_origin_may_read_the_answers(server):
    session = Polling(server, headers=[("Origin", "https://elsewhere.example")])
    assert session.opening.header("Access-Control-Allow-Origin") == "*"
    session.send("4x")
    assert session.get().header("Access-Control-Allow-Origin") == "*"
    refused = ask(server, "GET", f"{PATH}?EIO=4", headers=[("Origin", "https://elsewhere.example")])
    assert refused.header("Access-Control-Allow-Origin") == "*"


def test_a_preflight_is_answered(server):
    answer = ask(server, "OPTIONS", target(PATH, "polling"), headers=[
        ("Origin", "https://elsewhere.example"), ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "content-type")])
    assert answer.status in (200, 204) and answer.header("Access-Control-Allow-Origin") == "*"
    assert "POST" in answer.header("Access-Control-Allow-Methods")
    assert "content-type" in answer.header("Access-Control-Allow-Headers").lower()


# ---- nothing sticky -------------------------------------------------------------------------------------------------

def test_many_sessions_go_through_one_connection(server):
    """As a proxy's: the requests of sessions of all workers come one behind the other."""
    with Http(server) as connection:
        sessions = [Polling(server, on=connection) for _ in range(20)]
        for number, session in enumerate(sessions):
            session.send(f"4for {number}")
        for number, session in enumerate(sessions):
            assert session.poll() == [f"4for {number}"]
        connection.request("GET", "/hello")
        assert connection.response().body == b"hello\n"


def test_a_session_answers_on_every_worker(server):
    """Its requests come through connections of all workers, again and again."""
    connections = {}
    while len(connections) < server.workers:
        connection = Http(server)
        pid = connection.get("/whoami").json()["pid"]
        if connections.setdefault(pid, connection) is not connection:
            connection.close()
    session = Polling(server)
    for number, connection in enumerate([*connections.values()] * 5):
        session.on = connection
        session.send(f"4{number}")
        assert session.poll() == [f"4{number}"]
    for connection in connections.values():
        connection.close()


def test_pipelined_requests_of_two_sessions_are_answered_in_order(server):
    one, two = Polling(server), Polling(server)
    requests = b"".join(
        f"POST {session.url()} HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\n4{word}".encode() +
        f"GET {session.url()} HTTP/1.1\r\nHost: test\r\n\r\n".encode()
        for session, word in ((one, "one"), (two, "two")))
    with Http(server) as connection:
        connection.send(requests)
        assert [connection.response().text() for _ in range(4)] == ["ok", "4one", "ok", "4two"]
