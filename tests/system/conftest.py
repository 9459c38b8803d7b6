# SPDX-License-Identifier: Apache-2.0
"""What all system tests share: servers that are started for a test or a module, and a time limit for each test."""

import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from hubbub import BUILD, ROOT, Server
from sio import connect, drivers, node_modules  # noqa: F401 (fixtures)


def pytest_configure(config):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if not (BUILD / "hubbub").exists():
        raise pytest.UsageError(f"there is no {BUILD}/hubbub: build it, or name the folder in HUBBUB_BUILD")


def pytest_addoption(parser):
    parser.addoption("--failed-to", metavar="FILE", help="write the names of tests that failed to a file, a line each")


def pytest_terminal_summary(terminalreporter, config):
    if path := config.getoption("--failed-to"):
        bad = [report.nodeid for key in ("failed", "error") for report in terminalreporter.stats.get(key, [])]
        Path(path).write_text("".join(f"{name}\n" for name in dict.fromkeys(bad)))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """Ends a test that hangs, so that one defect costs one test and not the run."""
    marker = item.get_closest_marker("limit")
    seconds = marker.args[0] if marker else 60

    def over(signum, frame):
        raise TimeoutError(f"the test took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def start(tmp_path):
    """Starts servers that live as long as the test: start("contract.so", "-w", "2")."""
    servers = []

    def start_one(app, *options, **arguments):
        server = Server(app, *options, folder=tmp_path / f"server{len(servers)}", **arguments)
        servers.append(server)
        return server.start()

    yield start_one
    failures = []
    for server in servers:
        try:
            server.finish()
        except AssertionError as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


def shared_server(app, *options, **arguments):
    """A fixture of one server for all tests of a module: tests that use it leave it as they found it."""

    @pytest.fixture(scope="module")
    def server(tmp_path_factory):
        folder = tmp_path_factory.mktemp("server")
        made = arguments.copy()
        if "prepare" in made:
            made["env"] = {**made.get("env", {}), **made.pop("prepare")(folder)}
        server = Server(app, *options, folder=folder, **made).start()
        yield server
        server.finish()

    return server


@pytest.fixture(scope="session")
def apps(tmp_path_factory):
    """Compiles an application of tests/system/apps to a shared object; gives its path."""
    folder = tmp_path_factory.mktemp("apps")

    def compiled(name):
        module = folder / f"{name}.so"
        if not module.exists():
            subprocess.run(
                [os.environ.get("CC", "gcc"), "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-g", "-shared", "-fPIC",
                 f"-I{ROOT}/include", Path(__file__).parent / "apps" / f"{name}.c", "-o", module],
                check=True)
        return module

    return compiled
