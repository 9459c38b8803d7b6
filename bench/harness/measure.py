# SPDX-License-Identifier: Apache-2.0
"""Runs the scenarios, server by server in turns, and keeps what came out."""
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import urllib.request

from harness.scenarios import FLOODS, server_of
from harness.servers import FILE_BYTES, TITLES, Failure, cpu_seconds, say

READS = {"read", "readv", "recvfrom", "recvmsg", "recvmmsg", "preadv2"}
WRITES = {"write", "writev", "sendto", "sendmsg", "sendmmsg", "pwritev2"}
WAITS = {"epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select", "pselect6"}


class Results:
    """Every run as one dictionary, and the failures as lines."""

    def __init__(self):
        self.runs = []
        self.failures = []
        self.peer_failures = []  # of peers that may fail

    def add(self, scenario, contestant, number, figures):
        self.runs.append({**figures, "scenario": scenario, "server": contestant, "round": number})

    def of(self, scenario, contestant, figure):
        """The figure of each round in order, without the rounds that failed."""
        return [
            run[figure] for run in self.runs
            if run["scenario"] == scenario and run["server"] == contestant and figure in run
        ]

    def median(self, scenario, contestant, figure):
        values = self.of(scenario, contestant, figure)
        return statistics.median(values) if values else None

    def ratio(self, scenario, contestant, other, figure):
        """The median of the ratios within each round; None when one of the two has nothing."""
        by_round = {}
        for run in self.runs:
            if run["scenario"] == scenario and figure in run:
                by_round.setdefault(run["round"], {})[run["server"]] = run[figure]
        ratios = [
            one[contestant] / one[other]
            for one in by_round.values() if contestant in one and one.get(other, 0) > 0
        ]
        return statistics.median(ratios) if ratios else None


def rounds(machine, scenario, available, options, results):
    """Every contestant once, then every contestant again: what drifts meets all of them."""
    say(f"== {scenario.name}: {scenario.title}")
    kinds = {
        "load": measure_load, "calls": measure_calls, "floods": measure_floods, "program": measure_program,
        "http": measure_http,
    }
    count = options.rounds if scenario.kind in ("load", "floods", "http") else 1
    if not options.quick:
        count *= scenario.repeats
    for number in range(1, count + 1):
        for contestant in scenario.contestants(available):
            try:
                figures = kinds[scenario.kind](machine, scenario, contestant, options)
            except Failure as failure:
                line = f"{scenario.name}, {TITLES[contestant]}, round {number}: {failure}"
                say("   FAILED " + line)
                (results.peer_failures if contestant in scenario.may_lose else results.failures).append(line)
                continue
            if figures is not None:
                results.add(scenario.name, contestant, number, figures)


def words_of(scenario, contestant, server, options):
    seconds = scenario.quick_seconds if options.quick else scenario.seconds
    words = [scenario.mode, "--path", scenario.paths[contestant]]
    if "--seconds" not in scenario.words:
        words += ["--seconds", str(seconds)]
    if scenario.mode == "spread":
        words += ["--master", str(server.process.pid)]
    else:  # memory is the workers', CPU time is everybody's
        pids = server.workers if scenario.mode == "idle" else server.pids
        words += ["--pid", ",".join(map(str, pids))]
    return words + scenario.words + scenario.own_words.get(contestant, [])


def only_lost(output):
    """Whether a run that failed has figures all the same: replies were lost, and nothing else was wrong."""
    if not output.strip():
        return False
    figures = json.loads(output)
    return figures.get("lost", 0) > 0 and figures.get("messages", 0) > 0 and not any(
        figures.get(name, 0) for name in ("closed", "wrong", "twice")
    )


def read_figures(contestant, load, output, errors, may_lose=False):
    last = errors.strip().split("\n")[-1] if errors.strip() else "no output"
    if load.returncode != 0 and not (may_lose and only_lost(output)):
        complaint = [line for line in errors.split("\n") if line.startswith("load:")]
        raise Failure("; ".join(complaint) or last)
    say(f"   {TITLES[contestant]}: {last}")
    return json.loads(output)


def measure_load(machine, scenario, contestant, options):
    server = machine.start(server_of(contestant), scenario.workers)
    try:
        load = machine.load(server, words_of(scenario, contestant, server, options), stdin=subprocess.DEVNULL)
        output, errors = load.communicate(timeout=300)
        return read_figures(contestant, load, output, errors, contestant in scenario.may_lose)
    except subprocess.TimeoutExpired as expired:
        raise Failure("the load generator did not end within 300 s") from expired
    finally:
        machine.stop(server)


