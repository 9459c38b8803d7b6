# SPDX-License-Identifier: Apache-2.0
"""
The server as tests see it: started for real, talked to over sockets, its log read, ended by process id. Nothing
here sleeps for a fixed time: `wait_for` polls a condition until its deadline.
"""

import os
import random
import re
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("HUBBUB_BUILD", ROOT / "build")).resolve()
SANITIZED = "HUBBUB_SANITIZE:BOOL=ON" in (BUILD / "CMakeCache.txt").read_text() if BUILD.exists() else False
PATIENCE = 30.0

READY = re.compile(r"worker (\d+) \(pid (\d+)\) ready")
DAMAGE = re.compile(r"ERROR: (Address|Leak)Sanitizer|runtime error:")


def wait_for(condition, what, patience=PATIENCE, pause=0.005):
    """Returns the condition's first true value; fails with `what` when there is none in time."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {patience} s: {what() if callable(what) else what}"
        time.sleep(pause)


def free_port():
    """A port below those that the system gives to clients: none of them takes it between the look and the bind."""
    while True:
        port = random.randrange(12000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def stat_fields(pid):
    """The fields of /proc/PID/stat behind the command's name: state, parent, group, session, …; None when gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def alive(pid):
    fields = stat_fields(pid)
    return fields is not None and fields[0] not in "ZX"


def session_members(session, mark=None):
    """Process ids of all processes of a session, zombies left out; also of those that left it and carry the mark."""
    members = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = stat_fields(entry)
            if fields and fields[0] not in "ZX" and (fields[3] == str(session) or mark and has_mark(entry, mark)):
                members.append(int(entry))
    return members


def new_mark():
    """An entry of the environment by which the descendants of one start are known, whatever their session is."""
    return f"SYSTEM_TEST_MARK={uuid.uuid4()}"


def has_mark(pid, mark):
    try:
        return mark.encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def runs_hubbub(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe") == str(BUILD / "hubbub")
    except OSError:
        return False


def kill_all(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def find_app(app):
    """`contract.so` is an example of the build; anything with a folder in it is taken as it is."""
    path = Path(app)
    return path if path.parent != Path(".") else BUILD / "examples" / path


class Server:
    """One hubbub with its own session of processes, so that whatever it leaves behind is found."""

    def __init__(self, app, *options, folder, workers=4, bind=None, env=None, cwd=None, before=()):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.workers = workers
        self.port = free_port() if bind is None else None
        self.bind = f"127.0.0.1:{self.port}" if bind is None else bind  # "": the options say it
        self.unix = self.bind[5:] if self.bind.startswith("unix:") else None
        self.command = [*before, str(BUILD / "hubbub"), "-w", str(workers), *(["-b", self.bind] if self.bind else []),
                        *map(str, options), str(find_app(app))]
        self.mark = new_mark()
        self.env = {**os.environ, **dict([self.mark.split("=")]), "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1", **(env or {})}
        self.cwd = cwd or self.folder
        self.log_path = self.folder / "log"
        self.passed = ()  # descriptors of ours that it inherits
        self.process = None
        self.pid = None

    # ---- life

    def launch(self):
        """Starts the process without waiting for anything."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self.env, cwd=self.cwd, start_new_session=True,
                                            pass_fds=self.passed)
        self.pid = self.process.pid
        return self

    def start(self):
        self.launch()
        try:
            wait_for(lambda: self.process.poll() is not None or self.ready_count() >= self.workers,
                     lambda: f"{self.workers} workers ready; the log:\n{self.log()}")
            assert self.process.poll() is None, f"the server ended with {self.process.poll()}:\n{self.log()}"
        except BaseException:
            self.destroy()
            raise
        return self

    def ready_count(self):
        return len(self.pids())

    def pids(self):
        """{slot: pid} of the newest worker of each slot that said it is ready."""
        return {int(slot): int(pid) for slot, pid in READY.findall(self.log())}

    def wait_successor(self, slot, pid, patience=PATIENCE):
        """The pid of the worker that serves a slot after `pid`."""
        return wait_for(lambda: (now := self.pids()[slot]) != pid and now,
                        lambda: f"a successor of worker {slot} (pid {pid}):\n{self.log()}", patience, pause=0.001)

    def wait_exit(self, patience=PATIENCE):
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server still runs after {patience} s:\n{self.log()}") from None

    def destroy(self):
        kill_all(self.members())
        self.process.wait()

    def finish(self):
        """Ends the server if the test did not (at once, by SIGINT), and asserts that it went well and left nothing behind."""
        if self.process is None:
            return
        try:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGINT)
                code = self.wait_exit()
                assert code == 0, f"after SIGINT the server ended with {code}:\n{self.log()}"
            self.assert_nothing_left()
            damage = [line for line in self.log().splitlines() if DAMAGE.search(line)]
            assert not damage, f"{damage[0]}\n{self.log()[-6000:]}"
        finally:
            self.destroy()

    def members(self):
        return session_members(self.pid, self.mark)

    def assert_nothing_left(self, patience=PATIENCE):
        """A server that ended by itself left no worker, not even for a moment; what applications started may end."""
        if self.process.poll() is not None and self.process.returncode >= 0:
            workers = [pid for pid in self.members() if runs_hubbub(pid)]
            assert not workers, f"the server ended before its processes {workers}:\n{self.log()}"
        wait_for(lambda: not self.members(), lambda: f"no process left: {self.members()}", patience)
        assert self.unix is None or not os.path.exists(self.unix), f"{self.unix} was left behind"

    # ---- what can be seen of it

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait_log(self, pattern, count=1, patience=PATIENCE):
        """The first match of a pattern in the log, once there are `count` of them."""
        return wait_for(lambda: (found := list(re.finditer(pattern, self.log()))) and len(found) >= count and found,
                        lambda: f"{pattern!r} {count} times in the log:\n{self.log()}", patience)[0]

    def connect(self, timeout=PATIENCE):
        if self.unix:
            plug = socket.socket(socket.AF_UNIX)
            plug.settimeout(timeout)
            plug.connect(self.unix)
        else:
            plug = socket.create_connection(("127.0.0.1", self.port), timeout)
            plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return plug

    def send_signal(self, number):
        os.kill(self.pid, number)


def refuses(server):
    """No process of the server listens any more: its last worker drains, or it has ended."""
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def run(*arguments, env=None, patience=PATIENCE, cwd=None, user=None):
    """
    Runs hubbub to its end; for what ends by itself: errors, --help, --print-config. Asserts that no process of
    it is left. `user`: runs it as this user id, which only root can.
    """
    mark = new_mark()
    as_user = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    with subprocess.Popen([str(BUILD / "hubbub"), *map(str, arguments)], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd, start_new_session=True,
                          env={**os.environ, **(env or {}), **dict([mark.split("=")])}, **as_user) as process:
        try:
            output, errors = process.communicate(timeout=patience)
            left = session_members(process.pid, mark)
            assert not left, f"hubbub ended with {process.returncode} and left the processes {left}:\n{errors}"
        finally:
            kill_all(session_members(process.pid, mark))
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)
