# SPDX-License-Identifier: Apache-2.0
"""Node's `ws`, a client that nobody here wrote, against the server."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import shared_server
from hubbub import PATIENCE, ROOT

server = shared_server("contract.so")


DEBIAN_MODULES = Path("/usr/share/nodejs")  # where the package node-ws puts it


@pytest.fixture(scope="session")
def node(tmp_path_factory, node_modules):
    """Runs a script of tests/clients with ws as npm installs it, outside the source, or as Debian packages it."""
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    folder = tmp_path_factory.mktemp("clients")
    for name in ("deflate.js", "echo.js", "fanout.js"):
        shutil.copy(ROOT / "tests" / "clients" / name, folder)
    env = dict(os.environ)
    if (DEBIAN_MODULES / "ws").exists():
        env["NODE_PATH"] = str(DEBIAN_MODULES)
    elif isinstance(modules := node_modules(), str):
        pytest.skip(f"neither npm nor Debian (node-ws) gives the ws client: {modules}")
    else:
        env["NODE_PATH"] = str(modules / "node_modules")

    def run(script, *arguments):
        done = subprocess.run(["node", script, *map(str, arguments)], cwd=folder, capture_output=True, text=True,
                              timeout=3 * PATIENCE, env=env)
        assert (done.returncode, done.stdout) == (0, "ok\n"), done.stdout + done.stderr

    return run


def test_node_gets_back_what_it_sends(server, node):
    node("echo.js", f"ws://127.0.0.1:{server.port}/echo")


@pytest.mark.parametrize("kind", ["room", "events"])
def test_fifty_node_clients_see_one_order(server, node, kind):
    node("fanout.js", f"ws://127.0.0.1:{server.port}/{kind}/node", 50, 20)
