# SPDX-License-Identifier: Apache-2.0
"""
Every event of the contract application's Socket.IO, asked for by stock clients: Node's and Python's, over polling,
over WebSocket, and upgrading from the one to the other, with four workers. One crowd of clients, each kind and way on
each worker, serves most tests.
"""

import os
import signal
import threading

import pytest

from conftest import shared_server
from hubbub import wait_for
from sio import BOTH, BOTH_NAMES, closing, one_on_each_worker, unique

pytestmark = pytest.mark.limit(180)

server = shared_server("contract.so")
NAMESPACES = ("/", "/custom")


@pytest.fixture(scope="module")
def crowd(server, drivers):
    """{(kind, way): {pid: Client}}, in both open namespaces."""
    open_one, close = closing(drivers)
    yield {both: one_on_each_worker(open_one, server, *both, namespaces=NAMESPACES) for both in BOTH}
    close()


def everybody(crowd):
    return [client for clients in crowd.values() for client in clients.values()]


def by_worker(crowd, index):
    """One client of each kind and way, all of the index-th worker."""
    pid = sorted(next(iter(crowd.values())))[index]
    return [clients[pid] for clients in crowd.values()]


@pytest.fixture(params=BOTH, ids=BOTH_NAMES)
def both(request):
    return request.param


@pytest.fixture
def one(crowd, both):
    """A client of the kind and way under test, on some worker."""
    return next(iter(crowd[both].values()))


def at_once(clients, event, *args, namespace="/"):
    """The same request from all of them; gives the answers in their order."""
    return [answer()[0] for answer in [client.start(event, *args, namespace=namespace) for client in clients]]


def join(clients, room, namespace="/"):
    for answer in at_once(clients, "join", room, namespace=namespace):
        assert answer["ok"] is True and room in answer["rooms"]


def fence(sender, clients, namespace="/"):
    """Until every client has what was sent to it before this."""
    event = unique("fence")
    assert sender.call("everyone", {"event": event, "data": None}, namespace=namespace) == [{"ok": True}]
    for client in clients:
        client.expect(event, namespace=namespace)


def assert_only(event, data, reached, clients, namespace="/"):
    for client in clients:
        expected = [[data]] if client in reached else []
        assert client.all(event, namespace) == expected, (client, client in reached)


VALUES = [
    [],
    [None],
    ["text", "", "ü €  𝄞 \u2028 \" \\ / \u0000 \u001f"],
    [0, -1, 1.5, 1e300, 9007199254740991, True, False],
    [[], {}, [[[[]]]], {"a": {"b": {"c": [1, {"d": None}]}}}],
    ["x" * 100_000],
    [{str(number): number for number in range(500)}],
]
BLOBS = [
    [b""],
    [bytes(range(256)), "between", b"\xff\x00"],
    [{"a": [{"deep": [[{"er": b"1234"}]]}, b"5", "text"], "b": {"c": b"6"}}],
    [[b"%d" % number for number in range(10)]],
    [b"\x00" * 100_000, {"n": 1, "blob": b"\x1e" * 5000}],
]


# ---- one client and the server ----------------------------------------------------------------------------------

@pytest.mark.parametrize("namespace", NAMESPACES)
def test_messages_come_back_as_they_were(one, namespace):
    before = len(one.all("message-back", namespace))
    for args in VALUES + BLOBS:
        one.emit("message", *args, namespace=namespace)
    for count, args in enumerate(VALUES + BLOBS, before + 1):
        assert one.expect("message-back", count, namespace) == args


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_acknowledgements_carry_the_same_arguments(one, namespace):
    answers = [one.start("message-with-ack", *args, namespace=namespace) for args in VALUES + BLOBS]
    assert [answer() for answer in answers] == VALUES + BLOBS


def test_whoami_tells_where_a_client_is(server, crowd, both):
    for pid, client in crowd[both].items():
        for namespace in NAMESPACES:
            me = client.who(namespace)
            assert me == {"id": client.life("connect", namespace)[0], "pid": pid, "nsp": namespace, "rooms": [], "recovered": False,
                          "transport": "polling" if client.way == "polling" else me["transport"]}
    assert set(crowd[both]) == set(server.pids().values())


def test_the_transport_is_told_as_it_is_now(connect, server, both):
    client = connect(*both, server).connected()
    if both[1] == "upgrading":
        client.wait_upgraded()
    expected = "polling" if both[1] == "polling" else "websocket"
    assert client.who()["transport"] == expected
    wait_for(lambda: client.transport() == expected, "the client says so, too", pause=0.02)


