# SPDX-License-Identifier: Apache-2.0
"""Answers compressed with gzip (RFC 9110, sections 8.4.1.3 and 12.5.3), as tests/system/apps/compress.c gives them."""

import gzip
import re
import zlib
from pathlib import Path

import pytest

from client import Http, get
from hubbub import SANITIZED, Server, wait_for

GZIP = [("Accept-Encoding", "gzip")]
LARGEST = 512 * 1024


@pytest.fixture(scope="module")
def server(apps, tmp_path_factory):
    yield from serve(apps, tmp_path_factory.mktemp("on"), "--http-compress", "on")


@pytest.fixture(scope="module")
def by_default(apps, tmp_path_factory):
    yield from serve(apps, tmp_path_factory.mktemp("default"))


def serve(apps, folder, *options):
    (folder / "files").mkdir()
    (folder / "files" / "plain.txt").write_text("plain " * 1000)
    (folder / "files" / "made.txt").write_text("made " * 1000)
    (folder / "files" / "made.txt.gz").write_bytes(gzip.compress(b"made " * 1000))
    server = Server(apps("compress"), *options, folder=folder, workers=1).start()
    yield server
    server.finish()


def is_gzip(answer):
    coding = answer.header("Content-Encoding")
    assert coding in (None, "gzip")
    return coding == "gzip"


def plain_of(server, path):
    """What the handler gives."""
    answer = get(server, path)
    assert answer.header("Content-Encoding") is None
    return answer.body


def kept(path):
    return [(name, value) for name, value in path.headers if name != "Date"]


# ---- whole replies --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("length", [1024, 5000, 100_000, LARGEST])
def test_a_text_is_gzip_for_a_client_that_accepts_it(server, length):
    path = f"/whole?length={length}"
    answer = get(server, path, GZIP)
    assert is_gzip(answer)
    assert answer.header("Vary") == "Accept-Encoding"
    assert int(answer.header("Content-Length")) == len(answer.body) < length
    assert gzip.decompress(answer.body) == plain_of(server, path)


@pytest.mark.parametrize("length", [0, 1, 1023, LARGEST + 1])
def test_what_is_below_the_threshold_or_above_the_bound_is_the_same_for_all(server, length):
    """RFC 9110, 12.5.5: Vary names what may have influenced the answer, and Accept-Encoding had no influence."""
    path = f"/whole?length={length}"
    answer = get(server, path, GZIP)
    assert answer.header("Content-Encoding") is None and answer.header("Vary") is None
    assert answer.body == plain_of(server, path) and len(answer.body) == length


@pytest.mark.parametrize("kind", ["text/html;charset=utf-8", "application/json", "image/svg%2Bxml", "Text/CSS",
                                  "application/manifest%2Bjson", "application/wasm"])
def test_types_that_get_smaller_are_compressed(server, kind):
    assert is_gzip(get(server, f"/whole?type={kind}", GZIP))
    assert is_gzip(get(server, f"/stream?type={kind}", GZIP))


@pytest.mark.parametrize("kind", ["image/png", "application/octet-stream", "text/event-stream", "video/mp4"])
def test_other_types_are_not(server, kind):
    for path in ("whole", "stream"):
        answer = get(server, f"/{path}?type={kind}", GZIP)
        assert not is_gzip(answer) and answer.header("Vary") is None


@pytest.mark.parametrize("accepted,expected", [
    ("gzip", True), ("GZIP", True), ("x-gzip", True), ("br, gzip;q=0.001", True), ("*", True), ("identity;q=0, *", True),
    ("gzip;q=0.5, identity;q=0.4", True), ("deflate, gzip;q=1.0, *;q=0.5", True),
    ("gzip;q=0", False), ("gzip;q=0.000, *", False), ("identity", False), ("", False), ("br", False),
    ("identity, gzip;q=0.9", False), ("*;q=0", False), ("gzipped", False), (None, False),
])
def test_the_client_decides_by_its_weights(server, accepted, expected):
    """RFC 9110, 12.5.3. Vary tells caches of it in either case."""
    headers = [] if accepted is None else [("Accept-Encoding", accepted)]
    for path in ("/whole", "/stream", "/stream?said=1"):
        answer = get(server, path, headers)
        assert is_gzip(answer) == expected
        assert answer.header("Vary") == "Accept-Encoding"
        body = gzip.decompress(answer.body) if expected else answer.body
        assert body == plain_of(server, "/whole")


