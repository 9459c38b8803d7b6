# SPDX-License-Identifier: Apache-2.0
"""permessage-deflate, RFC 7692, as clients see it: what is negotiated, compressed messages in both directions, bombs."""

import asyncio
import json
import os
import re
import struct
import zlib
from pathlib import Path

import pytest
import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from client import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Http, WebSocket, frame, one_on_each_worker
from clients_test import node  # noqa: F401 (a fixture)
from conftest import shared_server
from hubbub import SANITIZED, Server

server = shared_server("contract.so")
LIMIT = 16 << 20  # of the contract application
NONE = "server_no_context_takeover; client_no_context_takeover"


@pytest.fixture(scope="module")
def takeover(tmp_path_factory):
    server = Server("contract.so", "--ws-deflate", "takeover", folder=tmp_path_factory.mktemp("takeover"),
                    workers=2).start()
    yield server
    server.finish()


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """One worker, so that its memory can be looked at."""
    server = Server("contract.so", folder=tmp_path_factory.mktemp("single"), workers=1).start()
    yield server
    server.finish()


def deflate(data, bits=15):
    packer = zlib.compressobj(9, zlib.DEFLATED, -bits)
    packed = packer.compress(data.encode() if isinstance(data, str) else data) + packer.flush(zlib.Z_SYNC_FLUSH)
    assert packed.endswith(b"\0\0\xff\xff")
    return packed[:-4]


def inflate(data, bits=15):
    return zlib.decompressobj(-bits).decompress(data + b"\0\0\xff\xff")


def noise(size):
    return os.urandom(size)