def test_two_namespaces_of_one_connection_have_two_ids(one):
    assert one.who("/")["id"] != one.who("/custom")["id"]


def test_rooms_are_told_sorted_and_without_the_own_id(one):
    names = sorted(unique() for _ in range(4))
    for room in reversed(names):
        answer = one.call("join", room)[0]
    assert answer == {"ok": True, "rooms": names}
    assert one.call("join", names[0])[0]["rooms"] == names
    assert one.call("leave", names[1])[0] == {"ok": True, "rooms": [names[0], *names[2:]]}
    assert one.call("leave", names[1])[0] == {"ok": True, "rooms": [names[0], *names[2:]]}
    assert one.who("/custom")["rooms"] == []
    for room in names:
        answer = one.call("leave", room)[0]
    assert answer == {"ok": True, "rooms": []}


def test_a_room_may_have_any_text_as_its_name(one):
    for room in ("ü €", 'a"b\\c', "with space/and,comma", "1" * 200):
        assert one.call("join", room)[0]["rooms"] == [room]
        event = unique()
        one.call("room", {"room": room, "event": event, "data": room})
        assert one.expect(event) == [room]
        assert one.call("leave", room)[0]["rooms"] == []


def test_events_keep_their_order(one):
    event = unique()
    expected = []
    for number in range(30):
        one.emit("message", event, number)
        one.emit("message", event, b"%d" % number)
        expected += [[event, number], [event, b"%d" % number]]
    one.wait(lambda: sum(args[:1] == [event] for args in one.all("message-back")) == 60, "all are back")
    assert [args for args in one.all("message-back") if args[:1] == [event]] == expected


def test_many_items_come_in_order(connect, server, both):
    client = connect(*both, server).connected()
    client.emit("push-many", {"count": 300, "size": 700})
    assert client.expect("items-done") == [300]
    assert client.all("item") == [[number, "x" * 700] for number in range(300)]


def test_volatile_events_may_be_lost_but_keep_their_order(one):
    event = unique()
    assert one.call("volatile", {"event": event, "count": 50}) == [{"ok": True}]
    one.wait(lambda: [50] in one.all("volatile-done"), "the last, which is not volatile")
    numbers = [args[0] for args in one.all(event)]
    assert numbers == sorted(set(numbers)) and all(0 <= number < 50 for number in numbers)


def test_the_server_asks_and_the_client_acknowledges(one):
    before = len(one.all("ask-result"))
    event = unique("question")
    one.answer(event, "yes", {"n": [1, 2]}, b"\x01\x02")
    one.emit("ask-me", event, 7, {"blob": b"ask"}, "x")
    assert one.expect("ask-result", before + 1) == ["yes", {"n": [1, 2]}, b"\x01\x02"]
    assert one.all(event) == [[7, {"blob": b"ask"}, "x"]]


def test_the_server_asks_with_a_timeout(one):
    before = len(one.all("ask-result"))
    answered, silent = unique("answered"), unique("silent")
    one.answer(answered, "in time")
    one.never_answer(silent)
    one.emit("ask-timeout", silent, 100)
    assert one.expect("ask-result", before + 1) == [{"error": "timeout"}]
    one.emit("ask-timeout", answered, 20_000)
    assert one.expect("ask-result", before + 2) == ["in time"]


def test_other_events_go_on_while_the_server_waits_for_another_namespace(one):
    event = unique("silent")
    one.never_answer(event)
    one.emit("ask-timeout", event, 1500, namespace="/custom")
    before = len(one.all("ask-result", "/custom"))
    assert one.call("message-with-ack", "still here") == ["still here"]
    assert one.expect("ask-result", before + 1, "/custom") == [{"error": "timeout"}]


# ---- connecting and leaving -------------------------------------------------------------------------------------

@pytest.mark.parametrize("auth", [None, {"token": "123", "deep": {"list": [1, None]}}], ids=["none", "payload"])
def test_the_auth_payload_comes_back(connect, server, both, auth):
    client = connect(*both, server, namespaces=NAMESPACES, auth=auth).connected()
    for namespace in NAMESPACES:
        assert client.expect("auth", namespace=namespace) == [auth or {}]


