# SPDX-License-Identifier: Apache-2.0
"""A document root with what one meets in one, and questions about its files."""

import gzip
import os
from email.utils import formatdate
from socket import AF_UNIX, socket

from client import Http, get

SECRET = "the secret outside the root"
BIG = bytes(range(256)) * 12_345
DIGITS = b"0123456789abcdefghij"
SCRIPT = b"let answer = 42;\n" * 100
BROTLI = b"stands for the script in brotli"
CHANGED = 1_700_000_000  # when the settled files were
BEFORE, THEN, AFTER = (formatdate(CHANGED + by, usegmt=True) for by in (-1, 0, 1))


def settle(*paths):
    """Gives files a time of long ago, so that their validators are strong."""
    for path in paths:
        os.utime(path, ns=(CHANGED * 10**9 + 123_456_789,) * 2)


def make_root(folder):
    """A document root with what one meets in one, beside a secret; gives the environment that names it."""
    root = folder / "root"
    (root / "sub").mkdir(parents=True)
    (root / "empty").mkdir()
    (folder / "secret").write_text(SECRET)
    (folder / "outside").mkdir()
    (folder / "outside" / "secret").write_text(SECRET)
    (root / "hello.txt").write_text("hello, file\n")
    (root / "a b.txt").write_text("blank\n")
    (root / "ü.html").write_text("<p>ü")
    (root / "100%.txt").write_text("percent\n")
    (root / "index.html").write_text("<p>index")
    (root / "sub" / "index.html").write_text("<p>sub index")
    (root / "nothing.css").write_text("")
    (root / "script.js").write_text("1")
    (root / "picture.svg").write_text("<svg/>")
    (root / "data.json").write_text("{}")
    (root / "unknown.zzz").write_text("?")
    (root / "big.bin").write_bytes(BIG)
    (root / "link_out").symlink_to("../secret")
    (root / "link_absolute").symlink_to(folder / "secret")
    (root / "folder_out").symlink_to(folder / "outside")
    os.mkfifo(root / "fifo")
    here = os.open(root, os.O_PATH)  # the path itself may be too long for a socket's name
    with socket(AF_UNIX) as plug:
        plug.bind(f"/proc/self/fd/{here}/socket")
    os.close(here)
    (root / "link_in").symlink_to("sub/index.html")
    (root / "folder_in").symlink_to("sub")
    (root / "digits.txt").write_bytes(DIGITS)
    (root / "app.js").write_bytes(SCRIPT)
    (root / "app.js.gz").write_bytes(gzip.compress(SCRIPT))
    (root / "app.js.br").write_bytes(BROTLI)
    (root / "only.css").write_bytes(SCRIPT)
    (root / "only.css.gz").write_bytes(gzip.compress(SCRIPT))
    (root / "trap.txt").write_text("plain\n")
    (root / "trap.txt.gz").symlink_to("../secret")
    os.mkfifo(root / "trap.txt.br")
    (root / "orphan.txt.gz").write_bytes(gzip.compress(b"orphan"))
    settle(root / "digits.txt", root / "app.js", root / "app.js.gz", root / "app.js.br", root / "big.bin")
    return {"HUBBUB_CONTRACT_ROOT": str(root)}


def tag_of(server, path="/static/digits.txt", headers=()):
    return get(server, path, headers).header("ETag")


def asked(server, *headers, method="GET", path="/static/digits.txt"):
    with Http(server) as connection:
        connection.request(method, path, headers)
        answer = connection.response(to_head=method == "HEAD")
        assert connection.get("/static/hello.txt").body == b"hello, file\n", "the connection goes on"
    return answer
