# SPDX-License-Identifier: Apache-2.0
"""Engine.IO, protocol 4, byte by byte: polling, WebSocket, the upgrade between them, and what is refused."""

import gzip
import json
import threading

import pytest
from client import BINARY, Http, WebSocket, get
from conftest import shared_server
from hubbub import wait_for

PATH = "/engine.io/?EIO=4&transport="
SEPARATOR = "\x1e"
PACKETS_A_POLL = 16
MAX_PAYLOAD = 1000000

server = shared_server("contract.so", workers=1)


class Session:
    """A client that polls, with as many connections as it has requests at once."""

    def __init__(self, server, headers=()):
        self.server = server
        self.opening = get(server, PATH + "polling", headers)
        assert self.opening.status == 200, self.opening.body
        assert self.opening.text()[0] == "0"
        self.open = json.loads(self.opening.text()[1:])
        self.sid = self.open["sid"]
        self.path = f"{PATH}polling&sid={self.sid}"
        self.socket_path = f"{PATH}websocket&sid={self.sid}"

    def begin_poll(self):
        """A poll that has arrived: another request, made after it, was answered."""
        connection = Http(self.server)
        connection.request("GET", self.path)
        assert get(self.server, "/hello").status == 200
        return connection

    def poll(self, headers=()):
        return get(self.server, self.path, headers)

    def packets(self):
        answer = self.poll()
        assert answer.status == 200, answer.body
        return answer.text().split(SEPARATOR)

    def post(self, payload, method="POST"):
        with Http(self.server) as connection:
            connection.request(method, self.path, body=payload.encode() if isinstance(payload, str) else payload)
            return connection.response()

    def is_gone(self):
        return error_of(self.poll()) == (400, 1)


def error_of(answer):
    assert answer.header("Content-Type") == "application/json", answer.body
    body = answer.json()
    assert set(body) == {"code", "message"}
    return answer.status, body["code"]


def opened(server, headers=(), path=PATH + "websocket"):
    """A WebSocket and what its open packet says."""
    client = WebSocket(server, path, headers)
    packet = client.receive_text()
    assert packet[0] == "0"
    return client, json.loads(packet[1:])


def upgraded(session):
    client = WebSocket(session.server, session.socket_path)
    client.send_text("2probe")
    assert client.receive_text() == "3probe"
    client.send_text("5")
    return client


# ---- handshake


def test_polling_opens_with_all_that_a_client_must_know(server):
    first, second = Session(server).open, Session(server).open
    assert set(first) == {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}
    assert (first["upgrades"], first["pingInterval"], first["pingTimeout"], first["maxPayload"]) == (
        ["websocket"], 25000, 20000, MAX_PAYLOAD)
    assert first["sid"] != second["sid"]


def test_a_websocket_opens_without_upgrades(server):
    client, said = opened(server)
    assert said["upgrades"] == [] and said["maxPayload"] == MAX_PAYLOAD
    client.close()


def test_the_path_may_lack_its_last_slash(server):
    assert get(server, PATH.replace("/?", "?") + "polling").status == 200
    client, _ = opened(server, path=PATH.replace("/?", "?") + "websocket")
    client.close()


@pytest.mark.parametrize("query, code, message", [
    ("EIO=4", 0, "Transport unknown"),
    ("EIO=4&transport=abc", 0, "Transport unknown"),
    ("EIO=4&transport=polling&sid=abc", 1, "Session ID unknown"),
    ("EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAAAAAA", 1, "Session ID unknown"),
    ("EIO=4&transport=websocket", 3, "Bad request"),
    ("transport=polling", 5, "Unsupported protocol version"),
    ("EIO=3&transport=polling", 5, "Unsupported protocol version"),
    ("EIO=abc&transport=polling", 5, "Unsupported protocol version"),
])
def test_a_wrong_request_is_answered_with_the_protocols_error(server, query, code, message):
    answer = get(server, "/engine.io/?" + query)
    assert error_of(answer) == (400, code)
    assert answer.json()["message"] == message


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
def test_a_session_is_opened_by_get_alone(server, method):
    with Http(server) as connection:
        connection.request(method, PATH + "polling", body=b"" if method != "HEAD" else None)
        answer = connection.response(to_head=method == "HEAD")
    assert answer.status == 400
    assert method == "HEAD" or error_of(answer) == (400, 2)


def test_a_session_takes_get_and_post_alone(server):
    session = Session(server)
    assert error_of(session.post("4a", method="PUT")) == (400, 2)
    assert session.post("4a").status == 200


@pytest.mark.parametrize("query, code", [("EIO=3&transport=websocket", 5), ("EIO=4&transport=polling", 3),
                                         ("EIO=4", 0), ("EIO=4&transport=websocket&sid=abc", 1)])