# ---- HTTP ----------------------------------------------------------------------------------------------------------

HTTP_BODIES = {"http-hello": len("hello\n"), "http-file": FILE_BYTES}
HTTP_CONNECTIONS = 64


def measure_http(machine, scenario, contestant, options):
    """Requests by wrk: one connection sends its next request when it has the answer to the last."""
    if shutil.which("wrk") is None:
        say("   left out: wrk is missing")
        return None
    server = machine.start(server_of(contestant), scenario.workers)
    try:
        url = f"http://127.0.0.1:{server.port}{scenario.paths[contestant]}"
        check_answer(url, HTTP_BODIES[scenario.name])
        wrk(machine, url, 1)
        before = cpu_seconds(server.pids)
        requests, seconds = wrk(machine, url, scenario.quick_seconds if options.quick else scenario.seconds)
        cpu = cpu_seconds(server.pids) - before
        figures = {
            "requests_per_second": requests / seconds, "cpu_us": cpu * 1e6 / requests, "busy": cpu / seconds,
            "requests": requests,
        }
        say(f"   {TITLES[contestant]}: {figures['requests_per_second']:,.0f} requests/s, "
            f"{figures['cpu_us']:.2f} us of CPU each, busy {figures['busy']:.2f}")
        return figures
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise Failure(str(problem)) from problem
    finally:
        machine.stop(server)


def check_answer(url, length):
    """wrk counts any answer: so the right one is seen before."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        body = answer.read()
    if len(body) != length:
        raise Failure(f"{url} answers with {len(body)} bytes instead of {length}")


def wrk(machine, url, seconds):
    """The requests that were answered, and the seconds that this took."""
    run = machine.run(
        ["wrk", "-t", "1", "-c", str(HTTP_CONNECTIONS), "-d", str(round(seconds)), url], stdin=subprocess.DEVNULL
    )
    output, errors = run.communicate(timeout=seconds + 60)
    found = re.search(r"(\d+) requests in ([\d.]+)s,", output)
    wrong = re.search(r"Socket errors: .*|Non-2xx .*", output)
    if run.returncode != 0 or not found or wrong or int(found[1]) == 0:
        raise Failure("wrk: " + (wrong[0] if wrong else errors.strip() or "no request was answered"))
    return int(found[1]), float(found[2])


# ---- system calls --------------------------------------------------------------------------------------------------


def measure_calls(machine, scenario, contestant, options):
    """
    Counts a server's system calls with strace while the load generator is between `ready` and `done`, so that
    neither handshakes nor closing are among them.
    """
    if shutil.which("strace") is None:
        say("   left out: strace is missing")
        return None
    server = machine.start(server_of(contestant), scenario.workers)
    tracer = None
    try:
        words = words_of(scenario, contestant, server, options) + ["--pause"]
        load = machine.load(server, words, stdin=subprocess.PIPE)
        wait_for(load, "ready")
        attach = [word for pid in server.workers for word in ("-p", str(pid))]
        tracer = subprocess.Popen(
            ["strace", "-f", "-c", "-U", "calls,name", *attach], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        wait_for(tracer, "attached")
        load.stdin.write("\n")
        load.stdin.flush()
        wait_for(load, "done")
        tracer.send_signal(signal.SIGINT)
        summary = tracer.communicate(timeout=30)[1]
        output, errors = load.communicate("\n", timeout=30)
        figures = read_figures(contestant, load, output, errors)
        return {**count_calls(summary, figures), "messages": figures["messages"], "connections": figures["connections"]}
    except subprocess.TimeoutExpired as expired:
        raise Failure("strace or the load generator did not end") from expired
    finally:
        if tracer is not None and tracer.poll() is None:
            tracer.kill()
            tracer.wait()
        machine.stop(server)


def wait_for(process, word):
    """Reads lines of standard error until one holds the word."""
    lines = []
    for line in process.stderr:
        if word in line:
            return
        lines.append(line.strip())
    raise Failure(f"{os.path.basename(process.args[0])} ended: {' | '.join(lines[-3:]) or 'it said nothing'}")


def count_calls(summary, figures):
    """Calls per message. A burst's messages count once for all that it publishes: per client and turn."""
    calls = {}
    for count, name in re.findall(r"^\s*(\d+)\s+([a-z]\w+)\s*$", summary, re.MULTILINE):
        if name != "total":
            calls[name] = int(count)
    if not calls:
        raise Failure("strace counted nothing: " + " | ".join(summary.strip().split("\n")[-3:]))
    messages = figures["messages"] / figures.get("burst", 1)
    shares = {name: round(count / messages, 3) for name, count in sorted(calls.items(), key=lambda item: -item[1])}
    say("   " + ", ".join(f"{name} {share}" for name, share in shares.items() if share >= 0.001))
    return {
        "calls": shares,
        "reads": sum(share for name, share in shares.items() if name in READS),
        "writes": sum(share for name, share in shares.items() if name in WRITES),
        "waits": sum(share for name, share in shares.items() if name in WAITS),
    }


