# SPDX-License-Identifier: Apache-2.0
"""RFC 6455 as a client sees it: messages, control frames, closing, what is refused, and what a client may cost."""

import asyncio
import os
import struct
import time

import pytest
import websockets

from client import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Http, WebSocket, frame, get
from conftest import shared_server
from hubbub import PATIENCE, Server, wait_for

server = shared_server("contract.so")


@pytest.fixture(scope="module")
def probe(apps, tmp_path_factory):
    # Who does not read is given time: the tests read on after the close, however slow the machine is.
    server = Server(apps("probe"), "--ws-close-timeout", "20", folder=tmp_path_factory.mktemp("probe"),
                    workers=1).start()
    yield server
    server.finish()


# ---- messages -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 1_000_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_comes_back_as_it_went(server, opcode, size):
    payload = b"x" * size if opcode == TEXT else (bytes(range(256)) * (size // 256 + 1))[:size]
    with WebSocket(server) as client:
        client.send_frame(opcode, payload)
        got, body = client.receive()
        assert got == opcode
        assert (body.encode() if opcode == TEXT else body) == payload


def test_text_of_all_planes_comes_back(server):
    text = "Grüße, 世界, \u0000, \ufffd, \ud7ff\ue000, \U0001f680\U0010ffff"
    with WebSocket(server) as client:
        client.send_text(text)
        assert client.receive_text() == text


@pytest.mark.limit(120)
def test_a_message_of_16_mib_comes_back(server):
    payload = b"\xa5" * (16 << 20)
    with WebSocket(server) as client:
        client.socket.settimeout(60)
        client.send_frame(BINARY, payload)
        assert client.receive() == (BINARY, payload)


def test_a_message_above_16_mib_is_closed_with_1009(server):
    with WebSocket(server) as client:
        client.send(frame(BINARY, b"", length=(16 << 20) + 1))  # refused by its length alone
        assert client.receive_close().code == 1009


def test_fragments_that_add_up_above_the_limit_are_closed_with_1009(probe):
    with WebSocket(probe, "/small") as client:
        client.send_frame(TEXT, b"x" * 60, fin=False)
        client.send_frame(CONTINUATION, b"x" * 41)
        assert client.receive_close().code == 1009


def test_a_message_at_the_limit_of_its_route_is_taken(probe):
    with WebSocket(probe, "/small") as client:
        client.send_frame(TEXT, b"x" * 60, fin=False)
        client.send_frame(CONTINUATION, b"x" * 40)
        assert client.receive_text() == "x" * 100


def test_fragments_are_put_together(server):
    with WebSocket(server) as client:
        client.send(frame(TEXT, "one ", fin=False) + frame(CONTINUATION, "", fin=False) +
                    frame(CONTINUATION, "two ", fin=False) + frame(CONTINUATION, "three"))
        assert client.receive() == (TEXT, "one two three")


def test_a_character_may_be_split_between_fragments(server):
    with WebSocket(server) as client:
        rocket = "🚀".encode()
        client.send(frame(TEXT, rocket[:1], fin=False) + frame(CONTINUATION, rocket[1:3], fin=False) +
                    frame(CONTINUATION, rocket[3:]))
        assert client.receive_text() == "🚀"


def test_control_frames_may_stand_between_fragments(server):
    with WebSocket(server) as client:
        client.send(frame(BINARY, b"a", fin=False) + frame(PING, b"p") + frame(CONTINUATION, b"b", fin=False) +
                    frame(PONG, b"unasked") + frame(CONTINUATION, b"c"))
        pong = client.receive_frame()
        assert (pong.opcode, pong.payload) == (PONG, b"p")
        assert client.receive() == (BINARY, b"abc")


def test_a_message_in_100_000_fragments_comes_back(server):
    with WebSocket(server) as client:
        client.send(frame(TEXT, "", fin=False) + frame(CONTINUATION, "x", fin=False) * 100_000 + frame(CONTINUATION))
        assert client.receive_text() == "x" * 100_000


def test_bytes_may_arrive_one_by_one(server):
    with WebSocket(server) as client:
        for byte in frame(TEXT, "slowly, ", fin=False) + frame(PING, "?") + frame(CONTINUATION, "ü" * 100):
            client.send(bytes([byte]))
        assert client.receive_text() == "slowly, " + "ü" * 100


def test_many_frames_may_arrive_at_once(server):
    with WebSocket(server) as client:
        client.send(b"".join(frame(TEXT, str(number)) for number in range(2000)))
        assert [client.receive_text() for _ in range(2000)] == [str(number) for number in range(2000)]


@pytest.mark.parametrize("piece", [2, 3, 5, 7, 11, 13, 64, 1000, 1447])
def test_frames_may_be_cut_anywhere(server, piece):
    data = b"".join(frame(TEXT, "x" * number) for number in range(0, 300, 7))
    with WebSocket(server) as client:
        for begin in range(0, len(data), piece):
            client.send(data[begin:begin + piece])
        for number in range(0, 300, 7):
            assert client.receive_text() == "x" * number


def test_each_frame_is_unmasked_with_its_own_key(server):
    with WebSocket(server) as client:
        for key in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\1\2\3\4", b"abcd"):
            client.send_frame(BINARY, b"same payload", key=key)
            assert client.receive() == (BINARY, b"same payload")


def test_messages_of_one_client_are_handled_in_order_one_at_a_time(probe):
    with WebSocket(probe, "/slow") as client:
        for number in range(30):  # the first takes longest
            client.send_text(str(number))
        assert [client.receive_text() for _ in range(30)] == [str(number) for number in range(30)]


def test_session_data_belongs_to_one_client(probe):
    with WebSocket(probe, "/count") as one, WebSocket(probe, "/count") as two:
        for expected in ("1", "2", "3"):
            one.send_text("")
            assert one.receive_text() == expected
        two.send_text("")
        assert two.receive_text() == "1"


# ---- control frames and closing -------------------------------------------------------------------------------------

@pytest.mark.parametrize("payload", [b"", b"x", b"\0\xff" * 62 + b"!"])
def test_a_ping_is_answered_with_its_payload(server, payload):
    with WebSocket(server) as client:
        client.send_frame(PING, payload)
        pong = client.receive_frame()
        assert (pong.opcode, pong.payload, pong.fin) == (PONG, payload, True)


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_many_pings_are_answered_one_by_one_in_order(server, piece):
    payloads = [b"%d " % number * number for number in range(40)]
    data = b"".join(frame(PING, payload) for payload in payloads) + frame(TEXT, "behind them")
    with WebSocket(server) as client:
        for begin in range(0, len(data), piece):
            client.send(data[begin:begin + piece])
        for payload in payloads:
            pong = client.receive_frame()
            assert (pong.opcode, pong.payload) == (PONG, payload)
        assert client.receive_text() == "behind them"


def test_a_pong_that_nobody_asked_for_is_ignored(server):
    with WebSocket(server) as client:
        client.send_frame(PONG, b"hello?")
        client.send_text("still here")
        assert client.receive_text() == "still here"


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])
def test_a_close_is_answered_with_its_code(server, code):
    with WebSocket(server) as client:
        client.send_frame(CLOSE, struct.pack("!H", code) + "good bye, ü".encode())
        assert client.receive_close().code == code
        assert client.at_end()