def test_a_wrong_upgrade_is_refused(server, query, code):
    with Http(server) as connection:
        answer = WebSocket.handshake(connection, "/engine.io/?" + query)
    assert error_of(answer) == (400, code)


# ---- messages


def test_packets_of_a_poll_come_back_in_order(server):
    session = Session(server)
    answer = session.post("4hello\x1ebAQIDBA==\x1e4\u20ac")
    assert (answer.status, answer.text()) == (200, "ok")
    assert session.packets() == ["4hello", "bAQIDBA==", "4\u20ac"]


def test_an_answer_to_a_poll_says_what_it_is(server):
    session = Session(server)
    session.post("4x")
    answer = session.poll()
    assert answer.header("Content-Type") == "text/plain; charset=UTF-8"
    assert answer.header("Cache-Control") == "no-store"


def test_a_poll_waits_for_a_message(server):
    session = Session(server)
    with session.begin_poll() as poll:
        session.post("4a\x1e4b")
        assert poll.response().text() == "4a\x1e4b"


def test_an_answer_has_sixteen_packets_at_most(server):
    session = Session(server)
    session.post(SEPARATOR.join(f"4{i}" for i in range(40)))
    counts, packets = [], []
    while len(packets) < 40:
        got = session.packets()
        counts.append(len(got))
        packets += got
    assert packets == [f"4{i}" for i in range(40)]
    assert counts == [PACKETS_A_POLL, PACKETS_A_POLL, 8]


def test_a_websocket_carries_text_and_binary(server):
    client, _ = opened(server)
    client.send_text("4hello \u20ac")
    assert client.receive_text() == "4hello \u20ac"
    client.send_frame(BINARY, b"\x00\x01\xff")
    assert client.receive() == (BINARY, b"\x00\x01\xff")
    client.send_frame(BINARY, b"")
    assert client.receive() == (BINARY, b"")
    client.send_text("4")
    assert client.receive_text() == "4"
    client.close()


def test_many_messages_of_a_websocket_come_back_in_order(server):
    client, _ = opened(server)
    for i in range(1000):
        client.send_text(f"4{i}")
    assert [client.receive_text() for _ in range(1000)] == [f"4{i}" for i in range(1000)]
    client.close()


def test_large_messages_pass_by_both_transports(server):
    body = "x" * (MAX_PAYLOAD - 1)
    session = Session(server)
    assert session.post("4" + body).status == 200
    assert session.packets() == ["4" + body]
    client, _ = opened(server)
    client.send_text("4" + body)
    assert client.receive_text() == "4" + body
    client.close()


def test_a_payload_above_the_limit_is_413_and_the_session_stays(server):
    session = Session(server)
    assert session.post("4" + "x" * MAX_PAYLOAD).status == 413
    assert session.post("4a").status == 200
    assert session.packets() == ["4a"]


def test_a_message_above_the_limit_closes_a_websocket(server):
    client, _ = opened(server)
    client.send_text("4" + "x" * MAX_PAYLOAD)
    assert client.receive_close().code == 1009


def test_large_answers_are_compressed_for_who_accepts_it(server):
    session = Session(server)
    session.post("4" + "x" * 5000)
    answer = session.poll([("Accept-Encoding", "gzip")])
    assert answer.header("Content-Encoding") == "gzip"
    assert gzip.decompress(answer.body).decode() == "4" + "x" * 5000
    session.post("4" + "x" * 100)
    assert session.poll([("Accept-Encoding", "gzip")]).header("Content-Encoding") is None
    session.post("4" + "x" * 5000)
    assert session.poll().header("Content-Encoding") is None


# ---- malformed


@pytest.mark.parametrize("payload", ["", "abc", "4a\x1e", "\x1e4a", "7", b"4\xff", "bA", "b$$$$"])
def test_a_malformed_payload_ends_the_session(server, payload):
    session = Session(server)
    assert error_of(session.post(payload)) == (400, 3)
    assert session.is_gone()


def test_packets_before_a_malformed_one_are_heard(server):
    session = Session(server)
    with session.begin_poll() as poll:
        assert session.post("4a\x1eabc").status == 400
        assert poll.response().text() == "4a"
    assert session.is_gone()


@pytest.mark.parametrize("message", ["abc", "", "7", "2"])
def test_a_packet_that_a_client_must_not_send_ends_the_websocket(server, message):
    client, _ = opened(server)
    client.send_text(message)
    assert client.receive_close().code == 1002
    client.close()


