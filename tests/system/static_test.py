# SPDX-License-Identifier: Apache-2.0
"""Static files: what is served, how, and that nothing outside the document root is."""

import os
from socket import SO_RCVBUF, SOL_SOCKET

import pytest

from client import Http, get
from conftest import shared_server

SECRET = "the secret outside the root"
BIG = bytes(range(256)) * 12_345


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
    return {"HUBBUB_CONTRACT_ROOT": str(root)}


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
    "%252e%252e/secret", "..%c0%afsecret", "/etc/passwd", "%2fetc%2fpasswd", "hello.txt/", "hello.txt/x",
    "a" * 300, "sub/" * 300 + "x",
])
def test_nothing_outside_the_root_is_served(server, path):
    answer = get(server, f"/static/{path}")
    assert answer.status in (400, 403, 404, 414), answer.body[:80]
    assert SECRET.encode() not in answer.body and b"root:" not in answer.body
