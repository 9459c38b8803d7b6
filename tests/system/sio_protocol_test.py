# SPDX-License-Identifier: Apache-2.0
"""Socket.IO protocol 5 on the wire: packets as text, over one WebSocket or over polling, each byte of them seen."""

import json
import time

import pytest

from client import BINARY, TEXT
from conftest import shared_server
from engine import Direct, Polling
from hubbub import wait_for

PATH = "/socket.io/"
server = shared_server("contract.so")
beating = shared_server("contract.so", "--sio-ping-interval", "0.3", "--sio-ping-timeout", "0.2")


def connected(server, namespace="/"):
    """A WebSocket session that has joined a namespace; what this brought is read."""
    session = Direct(server, PATH)
    prefix = "" if namespace == "/" else namespace + ","
    session.send_text("40" + prefix)
    assert session.receive_packet().startswith("40" + prefix + '{"sid":"')
    assert session.receive_packet() == "42" + prefix + '["auth",{}]'
    return session


def assert_alive(session):
    session.send_text('42["message","alive"]')
    assert session.receive_packet() == '42["message-back","alive"]'


def assert_closed(session):
    """The server ends the connection, and without a word of Socket.IO."""
    assert not [message for message in session.wait_end() if message != b"2"]


# ---- CONNECT --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("prefix", ["", "/custom,"])
@pytest.mark.parametrize("payload", ["", '{"token":"123"}', '{"a":[1,{"b":null}],"ü":"€"}', "{}"])
def test_a_namespace_answers_with_its_sid_and_the_payload_comes_back(server, prefix, payload):
    with Direct(server, PATH) as session:
        session.send_text("40" + prefix + payload)
        answer = session.receive_packet()
        assert answer.startswith("40" + prefix)
        handshake = json.loads(answer[2 + len(prefix):])
        assert set(handshake) == {"sid"} and isinstance(handshake["sid"], str) and handshake["sid"] != session.sid
        assert session.receive_packet() == "42" + prefix + '["auth",' + (payload or "{}") + "]"


def test_the_comma_behind_a_namespace_may_be_left_out(server):
    with Direct(server, PATH) as session:
        session.send_text("40/custom")
        assert session.receive_packet().startswith('40/custom,{"sid":"')
        assert session.receive_packet() == '42/custom,["auth",{}]'


def test_an_unknown_namespace_is_refused(server):
    with Direct(server, PATH) as session:
        session.send_text("40/random")
        assert session.receive_packet() == '44/random,{"message":"Invalid namespace"}'
        session.send_text("40/random,")
        assert session.receive_packet() == '44/random,{"message":"Invalid namespace"}'
        session.send_text("40")
        assert session.receive_packet().startswith('40{"sid":"')


def test_a_refusal_has_words_and_data(server):
    with Direct(server, PATH) as session:
        session.send_text('40/secure,{"token":"wrong"}')
        packet = session.receive_packet()
        assert packet.startswith("44/secure,")
        assert json.loads(packet[10:]) == {"message": "unauthorized", "data": {"code": 401}}
        session.send_text('40/secure,{"token":"s3cret"}')
        assert session.receive_packet().startswith('40/secure,{"sid":"')


def test_a_connection_without_a_namespace_is_closed(start):
    server = start("contract.so", "--sio-connect-timeout", "0.5", workers=1)
    with Direct(server, PATH) as session:
        session.wait_end()
    with Direct(server, PATH) as session:
        session.send_text("40/random,")
        assert session.receive_packet().startswith("44/random,")
        session.wait_end()
    with connected(server) as session:
        time.sleep(1)  # longer than the time to connect
        assert_alive(session)


@pytest.mark.parametrize("sent", ["4abc", "4", "47", "4-1", "40[]", "40{", '40{"a":1', "40null", '40"text"'])
def test_a_connection_whose_first_packet_is_none_is_closed(server, sent):
    with Direct(server, PATH) as session:
        session.send_text(sent)
        assert_closed(session)


def test_an_event_before_the_connection_to_its_namespace_closes(server):
    with Direct(server, PATH) as session:
        session.send_text('42["message",1]')
        assert_closed(session)


# ---- DISCONNECT -----------------------------------------------------------------------------------------------------

