# SPDX-License-Identifier: Apache-2.0
"""Static files: what is served, how, and that nothing outside the document root is."""

import gzip
import os
import re
import threading
from email.utils import formatdate
from socket import SO_RCVBUF, SOL_SOCKET, AF_UNIX, socket

import pytest

from client import Http, get
from conftest import shared_server
from hubbub import wait_for

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
    with socket(AF_UNIX) as plug:
        plug.bind(os.path.relpath(root / "socket"))
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


# ---- validators and conditions (RFC 9110, sections 8.8 and 13)


def tag_of(server, path="/static/digits.txt", headers=()):
    return get(server, path, headers).header("ETag")


def asked(server, *headers, method="GET", path="/static/digits.txt"):
    with Http(server) as connection:
        connection.request(method, path, headers)
        answer = connection.response(to_head=method == "HEAD")
        assert connection.get("/static/hello.txt").body == b"hello, file\n", "the connection goes on"
    return answer


def test_rfc9110_8_8_2_last_modified_is_the_files_time(server):
    assert get(server, "/static/digits.txt").header("Last-Modified") == THEN


def test_rfc9110_8_8_2_1_last_modified_is_never_after_the_date(start, tmp_path):
    env = make_root(tmp_path)
    os.utime(tmp_path / "root" / "hello.txt", (4_000_000_000,) * 2)
    answer = get(start("contract.so", workers=1, env=env), "/static/hello.txt")
    assert answer.header("Last-Modified") == answer.header("Date")


def test_rfc9110_8_8_3_a_settled_file_has_a_strong_tag_that_stays(server):
    tag = tag_of(server)
    assert re.fullmatch(r'"[!#-~]+"', tag)
    assert tag_of(server) == tag


def test_rfc9110_8_8_1_a_file_that_is_being_changed_has_a_weak_tag(start, tmp_path):
    server = start("contract.so", workers=1, env=make_root(tmp_path))
    path = tmp_path / "root" / "hello.txt"

    def seen_weak():
        path.write_text("changed\n")
        return tag_of(server, "/static/hello.txt").startswith("W/")

    wait_for(seen_weak, "a weak tag right after a change")
    wait_for(lambda: tag_of(server, "/static/hello.txt").startswith('"'), "a strong tag some time after it")


@pytest.mark.parametrize("change", [
    lambda path: path.write_bytes(DIGITS + b"!"),
    lambda path: os.utime(path, ns=(CHANGED * 10**9 + 123_456_790,) * 2),
    lambda path: os.replace(path.with_name("other"), path),
], ids=["size", "nanosecond", "inode"])
def test_rfc9110_8_8_3_the_tag_changes_with_the_file(start, tmp_path, change):
    server = start("contract.so", workers=1, env=make_root(tmp_path))
    path = tmp_path / "root" / "digits.txt"
    path.with_name("other").write_bytes(DIGITS)
    settle(path.with_name("other"))
    before = tag_of(server)
    change(path)
    assert tag_of(server).removeprefix("W/") != before


def test_rfc9110_13_1_1_if_match(server):
    tag = tag_of(server)
    assert asked(server, ("If-Match", tag)).body == DIGITS
    assert asked(server, ("If-Match", f'"x", {tag}')).status == 200
    assert asked(server, ("If-Match", '"x"'), ("If-Match", tag)).status == 200
    assert asked(server, ("If-Match", "*")).status == 200
    assert asked(server, ("If-Match", '"x"')).status == 412
    assert asked(server, ("If-Match", f"W/{tag}")).status == 412


def test_rfc9110_13_1_2_if_none_match(server):
    tag = tag_of(server)
    for value in (tag, f"W/{tag}", "*", f'"x", {tag}', f', ,"a,b" ,{tag},'):
        assert asked(server, ("If-None-Match", value)).status == 304, value
    for value in ('"x"', tag.strip('"'), tag[:-1], f'"{tag}"', f"w/{tag}", ""):
        assert asked(server, ("If-None-Match", value)).status == 200, value


@pytest.mark.parametrize("date,status", [
    (BEFORE, 200), (THEN, 304), (AFTER, 304),
    ("Tuesday, 14-Nov-23 22:13:20 GMT", 304), ("Tue Nov 14 22:13:20 2023", 304),
    ("14 Nov 2023", 200), ("Tue, 14 Nov 2023 22:13:20 UTC", 200), ("1700000000", 200), ("", 200)])
def test_rfc9110_13_1_3_if_modified_since(server, date, status):
    assert asked(server, ("If-Modified-Since", date)).status == status


