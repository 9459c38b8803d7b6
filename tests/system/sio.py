# SPDX-License-Identifier: Apache-2.0
"""
Stock Socket.IO clients as tests use them: Node's socket.io-client and Python's python-socketio, each one process with
all its connections (tests/clients/socketio_client.js and .py), behind one interface.
"""

import base64
import itertools
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import uuid

import pytest

from hubbub import PATIENCE, ROOT, wait_for

CLIENTS = ROOT / "tests" / "clients"
KINDS = ["node", "python"]
WAYS = {"polling": (["polling"], False), "websocket": (["websocket"], False), "upgrading": (["polling", "websocket"], True)}
BOTH = [(kind, way) for kind in KINDS for way in WAYS]
BOTH_NAMES = [f"{kind}-{way}" for kind, way in BOTH]


def unique(word="x"):
    return f"{word}-{uuid.uuid4().hex[:12]}"


def plain(value):
    if isinstance(value, bytes):
        return {"$binary": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def lively(value):
    if isinstance(value, list):
        return [lively(item) for item in value]
    if isinstance(value, dict):
        if isinstance(value.get("$binary"), str):
            return base64.b64decode(value["$binary"])
        return {key: lively(item) for key, item in value.items()}
    return value


def install_node_modules(folder):
    """Installs the clients as the lock file has them; gives what went wrong, or None."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(CLIENTS / name, folder)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    except FileNotFoundError:
        return "npm is not installed"
    except subprocess.TimeoutExpired:
        return "npm ci took more than 120 s"
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.splitlines() if "error" in line.lower()] or done.stderr.splitlines() or [""]
    return f"npm ci failed: {errors[0]}"


class Driver:
    """One process of clients."""

    def __init__(self, command, **how):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **how)
        self.numbers = itertools.count()
        self.pending = {}
        self.clients = {}
        self.lock = threading.Lock()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for text in self.process.stdout:
            line = json.loads(text)
            if "id" in line:
                self.pending.pop(line["id"]).put(line)
            elif client := self.clients.get(line["connection"]):
                client.happened(line)

    def start(self, **command):
        """Sends a command; gives a function that waits for its result."""
        number, answer = next(self.numbers), queue.SimpleQueue()
        self.pending[number] = answer
        with self.lock:
            self.process.stdin.write(json.dumps({"id": number, **command}) + "\n")
            self.process.stdin.flush()

        def result(patience=PATIENCE):
            try:
                line = answer.get(timeout=patience)
            except queue.Empty:
                raise AssertionError(f"no answer to {command} within {patience} s") from None
            assert "error" not in line, f"{command}: {line['error']}"
            return lively(line["result"])

        return result

    def do(self, **command):
        return self.start(**command)()

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Client:
    """One connection, with one namespace or several."""

    def __init__(self, driver, kind, way, server, namespaces=("/",), auth=None, reconnect=True, path="/socket.io/", query=None):
        self.driver, self.kind, self.way = driver, kind, way
        self.name = unique(kind)
        self.namespaces = list(namespaces)
        self.changed = threading.Condition()
        self.events = []  # (namespace, event, args), as they came
        self.lives = []   # (namespace, "connect" | "disconnect" | "connect_error", detail)
        transports, upgrade = WAYS[way]
        driver.clients[self.name] = self
        self.opened = driver.start(do="open", connection=self.name, url=f"http://127.0.0.1:{server.port}", path=path, query=query,
                                   transports=transports, upgrade=upgrade, namespaces=self.namespaces, auth=auth,
                                   reconnect=reconnect)

    def __repr__(self):
        return f"{self.kind}-{self.way}"

    def happened(self, line):
        with self.changed:
            if "event" in line:
                self.events.append((line["namespace"], line["event"], lively(line["args"])))
            else:
                self.lives.append((line["namespace"], line["life"], line["detail"]))
            self.changed.notify_all()

    def wait(self, condition, what, patience=PATIENCE):
        with self.changed:
            if not self.changed.wait_for(condition, patience):
                raise AssertionError(f"{self}: not within {patience} s: {what}; events {str(self.events)[-2000:]}, {self.lives}")
            return condition()

    # ---- what happened

    def life(self, word, namespace="/", count=1):
        """The details of all such moments of a namespace, once there are `count`."""
        found = lambda: [detail for space, life, detail in self.lives if (space, life) == (namespace, word)]  # noqa: E731
        self.wait(lambda: len(found()) >= count, f"{count} times {word} of {namespace}")
        return found()

    def connected(self):
        self.opened()
        for namespace in self.namespaces:
            self.life("connect", namespace)
        return self

    def all(self, event, namespace="/"):
        """The arguments of all such events up to now."""
        with self.changed:
            return [args for space, name, args in self.events if (space, name) == (namespace, event)]

    def expect(self, event, count=1, namespace="/"):
        """The arguments of the `count`-th such event."""
        self.wait(lambda: len(self.all(event, namespace)) >= count, f"{count} times {event}")
        return self.all(event, namespace)[count - 1]

    def order(self, *names, namespace="/"):
        """The names and first arguments of those events, as they came."""
        with self.changed:
            return [(name, args[0] if args else None) for space, name, args in self.events if space == namespace and name in names]

    # ---- what it does

    def emit(self, event, *args, namespace="/"):
        self.driver.do(do="emit", connection=self.name, namespace=namespace, event=event, args=plain(args), ack=False)

    def start(self, event, *args, namespace="/"):
        """Emits an event and gives a function that waits for the acknowledgement's arguments."""
        return self.driver.start(do="emit", connection=self.name, namespace=namespace, event=event, args=plain(args), ack=True)

    def call(self, event, *args, namespace="/"):
        return self.start(event, *args, namespace=namespace)()

    def who(self, namespace="/"):
        return self.call("whoami", namespace=namespace)[0]

    def answer(self, event, *args):
        """Acknowledges such events with these arguments; those that were not named with none."""
        self.driver.do(do="answer", connection=self.name, event=event, args=plain(args))

    def never_answer(self, event):
        self.driver.do(do="answer", connection=self.name, event=event, args=None)

    def transport(self):
        return self.driver.do(do="transport", connection=self.name)

    def wait_upgraded(self):
        wait_for(lambda: self.who(self.namespaces[0])["transport"] == "websocket", f"{self} is upgraded", pause=0.02)
        return self

    def close(self):
        self.driver.do(do="close", connection=self.name)
        self.driver.clients.pop(self.name, None)


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory):
    """A function that gives a folder with the modules of tests/clients, or why there is none."""
    installed = []

    def folder():
        if not installed:
            place = tmp_path_factory.mktemp("node")
            installed.append(install_node_modules(place) or place)
        return installed[0]

    return folder