def test_secure_lets_in_who_knows_the_token(connect, server, both):
    client = connect(*both, server, namespaces=("/secure",), auth={"token": "s3cret"}).connected()
    assert client.expect("auth", namespace="/secure") == [{"token": "s3cret"}]
    assert client.call("message-with-ack", 1, namespace="/secure") == [1]


@pytest.mark.parametrize("auth", [None, {"token": "wrong"}, {"token": ["s3cret"]}], ids=["none", "wrong", "strange"])
def test_secure_refuses_others_with_its_own_words(connect, server, both, auth):
    client = connect(*both, server, namespaces=("/secure",), auth=auth)
    assert client.life("connect_error", "/secure")[0] == {"message": "unauthorized", "data": {"code": 401}}
    assert client.all("auth", "/secure") == []


def test_an_unknown_namespace_is_refused_and_the_others_stay(connect, server, both):
    client = connect(*both, server, namespaces=("/", "/random"))
    assert client.life("connect_error", "/random")[0] == {"message": "Invalid namespace"}
    client.life("connect")
    assert client.call("message-with-ack", "on") == ["on"]


def test_kick_ends_one_namespace_and_the_connection_stays(connect, server, both):
    client = connect(*both, server, namespaces=NAMESPACES).connected()
    client.emit("kick")
    assert client.life("disconnect") == ["io server disconnect" if client.kind == "node" else None]
    assert client.call("message-with-ack", "on", namespace="/custom") == ["on"]
    assert [life for _, life, _ in client.lives].count("disconnect") == 1


def test_kick_close_ends_all_namespaces(connect, server, both):
    client = connect(*both, server, namespaces=NAMESPACES).connected()
    client.emit("kick-close")
    for namespace in NAMESPACES:
        reason = client.life("disconnect", namespace)[0]
        assert reason == ("io server disconnect" if client.kind == "node" else None)


def test_drop_ends_the_transport_and_the_client_comes_back(connect, server, both):
    client = connect(*both, server).connected()
    if both[1] == "upgrading":
        client.wait_upgraded()
    client.emit("drop")
    reason = client.life("disconnect")[0]
    if client.kind == "node":
        assert reason in ("transport close", "transport error")
        first, second = client.life("connect", count=2)
        assert first != second
        assert client.call("message-with-ack", "again") == ["again"]


@pytest.mark.parametrize("way", ["polling", "websocket", "upgrading"])
def test_a_client_leaves_a_namespace_and_joins_it_again(connect, server, way):
    client = connect("node", way, server, namespaces=NAMESPACES).connected()
    client.driver.do(do="leave", connection=client.name, namespace="/custom")
    assert client.life("disconnect", "/custom") == ["io client disconnect"]
    assert client.call("message-with-ack", "here") == ["here"]
    client.driver.do(do="join", connection=client.name, namespace="/custom", auth={"again": True})
    client.wait(lambda: [{"again": True}] in client.all("auth", "/custom"), "connected again")
    assert client.call("message-with-ack", "there", namespace="/custom") == ["there"]


def test_who_is_gone_has_left_its_rooms(crowd, connect, server, both):
    room, event = unique("room"), unique("event")
    stays, goes = next(iter(crowd[both].values())), connect(*both, server).connected()
    join([stays, goes], room)
    goes.close()
    stays.answer(event, "stayed")

    def only_one_answers():
        answer = stays.call("ask-room", {"room": room, "event": event, "data": 0, "timeout": 300})[0]
        return answer == {"responses": ["stayed"], "timeout": False}

    wait_for(only_one_answers, "the room has one member", pause=0.05)


# ---- rooms, over all workers ------------------------------------------------------------------------------------

def test_room_reaches_its_members_on_every_worker(crowd, one):
    room, event = unique("room"), unique("event")
    members = by_worker(crowd, 0) + by_worker(crowd, 2)
    join(members, room)
    data = {"text": "to all", "blob": b"\x00\x01", "list": [b"\xff"]}
    assert one.call("room", {"room": room, "event": event, "data": data}) == [{"ok": True}]
    fence(one, everybody(crowd))
    assert_only(event, data, members, everybody(crowd))


def test_a_list_of_rooms_reaches_each_member_once(crowd, one):
    rooms, event = [unique("room") for _ in range(3)], unique("event")
    first, second, third = (by_worker(crowd, index) for index in range(3))
    join(first, rooms[0])
    join(first + second, rooms[1])
    join(third, rooms[2])
    one.call("room", {"room": [*rooms[:2], unique("empty")], "event": event, "data": 1})
    fence(one, everybody(crowd))
    assert_only(event, 1, first + second, everybody(crowd))


