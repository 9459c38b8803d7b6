# SPDX-License-Identifier: Apache-2.0
"""The project's bars: what each demands, and whether this run meets it."""
from dataclasses import dataclass

from harness.scenarios import FLOODS

TOLERANCE = 0.02  # of "exactly one call a message": heartbeats and timers are calls too


@dataclass
class Verdict:
    scenario: str
    text: str
    measured: str = "not measured"
    passed: bool = None  # None: not measured

    def as_dict(self):
        return {"scenario": self.scenario, "bar": self.text, "measured": self.measured, "passed": self.passed}


def check(results, chosen):
    """The verdicts on the bars of the chosen scenarios."""
    verdicts = [
        ratio(results, "Echo: CPU ≤ 1.0 × libwebsockets", "echo", "libwebsockets", 1.0),
        ratio(results, "Echo: CPU ≤ 0.55 × Node ws", "echo", "node-ws", 0.55),
        value(results, "Echo: user time ≤ 0.5 µs", "echo", "hubbub", "user_us", 0.5, "µs"),
        calls(results, "Echo: one recv and one send a message", "echo-calls", reads=1, writes=1),
        ratio(results, "16 outstanding: CPU ≤ 0.10 × libwebsockets", "echo-16", "libwebsockets", 0.10),
        calls(results, "Sparse: one epoll_wait, one recv, one send a message", "sparse-calls",
              waits=1, reads=1, writes=1),
        ratio(results, "Fan-out to 1,000: CPU ≤ 1.10 × bare send()", "fanout-1000", "bare", 1.10),
        ratio(results, "Fan-out to 5,000: CPU ≤ 1.10 × bare send()", "fanout-5000", "bare", 1.10),
        ratio(results, "1 KB of JSON to 1,000, deflated: CPU ≤ 1.3 × plain", "fanout-deflate", "hubbub", 1.3,
              contestant="hubbub-deflate"),
        best(results, "16 MiB echo, binary: MiB/s ≥ 0.8 × the best peer", "large-binary", 0.8),
        best(results, "16 MiB echo, text: MiB/s ≥ 0.8 × the best peer", "large-text", 0.8),
        best(results, "16 MiB echo, text, 4 connections: MiB/s ≥ 0.8 × the best peer", "large-text-4", 0.8),
        at_least(results, "Unmasking and validating ASCII: ≥ 8 GB/s", "vector", "ascii_gb_s", 8),
        calls(results, "50 messages in a turn: one write a client", "burst-calls", writes=1),
        value(results, "Idle with event handlers: ≤ 512 B", "idle", "hubbub", "memory_each", 512, "B"),
        value(results, "Idle in a receive loop: ≤ 6 KB", "idle", "hubbub-loop", "memory_each", 6144, "B"),
        ratio(results, "Opening: CPU ≤ 0.3 × Node ws", "idle", "node-ws", 0.3, "open_us"),
        faster(results, "HTTP hello: requests/s ≥ 1.0 × nginx", "http-hello", "nginx", 1.0),
        faster(results, "HTTP file of 10 KB: requests/s ≥ 0.7 × nginx", "http-file", "nginx", 0.7),
        value(results, "Greenlets: there and back ≤ 30 ns", "greenlets", "hubbub", "switch_ns", 30, "ns"),
        at_least(results, "Greenlets: 100,000 parked in one process", "greenlets", "parked", 100000),
        value(results, "Across workers: p50 ≤ 100 µs from publish to the other hub", "hostlog", "hubbub",
              "p50_us", 100, "µs"),
        ratio(results, "Socket.IO echo: CPU ≤ 0.35 × Node socket.io", "sio-echo", "node-socketio", 0.35),
        ratio(results, "Socket.IO, 16 outstanding: CPU ≤ 0.10 × Node socket.io", "sio-echo-16", "node-socketio", 0.10),
        *[
            verdict
            for count, name in (("1,000", "sio-fanout-1000"), ("5,000", "sio-fanout-5000"))
            for verdict in (
                ratio(results, f"Socket.IO fan-out to {count}: CPU ≤ 0.5 × Node socket.io", name, "node-socketio", 0.5),
                ratio(results, f"Socket.IO fan-out to {count}: CPU ≤ 1.05 × plain WebSocket", name, "hubbub-plain", 1.05),
            )
        ],
        value(results, "Socket.IO, idle in three rooms: ≤ 1 KB", "sio-idle", "hubbub", "memory_each", 1024, "B"),
        ratio(results, "Socket.IO, opening: CPU ≤ 0.2 × Node socket.io", "sio-idle", "node-socketio", 0.2, "open_us"),
        ratio(results, "Socket.IO, sparse: CPU ≤ 1/8 × Flask-SocketIO on gevent", "sio-sparse", "flask-gevent", 0.125),
        value(results, "Socket.IO, sparse: p99 < 2 ms", "sio-sparse", "hubbub", "p99_us", 2000, "µs"),
        nothing_lost(results, "Socket.IO, sparse: no lost reply, in every run", "sio-sparse"),
        nothing_lost(results, "Across workers: 0 lost, 0 twice, in every run", "latency"),
        shares(results, "2,000 connections, 4 workers: 25 % ± 5 each", "shares"),
        shares(results, "The same after one worker was killed", "shares_after_kill"),
        value(results, "One worker stopped: slowest of 100 new connections ≤ 100 ms", "spread", "hubbub",
              "stopped_open_max_us", 100000, "µs"),
        *[
            value(results, f"Beside a flood of {kind}: p99 of the others ≤ 2 ×", "floods", "hubbub", "ratio_" + kind,
                  2.0, "×")
            for kind in FLOODS
        ],
        value(results, "Beside any flood: memory grows by ≤ 32 MB", "floods", "hubbub", "grown_kb", 32768, "KB"),
    ]
    return [verdict for verdict in verdicts if verdict.scenario in chosen]


