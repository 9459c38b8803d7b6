# SPDX-License-Identifier: Apache-2.0
"""Ranges of static files: single, several, and on condition (RFC 9110, section 14)."""

import os
import re
from socket import SO_RCVBUF, SOL_SOCKET

import pytest

from client import Http, get
from conftest import shared_server
from document_root import AFTER, BEFORE, BIG, DIGITS, THEN, asked, make_root, tag_of
from hubbub import wait_for

server = shared_server("contract.so", prepare=make_root, workers=2)


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