def test_a_second_poll_ends_the_session(server):
    session = Session(server)
    with session.begin_poll() as first:
        wait_for(lambda: error_of(session.poll()) == (400, 3), "a refusal")
        assert first.response().text() == "1"
    assert session.is_gone()


def test_a_client_that_leaves_its_poll_is_gone(server):
    session = Session(server)
    session.begin_poll().close()
    wait_for(session_end(session), "the session to end")


def session_end(session):
    return lambda: session.post("4a").status == 400


# ---- the end


def test_a_close_packet_ends_a_polling_session(server):
    session = Session(server)
    with session.begin_poll() as poll:
        answer = session.post("1")
        assert (answer.status, answer.text()) == (200, "ok")
        assert poll.response().text() == "6"
    assert session.is_gone()


def test_a_poll_that_a_close_packet_overtook_hears_of_the_end(server):
    session = Session(server)
    assert session.post("1").text() == "ok"
    assert session.poll().text() == "6"
    assert session.is_gone()


def test_a_close_packet_ends_a_websocket(server):
    client, _ = opened(server)
    client.send_text("1")
    assert client.receive_close().code == 1000
    client.close()


# ---- upgrades


def test_a_session_goes_over_to_a_websocket(server):
    session = Session(server)
    client = WebSocket(server, session.socket_path)
    client.send_text("2probe")
    assert client.receive_text() == "3probe"
    assert session.poll().text() == "6"
    client.send_text("5")
    client.send_text("4hello")
    assert client.receive_text() == "4hello"
    assert error_of(session.poll()) == (400, 3)
    assert error_of(session.post("4a")) == (400, 3)
    client.close()


def test_a_pending_poll_ends_when_the_probe_comes(server):
    session = Session(server)
    with session.begin_poll() as poll:
        client = WebSocket(server, session.socket_path)
        client.send_text("2probe")
        assert client.receive_text() == "3probe"
        assert poll.response().text() == "6"
    client.close()


def test_messages_that_were_not_polled_follow_by_the_websocket(server):
    session = Session(server)
    session.post(SEPARATOR.join([*(f"4{i}" for i in range(30)), "bAQID"]))
    assert session.packets() == [f"4{i}" for i in range(PACKETS_A_POLL)]
    client = upgraded(session)
    assert [client.receive_text() for _ in range(14)] == [f"4{i}" for i in range(PACKETS_A_POLL, 30)]
    assert client.receive() == (BINARY, b"\1\2\3")
    client.close()


def test_no_message_is_lost_or_doubled_while_a_session_goes_over(server):
    """A client posts all the while; each echo comes once, in order, by one transport and then by the other."""
    session = Session(server)
    got = []

    def poll():
        while True:
            packets = session.packets()
            if packets == ["6"]:
                return
            got.extend(packet for packet in packets if packet != "6")

    poller = threading.Thread(target=poll)
    poller.start()
    for i in range(50):
        session.post(f"4{i}")
    client = WebSocket(server, session.socket_path)
    client.send_text("2probe")
    assert client.receive_text() == "3probe"
    for i in range(50, 100):
        session.post(f"4{i}")
    poller.join()
    client.send_text("5")
    for i in range(100, 150):
        client.send_text(f"4{i}")
    while len(got) < 150:
        got.append(client.receive_text())
    assert got == [f"4{i}" for i in range(150)]
    client.close()


def test_a_second_websocket_of_a_session_is_closed(server):
    session = Session(server)
    client = upgraded(session)
    second = WebSocket(server, session.socket_path)
    assert second.receive_close().code == 1000
    second.close()
    client.send_text("4a")
    assert client.receive_text() == "4a"
    client.close()


@pytest.mark.parametrize("message", ["5", "4a", "2", "2other", "abc"])
def test_a_websocket_that_does_not_probe_is_closed_and_the_session_polls_on(server, message):
    session = Session(server)
    client = WebSocket(server, session.socket_path)
    client.send_text(message)
    assert client.receive_close().code == 1000
    client.close()
    session.post("4a")
    assert session.packets() == ["4a"]


def test_a_probe_that_goes_away_leaves_the_session_polling(server):
    session = Session(server)
    client = WebSocket(server, session.socket_path)
    client.send_text("2probe")
    assert client.receive_text() == "3probe"
    client.vanish()
    wait_for(lambda: takes_a_probe(session), "another probe to be let in")
    session.post("4a")
    assert "4a" in session.packets()


def takes_a_probe(session):
    client = WebSocket(session.server, session.socket_path)
    client.send_text("2probe")
    done = client.receive_frame().opcode == 1
    client.close()
    return done


# ---- pages of other origins


def test_pages_of_all_origins_may_read_the_contracts_answers(server):
    answer = get(server, PATH + "polling", [("Origin", "https://a.example")])
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert answer.header("Access-Control-Allow-Credentials") is None


