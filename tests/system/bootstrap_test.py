# SPDX-License-Identifier: Apache-2.0
"""`./bootstrap run`, in a folder whose build is done: what its arguments mean, and the address that it prints."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from hubbub import BUILD, PATIENCE, ROOT, free_port, wait_for


@pytest.fixture
def folder(tmp_path):
    """A copy of bootstrap beside the server; the tools that install and build have nothing to do."""
    shutil.copy(ROOT / "bootstrap", tmp_path)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "hubbub").symlink_to(BUILD / "hubbub")
    (tmp_path / "build" / "examples").symlink_to(BUILD / "examples")
    (tmp_path / "tools").mkdir()
    for name, text in (("cmake", "touch built"), ("apt-get", "exit 1"), ("dpkg-query", "printf installed")):
        (tmp_path / "tools" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "tools" / name).chmod(0o755)
    return tmp_path


def environment(folder):
    return {**os.environ, "PATH": f"{folder}/tools:{os.environ['PATH']}"}


def refused(folder, *arguments):
    return subprocess.run([folder / "bootstrap", "run", *arguments], capture_output=True, text=True, cwd=folder,
                          env=environment(folder), stdin=subprocess.DEVNULL, timeout=PATIENCE)


def run_demo(folder, *arguments):
    """What it prints until the server is told to end: the addresses to open, and those that are listened at."""
    path = folder / "output"
    with open(path, "wb") as output:
        process = subprocess.Popen([folder / "bootstrap", "run", *arguments, "-w", "1"], stdout=output, stderr=output,
                                   stdin=subprocess.DEVNULL, cwd=folder, env=environment(folder), start_new_session=True)
    try:
        wait_for(lambda: process.poll() is not None or "==> open " in path.read_text(), path.read_text)
        assert process.poll() is None, path.read_text()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    text = path.read_text()
    return re.findall(r"open (http://\S+)", text), re.findall(r"listening at (\S+)", text)


@pytest.mark.skipif(not os.path.exists("/proc/net/if_inet6") or not Path("/proc/net/if_inet6").read_text(),
                    reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["[::1]", "[::]"])
def test_run_takes_ipv6_addresses(folder, host):
    port = free_port()
    opened, listening = run_demo(folder, f"{host}:{port}")
    assert (opened, listening) == ([f"http://[::1]:{port}/"], [f"http://{host}:{port}"])


def test_run_takes_an_address_or_a_bare_port(folder):
    for prefix in ("127.0.0.1:", ""):
        port = free_port()
        opened, listening = run_demo(folder, f"{prefix}{port}")
        assert (opened, listening) == ([f"http://127.0.0.1:{port}/"], [f"http://127.0.0.1:{port}"])


def test_run_with_every_address_of_the_machine_prints_one_that_a_browser_can_open(folder):
    port = free_port()
    opened, listening = run_demo(folder, f"0.0.0.0:{port}")
    assert (opened, listening) == ([f"http://127.0.0.1:{port}/"], [f"http://0.0.0.0:{port}"])


@pytest.mark.parametrize("form", ["-b {}", "--bind {}", "--bind={}", "-b{}"])
def test_run_listens_only_where_its_options_say(folder, form):
    address = f"127.0.0.1:{free_port()}"
    opened, listening = run_demo(folder, *form.format(address).split())
    assert (opened, listening) == ([f"http://{address}/"], [f"http://{address}"])


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_run_explains_itself_without_building(folder, option):
    result = refused(folder, option)
    assert result.returncode == 0 and result.stdout.startswith("usage: ./bootstrap")
    assert not (folder / "built").exists()


def test_run_refuses_a_word_that_is_no_address(folder):
    result = refused(folder, "nowhere")
    assert result.returncode == 1 and not (folder / "built").exists()
    assert result.stderr == "bootstrap: 'nowhere' is no address: write HOST:PORT or a port, as ./bootstrap run 8001\n"