@pytest.fixture(scope="session")
def drivers(node_modules):
    """A function that gives the Driver of a kind; one whose library is missing skips the test that asks for it."""
    started = {}

    def driver(kind):
        if kind not in started:
            started[kind] = start_node(node_modules) if kind == "node" else start_python()
        if isinstance(started[kind], str):
            pytest.skip(started[kind])
        return started[kind]

    yield driver
    for one in started.values():
        if isinstance(one, Driver):
            one.end()


def start_node(node_modules):
    if not shutil.which("node"):
        return "node is not installed"
    folder = node_modules()
    if isinstance(folder, str):
        return f"npm does not give socket.io-client: {folder}"
    shutil.copy(CLIENTS / "socketio_client.js", folder)
    return Driver(["node", "socketio_client.js"], cwd=folder)


def start_python():
    check = subprocess.run([sys.executable, "-c", "import socketio, aiohttp"], capture_output=True, text=True)
    if check.returncode != 0:
        return "python3-socketio or python3-aiohttp is not installed"
    return Driver([sys.executable, "-B", CLIENTS / "socketio_client.py"], env={**os.environ, "no_proxy": "*"})


def closing(drivers):
    """A function that opens clients, and one that closes them all."""
    opened = []

    def connect(kind, way, server, **how):
        client = Client(drivers(kind), kind, way, server, **how)
        opened.append(client)
        return client

    def close():
        for client in opened:
            if client.name in client.driver.clients:
                client.close()

    return connect, close


@pytest.fixture
def connect(drivers):
    """Opens clients that live as long as the test."""
    open_one, close = closing(drivers)
    yield open_one
    close()


def one_on_each_worker(open_one, server, kind, way, namespaces=("/",)):
    """{pid: Client}: opens clients until each worker has one; closes the others."""
    found, spare = {}, 0
    while len(found) < server.workers:
        batch = [open_one(kind, way, server, namespaces=namespaces) for _ in range(server.workers)]
        for client in batch:
            client.connected()
            pid = client.who(namespaces[0])["pid"]
            if pid in found:
                client.close()
                spare += 1
            else:
                found[pid] = client
        assert spare < 200, f"clients only on the workers {sorted(found)}"
    return found