def test_options_is_answered_for_browsers(server):
    with Http(server) as connection:
        connection.request("OPTIONS", PATH + "polling", [("Origin", "https://a.example"),
                                                         ("Access-Control-Request-Method", "POST"),
                                                         ("Access-Control-Request-Headers", "content-type, x-own")])
        answer = connection.response()
    assert answer.status == 204
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert answer.header("Access-Control-Allow-Headers") == "content-type, x-own"
    assert "POST" in answer.header("Access-Control-Allow-Methods")


# ---- options


def test_heartbeats_keep_a_session_and_their_lack_ends_it(start):
    server = start("contract.so", "--sio-ping-interval", "0.5", "--sio-ping-timeout", "1", workers=1)
    polls, silent = Session(server), Session(server)
    assert polls.open["pingInterval"] == 500 and polls.open["pingTimeout"] == 1000
    client, _ = opened(server)
    mute, _ = opened(server)
    for _ in range(4):
        assert polls.packets() == ["2"]
        assert polls.post("3").status == 200
        assert client.receive_text() == "2"
        client.send_text("3")
    assert mute.receive_text() == "2"
    assert mute.receive_close().reason == "ping timeout"
    wait_for(silent.is_gone, "the session to end")
    client.send_text("4a")
    while (packet := client.receive_text()) != "4a":
        assert packet == "2"
        client.send_text("3")


def test_a_websocket_that_does_not_take_over_in_time_is_closed(start):
    server = start("contract.so", "--sio-upgrade-timeout", "0.3", workers=1)
    session = Session(server)
    client = WebSocket(server, session.socket_path)
    client.send_text("2probe")
    assert client.receive_text() == "3probe"
    assert client.receive_close().code == 1000
    session.post("4a")
    assert session.packets() == ["4a"]


def test_transports_can_be_chosen(start):
    server = start("contract.so", "--sio-transports", "polling", workers=1)
    session = Session(server)
    assert session.open["upgrades"] == []
    with Http(server) as connection:
        assert error_of(WebSocket.handshake(connection, session.socket_path)) == (400, 0)


def test_a_cookie_names_the_session(start):
    server = start("contract.so", "--sio-cookie", "io", workers=1)
    session = Session(server)
    expected = "io=%s; Path=/; HttpOnly; SameSite=Lax"
    assert session.opening.header("Set-Cookie") == expected % session.sid
    client, said = opened(server)
    assert client.upgrade.header("Set-Cookie") == expected % said["sid"]
    client.close()


def test_messages_are_deflated_where_that_was_agreed(server):
    client = WebSocket(server, PATH + "websocket", [("Sec-WebSocket-Extensions", "permessage-deflate")])
    assert "permessage-deflate" in client.upgrade.header("Sec-WebSocket-Extensions")
    assert client.receive_frame().reserved == 0
    client.send_text("4" + "x" * 5000)
    answer = client.receive_frame()
    assert answer.reserved == 4 and len(answer.payload) < 100
    client.close()


def test_a_server_that_stops_tells_its_clients(start):
    server = start("contract.so", "--graceful-timeout", "3", workers=1)
    client, _ = opened(server)
    session = Session(server)
    poll = session.begin_poll()
    session.post("4a")
    assert poll.response().text() == "4a"
    poll = session.begin_poll()
    server.process.terminate()
    assert client.receive_close().code == 1001
    assert poll.response().text() == "1"


# ---- several workers, nothing sticky in front


def test_requests_of_a_session_reach_it_from_every_worker(start):
    server = start("contract.so", workers=4)
    sessions = [Session(server) for _ in range(12)]
    for turn in range(4):
        for i, session in enumerate(sessions):
            assert session.post(f"4{i}.{turn}").text() == "ok"
    for i, session in enumerate(sessions):
        assert session.packets() == [f"4{i}.{turn}" for turn in range(4)]
    for i, session in enumerate(sessions):
        client = upgraded(session)
        client.send_text(f"4{i}")
        assert client.receive_text() == f"4{i}"
        client.close()


def test_one_connection_carries_requests_of_many_sessions(start):
    """As a proxy's do: each request goes to the worker of its session, and the connection with it."""
    server = start("contract.so", workers=4)
    sessions = [Session(server) for _ in range(12)]
    with Http(server) as proxy:
        for turn in range(3):
            for i, session in enumerate(sessions):
                proxy.request("POST", session.path, body=f"4{i}.{turn}".encode())
                assert proxy.response().text() == "ok"
            for i, session in enumerate(sessions):
                assert proxy.get(session.path).text() == f"4{i}.{turn}"
