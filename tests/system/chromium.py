# SPDX-License-Identifier: Apache-2.0
"""A real browser for the tests of a module."""

import shutil
import socket
import subprocess

import pytest
from selenium import webdriver
from selenium.webdriver.remote.remote_connection import RemoteConnection

from hubbub import free_port, wait_for


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("chromium or chromedriver is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                     "--disable-background-networking", "--disable-component-update", "--disable-sync",
                     "--disable-dev-shm-usage", "--no-proxy-server", "--remote-debugging-pipe",
                     "--window-size=1200,760",
                     f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})

    # By address and pipe: a minimal system resolves no name, and a proxy of the environment is not for this.
    port = free_port()
    service = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for(lambda: listens(port), "chromedriver listens")
        browser = webdriver.Remote(RemoteConnection(f"http://127.0.0.1:{port}", ignore_proxy=True), options=options)
        yield browser
        browser.quit()
    finally:
        service.terminate()
        service.wait()