def test_who_left_the_main_namespace_stays_connected(beating):
    with connected(beating) as session:
        session.send_text("41")
        assert session.receive_text() == "2"
        session.send_text("3")
        session.send_text("40/custom,")
        assert session.receive_packet().startswith("40/custom,")


def test_who_left_another_namespace_goes_on_in_the_main_one(server):
    with connected(server) as session:
        session.send_text("40/custom,")
        assert session.receive_packet().startswith("40/custom,")
        assert session.receive_packet() == '42/custom,["auth",{}]'
        session.send_text("41/custom,")
        assert_alive(session)


def test_a_kick_is_a_disconnect_packet(server):
    with connected(server) as session:
        session.send_text("40/custom,")
        assert session.receive_packet().startswith("40/custom,")
        assert session.receive_packet() == '42/custom,["auth",{}]'
        session.send_text('42["kick"]')
        assert session.receive_packet() == "41"
        session.send_text('42/custom,["message",1]')
        assert session.receive_packet() == '42/custom,["message-back",1]'


def test_a_kick_that_closes_disconnects_each_namespace_first(server):
    with connected(server) as session:
        session.send_text("40/custom,")
        assert session.receive_packet().startswith("40/custom,")
        assert session.receive_packet() == '42/custom,["auth",{}]'
        session.send_text('42/custom,["kick-close"]')
        assert sorted([session.receive_packet(), session.receive_packet()]) == ["41", "41/custom,"]
        session.wait_end()


def test_by_polling_the_close_comes_in_an_answer_of_its_own(server):
    """The stock client acts on a close before it acts on the packets in front of it."""
    session = Polling(server, PATH)
    session.send("40", "40/custom,")
    session.poll_until(4)
    session.send('42["kick-close"]')
    assert sorted(session.poll_until(2)) == ["41", "41/custom,"]
    assert session.poll() == ["1"]
    wait_for(session.is_gone, "the session is gone")


# ---- EVENT and ACK --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("args", ['1,"2",{"3":[true]}', "null", '{"a":{}}', "[[[]]]", '"ü \\u0000 \\" \\\\"', "-0.5,1e3", '""'])
def test_an_event_comes_back(server, args):
    with connected(server) as session:
        session.send_text(f'42["message",{args}]')
        packet = session.receive_packet()
        assert packet.startswith('42["message-back",') and json.loads(packet[2:])[1:] == json.loads(f"[{args}]")


def test_an_event_without_arguments_comes_back(server):
    with connected(server) as session:
        session.send_text('42["message"]')
        assert session.receive_packet() == '42["message-back"]'


def test_an_acknowledgement_has_the_events_number(server):
    with connected(server) as session:
        session.send_text('42456["message-with-ack",1,"2",{"3":[false]}]')
        assert session.receive_packet() == '43456[1,"2",{"3":[false]}]'
        session.send_text('420["message-with-ack"]')
        assert session.receive_packet() == "430[]"