def test_room_except_leaves_out_members_of_others(crowd, one):
    room, others, event = unique("room"), [unique("except") for _ in range(2)], unique("event")
    first, second, third = (by_worker(crowd, index) for index in range(3))
    join(first + second + third, room)
    join(second, others[0])
    join(third[:2], others[1])
    one.call("room-except", {"room": room, "except": others[0], "event": event, "data": "one"})
    fence(one, everybody(crowd))
    assert_only(event, "one", first + third, everybody(crowd))
    event = unique("event")
    one.call("room-except", {"room": [room], "except": others, "event": event, "data": b"two"})
    fence(one, everybody(crowd))
    assert_only(event, b"two", first + third[2:], everybody(crowd))


def test_broadcast_reaches_all_but_the_sender(crowd, one):
    event = unique("event")
    assert one.call("broadcast", {"event": event, "data": b"\x1e"}) == [{"ok": True}]
    fence(one, everybody(crowd))
    assert_only(event, b"\x1e", [client for client in everybody(crowd) if client is not one], everybody(crowd))


def test_broadcast_room_reaches_the_room_but_not_the_sender(crowd, one):
    room, event = unique("room"), unique("event")
    members = [one, *(client for client in by_worker(crowd, 1) + by_worker(crowd, 3) if client is not one)]
    join(members, room)
    one.call("broadcast-room", {"room": room, "event": event, "data": 5})
    fence(one, everybody(crowd))
    assert_only(event, 5, members[1:], everybody(crowd))


def test_everyone_means_the_sender_too(crowd, one):
    event = unique("event")
    assert one.call("everyone", {"event": event, "data": {"n": None}}) == [{"ok": True}]
    fence(one, everybody(crowd))
    assert_only(event, {"n": None}, everybody(crowd), everybody(crowd))


def test_namespaces_are_kept_apart(crowd, one):
    room, event = unique("room"), unique("event")
    join(by_worker(crowd, 0), room, "/")
    join(by_worker(crowd, 1), room, "/custom")
    one.call("room", {"room": room, "event": event, "data": "/custom"}, namespace="/custom")
    one.call("everyone", {"event": event + "all", "data": "/custom"}, namespace="/custom")
    fence(one, everybody(crowd), "/custom")
    fence(one, everybody(crowd), "/")
    assert_only(event, "/custom", by_worker(crowd, 1), everybody(crowd), "/custom")
    assert_only(event, "/custom", [], everybody(crowd), "/")
    assert_only(event + "all", "/custom", [], everybody(crowd), "/")


def test_who_left_a_room_hears_it_no_more(crowd, one):
    room, event = unique("room"), unique("event")
    members = by_worker(crowd, 0) + by_worker(crowd, 1)
    join(members, room)
    assert all(room not in answer["rooms"] for answer in at_once(by_worker(crowd, 0), "leave", room))
    one.call("room", {"room": room, "event": event, "data": 1})
    fence(one, everybody(crowd))
    assert_only(event, 1, by_worker(crowd, 1), everybody(crowd))


def test_a_clients_own_id_is_a_room(crowd, one):
    event = unique("event")
    target = by_worker(crowd, 3)[2]
    one.call("room", {"room": target.who()["id"], "event": event, "data": 1})
    fence(one, everybody(crowd))
    assert_only(event, 1, [target], everybody(crowd))


def test_volatile_to_a_room_reaches_who_can_take_it(crowd, one):
    room, event = unique("room"), unique("event")
    members = by_worker(crowd, 1) + by_worker(crowd, 2)
    join(members, room)

    def all_have_it():
        assert one.call("room-volatile", {"room": room, "event": event, "data": 3}) == [{"ok": True}]
        return all(client.all(event) for client in members)

    wait_for(all_have_it, "each member got one", pause=0.05)
    fence(one, everybody(crowd))
    for client in everybody(crowd):
        assert bool(client.all(event)) == (client in members) and all(args == [3] for args in client.all(event))


