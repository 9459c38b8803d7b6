# SPDX-License-Identifier: Apache-2.0
"""Node's `ws`, a client that nobody here wrote, against the server."""

import shutil
import subprocess

import pytest

from conftest import shared_server
from hubbub import PATIENCE, ROOT

server = shared_server("contract.so")


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    """Runs a script of tests/clients; its packages are installed from the lock file, outside the source."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node or npm is not installed")
    folder = tmp_path_factory.mktemp("clients")
    for name in ("package.json", "package-lock.json", "echo.js", "fanout.js"):
        shutil.copy(ROOT / "tests" / "clients" / name, folder)
    installed = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder,
                               capture_output=True, text=True, timeout=50)
    if installed.returncode != 0:
        pytest.skip("npm ci failed: " + (installed.stderr.strip().splitlines() or ["without a word"])[-1])

    def run(script, *arguments):
        done = subprocess.run(["node", script, *map(str, arguments)], cwd=folder, capture_output=True, text=True,
                              timeout=3 * PATIENCE)
        assert (done.returncode, done.stdout) == (0, "ok\n"), done.stdout + done.stderr

    return run


def test_node_gets_back_what_it_sends(server, node):
    node("echo.js", f"ws://127.0.0.1:{server.port}/echo")


@pytest.mark.parametrize("kind", ["room", "events"])
def test_fifty_node_clients_see_one_order(server, node, kind):
    node("fanout.js", f"ws://127.0.0.1:{server.port}/{kind}/node", 50, 20)