def text_of(size):
    line = json.dumps({"room": "lobby", "from": "somebody", "text": "hello, hello", "at": 1234567}) + "\n"
    return (line * (size // len(line) + 1))[:size]


class Deflating(WebSocket):
    """A client that offers the extension and shows frames as they come."""

    def __init__(self, server, path="/echo", offer="permessage-deflate", **how):
        super().__init__(server, path, headers=[("Sec-WebSocket-Extensions", offer)], **how)
        self.agreed = self.upgrade.header("Sec-WebSocket-Extensions")

    def send_deflated(self, opcode, data, **how):
        self.send_frame(opcode, deflate(data), reserved=4, **how)


def offer_all(server, lines, path="/echo"):
    with Http(server) as connection:
        return WebSocket.handshake(connection, path, [("Sec-WebSocket-Extensions", line) for line in lines])


def memory(pid):
    """Bytes of a process's own share of memory."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
    return int(found.group(1)) * 1024


def peak(pid):
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(found.group(1)) * 1024


def reset_peak(pid):
    Path(f"/proc/{pid}/clear_refs").write_text("5")


# ---- negotiation ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("offer, answer", [
    ("permessage-deflate", f"permessage-deflate; {NONE}"),
    ("permessage-deflate; client_max_window_bits", f"permessage-deflate; {NONE}"),
    ("permessage-deflate; server_max_window_bits=\"10\"; client_max_window_bits=9",
     f"permessage-deflate; {NONE}; server_max_window_bits=10; client_max_window_bits=9"),
    ("permessage-deflate; server_max_window_bits=8", None),
    ("permessage-deflate; unknown=1", None),
    ("permessage-deflate; server_max_window_bits=8, permessage-deflate", f"permessage-deflate; {NONE}"),
    ("x-webkit-deflate-frame", None),
])
def test_offers_are_answered(server, offer, answer):
    with Deflating(server, offer=offer) as client:
        assert client.agreed == answer
        client.send_text("still " + text_of(3000))
        got = client.receive_frame()
        assert got.reserved == (4 if answer else 0)


def test_offers_may_come_in_several_lines(server):
    response = offer_all(server, ["mux", "permessage-deflate; server_max_window_bits=7", "permessage-deflate"])
    assert (response.status, response.header("Sec-WebSocket-Extensions")) == (101, f"permessage-deflate; {NONE}")


@pytest.mark.parametrize("line", ["permessage-deflate;", "permessage-deflate; x=", "permessage-deflate x", "; y",
                                  'permessage-deflate; x="1'])
def test_a_malformed_field_is_answered_with_400(server, line):
    assert offer_all(server, [line]).status == 400


def test_without_an_offer_nothing_is_answered_or_compressed(server):
    with WebSocket(server) as client:
        assert client.upgrade.header("Sec-WebSocket-Extensions") is None
        client.send_text(text_of(5000))
        assert client.receive_frame().reserved == 0


def test_the_option_takeover_keeps_windows_unless_the_client_rules_it_out(takeover):
    for offer, answer in [
        ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
        ("permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover"),
        ("permessage-deflate; client_no_context_takeover", "permessage-deflate; client_no_context_takeover"),
    ]:
        with Deflating(takeover, offer=offer) as client:
            assert client.agreed == answer


def test_the_option_off_declines_every_offer(start):
    server = start("contract.so", "--ws-deflate", "off", workers=1)
    with Deflating(server) as client:
        assert client.agreed is None
        client.send_deflated(TEXT, "hello")
        assert client.receive_close().code == 1002


# ---- messages -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [1000, 5000, 65536, 1_000_000, LIMIT])
def test_a_compressed_message_comes_back_compressed(server, size):
    text = text_of(size)
    with Deflating(server) as client:
        client.send_deflated(TEXT, text)
        got = client.receive_frame()
        assert (got.opcode, got.reserved, got.fin) == (TEXT, 4, True)
        assert len(got.payload) < size
        assert inflate(got.payload) == text.encode()


def test_small_and_incompressible_messages_go_out_as_they_are(server):
    with Deflating(server) as client:
        for data in (b"", b"x", b"x" * 999, noise(1000), noise(100_000)):
            client.send_deflated(BINARY, data)
            got = client.receive_frame()
            assert (got.opcode, got.reserved, got.payload) == (BINARY, 0, data)


def test_an_empty_compressed_message_is_an_empty_message(server):
    with Deflating(server) as client:
        client.send_frame(TEXT, b"\0", reserved=4)
        assert client.receive() == (TEXT, "")


def test_a_smaller_window_of_the_server_is_kept_to(server):
    data = noise(2000)
    data = data + noise(30_000) + b"x" * 2000 + data
    with Deflating(server, offer="permessage-deflate; server_max_window_bits=9") as client:
        client.send_frame(BINARY, data)
        got = client.receive_frame()
        assert got.reserved == 4
        assert inflate(got.payload, bits=9) == data


def test_fragments_of_a_compressed_message_may_have_control_frames_between(server):
    packed = deflate(text_of(2000))
    with Deflating(server) as client:
        client.send(frame(TEXT, packed[:3], fin=False, reserved=4) + frame(PING, b"?") +
                    frame(CONTINUATION, b"", fin=False) + frame(PONG, b"unasked") +
                    frame(CONTINUATION, packed[3:]))
        pong = client.receive_frame()
        assert (pong.opcode, pong.payload, pong.reserved) == (PONG, b"?", 0)
        assert inflate(client.receive_frame().payload) == text_of(2000).encode()


def test_compressed_messages_may_arrive_byte_by_byte(server):
    data = frame(TEXT, deflate("slowly"), reserved=4) + frame(TEXT, "plain") + frame(BINARY, deflate(b"\xff"), reserved=4)
    with Deflating(server) as client:
        for byte in data:
            client.send(bytes([byte]))
        assert [client.receive() for _ in range(3)] == [(TEXT, "slowly"), (TEXT, "plain"), (BINARY, b"\xff")]


def test_compressed_messages_that_wait_for_a_parked_handler_come_in_order(server):
    with Deflating(server, "/events/parked") as client:
        client.send(b"".join(frame(TEXT, deflate(str(number)), reserved=4) for number in range(500)))
        assert [client.receive_text() for _ in range(500)] == [str(number) for number in range(500)]


def test_windows_that_are_kept_make_messages_smaller(takeover):
    text = noise(1500).hex()
    with Deflating(takeover) as client:
        packer, unpacker = zlib.compressobj(6, zlib.DEFLATED, -15), zlib.decompressobj(-15)
        sizes = []
        for _ in range(5):
            packed = (packer.compress(text.encode()) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
            client.send_frame(TEXT, packed, reserved=4)
            got = client.receive_frame()
            sizes.append((len(packed), len(got.payload)))
            assert unpacker.decompress(got.payload + b"\0\0\xff\xff") == text.encode()
        assert sizes[0][1] > 1000
        assert all(sent < 100 and came < 100 for sent, came in sizes[1:])


# ---- what is wrong --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("data", [
    frame(PING, b"", reserved=4),
    frame(CLOSE, b"", reserved=4),
    frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"b", reserved=4),
    frame(TEXT, deflate("a"), fin=False, reserved=4) + frame(CONTINUATION, b"b", reserved=4),
    frame(TEXT, b"a", reserved=2),
    frame(TEXT, deflate("a"), reserved=5),
])
def test_reserved_bits_elsewhere_are_closed_with_1002(server, data):
    with Deflating(server) as client:
        client.send(data)
        assert client.receive_close().code == 1002


def test_rsv1_that_was_not_negotiated_is_closed_with_1002(server):
    with WebSocket(server) as client:
        client.send_frame(TEXT, deflate("hello"), reserved=4)
        assert client.receive_close().code == 1002


@pytest.mark.parametrize("payload", [b"\xff\xff\xff", deflate("hello")[:3], deflate(b"ab\xff"), deflate(b"\xc3")])
def test_what_is_no_deflated_text_is_closed_with_1007(server, payload):
    with Deflating(server) as client:
        client.send_frame(TEXT, payload, reserved=4)
        assert client.receive_close().code == 1007


def test_a_message_that_inflates_to_the_limit_is_taken_and_one_byte_more_is_closed_with_1009(single):
    with Deflating(single) as client:
        client.send_deflated(BINARY, b"\0" * LIMIT)
        assert inflate(client.receive_frame().payload) == b"\0" * LIMIT
        client.send_deflated(BINARY, b"\0" * (LIMIT + 1))
        assert client.receive_close().code == 1009


def test_a_bomb_is_closed_with_1009_and_costs_the_worker_next_to_nothing(start):
    server = start("contract.so", workers=1)
    pid = server.pids()[0]
    with Deflating(server) as client:  # what is made once, and memory that the shared buffers use
        client.send_deflated(TEXT, text_of(100_000))
        client.receive_frame()
    packed = deflate(b"\0" * (256 << 20))
    assert len(packed) < 300_000
    reset_peak(pid)
    before, peak_before = memory(pid), peak(pid)
    for _ in range(5):
        with Deflating(server) as client:
            client.send_frame(BINARY, packed, reserved=4)
            assert client.receive_close().code == 1009
    if not SANITIZED:
        assert peak(pid) - peak_before < 2 * len(packed) + (1 << 20)
        assert memory(pid) - before < 1 << 20


@pytest.mark.plain
def test_idle_clients_without_takeover_own_nothing_of_zlib(single):
    """Clients that have sent and got compressed messages, against such that have not negotiated."""
    pid = single.pids()[0]

    def cost(make, count=200):
        before = memory(pid)
        clients = [make(single, "/events/idle-cost") for _ in range(count)]
        for client in clients[:1]:
            client.send_text(text_of(2000))
        for client in clients:
            client.receive_frame()
        grown = memory(pid) - before
        for client in clients:
            client.close()
        return grown / count

    cost(WebSocket), cost(Deflating)
    assert cost(Deflating) - cost(WebSocket) < 1000


# ---- broadcasts -----------------------------------------------------------------------------------------------------

OFFERS = [None, "permessage-deflate", "permessage-deflate; server_max_window_bits=10",
          "permessage-deflate; server_no_context_takeover"]


def of_each_kind(server, path):
    return [WebSocket(server, path) if offer is None else Deflating(server, path, offer) for offer in OFFERS]


@pytest.mark.parametrize("mode", ["on", "takeover"])
def test_a_broadcast_reaches_clients_of_every_kind_in_the_form_they_agreed_to(server, takeover, mode):
    chosen = server if mode == "on" else takeover
    members = [member for _ in range(3) for member in of_each_kind(chosen, f"/room/kinds-{mode}")]
    unpackers = [zlib.decompressobj(-15) for _ in members]
    texts = [text_of(2000), "small", text_of(70_000), noise(800).hex(), text_of(2000)]
    for number, text in enumerate(texts):
        sender = members[number]
        if number % 4:
            sender.send_frame(TEXT, deflate(text), reserved=4)
        else:
            sender.send_text(text)
        for index, (member, unpacker) in enumerate(zip(members, unpackers)):
            got = member.receive_frame()
            assert got.reserved == (4 if index % 4 and len(text) >= 1000 else 0)
            payload = unpacker.decompress(got.payload + b"\0\0\xff\xff") if got.reserved else got.payload
            assert payload == text.encode()
    for member in members:
        member.close()


def test_binary_broadcasts_stay_binary_on_every_worker(server):
    members = one_on_each_worker(server, "/events/deflated-binary")
    with Deflating(server, "/events/deflated-binary") as client:
        client.send_deflated(BINARY, b"\0\xff" * 1000)
        got = client.receive_frame()
        assert (got.opcode, inflate(got.payload)) == (BINARY, b"\0\xff" * 1000)
        for member in members.values():
            assert member.receive() == (BINARY, b"\0\xff" * 1000)
            member.close()


# ---- clients that others wrote --------------------------------------------------------------------------------------

async def echo_all(server, messages, **how):
    async with websockets.connect(f"ws://127.0.0.1:{server.port}/echo", max_size=None, **how) as client:
        assert [extension.name for extension in client.extensions] == ["permessage-deflate"]
        for message in messages:
            await client.send(message)
            assert await client.recv() == message


MESSAGES = ["", "ü", text_of(1000), text_of(300_000), b"", noise(5000), b"\0" * 2_000_000]


@pytest.mark.parametrize("parameters", [
    {}, {"server_no_context_takeover": True}, {"client_no_context_takeover": True},
    {"server_max_window_bits": 9, "client_max_window_bits": 9}, {"server_max_window_bits": 15},
])
@pytest.mark.parametrize("mode", ["on", "takeover"])
def test_python_gets_back_what_it_sends(server, takeover, mode, parameters):
    chosen = server if mode == "on" else takeover
    asyncio.run(echo_all(chosen, MESSAGES, compression=None, extensions=[ClientPerMessageDeflateFactory(**parameters)]))


@pytest.mark.parametrize("mode", ["on", "takeover"])
def test_node_gets_back_what_it_sends_compressed(server, takeover, node, mode):  # noqa: F811
    chosen = server if mode == "on" else takeover
    node("deflate.js", f"ws://127.0.0.1:{chosen.port}")
