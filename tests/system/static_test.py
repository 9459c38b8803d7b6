# SPDX-License-Identifier: Apache-2.0
"""Static files: what is served, how, and that nothing outside the document root is."""

import os
import threading
import time
from socket import SO_RCVBUF, SOL_SOCKET

import pytest

from client import Http, get
from conftest import shared_server
from document_root import BIG, SECRET, asked, make_root
from hubbub import wait_for

server = shared_server("contract.so", prepare=make_root, workers=2)


def test_a_file_is_served_with_its_type_and_length(server):
    answer = get(server, "/static/hello.txt")
    assert (answer.status, answer.body) == (200, b"hello, file\n")
    assert answer.header("Content-Type").startswith("text/plain")
    assert answer.header("Content-Length") == "12"


@pytest.mark.parametrize("name,kind", [("index.html", "text/html"), ("nothing.css", "text/css"),
                                       ("script.js", "text/javascript"), ("picture.svg", "image/svg+xml"),
                                       ("data.json", "application/json"), ("unknown.zzz", "application/octet-stream")])
def test_the_type_comes_from_the_extension(server, name, kind):
    assert get(server, f"/static/{name}").header("Content-Type").startswith(kind)


def test_a_large_file_arrives_whole(server):
    assert get(server, "/static/big.bin").body == BIG


def test_a_large_file_arrives_whole_at_a_client_that_reads_slowly(server):
    with Http(server) as connection:
        connection.socket.setsockopt(SOL_SOCKET, SO_RCVBUF, 65536)
        assert connection.get("/static/big.bin").body == BIG


def test_files_can_be_pipelined(server):
    with Http(server) as connection:
        for _ in range(3):
            connection.request("GET", "/static/big.bin")
            connection.request("GET", "/static/hello.txt")
        for _ in range(3):
            assert connection.response().body == BIG
            assert connection.response().body == b"hello, file\n"


def test_an_empty_file_is_served(server):
    answer = get(server, "/static/nothing.css")
    assert (answer.status, answer.header("Content-Length"), answer.body) == (200, "0", b"")


@pytest.mark.parametrize("path", ["a%20b.txt", "%61%20b%2etxt"])
def test_names_are_percent_decoded(server, path):
    assert get(server, f"/static/{path}").body == b"blank\n"


def test_names_may_hold_any_letter(server):
    assert get(server, "/static/%C3%BC.html").body == "<p>ü".encode()


def test_a_percent_sign_is_decoded_once(server):
    assert get(server, "/static/100%25.txt").body == b"percent\n"
    assert get(server, "/static/%2568ello.txt").status == 404


def test_head_of_a_file_has_its_length_and_no_body(server):
    with Http(server) as connection:
        connection.request("HEAD", "/static/big.bin")
        assert connection.response(to_head=True).header("Content-Length") == str(len(BIG))
        assert connection.get("/static/hello.txt").body == b"hello, file\n"


def test_a_folder_serves_its_index(server):
    assert get(server, "/static/").body == b"<p>index"
    assert get(server, "/static/sub/").body == b"<p>sub index"


def test_a_folder_without_an_index_is_404(server):
    assert get(server, "/static/empty/").status == 404


def test_an_unchanged_file_is_304(server):
    first = get(server, "/static/hello.txt")
    again = get(server, "/static/hello.txt", [("If-Modified-Since", first.header("Last-Modified"))])
    assert (again.status, again.body) == (304, b"")


def test_a_file_changed_since_is_served(server):
    assert get(server, "/static/hello.txt", [("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT")]).status == 200


def test_posting_to_a_file_is_405(server):
    with Http(server) as connection:
        connection.request("POST", "/static/hello.txt", body=b"")
        assert connection.response().status == 405


@pytest.mark.parametrize("path", [
    "../secret", "../../secret", "%2e%2e/secret", "%2E%2E/secret", ".%2e/secret", "..%2fsecret", "%2e%2e%2fsecret",
    "sub/../../secret", "sub/%2e%2e/%2e%2e/secret", "sub%2f..%2f..%2fsecret", "./../secret", "//../secret",
    "..%5csecret", "..\\secret", "link_out", "link_absolute", "folder_out/secret", "folder_out/", "folder_out",
    "hello.txt/../../secret", "..;/secret", "%00", "hello.txt%00", "hello.txt%00.html", "../secret%00.txt", "fifo",
    "socket", "link_in/../../secret", "folder_in/../../secret", "folder_in%2f..%2f..%2fsecret", "..%00/secret",
    "%252e%252e/secret", "..%c0%afsecret", "/etc/passwd", "%2fetc%2fpasswd", "hello.txt/", "hello.txt/x",
    "a" * 300, "sub/" * 300 + "x",
])
def test_nothing_outside_the_root_is_served(server, path):
    answer = get(server, f"/static/{path}")
    assert answer.status in (400, 403, 404, 414), answer.body[:80]
    assert SECRET.encode() not in answer.body and b"root:" not in answer.body