def test_a_close_may_have_the_longest_reason(server):
    with WebSocket(server) as client:
        client.send_frame(CLOSE, struct.pack("!H", 1000) + "ü".encode() * 61 + b"!")
        assert client.receive_close().code == 1000
        assert client.at_end()


def test_a_close_without_a_code_is_answered(server):
    with WebSocket(server) as client:
        client.send_frame(CLOSE)
        assert client.receive_close().code in (None, 1000)
        assert client.at_end()


def test_what_was_sent_before_a_close_is_still_answered(server):
    with WebSocket(server) as client:
        client.send(frame(TEXT, "last words") + frame(CLOSE, struct.pack("!H", 1000)))
        assert client.receive_text() == "last words"
        assert client.receive_close().code == 1000


@pytest.mark.parametrize("late", [frame(TEXT, "too late"), frame(PING, "too late"), frame(3, "too late"),
                                  frame(CLOSE, struct.pack("!H", 1001)), frame(BINARY, b"", length=1 << 40)],
                         ids=lambda data: data[:1].hex())
@pytest.mark.parametrize("together", [True, False])
def test_frames_after_a_close_are_ignored(server, late, together):
    with WebSocket(server) as client:
        if together:
            client.send(frame(CLOSE, struct.pack("!H", 1000)) + late)
        else:
            client.send(frame(CLOSE, struct.pack("!H", 1000)))
        got = client.receive_frame()
        assert (got.opcode, got.code) == (CLOSE, 1000)
        if not together:
            client.send(late)
        assert client.at_end()


