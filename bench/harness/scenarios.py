# SPDX-License-Identifier: Apache-2.0
"""What is measured: each scenario is one call of the load generator, on each of some servers in turn."""
from dataclasses import dataclass, field

ECHO = {"hubbub": "/echo", "hubbub-loop": "/loop", "libwebsockets": "/echo", "node-ws": "/echo", "bare": "/echo"}
ROOM = {"hubbub": "/room/bench", "libwebsockets": "/room/bench", "node-ws": "/room/bench", "bare": "/room/bench"}
LARGE = {"hubbub": "/large", "libwebsockets": "/large", "node-ws": "/large"}
OWN = {"hubbub": "/echo"}
SOCKETIO = "/socket.io/?EIO=4&transport=websocket"
SOCKETIO_PEERS = ["hubbub", "node-socketio", "flask-gevent"]
SOCKETIO_ECHO = dict.fromkeys(SOCKETIO_PEERS, SOCKETIO)
SOCKETIO_SPARSE = dict.fromkeys([*SOCKETIO_PEERS, "flask-eventlet", "flask-threading"], SOCKETIO)
SOCKETIO_IDLE = dict.fromkeys(SOCKETIO_PEERS, SOCKETIO + "&rooms=one,two,three")
# The same room by plain WebSocket, with as many bytes a message as the event has.
SOCKETIO_ROOM = {"hubbub": SOCKETIO + "&rooms=bench", "hubbub-plain": "/room/bench",
                 **dict.fromkeys(SOCKETIO_PEERS[1:], SOCKETIO + "&rooms=bench")}
SOCKETIO_ROOM_WORDS = {"hubbub-plain": ["--size", str(64 + len('42["message",""]'))],
                       **dict.fromkeys(SOCKETIO_PEERS, ["--socketio", "--event", "tell"])}
FLASK = frozenset(["flask-gevent", "flask-eventlet", "flask-threading"])
HELLO = {"hubbub": "/hello", "nginx": "/hello"}
FILE = {"hubbub": "/static/file.txt", "nginx": "/static/file.txt", "nginx-fresh": "/fresh/file.txt"}


def server_of(contestant):
    for suffix in ("-loop", "-deflate", "-fresh", "-plain"):
        contestant = contestant.removesuffix(suffix)
    return contestant


# Kind of attack: path, connections.
FLOODS = {
    "pings": ("/echo", 8),
    "tiny": ("/echo", 8),
    "fragments": ("/echo", 8),
    "deaf": ("/echo", 8),
    "handshakes": ("/echo", 16),
    "silent": ("/echo", 1000),
    "requests": ("/nothing", 8),
}


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    mode: str  # of the load generator, or the program of the kind `program`
    paths: dict  # contestant: path
    words: list = field(default_factory=list)  # further options of the load generator
    own_words: dict = field(default_factory=dict)  # contestant: options for it alone
    seconds: float = 5
    quick_seconds: float = 1
    repeats: int = 1  # so many short rounds instead of one, where a ratio must be good to some percent
    workers: int = 1
    may_lose: frozenset = frozenset()  # contestants whose lost replies are a figure, and failures not the run's
    # load; calls: count system calls; floods: beside attackers; program: a program of its own; http: by wrk
    kind: str = "load"

    def contestants(self, available):
        """Those whose server is available: `hubbub-loop` and its like run on hubbub, `nginx-fresh` on nginx."""
        return [name for name in self.paths if server_of(name) in available]