@pytest.mark.parametrize("date,status", [(BEFORE, 412), (THEN, 200), (AFTER, 200), ("yesterday", 200)])
def test_rfc9110_13_1_4_if_unmodified_since(server, date, status):
    assert asked(server, ("If-Unmodified-Since", date)).status == status


def test_rfc9110_13_1_3_dates_that_come_twice_are_ignored(server):
    assert asked(server, ("If-Modified-Since", AFTER), ("If-Modified-Since", AFTER)).status == 200
    assert asked(server, ("If-Unmodified-Since", BEFORE), ("If-Unmodified-Since", BEFORE)).status == 200


def test_rfc9110_13_2_2_step_1_if_match_wins_over_if_unmodified_since(server):
    assert asked(server, ("If-Unmodified-Since", BEFORE), ("If-Match", tag_of(server))).status == 200
    assert asked(server, ("If-Unmodified-Since", AFTER), ("If-Match", '"x"')).status == 412


def test_rfc9110_13_2_2_step_1_if_match_is_looked_at_before_if_none_match(server):
    tag = tag_of(server)
    assert asked(server, ("If-None-Match", tag), ("If-Match", '"x"')).status == 412
    assert asked(server, ("If-None-Match", tag), ("If-Match", tag)).status == 304


def test_rfc9110_13_2_2_step_2_if_unmodified_since_is_looked_at_before_if_none_match(server):
    assert asked(server, ("If-None-Match", tag_of(server)), ("If-Unmodified-Since", BEFORE)).status == 412
    assert asked(server, ("If-None-Match", tag_of(server)), ("If-Unmodified-Since", AFTER)).status == 304


def test_rfc9110_13_2_2_step_3_if_none_match_wins_over_if_modified_since(server):
    assert asked(server, ("If-Modified-Since", AFTER), ("If-None-Match", '"x"')).status == 200
    assert asked(server, ("If-Modified-Since", BEFORE), ("If-None-Match", tag_of(server))).status == 304


def test_rfc9110_13_2_2_step_4_if_modified_since_is_looked_at_after_if_match(server):
    assert asked(server, ("If-Match", tag_of(server)), ("If-Modified-Since", AFTER)).status == 304


def test_rfc9110_13_2_2_step_5_ranges_come_after_the_conditions(server):
    ranged = ("Range", "bytes=0-4")
    assert asked(server, ranged, ("If-None-Match", tag_of(server))).status == 304
    assert asked(server, ranged, ("If-Match", '"x"')).status == 412
    assert asked(server, ranged, ("If-Match", tag_of(server))).status == 206
    assert asked(server, ("Range", "bytes=90-"), ("If-None-Match", tag_of(server))).status == 304


def test_rfc9110_13_2_1_conditions_do_not_count_where_the_answer_is_no_success_anyway(server):
    assert asked(server, ("If-None-Match", "*"), path="/static/absent").status == 404
    assert asked(server, ("If-Match", '"x"'), path="/static/absent").status == 404
    assert asked(server, ("If-Match", '"x"'), path="/static/sub").status == 301


def test_rfc9110_9_3_2_head_has_the_same_conditions(server):
    tag = tag_of(server)
    assert asked(server, ("If-None-Match", tag), method="HEAD").status == 304
    assert asked(server, ("If-Modified-Since", THEN), method="HEAD").status == 304
    assert asked(server, ("If-Match", '"x"'), method="HEAD").status == 412
    assert asked(server, ("If-Unmodified-Since", BEFORE), method="HEAD").status == 412


def test_rfc9110_9_3_2_head_has_the_fields_of_get(server):
    seen = [{name: value for name, value in asked(server, ("Accept-Encoding", "gzip"), method=method,
                                                  path="/static/app.js").headers if name != "Date"}
            for method in ("GET", "HEAD")]
    assert seen[0] == seen[1]


def test_rfc9110_15_4_5_a_304_has_what_caches_need_and_no_more(server):
    whole = asked(server)
    answer = asked(server, ("If-None-Match", whole.header("ETag")))
    for name in ("ETag", "Cache-Control", "Vary"):
        assert answer.header(name) == whole.header(name) != None
    assert answer.header("Date")
    for name in ("Content-Length", "Content-Type", "Last-Modified", "Accept-Ranges", "Content-Encoding"):
        assert answer.header(name) is None, name


# ---- ranges (RFC 9110, section 14)