def test_a_fragment_before_a_close_is_no_message(server):
    with WebSocket(server) as client:
        client.send(frame(TEXT, "half a ", fin=False) + frame(CLOSE, struct.pack("!H", 1000)) +
                    frame(CONTINUATION, "message"))
        assert client.receive_frame().opcode == CLOSE
        assert client.at_end()


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
def test_a_close_with_a_code_that_must_not_be_sent_is_1002(server, code):
    with WebSocket(server) as client:
        client.send_frame(CLOSE, struct.pack("!H", code))
        assert client.receive_close().code == 1002
        assert client.at_end()


def test_the_application_closes_with_code_and_reason(probe):
    with WebSocket(probe, "/close") as client:
        client.send_text("4321")
        got = client.receive_close()
        assert (got.code, got.reason) == (4321, "as asked")
        client.send_frame(CLOSE, got.payload)
        assert client.at_end()


@pytest.mark.parametrize("code", [999, 1005, 1006, 1015, 5000])
def test_the_application_cannot_close_with_a_code_that_must_not_be_sent(probe, code):
    with WebSocket(probe, "/close") as client:
        client.send_text(str(code))
        assert client.receive_text() == "EINVAL"


@pytest.mark.parametrize("path,code", [("/loop-ok", 1000), ("/loop-fails", 1011)])
def test_the_end_of_a_receive_loop_closes(probe, path, code):
    with WebSocket(probe, path) as client:
        client.send_text("end")
        assert client.receive_close().code == code


def test_a_receive_with_a_time_limit_ends_in_time(probe):
    with WebSocket(probe, "/impatient") as client:
        assert client.receive_text() == "ETIMEDOUT"


def test_a_client_that_does_not_answer_a_close_is_cut_off(start, apps):
    server = start(apps("probe"), "--ws-close-timeout", "0.3", workers=1)
    with WebSocket(server, "/close") as client:
        client.send_text("1000")
        assert client.receive_close().code == 1000
        begun = time.monotonic()
        assert client.at_end()
        assert 0.1 < time.monotonic() - begun < 4.5  # far from the default of 5 s


def test_the_close_handler_hears_the_code_and_the_reason(probe):
    with WebSocket(probe, "/farewell/a") as stays, WebSocket(probe, "/farewell/a") as goes:
        goes.send_frame(CLOSE, struct.pack("!H", 4001) + b"gone home")
        assert stays.receive_text() == "4001 gone home"


def test_the_close_handler_hears_1006_when_a_client_vanishes(probe):
    with WebSocket(probe, "/farewell/b") as stays:
        WebSocket(probe, "/farewell/b").vanish()
        assert stays.receive_text().split()[0] == "1006"


def test_the_close_handler_hears_1005_when_no_code_was_sent(probe):
    with WebSocket(probe, "/farewell/c") as stays, WebSocket(probe, "/farewell/c") as goes:
        goes.send_frame(CLOSE)
        assert stays.receive_text().split()[0] == "1005"


# ---- what is refused ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("data", [
    frame(TEXT, "unmasked", masked=False),
    frame(TEXT, "reserved bit 1", reserved=4),
    frame(TEXT, "reserved bit 2", reserved=2),
    frame(TEXT, "reserved bit 3", reserved=1),
    frame(3, "reserved opcode"),
    frame(7, "reserved opcode"),
    frame(11, "reserved control opcode"),
    frame(15, "reserved control opcode"),
    frame(PING, "a fragment", fin=False),
    frame(CLOSE, struct.pack("!H", 1000), fin=False),
    frame(PING, b"x" * 126),
    frame(PONG, b"x" * 70000),
    frame(CLOSE, struct.pack("!H", 1000) + b"x" * 124),
    frame(CLOSE, b"\x03"),
    frame(CONTINUATION, "of nothing"),
    frame(TEXT, "a", fin=False) + frame(TEXT, "b"),
    frame(TEXT, "a", fin=False) + frame(BINARY, "b"),
    frame(TEXT, "a") + frame(CONTINUATION, "b"),
    b"\x82\xff" + b"\xff" * 8 + b"\0\0\0\0",
], ids=lambda data: data[:4].hex())
def test_a_broken_frame_is_closed_with_1002(server, data):
    with WebSocket(server) as client:
        client.send(data)
        assert client.receive_close().code == 1002
        assert client.at_end()