def test_what_does_not_get_smaller_is_sent_plain(server):
    answer = get(server, "/whole?kind=noise&length=5000", GZIP)
    assert not is_gzip(answer) and len(answer.body) == 5000
    assert answer.header("Vary") == "Accept-Encoding"


@pytest.mark.parametrize("path", ["/whole?", "/whole?kind=noise&", "/whole?length=10&", "/stream?", "/stream?said=1&"])
@pytest.mark.parametrize("headers", [GZIP, []])
def test_head_has_the_fields_of_get(server, path, headers):
    """RFC 9110, 9.3.2."""
    path += "etag=%22tag%22&vary=Cookie"
    with Http(server) as connection:
        connection.request("HEAD", path, headers)
        head = connection.response(to_head=True)
        answer = connection.get(path, headers)
    assert kept(head) == kept(answer)
    assert head.body == b"" and answer.body


@pytest.mark.parametrize("given,expected", [
    ("Cookie", "Cookie, Accept-Encoding"), ("*", "*"), ("Cookie,%20accept-encoding", "Cookie, accept-encoding")])
def test_the_vary_of_the_handler_is_kept(server, given, expected):
    for headers in (GZIP, []):
        assert get(server, f"/whole?vary={given}", headers).header("Vary") == expected


@pytest.mark.parametrize("path", ["/whole", "/stream"])
def test_an_entity_tag_of_what_is_compressed_is_weak(server, path):
    """RFC 9110, 8.8.1: a strong one stands for the same bytes."""
    path += "?etag=%22tag%22"
    assert get(server, path, GZIP).header("ETag") == 'W/"tag"'
    assert get(server, path).header("ETag") == '"tag"'
    assert get(server, "/whole?etag=W/%22tag%22", GZIP).header("ETag") == 'W/"tag"'


@pytest.mark.parametrize("asked,expected", [('W/"tag"', 'W/"tag"'), ('"tag"', '"tag"')])
def test_not_modified_bears_the_tag_that_the_client_holds(server, asked, expected):
    """RFC 9110, 15.4.5, and 9111, 4.3.4: by another tag a cache could not tell what is fresh."""
    answer = get(server, "/whole?etag=%22tag%22", GZIP + [("If-None-Match", asked)])
    assert answer.status == 304
    assert (answer.header("ETag"), answer.header("Vary")) == (expected, "Accept-Encoding")
    assert answer.header("Content-Encoding") is None


@pytest.mark.parametrize("field", ["coding=br", "coding=identity", "cache=no-transform", "cache=max-age=5,%20No-Transform",
                                   "range=bytes%20*/5000", "status=206&range=bytes%200-1999/5000", "status=206"])
def test_what_the_handler_forbids_stays_as_it_is(server, field):
    answer = get(server, f"/whole?{field}&etag=%22tag%22", GZIP)
    assert answer.header("Content-Encoding") != "gzip" and len(answer.body) == 2000
    assert answer.header("Vary") is None and answer.header("ETag") == '"tag"'


@pytest.mark.parametrize("status", [201, 400, 404, 500])
def test_answers_of_other_statuses_are_compressed_too(server, status):
    answer = get(server, f"/whole?status={status}", GZIP)
    assert answer.status == status and is_gzip(answer)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_answers_to_other_methods_are_compressed_too(server, method):
    with Http(server) as connection:
        connection.request(method, "/whole", GZIP, body=b"")
        answer = connection.response()
    assert is_gzip(answer) and gzip.decompress(answer.body) == plain_of(server, "/whole")