@pytest.mark.parametrize("ranges,first,last", [
    ("bytes=0-4", 0, 4), ("bytes=5-9", 5, 9), ("bytes=19-19", 19, 19), ("bytes=15-", 15, 19), ("bytes=-3", 17, 19),
    ("bytes=0-", 0, 19), ("bytes=10-99999999999999999999999", 10, 19), ("bytes=-500", 0, 19), ("BYTES=0-4", 0, 4),
    ("bytes=,0-4 ,", 0, 4), ("bytes=0-4,90-99", 0, 4), ("bytes=0-4,2-6", 0, 6), ("bytes=0-4,5-9", 0, 9)])
def test_rfc9110_15_3_7_1_one_part_comes_as_itself(server, ranges, first, last):
    answer = asked(server, ("Range", ranges))
    assert (answer.status, answer.body) == (206, DIGITS[first:last + 1])
    assert answer.header("Content-Range") == f"bytes {first}-{last}/20"
    assert answer.header("Content-Type").startswith("text/plain")
    assert answer.header("ETag") == tag_of(server)
    for name in ("Last-Modified", "Cache-Control", "Vary", "Date"):
        assert answer.header(name), name


@pytest.mark.parametrize("ranges", ["bytes=20-", "bytes=20-30", "bytes=-0", "bytes=99-,20-20",
                                    "bytes=99999999999999999999-"])
def test_rfc9110_15_5_17_nothing_of_it_is_416(server, ranges):
    answer = asked(server, ("Range", ranges))
    assert (answer.status, answer.header("Content-Range")) == (416, "bytes */20")


@pytest.mark.parametrize("ranges", [
    "bytes=", "bytes", "bytes=-", "bytes=4-2", "bytes=a-b", "bytes=0-4,x", "bytes=1-2-3", "bytes=0 -4", "bytes 0-4",
    "=0-4", "bytes=0x0-4", "bytes=+0-4", "bytes=--4", "bytes=0-4;5-6", "items=0-4", ""])
def test_rfc9110_14_2_what_is_no_range_is_ignored(server, ranges):
    answer = asked(server, ("Range", ranges))
    assert (answer.status, answer.body) == (200, DIGITS)


def test_rfc9110_14_2_two_range_fields_are_ignored(server):
    assert asked(server, ("Range", "bytes=0-4"), ("Range", "bytes=0-4")).body == DIGITS


def test_rfc9110_14_2_ranges_are_for_get_alone(server):
    answer = asked(server, ("Range", "bytes=0-4"), method="HEAD")
    assert (answer.status, answer.header("Content-Length"), answer.header("Content-Range")) == (200, "20", None)


def test_rfc9110_14_3_accept_ranges_is_said(server):
    assert asked(server).header("Accept-Ranges") == "bytes"
    assert asked(server, method="HEAD").header("Accept-Ranges") == "bytes"


def test_rfc9110_14_1_2_a_suffix_of_an_empty_file_is_the_file(server):
    answer = asked(server, ("Range", "bytes=-5"), path="/static/nothing.css")
    assert (answer.status, answer.body) == (200, b"")
    assert asked(server, ("Range", "bytes=0-"), path="/static/nothing.css").status == 416


def parts_of(answer):
    """The parts of a multipart/byteranges answer: (Content-Range, Content-Type, bytes), read to the letter."""
    kind, _, boundary = answer.header("Content-Type").partition("; boundary=")
    assert kind == "multipart/byteranges" and re.fullmatch(r"[0-9a-f]{32}", boundary)
    mark = b"--" + boundary.encode()
    body, parts = answer.body, []
    while not body.startswith(mark + b"--"):
        head, _, body = body.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        assert lines[0].encode() == mark
        fields = dict(line.split(": ", 1) for line in lines[1:])
        first, last = map(int, re.match(r"bytes (\d+)-(\d+)/", fields["Content-Range"]).groups())
        length = last - first + 1
        parts.append((fields["Content-Range"], fields["Content-Type"], body[:length]))
        assert body[length:length + 2] == b"\r\n"
        body = body[length + 2:]
    assert body == mark + b"--\r\n"
    return boundary, parts


def test_rfc9110_15_3_7_2_several_parts_come_as_multipart_in_the_order_asked(server):
    answer = asked(server, ("Range", "bytes=15-16, 0-4 ,-1"))
    assert (answer.status, answer.header("Content-Range")) == (206, None)
    assert answer.header("ETag") == tag_of(server)
    _, parts = parts_of(answer)
    assert [(name, body) for name, _, body in parts] == [
        ("bytes 15-16/20", DIGITS[15:17]), ("bytes 0-4/20", DIGITS[:5]), ("bytes 19-19/20", DIGITS[19:])]
    assert all(kind.startswith("text/plain") for _, kind, _ in parts)