@pytest.mark.parametrize("payload", [
    b"\xff", b"\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x80\x80\xaf",
    b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"fine until here \xce", b"\xe2\x82", b"x" * 10000 + b"\xc3\x28",
], ids=lambda data: data[-4:].hex())
def test_text_that_is_not_utf_8_is_closed_with_1007(server, payload):
    with WebSocket(server) as client:
        client.send_frame(TEXT, payload)
        assert client.receive_close().code == 1007
        assert client.at_end()


def test_utf_8_broken_between_fragments_is_closed_with_1007(server):
    with WebSocket(server) as client:
        client.send(frame(TEXT, b"\xe2\x82", fin=False) + frame(CONTINUATION, b"x"))
        assert client.receive_close().code == 1007


@pytest.mark.parametrize("begun", [
    frame(TEXT, b"\xce\xba\xf4\x90", length=1000),                            # 0x110000 would be the next character
    frame(TEXT, "fine, ", fin=False) + frame(CONTINUATION, b"\xff", fin=False),  # more fragments are to come
    frame(TEXT, b"\xf0\x9f", fin=False) + frame(CONTINUATION, b"\x9a\x28", length=70_000),
    frame(TEXT, b"x" * 70_000 + b"\xed\xa0", length=200_000),
], ids=["frame", "fragments", "character-in-fragments", "large"])
def test_text_that_cannot_become_utf_8_is_closed_before_it_is_whole(server, begun):
    with WebSocket(server) as client:
        client.send(begun)
        assert client.receive_close().code == 1007
        assert client.at_end()


def test_text_that_may_still_become_utf_8_is_waited_for(server):
    rocket = frame(TEXT, "🚀")
    with WebSocket(server) as client:
        for byte in rocket[:-1]:
            client.send(bytes([byte]))
        client.send(rocket[-1:])
        assert client.receive_text() == "🚀"


def test_a_close_reason_that_is_not_utf_8_is_closed_with_1007(server):
    with WebSocket(server) as client:
        client.send_frame(CLOSE, struct.pack("!H", 1000) + b"\xff")
        assert client.receive_close().code == 1007


def test_binary_may_hold_anything(server):
    with WebSocket(server) as client:
        client.send_frame(BINARY, b"\xff\xfe\x80")
        assert client.receive() == (BINARY, b"\xff\xfe\x80")


def test_messages_before_a_broken_frame_are_answered(server):
    with WebSocket(server) as client:
        client.send(frame(TEXT, "good") + frame(3, "bad"))
        assert client.receive_text() == "good"
        assert client.receive_close().code == 1002


def test_garbage_costs_only_its_client(server):
    with WebSocket(server) as other:
        for seed in range(40):
            with WebSocket(server) as client:
                client.send(bytes((seed * 37 + i * i * 11) % 256 for i in range(300)))
                client.socket.shutdown(1)
                client.rest()
        other.send_text("unharmed")
        assert other.receive_text() == "unharmed"


# ---- the handshake --------------------------------------------------------------------------------------------------

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GOOD = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13"}


def handshake(server, changes, path="/echo", method="GET", version="1.1"):
    headers = {**GOOD, **changes}
    with Http(server) as connection:
        connection.request(method, path, [(name, value) for name, value in headers.items() if value is not None],
                           version=version)
        return connection.response()