def test_refusals_of_the_server_itself_are_left_alone(start, apps, tmp_path):
    (tmp_path / "server0" / "files").mkdir(parents=True)
    server = start(apps("compress"), "--http-compress", "on", "--http-compress-threshold", "0", workers=1)
    answer = get(server, "/nothing", GZIP)
    assert answer.status == 404 and answer.header("Vary") is None and not is_gzip(answer)
    assert is_gzip(get(server, "/whole?kind=zeros&length=100", GZIP))


def test_pipelined_answers_stand_each_for_itself(server):
    """One state serves all replies: nothing of one may get into the next."""
    paths = ["/whole?length=3000", "/whole?kind=noise&length=3000", "/stream?length=3000", "/whole?length=10",
             "/stream?length=70000&piece=9000&said=1", "/whole?length=100000"] * 3
    expected = {path: plain_of(server, path) for path in paths}
    with Http(server) as connection:
        for path in paths:
            connection.request("GET", path, GZIP)
        for path in paths:
            answer = connection.response()
            body = gzip.decompress(answer.body) if is_gzip(answer) else answer.body
            assert body == expected[path]


def test_a_client_of_http_1_0_may_have_it_too(server):
    for path in ("/whole", "/stream", "/stream?said=1"):
        with Http(server) as connection:
            connection.request("GET", path, GZIP, version="1.0")
            answer = connection.response()
            assert is_gzip(answer) and gzip.decompress(answer.body) == plain_of(server, path)
            assert answer.header("Transfer-Encoding") is None


# ---- option and route -----------------------------------------------------------------------------------------------

def test_by_default_nothing_is_compressed(by_default):
    """For BREACH's sake; and then no Vary tells of it."""
    for path in ("/whole", "/stream", "/whole/off", "/stream/off"):
        answer = get(by_default, path, GZIP)
        assert not is_gzip(answer) and answer.header("Vary") is None


def test_a_route_can_turn_it_on(by_default):
    for path in ("/whole/on", "/stream/on"):
        answer = get(by_default, path, GZIP)
        assert is_gzip(answer) and gzip.decompress(answer.body) == plain_of(by_default, path)


def test_a_route_can_turn_it_off(server):
    for path in ("/whole/off", "/stream/off"):
        answer = get(server, path, GZIP)
        assert not is_gzip(answer) and answer.header("Vary") is None


def test_files_are_sent_compressed_only_where_they_lie_so(server):
    plain = get(server, "/files/plain.txt", GZIP)
    assert not is_gzip(plain) and plain.body == b"plain " * 1000
    made = get(server, "/files/made.txt", GZIP)
    assert is_gzip(made) and gzip.decompress(made.body) == b"made " * 1000
    part = get(server, "/files/plain.txt", GZIP + [("Range", "bytes=0-1999")])
    assert (part.status, len(part.body)) == (206, 2000) and not is_gzip(part)
    fresh = get(server, "/files/plain.txt", GZIP + [("If-None-Match", "W/" + plain.header("ETag"))])
    assert fresh.status == 304 and fresh.header("ETag") == plain.header("ETag")


# ---- streams --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["text", "noise", "zeros"])
@pytest.mark.parametrize("said", [0, 1])
@pytest.mark.parametrize("length,piece", [(2000, 1), (3000, 3000), (1_000_000, 65536), (1_000_000, 1_000_000)])
def test_a_stream_comes_whole_in_chunks(server, kind, said, length, piece):
    path = f"/stream?kind={kind}&length={length}&piece={piece}&said={said}"
    answer = get(server, path, GZIP)
    assert is_gzip(answer) and answer.header("Transfer-Encoding") == "chunked"
    assert answer.header("Content-Length") is None
    assert gzip.decompress(answer.body) == plain_of(server, path)


def test_a_stream_that_says_a_length_below_the_threshold_is_the_same_for_all(server):
    answer = get(server, "/stream?length=1023&said=1", GZIP)
    assert answer.header("Content-Length") == "1023" and answer.header("Vary") is None and not is_gzip(answer)