def test_rfc9110_14_6_the_boundary_is_another_each_time(server):
    boundaries = {parts_of(asked(server, ("Range", "bytes=0-1,5-6")))[0] for _ in range(5)}
    assert len(boundaries) == 5


def test_rfc9110_15_3_7_2_parts_that_overlap_become_one_in_place_of_the_first(server):
    _, parts = parts_of(asked(server, ("Range", "bytes=10-12,0-1,11-15,16-17")))
    assert [body for _, _, body in parts] == [DIGITS[10:18], DIGITS[:2]]


def test_rfc9110_17_15_more_than_16_ranges_get_the_whole(server):
    ranges = [f"{at}-{at}" for at in range(0, 40, 2)]
    assert asked(server, ("Range", "bytes=" + ",".join(ranges[:17])), path="/static/big.bin").body == BIG
    _, parts = parts_of(asked(server, ("Range", "bytes=" + ",".join(ranges[:16])), path="/static/big.bin"))
    assert [body for _, _, body in parts] == [BIG[at:at + 1] for at in range(0, 32, 2)]


def test_rfc9110_17_15_repeated_ranges_do_not_multiply_the_file(server):
    answer = asked(server, ("Range", "bytes=" + ",".join(["0-"] * 16)), path="/static/big.bin")
    assert (answer.status, answer.body) == (206, BIG)


def test_large_parts_arrive_whole_and_in_order_beside_others(server):
    spans = [(2_000_000, 3_000_000), (0, 1_500_000), (1_600_000, 1_600_000), (3_100_000, 3_160_000)]
    ranges = "bytes=" + ",".join(f"{first}-{last}" for first, last in spans)
    with Http(server) as connection:
        connection.socket.setsockopt(SOL_SOCKET, SO_RCVBUF, 65536)
        for _ in range(3):
            connection.request("GET", "/static/big.bin", [("Range", ranges)])
        for _ in range(3):
            _, parts = parts_of(connection.response())
            assert [body for _, _, body in parts] == [BIG[first:last + 1] for first, last in spans]


def test_parts_keep_no_file_open(server):
    def files():
        return sum("/root/" in os.readlink(f"/proc/{pid}/fd/{fd}") for pid in server.pids().values()
                   for fd in os.listdir(f"/proc/{pid}/fd") if os.path.islink(f"/proc/{pid}/fd/{fd}"))

    with Http(server) as connection:
        for headers in ([("Range", "bytes=0-1,5-6,9-9")], [("Range", "bytes=99-")], [("If-None-Match", "*")],
                        [("If-Match", '"x"')], [("Accept-Encoding", "gzip, br")],
                        [("Accept-Encoding", "identity;q=0")]):
            for path in ("digits.txt", "app.js", "trap.txt"):
                connection.get(f"/static/{path}", headers)
                connection.request("HEAD", f"/static/{path}", headers)
                connection.response(to_head=True)
    wait_for(lambda: files() == 0, "no file of the root is open")


@pytest.mark.parametrize("condition,status", [
    ("TAG", 206), ('"x"', 200), ("W/TAG", 200), (THEN, 206), (BEFORE, 200), (AFTER, 200), ("TAG, TAG", 200), ("*", 200),
    ("nonsense", 200)])
def test_rfc9110_13_1_5_if_range(server, condition, status):
    value = condition.replace("TAG", tag_of(server))
    answer = asked(server, ("Range", "bytes=0-4"), ("If-Range", value))
    assert (answer.status, answer.body) == (status, DIGITS[:5] if status == 206 else DIGITS)


def test_rfc9110_13_1_5_if_range_that_fails_saves_from_416(server):
    assert asked(server, ("Range", "bytes=90-"), ("If-Range", '"x"')).status == 200
    assert asked(server, ("Range", "bytes=90-"), ("If-Range", tag_of(server))).status == 416


def test_rfc9110_13_1_5_if_range_without_range_is_ignored(server):
    assert asked(server, ("If-Range", '"x"')).status == 200


def test_rfc9110_13_1_5_the_date_of_a_fresh_file_is_too_weak_for_if_range(start, tmp_path):
    server = start("contract.so", workers=1, env=make_root(tmp_path))

    def whole():
        os.utime(tmp_path / "root" / "hello.txt")
        date = get(server, "/static/hello.txt").header("Last-Modified")
        return get(server, "/static/hello.txt", [("Range", "bytes=0-4"), ("If-Range", date)]).status == 200

    wait_for(whole, "200")