# ---- beside attackers -----------------------------------------------------------------------------------------------


def run_load(machine, scenario, contestant, server, options):
    """The load generator goes before the attackers, who share its processor: what is measured is the server."""
    words = words_of(scenario, contestant, server, options)
    load = machine.load(server, words, first=True, stdin=subprocess.DEVNULL)
    output, errors = load.communicate(timeout=300)
    return read_figures(contestant, load, output, errors)


def memory_of(server):
    """KB: proportional set sizes of the workers."""
    total = 0
    for pid in server.workers:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total


def measure_flood(machine, scenario, contestant, kind, options):
    """The figures alone, and beside one kind of attack."""
    path, connections = FLOODS[kind]
    server = machine.start(contestant, scenario.workers, first=True)
    try:
        alone = run_load(machine, scenario, contestant, server, options)
        memory = memory_of(server)
        attacker = machine.attack(server, [kind, str(server.port), path, str(connections)])
        beside = run_load(machine, scenario, contestant, server, options)
        if attacker.poll() is not None:
            raise Failure(f"the attacker ended: {attacker.communicate()[1].strip()}")
        grown = memory_of(server) - memory
        done = json.loads(attacker.communicate(timeout=30)[0])
    finally:
        machine.stop(server)
    say(f"   {kind}: p99 {alone['p99_us']:.0f} -> {beside['p99_us']:.0f} us, memory + {grown} KB, attackers: {done}")
    return {
        "p99_alone_us": alone["p99_us"], "p99_us": beside["p99_us"], "grown_kb": grown, "attackers": done,
        "ratio": beside["p99_us"] / alone["p99_us"],
    }


def measure_floods(machine, scenario, contestant, options):
    figures = {kind: measure_flood(machine, scenario, contestant, kind, options) for kind in FLOODS}
    worst = {"ratio_" + kind: one["ratio"] for kind, one in figures.items()}
    return {"floods": figures, **worst, "grown_kb": max(one["grown_kb"] for one in figures.values())}


# ---- programs that measure a part of the server in their own process -----------------------------------------------


# The figures that bars need, and the lines that hold them. Of several, the worst counts.
PROGRAM_FIGURES = {
    "greenlets": {
        # Beyond 10,000 stacks the memory of the machine is measured, not the switch.
        "switch_ns": r"^switch there and back, 10{0,4} stacks in turn +([\d.]+) ns$",
        "parked": r"^(\d+) parked:$",
    },
    "vector": {"ascii_gb_s": r"^unmask \+ validate, ASCII +\S+ +([\d.]+) GB/s$"},
    "hostlog": {"p50_us": r"p50 +([\d.]+) us\b"},
}


def measure_program(machine, scenario, contestant, options):
    """A program's output lines, and the figures among them."""
    program = machine.program("bench/" + scenario.mode)
    if not os.access(program, os.X_OK):
        say(f"   left out: {program} is missing")
        return None
    try:
        run = subprocess.run([program], capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired as expired:
        raise Failure("it did not end within 300 s") from expired
    if run.returncode != 0:
        raise Failure(f"exit status {run.returncode}: {run.stderr.strip()}")
    figures = {"lines": run.stdout.strip().split("\n")}
    for line in figures["lines"]:
        say("   " + line)
    for name, pattern in PROGRAM_FIGURES[scenario.name].items():
        values = [float(value) for value in re.findall(pattern, run.stdout, re.MULTILINE)]
        if values:
            figures[name] = max(values)
    return figures
