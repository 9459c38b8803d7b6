# SPDX-License-Identifier: Apache-2.0
"""The servers: how each is started, pinned, found by its processes and stopped."""
import os
import platform
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(os.path.dirname(BENCH), "build")
NAMES = ["hubbub", "libwebsockets", "node-ws", "bare", "nginx", "node-socketio", "flask-gevent",
         "flask-eventlet", "flask-threading"]
TITLES = {
    "hubbub": "hubbub",
    "hubbub-loop": "hubbub, receive loop",
    "hubbub-deflate": "hubbub, deflated",
    "libwebsockets": "libwebsockets",
    "node-ws": "Node ws",
    "bare": "bare system calls",
    "nginx": "nginx",
    "nginx-fresh": "nginx, files opened anew",
    "hubbub-plain": "hubbub, plain WebSocket",
    "node-socketio": "Node socket.io",
    "flask-gevent": "Flask-SocketIO, gevent",
    "flask-eventlet": "Flask-SocketIO, eventlet",
    "flask-threading": "Flask-SocketIO, threading",
}
# Of Flask-SocketIO by its asynchronous mode: the worker of gunicorn that its documentation names, and the modules.
PYTHON = "/usr/bin/python3"
FLASK_WORKERS = {
    "flask-gevent": ["-k", "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"],
    "flask-eventlet": ["-k", "eventlet"],
    "flask-threading": ["-k", "gthread", "--threads", "6000"],
}
FLASK_MODULES = {
    "flask-gevent": ["flask_socketio", "gunicorn", "gevent", "geventwebsocket"],
    "flask-eventlet": ["flask_socketio", "gunicorn", "eventlet"],
    "flask-threading": ["flask_socketio", "gunicorn", "simple_websocket"],
}
WANTED_DESCRIPTORS = 65536
FILE_BYTES = 10240  # of the file that is asked for by HTTP


class Failure(Exception):
    """Something could not be measured; the text says what and why."""


class Server:
    """One started server. `pids` are all its processes, `workers` those that hold clients."""

    def __init__(self, name, process, port, log, folder=None):
        self.name = name
        self.process = process
        self.port = port
        self.log = log
        self.folder = folder  # of its own, removed when it ends; or None
        self.workers = [process.pid]

    @property
    def pids(self):
        return sorted({self.process.pid, *self.workers})

    def last_words(self):
        self.log.flush()
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            return " | ".join(file.read().split("\n")[-4:]).strip(" |")