def test_attachments_come_back_behind_their_event(server):
    with connected(server) as session:
        session.send_text('452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
        session.send_frame(BINARY, b"\x01\x02\x03")
        session.send_frame(BINARY, b"\x04\x05\x06")
        assert session.receive_packet() == '452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
        assert session.receive() == (BINARY, b"\x01\x02\x03")
        assert session.receive() == (BINARY, b"\x04\x05\x06")


def test_attachments_come_back_behind_their_acknowledgement(server):
    with connected(server) as session:
        session.send_text('452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
        session.send_frame(BINARY, b"\x01\x02\x03")
        session.send_frame(BINARY, b"\x04\x05\x06")
        assert session.receive_packet() == '462-789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
        assert session.receive() == (BINARY, b"\x01\x02\x03")
        assert session.receive() == (BINARY, b"\x04\x05\x06")


def test_attachments_in_another_order_find_their_places(server):
    with connected(server) as session:
        session.send_text('452-["message",{"b":[{"_placeholder":true,"num":1}]},{"_placeholder":true,"num":0}]')
        session.send_frame(BINARY, b"first")
        session.send_frame(BINARY, b"second")
        packet = session.receive_packet()
        assert packet.startswith('452-["message-back",')
        blobs = [session.receive()[1], session.receive()[1]]
        args = json.loads(packet[4:])
        assert blobs[args[1]["b"][0]["num"]] == b"second" and blobs[args[2]["num"]] == b"first"


def test_binary_travels_by_polling(server):
    session = Polling(server, PATH)
    session.send("40")
    session.poll_until(2)
    session.send('451-["message",{"_placeholder":true,"num":0}]', "bAQIDBA==")
    assert session.poll_until(2) == ['451-["message-back",{"_placeholder":true,"num":0}]', "bAQIDBA=="]


def test_attachments_may_come_in_requests_of_their_own(server):
    session = Polling(server, PATH)
    session.send("40")
    session.poll_until(2)
    session.send('452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    session.send("bAQ==")
    session.send("bAg==")
    assert session.poll_until(3)[1:] == ["bAQ==", "bAg=="]


def test_an_event_in_a_namespace_is_answered_there(server):
    with connected(server, "/custom") as session:
        session.send_text('42/custom,7["message-with-ack",1]')
        assert session.receive_packet() == "43/custom,7[1]"
        session.send_text('451-/custom,["message",{"_placeholder":true,"num":0}]')
        session.send_frame(BINARY, b"x")
        assert session.receive_packet() == '451-/custom,["message-back",{"_placeholder":true,"num":0}]'
        assert session.receive() == (BINARY, b"x")


def test_the_server_asks_with_a_number_of_its_own(server):
    with connected(server) as session:
        session.send_text('42["ask-me","question",1,"two"]')
        packet = session.receive_packet()
        number, _, data = packet[2:].partition("[")
        assert packet.startswith("42") and number.isdigit() and "[" + data == '["question",1,"two"]'
        session.send_text(f'43{number}["answer"]')
        assert session.receive_packet() == '42["ask-result","answer"]'


# ---- what is no packet ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("sent", [
    "4abc", "4", "47[]", '42{}', "42", '42"text"', "42[", '42["message"', '42["message"]x', "42[]", "42[null]", "42[{}]",
    '42abc["message-with-ack",1,"2",{"3":[false]}]', '42["message",]', "42['message']", '42["message",01]', '42["connect"]',
    '42["disconnect",1]', "43[]x", "43x[]", "45[]", '45x-["message"]', '45-["message"]', '44{"message":"x"}',
])
def test_what_is_no_packet_closes_the_connection(server, sent):
    with connected(server) as session:
        session.send_text(sent)
        assert_closed(session)


@pytest.mark.parametrize("packets", [
    [(TEXT, '451-["message",{"_placeholder":true,"num":0}]'), (TEXT, '42["message"]')],
    [(TEXT, '451-["message",{"_placeholder":true,"num":1}]'), (BINARY, b"x")],
    [(TEXT, '451-["message",{"_placeholder":true,"num":-1}]'), (BINARY, b"x")],
    [(TEXT, '451-["message",{"_placeholder":true,"num":"0"}]'), (BINARY, b"x")],
    [(BINARY, b"x")],
    [(TEXT, '451000000-["message"]')],
    [(TEXT, '4599999999999999999999-["message"]')],
], ids=["text instead of an attachment", "beyond the last", "negative", "no number", "without a packet", "a million", "huge"])
def test_attachments_that_do_not_fit_close_the_connection(server, packets):
    with connected(server) as session:
        for opcode, payload in packets:
            session.send_frame(opcode, payload)
        assert_closed(session)


def test_a_packet_that_nests_too_deep_closes_the_connection(server):
    with connected(server) as session:
        session.send_text('42["message",' + "[" * 5000 + "]" * 5000 + "]")
        assert_closed(session)


def test_an_acknowledgement_that_nobody_asked_for_is_dropped(server):
    with connected(server) as session:
        session.send_text("43999[1]")
        session.send_text("439007199254740991[1]")
        assert_alive(session)


def test_an_event_that_nobody_takes_is_dropped(server):
    with connected(server) as session:
        session.send_text('42["no such event",1]')
        assert_alive(session)


def test_an_event_to_a_namespace_that_was_not_joined_harms_nobody(server):
    """It is dropped, or ends this connection; it reaches no handler."""
    with connected(server) as other, connected(server) as session:
        session.send_text('42/custom,["everyone",{"event":"leak","data":1}]')
        session.send_text("41")
        session.close()
        assert_alive(other)


def test_a_bad_packet_by_polling_ends_the_session(server):
    session = Polling(server, PATH)
    session.send("40")
    session.poll_until(2)
    session.post("42{}")
    wait_for(session.is_gone, "the session is gone")