def test_the_answer_is_that_of_the_rfc(server):
    answer = handshake(server, {})
    assert (answer.status, answer.header("Sec-WebSocket-Accept")) == (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    assert answer.header("Sec-WebSocket-Extensions") is None
    assert answer.header("Sec-WebSocket-Protocol") is None


@pytest.mark.parametrize("changes", [{"Connection": "keep-alive, Upgrade"}, {"Connection": "UPGRADE"},
                                     {"Upgrade": "WebSocket"}, {"Connection": "foo,upgrade , bar"}])
def test_header_tokens_may_come_in_lists_and_any_case(server, changes):
    assert handshake(server, changes).status == 101


def test_another_version_is_told_the_right_one(server):
    answer = handshake(server, {"Sec-WebSocket-Version": "8"})
    assert (answer.status, answer.header("Sec-WebSocket-Version")) == (426, "13")


@pytest.mark.parametrize("changes", [{"Sec-WebSocket-Key": None}, {"Sec-WebSocket-Key": "short"},
                                     {"Sec-WebSocket-Key": KEY + "AAAA"}, {"Sec-WebSocket-Key": "!" * 24},
                                     {"Connection": None}, {"Connection": "keep-alive"}])
def test_a_handshake_without_its_parts_is_400(server, changes):
    assert handshake(server, changes).status == 400


@pytest.mark.parametrize("changes", [{"Sec-WebSocket-Version": None}, {"Upgrade": None}, {"Upgrade": "h2c"}])
def test_a_request_that_does_not_ask_for_this_protocol_is_426_and_told_which(server, changes):
    answer = handshake(server, changes)
    assert (answer.status, answer.header("Upgrade"), answer.header("Sec-WebSocket-Version")) == (
        426, "websocket", "13")


def test_a_handshake_by_another_method_is_405(server):
    answer = handshake(server, {}, method="POST")
    assert (answer.status, answer.header("Allow")) == (405, "GET, OPTIONS")


def test_a_handshake_of_http_1_0_is_400(server):
    assert handshake(server, {}, version="1.0").status == 400


def test_an_unknown_path_is_404(server):
    assert handshake(server, {}, path="/nothing").status == 404


def test_an_offered_extension_is_not_needed(server):
    with WebSocket(server, headers=[("Sec-WebSocket-Extensions", "x-unknown; a=1")]) as client:
        assert client.upgrade.header("Sec-WebSocket-Extensions") is None
        client.send_text("plain")
        assert client.receive_text() == "plain"


@pytest.mark.parametrize("offer,chosen", [("chat.v1", "chat.v1"), ("chat.v1, chat.v2", "chat.v2"),
                                          ("other, chat.v1", "chat.v1")])
def test_the_best_subprotocol_of_the_route_is_chosen(probe, offer, chosen):
    with WebSocket(probe, "/subprotocols", [("Sec-WebSocket-Protocol", offer)]) as client:
        assert client.upgrade.header("Sec-WebSocket-Protocol") == chosen
        assert client.receive_text() == chosen


def test_no_subprotocol_is_chosen_when_none_fits(probe):
    with WebSocket(probe, "/subprotocols", [("Sec-WebSocket-Protocol", "other")]) as client:
        assert client.upgrade.header("Sec-WebSocket-Protocol") is None
        assert client.receive_text() == ""


@pytest.mark.parametrize("path,origin,status", [
    ("/origins", None, 101),
    ("/origins", "https://good.example", 101),
    ("/origins", "https://also.example:8443", 101),
    ("/origins", "http://good.example", 403),
    ("/origins", "https://good.example:444", 403),
    ("/origins", "https://good.example.evil.example", 403),
    ("/origins", "https://evil.example", 403),
    ("/origins", "null", 403),
    ("/any-origin", "https://evil.example", 101),
    ("/default-origins", "http://test", 101),
    ("/default-origins", "https://evil.example", 403),
    ("/default-origins", "http://test.evil.example", 403),
])
def test_web_pages_are_let_in_by_their_origin(probe, path, origin, status):
    assert handshake(probe, {"Origin": origin}, path=path).status == status


# ---- silence and slow readers ---------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def impatient(apps, tmp_path_factory):
    server = Server(apps("probe"), "--ws-ping-interval", "0.3", "--ws-ping-timeout", "0.3",
                    folder=tmp_path_factory.mktemp("impatient"), workers=1).start()
    yield server
    server.finish()


def test_a_silent_client_gets_a_ping_and_is_closed_without_a_pong(impatient):
    with WebSocket(impatient, "/count") as client:
        begun = time.monotonic()
        assert client.receive_frame().opcode == PING
        client.rest()
        assert 0.3 <= time.monotonic() - begun < 5


def test_a_client_that_answers_pings_stays(impatient):
    with WebSocket(impatient, "/count") as client:
        for _ in range(4):
            ping = client.receive_frame()
            assert ping.opcode == PING
            client.send_frame(PONG, ping.payload)
        client.send_text("")
        assert client.receive_text() == "1"


def test_a_client_that_talks_is_not_pinged(impatient):
    with WebSocket(impatient, "/count") as client:
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            client.send_text("")
            assert client.receive_frame().opcode == TEXT
            time.sleep(0.02)


def drain_to_close(client):
    """Reads until the close frame; gives the numbers that the messages begin with, and the close code."""
    numbers = []
    while True:
        got = client.receive_frame()
        if got.opcode == CLOSE:
            return numbers, got.code
        if got.opcode == TEXT:
            numbers.append(int(got.payload.split(b" ", 1)[0]))


def test_a_client_that_does_not_read_is_closed_and_its_queue_was_bounded(probe):
    with WebSocket(probe, "/flood-close") as client, WebSocket(probe, "/count") as other:
        client.send_text("2000")  # 32 MB
        taken = int(probe.wait_log(r"flood of 2000: (\d+) taken").group(1))
        assert 0 < taken * 16384 <= 262144  # queue-hard: all of it is queued before anything is written
        numbers, code = drain_to_close(client)
        assert code == 1013
        # What waited is dropped, so that the close comes at once; what was written before came whole, in order.
        assert numbers == list(range(len(numbers))) and len(numbers) <= taken
        assert client.at_end()
        other.send_text("")
        assert other.receive_text() == "1"


def test_under_the_skip_policy_the_newest_messages_are_dropped_and_the_client_stays(probe):
    with WebSocket(probe, "/flood-skip") as client:
        client.send_text("1999")
        taken = int(probe.wait_log(r"flood of 1999: (\d+) taken").group(1))
        assert taken < 1999
        numbers = [int(client.receive_text().split()[0]) for _ in range(taken)]
        assert numbers == sorted(set(numbers))
        client.send_text("1")
        assert client.receive_text().startswith("0 ")


def test_under_the_block_policy_the_sender_waits_and_nothing_is_lost(probe):
    with WebSocket(probe, "/flood-block") as client, WebSocket(probe, "/count") as other:
        client.send_text("1998")
        for expected in range(1, 6):  # the worker serves others meanwhile
            other.send_text("")
            assert other.receive_text() == str(expected)
        assert "flood of 1998" not in probe.log()
        for number in range(1998):
            assert client.receive_text().startswith(f"{number} ")
        probe.wait_log(r"flood of 1998: 1998 taken")


def test_a_member_that_does_not_read_is_closed_and_holds_back_nobody(probe):
    with WebSocket(probe, "/slow-reader/s") as stuck, WebSocket(probe, "/slow-reader/s") as reader, \
            WebSocket(probe, "/slow-reader/s") as speaker:
        for number in range(1500):
            speaker.send_text(f"{number} " + "x" * 16000)
            assert reader.receive_text().startswith(f"{number} ")
        numbers, code = drain_to_close(stuck)
        assert code == 1013
        assert 0 < len(numbers) < 1500
        assert numbers == list(range(len(numbers)))  # the first ones, without a gap
        assert stuck.at_end()


def test_clients_that_vanish_leave_nothing_behind(probe):
    def descriptors():
        return len(os.listdir(f"/proc/{probe.pids()[0]}/fd"))

    clients = [WebSocket(probe, "/farewell/x") for _ in range(200)]
    most = descriptors()
    assert most > 200
    for client in clients:
        client.vanish()
    wait_for(lambda: descriptors() <= most - 200, "their descriptors are closed")


# ---- an ordinary client ---------------------------------------------------------------------------------------------

def test_an_ordinary_library_talks_to_it(server):
    async def talk():
        async with websockets.connect(f"ws://127.0.0.1:{server.port}/echo", max_size=None) as client:
            for message in ("text", b"binary", "ü" * 100_000, ["in ", "three ", "fragments"]):
                await client.send(message)
                assert await client.recv() == ("".join(message) if isinstance(message, list) else message)
            await (await client.ping())
        assert client.close_code == 1000

    asyncio.run(asyncio.wait_for(talk(), PATIENCE))


def test_a_hundred_ordinary_clients_talk_at_once(server):
    async def one(number):
        async with websockets.connect(f"ws://127.0.0.1:{server.port}/echo") as client:
            for turn in range(10):
                await client.send(f"{number} {turn}")
                assert await client.recv() == f"{number} {turn}"

    async def all_of_them():
        await asyncio.gather(*(one(number) for number in range(100)))

    asyncio.run(asyncio.wait_for(all_of_them(), 2 * PATIENCE))
    assert get(server, "/hello").status == 200
