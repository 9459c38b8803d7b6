# SPDX-License-Identifier: Apache-2.0
"""
The chat in a real browser. With HUBBUB_SCREENSHOT=FILE the last look at two tabs in conversation is kept there:
    HUBBUB_SCREENSHOT=$PWD/docs/chat.png /usr/bin/python3 -m pytest tests/system/browser_test.py -k picture
"""

import os
import shutil
import signal

import pytest

from hubbub import BUILD, PATIENCE, Server, wait_for

pytestmark = [pytest.mark.plain, pytest.mark.limit(120)]

selenium = pytest.importorskip("selenium", reason="python3-selenium is not installed")
from selenium.common.exceptions import StaleElementReferenceException  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

from chromium import browser  # noqa: E402, F401


class Tab:
    """One window of the browser with the chat in it."""

    def __init__(self, browser, server, name, room="lobby"):
        browser.switch_to.new_window("tab")
        self.browser, self.window = browser, browser.current_window_handle
        self.url = f"http://127.0.0.1:{server.port}/#{room}"
        browser.get(self.url)
        self.wait_open()
        self.call_me(name)

    def use(self):
        self.browser.switch_to.window(self.window)
        return self.browser

    def do(self, selector, action):
        """The action on the element that the selector finds. The page draws its lists anew whenever something
        happens: an element that was replaced between being found and being used is found again."""
        outcome = []

        def done():
            try:
                outcome.append(action(self.use().find_element(By.CSS_SELECTOR, selector)))
            except StaleElementReferenceException:
                return False
            return True

        wait_for(done, f"{selector} stays long enough to be used", pause=0.02)
        return outcome[0]

    def click(self, selector):
        self.do(selector, lambda element: element.click())

    def type(self, selector, *keys):
        self.do(selector, lambda element: element.send_keys(*keys))

    def text(self, selector):
        return self.do(selector, lambda element: element.text)

    def attribute(self, selector, name):
        return self.do(selector, lambda element: element.get_attribute(name))

    def texts(self, selector):
        script = "return [...document.querySelectorAll(arguments[0])].map((node) => node.innerText)"
        return self.use().execute_script(script, selector)

    def state(self):
        return self.attribute("#state", "data-state")

    def wait_open(self):
        wait_for(lambda: self.state() == "open" and self.slot() is not None, "the page is connected", pause=0.02)

    def slot(self):
        slot = self.attribute("#worker", "data-slot")
        return None if slot is None else int(slot)

    def move_from(self, slots):
        """Loads the page again until another worker serves it."""
        for _ in range(50):
            if self.slot() not in slots:
                return
            self.use().refresh()
            self.wait_open()
        raise AssertionError(f"the page is always served by one of the workers {slots}")

    def call_me(self, name):
        self.type("#name", Keys.CONTROL + "a" + Keys.NULL + name + "\n")

    def say(self, text):
        self.type("#text", text + "\n")

    def wait_said(self, text):
        wait_for(lambda: text in self.texts(".said"), lambda: f"{text!r} among {self.texts('.said')}", pause=0.02)

    def wait_person(self, name, slot):
        wait_for(lambda: any(name in text and f"worker {slot}" in text for text in self.texts("#people li")),
                 lambda: f"{name} on worker {slot} among {self.texts('#people li')}", pause=0.02)

    def enter(self, room):
        self.click(f'[data-room="{room}"]')
        wait_for(lambda: self.text("#room-title") == f"# {room}", "the room is shown", pause=0.02)

    def close(self):
        self.use().close()
        self.browser.switch_to.window(self.browser.window_handles[0])


@pytest.fixture
def chat(tmp_path):
    server = Server("chat.so", folder=tmp_path, workers=4).start()
    yield server
    server.finish()


@pytest.fixture
def stock_chat(tmp_path, node_modules):
    """The chat with the stock Socket.IO client in its page, as ./bootstrap run serves it where npm is."""
    modules = node_modules()
    if isinstance(modules, str):
        pytest.skip(f"npm does not give socket.io-client: {modules}")
    shutil.copytree(BUILD / "examples" / "public", tmp_path / "public")
    shutil.copy(BUILD / "examples" / "chat.so", tmp_path)
    shutil.copy(modules / "node_modules" / "socket.io-client" / "dist" / "socket.io.esm.min.js",
                tmp_path / "public" / "chat" / "socket.io.js")
    server = Server(tmp_path / "chat.so", folder=tmp_path / "server", workers=4).start()
    yield server
    server.finish()


@pytest.fixture
def tabs(browser, chat):  # noqa: F811
    """Two tabs whose clients are served by two workers."""
    open_tabs = [Tab(browser, chat, "Ada"), Tab(browser, chat, "Grace")]
    one, two = open_tabs
    two.move_from({one.slot()})
    yield one, two
    for tab in open_tabs:
        tab.close()


def test_two_tabs_on_two_workers_talk(tabs):
    one, two = tabs
    one.say("Hello from the first tab")
    two.wait_said("Hello from the first tab")
    two.say("And hello back, <b>as text</b> ü")
    one.wait_said("And hello back, <b>as text</b> ü")


def test_each_tab_sees_who_is_on_which_worker(tabs):
    one, two = tabs
    one.wait_person("Ada", one.slot())
    one.wait_person("Grace", two.slot())
    two.wait_person("Ada", one.slot())