def ratio(results, text, scenario, other, limit, figure="cpu_us", contestant="hubbub"):
    measured = results.ratio(scenario, contestant, other, figure)
    if measured is None:
        return Verdict(scenario, text)
    return Verdict(scenario, text, f"{measured:.2f} ×", measured <= limit)


def faster(results, text, scenario, other, limit):
    measured = results.ratio(scenario, "hubbub", other, "requests_per_second")
    if measured is None:
        return Verdict(scenario, text)
    cpu = results.ratio(scenario, "hubbub", other, "cpu_us")
    return Verdict(scenario, text, f"{measured:.2f} × (CPU of one: {cpu:.2f} ×)", measured >= limit)


def value(results, text, scenario, contestant, figure, limit, unit):
    measured = results.median(scenario, contestant, figure)
    if measured is None:
        return Verdict(scenario, text)
    return Verdict(scenario, text, f"{measured:.4g} {unit}", measured <= limit)


def best(results, text, scenario, limit):
    """The throughput against that of the best peer, which is the lowest of the ratios."""
    ratios = [results.ratio(scenario, "hubbub", peer, "mib_per_s") for peer in ("libwebsockets", "node-ws")]
    ratios = [measured for measured in ratios if measured is not None]
    if not ratios:
        return Verdict(scenario, text)
    return Verdict(scenario, text, f"{min(ratios):.2f} ×", min(ratios) >= limit)


def at_least(results, text, scenario, figure, limit):
    measured = results.median(scenario, "hubbub", figure)
    if measured is None:
        return Verdict(scenario, text)
    return Verdict(scenario, text, f"{measured:,.0f}", measured >= limit)


def calls(results, text, scenario, **wanted):
    """Exactly so many reads and writes; a wait may also bring several messages."""
    measured = {name: results.median(scenario, "hubbub", name) for name in wanted}
    if None in measured.values():
        return Verdict(scenario, text)
    return Verdict(
        scenario,
        text,
        ", ".join(f"{name} {share:.3f}" for name, share in measured.items()),
        all(
            share <= wanted[name] + TOLERANCE and (name == "waits" or share >= wanted[name] - TOLERANCE)
            for name, share in measured.items()
        ),
    )


def nothing_lost(results, text, scenario):
    lost = results.of(scenario, "hubbub", "lost")
    twice = results.of(scenario, "hubbub", "twice")
    failed = [line for line in results.failures if line.startswith(scenario + ", hubbub,")]
    if not lost and not failed:
        return Verdict(scenario, text)
    return Verdict(
        scenario, text, f"{sum(lost)} lost, {sum(twice)} twice in {len(lost)} runs, {len(failed)} failed",
        sum(lost) == 0 and sum(twice) == 0 and not failed,
    )


def shares(results, text, figure):
    runs = results.of("spread", "hubbub", figure)
    if not runs:
        return Verdict("spread", text)
    worst = max((share for run in runs for share in run), key=lambda share: abs(share - 0.25))
    return Verdict(
        "spread", text, "; ".join(" ".join(f"{share:.1%}" for share in run) for run in runs),
        abs(worst - 0.25) <= 0.05 and all(len(run) == 4 for run in runs),
    )
