# SPDX-License-Identifier: Apache-2.0
"""The result as Markdown: the table of the servers, the bars, and what failed."""
from harness.scenarios import BY_NAME
from harness.servers import TITLES

COLUMNS = ["hubbub", "hubbub-loop", "hubbub-deflate", "libwebsockets", "node-ws", "bare"]

# Scenario, figure, title (None: the scenario's), digits.
ROWS = [
    ("echo", "cpu_us", None, 2),
    ("echo", "user_us", "— of it user time", 2),
    ("echo-16", "cpu_us", None, 2),
    ("echo-16-rounds", "cpu_us", None, 2),
    ("sparse", "cpu_us", None, 1),
    ("sparse-few", "cpu_us", None, 1),
    ("fanout-1000", "cpu_us", None, 2),
    ("fanout-5000", "cpu_us", None, 2),
    ("fanout-deflate", "cpu_us", None, 2),
    ("burst", "cpu_us", None, 2),
    ("large-binary", "cpu_us", None, 0),
    ("large-binary", "mib_per_s", "— throughput, **MiB/s**", 0),
    ("large-text", "cpu_us", None, 0),
    ("large-text", "mib_per_s", "— throughput, **MiB/s**", 0),
    ("large-text-4", "cpu_us", None, 0),
    ("large-text-4", "mib_per_s", "— throughput, **MiB/s**", 0),
    ("idle", "open_us", "opening a connection", 1),
    ("idle", "memory_each", "memory of an idle connection at 10,000, **bytes**", 0),
]
RATIOS = ["libwebsockets", "node-ws", "bare"]

SOCKETIO_COLUMNS = ["hubbub", "hubbub-plain", "node-socketio", "flask-gevent", "flask-eventlet", "flask-threading"]
SOCKETIO_ROWS = [
    ("sio-echo", "cpu_us", None, 2),
    ("sio-echo-16", "cpu_us", None, 2),
    ("sio-fanout-1000", "cpu_us", None, 2),
    ("sio-fanout-5000", "cpu_us", None, 2),
    ("sio-sparse", "cpu_us", None, 1),
    ("sio-sparse", "p99_us", "— p99 of the replies", 0),
    ("sio-sparse", "lost", "— lost replies, **a run**", 0),
    ("sio-idle", "open_us", "opening, CONNECT included", 1),
    ("sio-idle", "memory_each", "memory of an idle client in three rooms at 10,000, **bytes**", 0),
]
SOCKETIO_RATIOS = ["hubbub-plain", "node-socketio", "flask-gevent"]


def line(cells):
    return "| " + " | ".join(cells) + " |"


def servers_table(results, unit, wanted, columns, others):
    rows = []
    for scenario, figure, title, digits in wanted:
        medians = [results.median(scenario, name, figure) for name in columns]
        if all(median is None for median in medians):
            continue
        compared = figure != "lost"
        ratios = [results.ratio(scenario, "hubbub", other, figure) if compared else None for other in others]
        rows.append(line(
            [title or BY_NAME[scenario].title]
            + ["" if median is None else f"{median:,.{digits}f}" for median in medians]
            + ["" if share is None else f"{share:.2f}" for share in ratios]
        ))
    if not rows:
        return []
    head = [unit] + [TITLES[name] for name in columns]
    head += ["hubbub ÷ " + TITLES[name] for name in others]
    return [line(head), line(["---"] + ["---:"] * (len(head) - 1)), *rows, ""]


HTTP_SCENARIOS = ["http-hello", "http-file"]
HTTP_COLUMNS = ["hubbub", "nginx", "nginx-fresh"]


def http_table(results):
    rows = []
    for scenario in HTTP_SCENARIOS:
        for figure, title, digits in (("requests_per_second", "requests/s", 0), ("cpu_us", "server CPU, µs each", 2)):
            medians = [results.median(scenario, name, figure) for name in HTTP_COLUMNS]
            if all(median is None for median in medians):
                continue
            ratios = [results.ratio(scenario, "hubbub", other, figure) for other in HTTP_COLUMNS[1:]]
            rows.append(line(
                [f"{BY_NAME[scenario].title}: {title}"]
                + ["" if median is None else f"{median:,.{digits}f}" for median in medians]
                + ["" if share is None else f"{share:.2f}" for share in ratios]
            ))
    if not rows:
        return []
    head = ["HTTP, by wrk"] + [TITLES[name] for name in HTTP_COLUMNS]
    head += ["hubbub ÷ " + TITLES[name] for name in HTTP_COLUMNS[1:]]
    return [line(head), line(["---"] + ["---:"] * (len(head) - 1)), *rows, ""]


def latency_lines(results):
    p50 = results.median("latency", "hubbub", "p50_us")
    if p50 is None:
        return []
    p99 = results.median("latency", "hubbub", "p99_us")
    return [f"{BY_NAME['latency'].title}, from client to client: p50 {p50:.0f} µs, p99 {p99:.0f} µs.", ""]


def calls_lines(results):
    lines = []
    for run in results.runs:
        if "calls" in run:
            shown = ", ".join(f"{name} {share:.3f}" for name, share in run["calls"].items() if share >= 0.001)
            unit = "a client and turn" if run["scenario"] == "burst-calls" else "a message"
            lines.append(f"- {BY_NAME[run['scenario']].title}, {TITLES[run['server']]}, {unit}: {shown}")
    return lines + [""] if lines else []


def program_lines(results):
    lines = []
    for run in results.runs:
        if run.get("lines"):
            lines += [f"{BY_NAME[run['scenario']].title}:", "", *("    " + text for text in run["lines"]), ""]
    return lines


def bars_table(verdicts):
    words = {True: "PASS", False: "**MISS**", None: "—"}
    if not verdicts:
        return []
    rows = [line([verdict.text, verdict.measured, words[verdict.passed]]) for verdict in verdicts]
    return [line(["bar", "measured", ""]), line(["---", "---", "---"]), *rows]


def markdown(machine, options, results, verdicts):
    rounds = "1 round" if options.rounds == 1 else f"median of {options.rounds} rounds in turns"
    pinned = f"server on CPU {machine.server_cpu}, load on CPU {machine.load_cpu}"
    lines = [f"{machine.describe()}; {pinned}; {rounds}{' (quick)' if options.quick else ''}.", ""]
    lines += servers_table(results, "server CPU, µs a message", ROWS, COLUMNS, RATIOS)
    lines += servers_table(results, "Socket.IO: server CPU, µs a message", SOCKETIO_ROWS, SOCKETIO_COLUMNS, SOCKETIO_RATIOS)
    lines += http_table(results) + latency_lines(results) + calls_lines(results) + program_lines(results)
    lines += bars_table(verdicts)
    if results.failures:
        lines += ["", "Failed:", "", *("- " + failure for failure in results.failures)]
    if results.peer_failures:
        lines += ["", "Peers that gave no figure:", "", *("- " + failure for failure in results.peer_failures)]
    return "\n".join(lines)