def test_who_closes_the_tab_leaves_the_list(browser, chat, tabs):  # noqa: F811
    third = Tab(browser, chat, "Linus")
    tabs[0].wait_person("Linus", third.slot())
    third.close()
    wait_for(lambda: not any("Linus" in text for text in tabs[0].texts("#people li")), "Linus is gone", pause=0.02)


def test_rooms_are_switched_and_kept_apart(tabs):
    one, two = tabs
    one.enter("workshop")
    one.say("Only in the workshop")
    one.wait_said("Only in the workshop")
    wait_for(lambda: two.texts('[data-room="workshop"] .unread'), "a count of unread messages", pause=0.02)
    assert "Only in the workshop" not in two.texts(".said")
    two.enter("workshop")
    two.wait_said("Only in the workshop")
    assert not two.texts('[data-room="workshop"] .unread')


def test_a_new_room_appears_for_the_others(tabs):
    one, two = tabs
    one.type("#room-name", "Tea House\n")
    wait_for(lambda: two.texts('[data-room="tea-house"]'), "the room in the other tab's list", pause=0.02)
    two.enter("tea-house")
    two.say("A cup?")
    one.wait_said("A cup?")


def test_a_tab_connects_again_when_its_worker_was_killed(chat, tabs):
    one, two = tabs
    slot = two.slot()
    victim = chat.pids()[slot]
    generation = two.attribute("#worker", "data-generation")
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: two.state() == "open" and
             (two.slot(), two.attribute("#worker", "data-generation")) != (slot, generation),
             "the tab is connected again", patience=3 * PATIENCE, pause=0.02)
    two.say("Back again")
    one.wait_said("Back again")
    one.wait_person("Grace", two.slot())
    assert sum("Grace" in text for text in one.texts("#people li")) == 1


def test_the_page_works_with_the_stock_client(browser, stock_chat):  # noqa: F811
    one, two = Tab(browser, stock_chat, "Ada"), Tab(browser, stock_chat, "Grace")
    assert "socket.io.js" in " ".join(one.use().execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)"))
    two.move_from({one.slot()})
    one.say("Hello through the stock client")
    two.wait_said("Hello through the stock client")
    os.kill(stock_chat.pids()[two.slot()], signal.SIGKILL)
    one.say("Are you there?")
    wait_for(lambda: two.state() == "open" and len(two.texts(".note")) == 2, "the tab is connected again", patience=3 * PATIENCE, pause=0.02)
    two.say("Back again")
    one.wait_said("Back again")
    one.close()
    two.close()


def test_the_page_reports_no_errors(browser, tabs):  # noqa: F811
    tabs[0].say("one more")
    tabs[1].wait_said("one more")
    for tab in tabs:
        severe = [entry for entry in tab.use().get_log("browser")
                  if entry["level"] == "SEVERE" and "WebSocket connection" not in entry["message"]]
        assert not severe


def test_everything_comes_from_the_server_itself(tabs):
    script = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    for tab in tabs:
        names = tab.use().execute_script(script)
        assert names and all(name.startswith(tab.url.partition("#")[0]) for name in names), names


def test_every_control_has_a_name(tabs):
    unnamed = tabs[0].use().execute_script("""
        return [...document.querySelectorAll("button, input")].filter((node) => !(node.getAttribute("aria-label") ||
            node.labels?.length || node.innerText.trim())).map((node) => node.outerHTML)""")
    assert unnamed == []


def test_the_page_fits_a_small_screen(tabs):
    browser = tabs[0].use()
    browser.set_window_size(360, 700)
    try:
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        tabs[0].click("#menu")
        wait_for(lambda: tabs[0].do('[data-room="random"]', lambda button: button.is_displayed()), "rooms shown")
        tabs[0].enter("random")
    finally:
        browser.set_window_size(1200, 760)


def test_a_picture_of_the_conversation(browser, chat, tabs, tmp_path):  # noqa: F811
    one, two = tabs
    third = Tab(browser, chat, "Edsger")
    third.move_from({one.slot(), two.slot()})
    one.say("Who is here, and on which worker?")
    two.wait_said("Who is here, and on which worker?")
    two.say("The badge beside my name says it. Yours is another one.")
    third.wait_said("The badge beside my name says it. Yours is another one.")
    third.say("Same room, three workers, one order.")
    two.say("Kill one with kill -9: only its own clients notice, and they are back at once.")
    one.wait_said("Kill one with kill -9: only its own clients notice, and they are back at once.")
    one.say("Let us try that.")
    two.wait_said("Let us try that.")
    two.wait_person("Edsger", third.slot())
    target = os.environ.get("HUBBUB_SCREENSHOT", str(tmp_path / "chat.png"))
    assert two.use().save_screenshot(target)
    assert os.path.getsize(target) > 20_000
    third.close()


def test_the_clock_of_the_streams_ticks_and_goes_on_after_a_restart(browser, tmp_path):  # noqa: F811
    server = Server("stream.so", folder=tmp_path, workers=1).start()
    try:
        browser.switch_to.new_window("tab")
        browser.get(f"http://127.0.0.1:{server.port}/")

        def count():
            return int(browser.find_element(By.ID, "clock").get_attribute("data-count") or 0)

        wait_for(lambda: count() >= 2, "the clock ticks", pause=0.05)
        seen = count()
        os.kill(server.pids()[0], signal.SIGKILL)
        wait_for(lambda: count() > seen + 1, "the clock goes on", patience=30, pause=0.05)
        browser.close()
        browser.switch_to.window(browser.window_handles[0])
    finally:
        server.finish()