class Machine:
    """This machine: its processors, the programs of the build folder, and the processes started here."""

    def __init__(self, build):
        self.build = os.path.abspath(build)
        cpus = sorted(os.sched_getaffinity(0))
        self.server_cpu = cpus[0]
        self.load_cpu = cpus[1] if len(cpus) > 1 else cpus[0]
        self.servers = []
        self.programs = []
        self.files = document_root()
        self.raise_descriptors()
        if not os.access(self.program("bench/load"), os.X_OK):
            raise SystemExit(
                f"bench/run: {self.program('bench/load')} is missing; "
                "build first: cmake -B build && cmake --build build"
            )

    @staticmethod
    def raise_descriptors():
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(hard, WANTED_DESCRIPTORS), max(hard, WANTED_DESCRIPTORS)))
        except (ValueError, OSError):  # not permitted
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def program(self, name):
        return os.path.join(self.build, name)

    def describe(self):
        model = "unknown processor"
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    model = line.split(":", 1)[1].strip()
                    break
        return f"{os.cpu_count()} × {model}, Linux {platform.release()}"

    def missing(self, name):
        """What a server lacks to be started, or None."""
        if name in FLASK_MODULES:
            return missing_module(FLASK_MODULES[name])
        needed = {
            "hubbub": [self.program("hubbub"), self.program("bench/app.so")],
            "libwebsockets": [self.program("bench/lws_echo")],
            "node-ws": [shutil.which("node") or "node", os.path.join(BENCH, "peers/node_modules/ws")],
            "node-socketio": [shutil.which("node") or "node", os.path.join(BENCH, "peers/node_modules/socket.io")],
            "bare": [self.program("bench/send_loop")],
            "nginx": [nginx_program(), shutil.which("wrk") or "wrk"],
        }[name]
        for path in needed:
            if not os.path.exists(path):
                return path
        return None

    def available(self, names):
        hints = {
            "libwebsockets": "install libwebsockets-dev and build again",
            "node-ws": "install nodejs and npm, then: npm ci --prefix bench/peers",
            "node-socketio": "install nodejs and npm, then: npm ci --prefix bench/peers",
            "nginx": "install nginx-light and wrk",
            "flask-gevent": "install python3-flask-socketio, python3-gevent, python3-gevent-websocket and gunicorn",
            "flask-eventlet": "install python3-flask-socketio, python3-eventlet and gunicorn",
            "flask-threading": "install python3-flask-socketio and gunicorn, and simple-websocket by pip",
        }
        found = []
        for name in names:
            path = self.missing(name)
            if path is None:
                found.append(name)
            else:
                say(f"{TITLES[name]} is left out: {path} is missing; {hints.get(name, 'build it')}")
        return found

    def command(self, name, port, workers, folder):
        if name == "hubbub":
            return [
                self.program("hubbub"), "-w", str(workers), "-b", f"127.0.0.1:{port}",
                "--log-level", "warning", self.program("bench/app.so"),
            ]
        if name == "node-ws":
            return ["node", os.path.join(BENCH, "peers/node_ws.js"), str(port)]
        if name == "node-socketio":
            return ["node", os.path.join(BENCH, "peers/node_socketio.js"), str(port)]
        if name in FLASK_WORKERS:
            return [
                PYTHON, "-B", "-m", "gunicorn", *FLASK_WORKERS[name], "-w", str(workers), "-b", f"127.0.0.1:{port}",
                "--worker-connections", "20000", "--backlog", "4096", "--timeout", "120", "--log-level", "warning",
                "--chdir", os.path.join(BENCH, "peers"), "flask_socketio_app:app",
            ]
        if name == "nginx":
            return [nginx_program(), "-p", folder, "-c", write_nginx_configuration(folder, port, self.files.name)]
        program = {"libwebsockets": "bench/lws_echo", "bare": "bench/send_loop"}[name]
        return [self.program(program), str(port)]

    def start(self, name, workers=1, first=False):
        """
        Starts a server on the server's processor and returns when it listens and its workers are there; `first`: before
        what else runs there, if that is permitted.
        """
        port = free_port()
        log = tempfile.NamedTemporaryFile(prefix=f"bench-{name}-", suffix=".log")
        folder = tempfile.TemporaryDirectory(prefix="bench-nginx-") if name == "nginx" else None
        process = subprocess.Popen(
            ["taskset", "-c", str(self.server_cpu), *self.command(name, port, workers, folder and folder.name)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            env={**os.environ, "BENCH_FILES": self.files.name, "BENCH_ASYNC_MODE": name.rpartition("-")[2]},
        )
        if first:
            go_first(process.pid)
        server = Server(name, process, port, log, folder)
        self.servers.append(server)
        deadline = time.monotonic() + 20
        forks = name in ("hubbub", "nginx", *FLASK_WORKERS)
        while (not listens(port) or (forks and len(children(process.pid)) != workers)
               or (name in FLASK_WORKERS and not answers(port))):
            if process.poll() is not None or time.monotonic() > deadline:
                words = server.last_words()
                self.stop(server)
                raise Failure(f"{TITLES[name]} did not start: {words or 'it said nothing'}")
            time.sleep(0.02)
        if forks:
            server.workers = children(process.pid)
        return server

    def stop(self, server):
        """Ends a server at once, by the processes' ids."""
        process = server.process
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # its session: its workers too
                process.wait()
        server.log.close()
        if server.folder:
            server.folder.cleanup()
        self.servers.remove(server)

    def load(self, server, words, first=False, **pipes):
        """Starts the load generator on its own processor; `first`: before everything else there, if that is permitted."""
        before = ["chrt", "-f", "1"] if first and may_go_first() else []
        return self.run(
            [*before, self.program("bench/load"), *words, "--address", f"127.0.0.1:{server.port}"], **pipes
        )

    def run(self, words, **pipes):
        """Starts a program on the load generator's processor."""
        program = subprocess.Popen(
            ["taskset", "-c", str(self.load_cpu), *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **pipes,
        )
        self.programs.append(program)
        return program

    def attack(self, server, words):
        """Starts an attacker beside the load generator; it ends with its standard input."""
        program = subprocess.Popen(
            ["taskset", "-c", str(self.load_cpu), self.program("bench/flood"), *words], start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        go_first(program.pid)
        self.programs.append(program)
        return program

    def stop_all(self):
        for program in self.programs:
            if program.poll() is None:
                program.kill()
                program.wait()
        for server in list(self.servers):
            self.stop(server)
        self.files.cleanup()


def missing_module(modules):
    """The first of the modules that Python does not find, or None."""
    program = "import importlib.util, sys; print(next((m for m in sys.argv[1:] if not importlib.util.find_spec(m)), ''))"
    try:
        run = subprocess.run([PYTHON, "-c", program, *modules], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return PYTHON
    return "Python's module " + run.stdout.strip() if run.stdout.strip() else None


def document_root():
    """A folder with the file that is asked for by HTTP."""
    folder = tempfile.TemporaryDirectory(prefix="bench-files-")
    os.chmod(folder.name, 0o755)  # started by root, nginx reads it as another user
    line = "".join(chr(ord("a") + i % 26) for i in range(63)) + "\n"
    with open(os.path.join(folder.name, "file.txt"), "w", encoding="ascii") as file:
        file.write(line * (FILE_BYTES // len(line)))
    return folder


def nginx_program():
    """Debian's stands in a folder that only root has in its path."""
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin") or "nginx"


def write_nginx_configuration(folder, port, files):
    os.chmod(folder, 0o755)
    with open(os.path.join(BENCH, "peers/nginx.conf"), encoding="utf-8") as file:
        text = file.read()
    path = os.path.join(folder, "nginx.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("@PORT@", str(port)).replace("@FILES@", files))
    return path


def cpu_seconds(pids):
    """CPU time of all threads of the processes so far, kernel and user, by their schedulers' clocks."""
    total = 0
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
    return total / 1e9


def go_first(pid):
    """Gives a session of its own more of its processor than the others get, if that is permitted."""
    try:
        os.setpriority(os.PRIO_PROCESS, pid, -20)
        with open(f"/proc/{pid}/autogroup", "w", encoding="ascii") as file:
            file.write("-20")
    except OSError:
        pass  # the figures are then those of a busy machine


def may_go_first():
    return shutil.which("chrt") and subprocess.run(["chrt", "-f", "1", "true"], stderr=subprocess.DEVNULL,
                                                   check=False).returncode == 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    """Whether somebody listens, without connecting: a probe's connection would be counted as a client."""
    wanted = f"0100007F:{port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as file:
        return any(line.split()[1] == wanted and line.split()[3] == "0A" for line in file)


def answers(port):
    """Whether an application answers: gunicorn listens before its worker has loaded one."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def say(text):
    print(text, file=sys.stderr, flush=True)