ALL = [
    Scenario("echo", "echo, 64 B, 100 connections, 1 outstanding", "echo", ECHO),
    Scenario("echo-16", "the same, 16 outstanding", "echo", ECHO, ["--outstanding", "16"]),
    Scenario(
        "echo-16-rounds", "the same, 16 at once when all are answered", "echo", ECHO,
        ["--outstanding", "16", "--rounds"], seconds=3,
    ),
    Scenario(
        "sparse", "5,000 connections, a message each every 5 s", "sparse", ECHO,
        ["--connections", "5000", "--interval", "5"], seconds=10, quick_seconds=3,
    ),
    Scenario(
        "sparse-few", "500 connections, a message each every 0.5 s", "sparse",
        {"hubbub": "/echo", "bare": "/echo"}, ["--connections", "500", "--interval", "0.5"],
        seconds=10, quick_seconds=3,
    ),
    Scenario(
        "fanout-1000", "fan-out to 1,000, a delivery", "fanout", ROOM, ["--connections", "1000"], seconds=2, repeats=3,
    ),
    Scenario(
        "fanout-5000", "fan-out to 5,000, a delivery", "fanout", ROOM, ["--connections", "5000"], seconds=2, repeats=3,
    ),
    Scenario(
        "fanout-deflate", "1 KB of JSON to 1,000, a delivery", "fanout",
        {"hubbub": "/room/bench", "hubbub-deflate": "/room/bench"},
        ["--connections", "1000", "--size", "1024", "--json"], {"hubbub-deflate": ["--deflate"]}, seconds=2, repeats=3,
    ),
    Scenario(
        "large-binary", "echo, 16 MiB binary, 1 connection, a message", "large", LARGE,
        ["--connections", "1", "--size", str(16 << 20), "--binary"], seconds=3,
    ),
    Scenario(
        "large-text", "echo, 16 MiB text, 1 connection, a message", "large", LARGE,
        ["--connections", "1", "--size", str(16 << 20)], seconds=3,
    ),
    Scenario(
        "large-text-4", "the same, 4 connections", "large", LARGE,
        ["--connections", "4", "--size", str(16 << 20)], seconds=3,
    ),
    Scenario(
        "burst", "50 messages in a turn to 1,000, a delivery", "fanout", {"hubbub": "/burst/bench/50"},
        ["--connections", "1000", "--burst", "50"], seconds=3,
    ),
    Scenario("idle", "idle at 10,000", "idle", ECHO, ["--connections", "10000"]),
    Scenario(
        "echo-calls", "system calls of the echo", "echo", {"hubbub": "/echo", "hubbub-loop": "/loop", "bare": "/echo"},
        ["--count", "20000", "--seconds", "60", "--warmup", "0.2"], kind="calls",
    ),
    Scenario(
        "sparse-calls", "system calls of 5,000 sparse connections", "sparse", {"hubbub": "/echo", "bare": "/echo"},
        ["--connections", "5000", "--interval", "10", "--count", "3000", "--seconds", "60", "--warmup", "0.2"],
        kind="calls",
    ),
    Scenario(
        "burst-calls", "system calls of 50 messages in a turn to 200", "fanout", {"hubbub": "/burst/bench/50"},
        ["--connections", "200", "--burst", "50", "--count", "2000000", "--seconds", "60", "--warmup", "0.2"],
        kind="calls",
    ),
    Scenario(
        "latency", "1,000 msg/s of 100 B from 4 clients to 16, 4 workers", "latency", {"hubbub": "/room/bench"},
        ["--connections", "16", "--senders", "4", "--size", "100"], seconds=10, quick_seconds=2, workers=4,
    ),
    Scenario(
        "spread", "2,000 connections to 4 workers", "spread", OWN,
        ["--connections", "2000", "--kill", "--stop"], workers=4,
    ),
    Scenario("sio-echo", "echo, 64 B, 100 clients, 1 outstanding", "echo", SOCKETIO_ECHO, ["--socketio"], may_lose=FLASK),
    Scenario(
        "sio-echo-16", "the same, 16 outstanding", "echo", SOCKETIO_ECHO, ["--socketio", "--outstanding", "16"],
        may_lose=FLASK,
    ),
    Scenario(
        "sio-fanout-1000", "fan-out to 1,000, a delivery", "fanout", SOCKETIO_ROOM, ["--connections", "1000"],
        SOCKETIO_ROOM_WORDS, seconds=2, repeats=2, may_lose=FLASK,
    ),
    Scenario(
        "sio-fanout-5000", "fan-out to 5,000, a delivery", "fanout", SOCKETIO_ROOM, ["--connections", "5000"],
        SOCKETIO_ROOM_WORDS, seconds=2, repeats=2, may_lose=FLASK,
    ),
    Scenario(
        "sio-sparse", "5,000 clients, a heartbeat event each every 5 s", "sparse", SOCKETIO_SPARSE,
        ["--socketio", "--connections", "5000", "--interval", "5"], seconds=10, quick_seconds=3, may_lose=FLASK,
    ),
    Scenario(
        "sio-idle", "idle at 10,000, three rooms each", "idle", SOCKETIO_IDLE, ["--socketio", "--connections", "10000"],
        may_lose=FLASK,
    ),
    Scenario("http-hello", "HTTP: hello, 64 connections", "wrk", HELLO, repeats=3, seconds=3, kind="http"),
    Scenario("http-file", "HTTP: a file of 10 KB, 64 connections", "wrk", FILE, repeats=3, seconds=3, kind="http"),
    Scenario(
        "floods", "200 clients, a message each every 0.2 s, while others flood the server", "sparse", OWN,
        ["--connections", "200", "--interval", "0.2"], seconds=8, quick_seconds=1, kind="floods",
    ),
    Scenario("greenlets", "greenlets", "greenlets", OWN, kind="program"),
    Scenario("vector", "unmasking and validating text of 64 KB", "vector", OWN, kind="program"),
    Scenario("hostlog", "host log", "hostlog", OWN, kind="program"),
]
BY_NAME = {scenario.name: scenario for scenario in ALL}
