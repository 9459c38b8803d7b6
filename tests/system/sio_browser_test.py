# SPDX-License-Identifier: Apache-2.0
"""A page in a real browser with the stock Socket.IO client, as npm ships it for pages, served by the server itself."""

import os
import shutil
import signal

import pytest

from hubbub import Server, wait_for

pytestmark = [pytest.mark.plain, pytest.mark.limit(120)]

selenium = pytest.importorskip("selenium", reason="python3-selenium is not installed")
from chromium import browser  # noqa: E402, F401

PAGE = """<!doctype html>
<title>socket.io</title>
<link rel="icon" href="data:,">
<script src="socket.io.min.js"></script>
<script>
  const WAYS = {
    polling: { transports: ["polling"] },
    websocket: { transports: ["websocket"] },
    upgrading: { transports: ["polling", "websocket"] },
  };
  const sockets = [];
  const happened = [];  // "NUMBER connect", "NUMBER disconnect REASON" ...
  const heard = [];     // [number, event, ...args]

  function open(way, url = location.origin, namespace = "/") {
    const socket = io(url + namespace, { ...WAYS[way], forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 500 });
    const number = sockets.push(socket) - 1;
    socket.on("connect", () => happened.push(`${number} connect`));
    socket.on("disconnect", (reason) => happened.push(`${number} disconnect ${reason}`));
    socket.on("connect_error", (error) => happened.push(`${number} connect_error ${error.message}`));
    socket.onAny((event, ...args) => heard.push([number, event, ...args]));
    return number;
  }
  const ask = (number, event, ...args) => sockets[number].timeout(20000).emitWithAck(event, ...args);
  const bytes = (...numbers) => Uint8Array.from(numbers).buffer;
  const numbers = (buffer) => [...new Uint8Array(buffer)];
</script>
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory, node_modules):
    modules = node_modules()
    if isinstance(modules, str):
        pytest.skip(f"npm does not give socket.io-client: {modules}")
    root = tmp_path_factory.mktemp("root")
    (root / "index.html").write_text(PAGE)
    shutil.copy(modules / "node_modules" / "socket.io-client" / "dist" / "socket.io.min.js", root)
    server = Server("contract.so", folder=tmp_path_factory.mktemp("server"), env={"HUBBUB_CONTRACT_ROOT": str(root)}).start()
    yield server
    server.finish()


class Page:
    def __init__(self, browser, server):  # noqa: F811
        self.browser = browser
        browser.switch_to.new_window("tab")
        browser.set_script_timeout(60)
        browser.get(f"http://127.0.0.1:{server.port}/static/index.html")

    def run(self, code, *arguments):
        """The value of a JavaScript expression, which may be a promise."""
        script = f"const done = arguments[arguments.length - 1]; (async () => {code})().then((v) => done([v]), (e) => done(String(e)));"
        value = self.browser.execute_async_script(script, *arguments)
        assert isinstance(value, list), value
        return value[0]

    def wait(self, code, what):
        wait_for(lambda: self.run(code), lambda: f"{what}: {self.run('happened')}", pause=0.02)

    def open(self, way, *more):
        number = self.run(f"open({', '.join(repr(item) for item in (way, *more))})")
        self.wait(f"sockets[{number}].connected", f"{way} is connected")
        return number

    def close(self):
        self.run("sockets.forEach((socket) => socket.disconnect())")
        self.browser.close()
        self.browser.switch_to.window(self.browser.window_handles[0])


@pytest.fixture
def page(browser, server):  # noqa: F811
    page = Page(browser, server)
    yield page
    page.close()


@pytest.mark.parametrize("way", ["polling", "websocket", "upgrading"])
def test_messages_acknowledgements_and_binary(page, way):
    number = page.open(way)
    assert page.run(f"ask({number}, 'message-with-ack', {{ deep: [null, 'ü'] }})") == {"deep": [None, "ü"]}
    assert page.run(f"ask({number}, 'message-with-ack', {{ a: [bytes(1, 2, 255)] }}).then(({{ a }}) => numbers(a[0]))") == [1, 2, 255]
    page.run(f"void sockets[{number}].emit('message', 'x', bytes(7))")
    page.wait(f"heard.some(([n, event, ...args]) => n === {number} && event === 'message-back')", "the message is back")
    got = page.run(f"heard.find(([n, event]) => n === {number} && event === 'message-back').slice(2).map((v) => v instanceof ArrayBuffer ? numbers(v) : v)")
    assert got == ["x", [7]]
    if way == "upgrading":
        page.wait(f"ask({number}, 'whoami').then((me) => me.transport === 'websocket')", "it is upgraded")


def test_a_room_of_sockets_on_all_workers_and_of_all_ways(page):
    numbers, pids = [], set()
    ways = ["polling", "upgrading", "polling"]  # and no more: a browser has six connections to a server, and polls keep them
    while len(pids) < 4:
        number = page.open(ways.pop() if ways else "websocket")
        pids.add(page.run(f"ask({number}, 'whoami').then((me) => me.pid)"))
        numbers.append(number)
        assert len(numbers) < 90, pids
    for number in numbers:
        page.run(f"ask({number}, 'join', 'browser')")
    page.run(f"ask({numbers[0]}, 'room', {{ room: 'browser', event: 'news', data: {{ blob: bytes(9) }} }})")
    page.wait(f"heard.filter(([, event]) => event === 'news').length === {len(numbers)}", "all have heard it")
    assert page.run("heard.filter(([, event]) => event === 'news').every(([, , data]) => numbers(data.blob)[0] === 9)")


def test_a_page_of_another_origin_may_connect(page, server):
    """For a browser `localhost` is not `127.0.0.1`."""
    for way in ("polling", "websocket", "upgrading"):
        number = page.open(way, f"http://localhost:{server.port}")
        assert page.run(f"ask({number}, 'message-with-ack', 'from elsewhere')") == "from elsewhere"


def test_an_unknown_namespace_is_refused(page):
    number = page.run("open('websocket', location.origin, '/nowhere')")
    page.wait(f"happened.includes('{number} connect_error Invalid namespace')", "it is refused")


def test_the_page_goes_on_when_its_worker_was_killed(page, server):
    numbers = {page.open(way): way for way in ("polling", "websocket", "upgrading") for _ in range(2)}
    pids = {number: page.run(f"ask({number}, 'whoami').then((me) => me.pid)") for number in numbers}
    victim = pids[next(iter(numbers))]
    os.kill(victim, signal.SIGKILL)
    for number, way in numbers.items():
        if pids[number] == victim:
            page.wait(f"happened.filter((what) => what === '{number} connect').length === 2", f"{way} is connected again")
        assert page.run(f"ask({number}, 'message-with-ack', 'on')") == "on"


def test_a_kick_is_told_with_its_reason(page):
    number = page.open("upgrading")
    page.run(f"void sockets[{number}].emit('kick')")
    page.wait(f"happened.includes('{number} disconnect io server disconnect')", "it was told")