def test_what_is_written_can_be_read_at_once(server):
    """The handler goes on only when the client asks for it: it must have seen what was written before."""
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    with Http(server) as connection:
        connection.request("GET", "/words", GZIP)
        assert connection.line() == b"HTTP/1.1 200 OK"
        while connection.line():
            pass
        text = b""
        for wanted in (b"first ", b"first second ", b"first second third"):
            while text != wanted:
                text += unpacker.decompress(connection.take(int(connection.line(), 16)))
                assert connection.line() == b"" and wanted.startswith(text)
            with Http(server) as other:
                other.request("POST", "/next", body=b"")
                assert other.response().status == 204
        text += unpacker.decompress(connection.chunked_body())
        assert text == b"first second third" and unpacker.eof


def test_a_stream_that_is_not_whole_is_seen_to_be_so(server):
    """It said a length and wrote less: neither the chunks end nor the gzip data."""
    with Http(server) as connection:
        connection.request("GET", "/stream?length=5000&said=1&short=100", GZIP)
        data = connection.rest()
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head
    assert not body.endswith(b"0\r\n\r\n")


def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(server):
    """The sanitizer tells of what was not freed when the server ends."""
    for _ in range(20):
        with Http(server) as connection:
            connection.request("GET", "/bomb?length=1000000000000", GZIP)
            assert connection.line() == b"HTTP/1.1 200 OK"
    assert is_gzip(get(server, "/whole", GZIP))


# ---- bounds ---------------------------------------------------------------------------------------------------------

def peak(pid):
    return int(re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M).group(1)) * 1024


def reset_peak(pid):
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@pytest.mark.parametrize("length", [256 << 20])
def test_a_long_stream_that_compresses_well_needs_no_memory_and_holds_nobody_up(server, length):
    """256 MB of zeros become 1 MB. Requests of others are answered between its pieces."""
    length = length if not SANITIZED else length // 16
    get(server, "/bomb?length=2000000", GZIP)
    pid = server.pids()[0]
    reset_peak(pid)
    before = peak(pid)
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    received, total, others = 0, 0, 0
    with Http(server) as connection, Http(server) as other:
        connection.request("GET", f"/bomb?length={length}", GZIP)
        assert connection.line() == b"HTTP/1.1 200 OK"
        while connection.line():
            pass
        while size := int(connection.line(), 16):
            data = connection.take(size)
            assert connection.line() == b""
            received += size
            while data:
                total += len(unpacker.decompress(data, 1 << 20))
                data = unpacker.unconsumed_tail
            if total < length // 2 and others < 10:
                assert other.get("/whole?length=10").status == 200
                others += 1
    assert unpacker.eof and total == length and others == 10
    assert received < length // 100
    if not SANITIZED:
        assert peak(pid) - before < 4 << 20


def test_streams_that_are_compressed_at_once_are_bounded_and_the_others_plain(start, apps, tmp_path):
    (tmp_path / "server0" / "files").mkdir(parents=True)
    server = start(apps("compress"), "--http-compress", "on", workers=1)
    bound, readers = 1000, []
    try:
        for _ in range(bound + 3):
            reader = Http(server)
            readers.append(reader)
            reader.request("GET", "/words", GZIP)
        codings = []
        for reader in readers:
            head = []
            while line := reader.line():
                head.append(line)
            assert b"Vary: Accept-Encoding" in head
            codings.append(b"Content-Encoding: gzip" in head)
        assert codings.count(True) == bound and codings.count(False) == 3
    finally:
        for reader in readers:
            reader.close()

    def compressed_again():
        with Http(server) as other:  # handlers go on, write, and see that their clients are gone
            other.request("POST", "/next", body=b"")
            assert other.response().status == 204
            return is_gzip(other.get("/stream", GZIP))

    wait_for(compressed_again, "a stream that is compressed again")