# ---- codings that lie ready (RFC 9110, sections 8.4 and 12.5.3)


@pytest.mark.parametrize("accepted,coding", [
    (None, None), ("", None), ("gzip", "gzip"), ("br", "br"), ("gzip, deflate, br, zstd", "br"),
    ("br;q=0.5, gzip", "gzip"), ("gzip;q=0", None), ("gzip;q=0, br;q=0.0, *", None), ("*", "br"),
    ("*;q=0.1, br;q=0", "gzip"), ("x-gzip", "gzip"), ("identity, gzip;q=0.5", None), ("gzip, identity;q=0", "gzip"), ("deflate", None), ("GZIP;Q=1", "gzip")])
def test_rfc9110_12_5_3_the_best_accepted_coding_is_sent(server, accepted, coding):
    answer = asked(server, *([] if accepted is None else [("Accept-Encoding", accepted)]), path="/static/app.js")
    assert answer.status == 200
    assert answer.header("Content-Encoding") == coding
    assert (gzip.decompress(answer.body) if coding == "gzip" else answer.body) == (BROTLI if coding == "br" else SCRIPT)
    assert answer.header("Content-Type").startswith("text/javascript")


def test_rfc9110_12_5_3_a_coding_that_is_not_there_is_not_sent(server):
    answer = asked(server, ("Accept-Encoding", "br, gzip;q=0.2"), path="/static/only.css")
    assert answer.header("Content-Encoding") == "gzip"
    assert asked(server, ("Accept-Encoding", "br"), path="/static/only.css").header("Content-Encoding") is None
    assert asked(server, ("Accept-Encoding", "gzip, br")).body == DIGITS


@pytest.mark.parametrize("accepted", ["identity;q=0", "*;q=0", "br, *;q=0"])
def test_rfc9110_15_5_7_a_client_that_refuses_all_that_is_there_gets_406(server, accepted):
    assert asked(server, ("Accept-Encoding", accepted)).status == 406


def test_rfc9110_12_5_5_every_answer_with_a_file_varies(server):
    for headers in ([], [("Accept-Encoding", "gzip")], [("If-None-Match", "*")], [("Range", "bytes=0-1")]):
        assert asked(server, *headers, path="/static/app.js").header("Vary") == "Accept-Encoding"


def test_rfc9110_8_8_3_3_each_coding_has_a_tag_of_its_own(server):
    tags = {coding: tag_of(server, "/static/app.js", [("Accept-Encoding", coding)])
            for coding in ("br", "gzip", "identity")}
    assert len(set(tags.values())) == 3
    for coding, tag in tags.items():
        for other in tags:
            answer = asked(server, ("Accept-Encoding", other), ("If-None-Match", tag), path="/static/app.js")
            assert answer.status == (304 if coding == other else 200)


def test_rfc9110_14_1_2_ranges_of_a_coding_are_of_its_bytes(server):
    answer = asked(server, ("Accept-Encoding", "br"), ("Range", "bytes=0-5"), path="/static/app.js")
    assert (answer.status, answer.body, answer.header("Content-Encoding")) == (206, BROTLI[:6], "br")
    assert answer.header("Content-Range") == f"bytes 0-5/{len(BROTLI)}"


def test_only_regular_files_inside_the_root_count_as_codings(server):
    answer = asked(server, ("Accept-Encoding", "br, gzip"), path="/static/trap.txt")
    assert (answer.body, answer.header("Content-Encoding")) == (b"plain\n", None)


def test_a_coding_without_its_file_is_not_served_for_it(server):
    assert asked(server, ("Accept-Encoding", "gzip"), path="/static/orphan.txt").status == 404
    assert asked(server, path="/static/orphan.txt.gz").header("Content-Type") == "application/gzip"


# ---- caching


def test_by_default_caches_ask_each_time(server):
    assert asked(server).header("Cache-Control") == "no-cache"


def test_the_option_says_for_how_long_caches_need_not_ask(start, tmp_path):
    server = start("contract.so", "--static-cache", "3600", workers=1, env=make_root(tmp_path))
    assert asked(server).header("Cache-Control") == "max-age=3600"
    assert asked(server, ("If-None-Match", "*")).header("Cache-Control") == "max-age=3600"
    assert asked(server, ("If-Match", '"x"')).header("Cache-Control") is None


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