def test_all_see_one_order_when_many_speak(crowd):
    """Within a sender its order is kept; all members of all workers see the senders interleaved in the same way."""
    room, event = unique("room"), unique("event")
    members = everybody(crowd)
    join(members, room)
    speakers = by_worker(crowd, 0)[:3] + by_worker(crowd, 3)[:3]
    answers = [speaker.start("room", {"room": room, "event": event, "data": [number, count]})
               for count in range(10) for number, speaker in enumerate(speakers)]
    for answer in answers:
        answer()
    fence(speakers[0], members)
    seen = [[args[0] for args in client.all(event)] for client in members]
    for number in range(len(speakers)):
        assert [count for who, count in seen[0] if who == number] == list(range(10))
    assert all(sorted(one) == sorted(seen[0]) for one in seen)
    assert len({str(one) for one in seen}) == 1


def test_a_room_is_asked_and_all_answer(crowd, one):
    room, event = unique("room"), unique("event")
    members = everybody(crowd)
    join(members, room)
    # Node's client takes no more than ten attachments in one packet.
    answers = [{"number": number, "blob": b"%d" % number if number < 10 else None} for number in range(len(members))]
    for client, answer in zip(members, answers):
        client.answer(event, answer, "not the first")
    answer = one.call("ask-room", {"room": room, "event": event, "data": {"q": b"?"}, "timeout": 20_000})[0]
    assert answer["timeout"] is False
    assert sorted(answer["responses"], key=lambda item: item["number"]) == answers
    assert all(client.all(event) == [[{"q": b"?"}]] for client in members)


def test_a_room_is_asked_and_one_is_silent(crowd, one):
    room, event = unique("room"), unique("event")
    members = by_worker(crowd, 0) + by_worker(crowd, 3)
    join(members, room)
    for client in members:
        client.answer(event, str(client))
    silent = members[-1]
    silent.never_answer(event)
    answer = one.call("ask-room", {"room": room, "event": event, "data": None, "timeout": 700})[0]
    assert answer["timeout"] is True
    assert sorted(answer["responses"]) == sorted(str(client) for client in members if client is not silent)


def test_an_empty_room_is_asked(one):
    answer = one.call("ask-room", {"room": unique(), "event": "nobody", "data": 1, "timeout": 20_000})[0]
    assert answer == {"responses": [], "timeout": False}


def test_sever_disconnects_a_room_on_every_worker(crowd, connect, server, both):
    room = unique("room")
    victims = [connect(kind, way, server, namespaces=NAMESPACES) for kind, way in BOTH for _ in range(2)]
    for victim in victims:
        victim.connected()
    join(victims, room)
    one = next(iter(crowd[both].values()))
    assert one.call("sever", {"room": room}) == [{"ok": True}]
    for victim in victims:
        assert victim.life("disconnect") == ["io server disconnect" if victim.kind == "node" else None]
    assert at_once(victims, "message-with-ack", 1, namespace="/custom") == [1] * len(victims)
    assert len({client.who()["pid"] for client in everybody(crowd)}) == server.workers


# ---- workers that die -------------------------------------------------------------------------------------------

def test_clients_of_a_killed_worker_come_back_and_the_others_never_notice(start, connect):
    server = start("contract.so")
    room = unique("room")
    clients = [connect(kind, way, server) for kind, way in BOTH for _ in range(4)]
    home = {}
    for client in clients:
        home[client] = client.connected().who()["pid"]
    join(clients, room)
    victim = max(set(home.values()), key=list(home.values()).count)
    hit, spared = ([client for client in clients if (home[client] == victim) == gone] for gone in (True, False))
    speaker = next(client for client in spared if client.kind == "node")
    over = threading.Event()
    sent = []

    def speak():
        while not over.is_set():
            speaker.call("room", {"room": room, "event": "tick", "data": len(sent)})
            sent.append(len(sent))

    talking = threading.Thread(target=speak)
    talking.start()
    try:
        wait_for(lambda: len(sent) > 10, "the room is talked to")
        os.kill(victim, signal.SIGKILL)
        for client in hit:
            assert client.life("disconnect")[0] in ("transport close", "transport error", None)
            client.life("connect", count=2)
            join([client], room)
        said = len(sent)
        wait_for(lambda: len(sent) > said + 10, "the room is talked to")
    finally:
        over.set()
        talking.join()
    last = sent[-1]
    for client in clients:
        client.wait(lambda: [last] in client.all("tick"), "the last word", patience=30)
        assert bool([life for _, life, _ in client.lives if life == "disconnect"]) == (client in hit)
    for client in spared:
        assert [args[0] for args in client.all("tick")] == sent
    for client in hit:
        numbers = [args[0] for args in client.all("tick")]
        assert numbers == sorted(set(numbers))