def test_a_link_that_stays_inside_is_followed(server):
    assert get(server, "/static/link_in").body == b"<p>sub index"
    assert get(server, "/static/folder_in/").body == b"<p>sub index"


def test_a_fifo_never_keeps_the_worker(server):
    for _ in range(20):
        assert get(server, "/static/fifo").status == 404


def test_a_file_that_lies_in_memory_is_answered_as_it_is_now(start, tmp_path):
    """Three seconds after its last change a file is kept. What it is known by cannot be forged by its owner."""
    server = start("contract.so", workers=1, env=make_root(tmp_path))
    path = tmp_path / "root" / "kept.txt"
    path.write_bytes(b"before")
    times = os.stat(path)
    wait_for(lambda: time.time() > times.st_ctime + 4, "the file to be at rest")
    for _ in range(3):
        assert get(server, "/static/kept.txt").body == b"before"
    with open(path, "r+b") as file:
        file.write(b"behind")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert get(server, "/static/kept.txt").body == b"behind"
    os.remove(path)
    assert get(server, "/static/kept.txt").status == 404


# ---- files that change while they are sent

LENGTH = 64 << 20


def begin_of_large_file(start, tmp_path, headers=()):
    """A large file that has been asked for, and read no further than its head."""
    server = start("contract.so", workers=1, env=make_root(tmp_path))
    path = tmp_path / "root" / "large"
    with open(path, "wb") as file:
        file.truncate(LENGTH)
    connection = Http(server)
    connection.socket.setsockopt(SOL_SOCKET, SO_RCVBUF, 65536)
    connection.request("GET", "/static/large", headers)
    while b"\r\n\r\n" not in connection.buffer:
        assert connection.fill()
    return server, path, connection


@pytest.mark.parametrize("ranges", [None, f"bytes=1-{LENGTH - 1}", f"bytes=0-0,9-{LENGTH - 9},{LENGTH - 2}-"])
def test_a_file_that_shrinks_while_sent_ends_the_connection_early(start, tmp_path, ranges):
    server, path, connection = begin_of_large_file(start, tmp_path, [("Range", ranges)] if ranges else [])
    with connection:
        os.truncate(path, 1000)
        assert len(connection.rest()) < LENGTH
    assert get(server, "/static/hello.txt").status == 200


def test_a_file_that_grows_while_sent_comes_as_long_as_was_promised(start, tmp_path):
    server, path, connection = begin_of_large_file(start, tmp_path)
    with connection:
        os.truncate(path, LENGTH + 1000)
        answer = connection.response()
        assert len(answer.body) == LENGTH
        assert connection.get("/static/hello.txt").body == b"hello, file\n"


def test_a_file_that_is_replaced_while_sent_comes_as_it_was(start, tmp_path):
    server, path, connection = begin_of_large_file(start, tmp_path)
    with connection:
        path.with_name("new").write_bytes(b"new")
        os.replace(path.with_name("new"), path)
        assert connection.response().body == bytes(LENGTH)
    assert get(server, "/static/large").body == b"new"


def test_a_folder_that_is_exchanged_for_a_link_all_the_time_never_leads_out(start, tmp_path):
    server = start("contract.so", workers=1, env=make_root(tmp_path))
    root = tmp_path / "root"
    (root / "door").mkdir()
    (root / "door" / "secret").write_text("no secret")
    (root / "trap").symlink_to(tmp_path / "outside")
    stop = threading.Event()

    def exchange():
        while not stop.is_set():
            os.rename(root / "door", root / "aside")
            os.rename(root / "trap", root / "door")
            os.rename(root / "door", root / "trap")
            os.rename(root / "aside", root / "door")

    mover = threading.Thread(target=exchange)
    mover.start()
    try:
        with Http(server) as connection:
            answers = [connection.get("/static/door/secret") for _ in range(3000)]
    finally:
        stop.set()
        mover.join()
    assert {answer.status for answer in answers} <= {200, 404}
    assert {answer.body for answer in answers if answer.status == 200} == {b"no secret"}


# ---- OPTIONS and Allow (RFC 9110, sections 9.3.7 and 10.2.1)


@pytest.mark.parametrize("path", ["/static/hello.txt", "/static/", "/static", "/static/absent"])
def test_rfc9110_9_3_7_options_of_files_are_get_and_head(server, path):
    answer = asked(server, method="OPTIONS", path=path)
    assert (answer.status, answer.header("Allow"), answer.header("Content-Length")) == (204, "GET, HEAD, OPTIONS", None)


def test_rfc9110_9_3_7_options_of_the_server(server):
    answer = asked(server, method="OPTIONS", path="*")
    assert answer.status == 204
    assert {"GET", "HEAD", "POST", "OPTIONS"} <= set(answer.header("Allow").split(", "))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_rfc9110_15_5_6_a_405_has_allow(server, method):
    answer = asked(server, method=method)
    assert (answer.status, answer.header("Allow")) == (405, "GET, HEAD, OPTIONS")
