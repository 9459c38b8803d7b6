# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 as the contract application shows it."""

import time
from socket import SO_RCVBUF, SOL_SOCKET

import pytest

from client import Http, WebSocket, get, send_raw
from conftest import shared_server
from hubbub import Server

server = shared_server("contract.so", "--max-body", "16M")


def post(server, path, body, method="POST"):
    with Http(server) as connection:
        connection.request(method, path, body=body)
        return connection.response()


# ---- the contract ---------------------------------------------------------------------------------------------------

def test_hello_answers_as_plain_text(server):
    answer = get(server, "/hello")
    assert (answer.status, answer.reason, answer.body) == (200, "OK", b"hello\n")
    assert answer.header("Content-Type").startswith("text/plain")
    assert answer.header("Content-Length") == "6"


def test_an_answer_carries_the_date(server):
    assert get(server, "/hello").header("Date").endswith(" GMT")


def test_head_has_the_headers_of_get_and_no_body(server):
    with Http(server) as connection:
        connection.request("HEAD", "/hello")
        head = connection.response(to_head=True)
        assert head.status == 200
        assert head.header("Content-Length") == "6"
        assert connection.get("/hello").body == b"hello\n"  # nothing of a body stood in between


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_body_comes_back_as_it_went(server, method):
    body = bytes(range(256)) * 100
    answer = post(server, "/echo-body", body, method)
    assert answer.status == 200
    assert answer.body == body
    assert answer.header("Content-Type") == "application/octet-stream"


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 1_000_000, 8_000_000])
def test_the_length_of_a_body_is_told(server, size):
    assert post(server, "/len", b"x" * size).body == f"{size}\n".encode()


def test_a_chunked_body_is_put_together(server):
    with Http(server) as connection:
        connection.send(b"POST /echo-body HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
                        b"5\r\nhello\r\n1;extension=1\r\n,\r\n006\r\n world\r\n0\r\nTrailer: x\r\n\r\n")
        assert connection.response().body == b"hello, world"


def test_a_chunked_body_may_arrive_byte_by_byte(server):
    with Http(server) as connection:
        for byte in b"POST /echo-body HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n":
            connection.send(bytes([byte]))
        assert connection.response().body == b"abc"


def test_request_headers_are_told_in_lower_case_and_joined(server):
    with Http(server) as connection:
        connection.request("GET", "/headers", [("X-One", "1"), ("x-two", "a"), ("X-Two", "b"), ("X-Quote", 'a"b\\c')])
        answer = connection.response()
    assert answer.header("Content-Type") == "application/json"
    assert answer.json() == {"host": "test", "x-one": "1", "x-two": "a, b", "x-quote": 'a"b\\c'}


def test_whoami_tells_process_slot_and_generation(server):
    answers = server_whoami(server, 4)
    assert {slot: answer["pid"] for slot, answer in answers.items()} == server.pids()
    assert all(answer["generation"] == 1 for answer in answers.values())


def server_whoami(server, workers):
    found, kept = {}, []
    while len(found) < workers:
        connection = Http(server)
        kept.append(connection)
        answer = connection.get("/whoami").json()
        found[answer["slot"]] = answer
        assert len(kept) < 200, f"only the workers {sorted(found)} answer"
    for connection in kept:
        connection.close()
    return found


def test_requests_of_one_worker_go_on_while_handlers_sleep(start):
    server = start("contract.so", workers=1)
    begun = time.monotonic()
    sleepers = [Http(server) for _ in range(50)]
    for sleeper in sleepers:
        sleeper.request("GET", "/sleep/0.5")
    assert get(server, "/hello").status == 200
    for sleeper in sleepers:
        assert sleeper.response().body == b"slept\n"
        sleeper.close()
    assert time.monotonic() - begun < 10  # one after the other would be 25 s


def test_sleep_refuses_what_is_no_number(server):
    assert get(server, "/sleep/long").status == 400


@pytest.mark.parametrize("path", ["/", "/nothing", "/hello/", "/hello/x", "/echo-bod", "/HELLO", "/crash", "/block/1",
                                  "/static/hello.txt", "/sleep"])
def test_anything_else_is_404(server, path):
    assert get(server, path).status == 404


def test_a_query_does_not_change_the_route(server):
    assert get(server, "/hello?a=1&b=%20").status == 200


def test_an_absolute_request_target_is_taken(server):
    assert get(server, f"http://127.0.0.1:{server.port}/hello").status == 200


def test_segments_are_percent_decoded_for_routing(server):
    assert get(server, "/%68ello").body == b"hello\n"


def test_an_encoded_slash_stays_inside_its_segment(server):
    assert get(server, "/sleep%2F0").status == 404


# ---- connections ----------------------------------------------------------------------------------------------------

def test_a_connection_serves_many_requests(server):
    with Http(server) as connection:
        for number in range(50):
            connection.request("POST", "/len", body=b"x" * number)
            assert connection.response().body == f"{number}\n".encode()


def test_pipelined_requests_are_answered_in_order(server):
    with Http(server) as connection:
        connection.send(b"".join(
            b"POST /echo-body HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\n%03d" % number for number in range(100)))
        assert [connection.response().body for _ in range(100)] == [b"%03d" % number for number in range(100)]


def test_a_slow_answer_holds_back_those_pipelined_behind_it(server):
    with Http(server) as connection:
        connection.send(b"GET /sleep/0.1 HTTP/1.1\r\nHost: t\r\n\r\nGET /hello HTTP/1.1\r\nHost: t\r\n\r\n")
        assert connection.response().body == b"slept\n"
        assert connection.response().body == b"hello\n"


def test_connection_close_ends_it_after_the_answer(server):
    with Http(server) as connection:
        answer = connection.get("/hello", [("Connection", "close")])
        assert answer.header("Connection").lower() == "close"
        assert connection.at_end()


def test_http_1_0_ends_after_the_answer(server):
    with Http(server) as connection:
        connection.send(b"GET /hello HTTP/1.0\r\n\r\n")
        assert connection.response().body == b"hello\n"
        assert connection.at_end()


def test_a_client_that_shuts_its_side_still_gets_its_answer(server):
    with Http(server) as connection:
        connection.request("GET", "/hello")
        connection.socket.shutdown(1)
        assert connection.response().body == b"hello\n"
        assert connection.at_end()


def test_expect_100_continue_is_answered_before_the_body(server):
    with Http(server) as connection:
        connection.send(b"POST /len HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert connection.line() == b"HTTP/1.1 100 Continue"
        assert connection.line() == b""
        connection.send(b"abc")
        assert connection.response().body == b"3\n"


def test_a_large_answer_reaches_a_client_that_reads_slowly(server):
    body = bytes(range(256)) * 16384
    with Http(server) as connection:
        connection.socket.setsockopt(SOL_SOCKET, SO_RCVBUF, 65536)
        connection.request("POST", "/echo-body", body=body)
        assert connection.response().body == body


# ---- what is refused ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("request_text", [
    "nonsense\r\n\r\n",
    "GET /hello\r\n\r\n",
    "GET /hello HTTP/1.1\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: t\r\nno colon\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: t\r\nName : space before the colon\r\n\r\n",
    "GET /hello HTTP/1.1\r\nHost: t\r\nX: a\0b\r\n\r\n",
    "POST /len HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "POST /len HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n",
    "POST /len HTTP/1.1\r\nHost: t\r\nContent-Length: 1e3\r\n\r\n",
    "POST /len HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /len HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "GET hello HTTP/1.1\r\nHost: t\r\n\r\n",
])
def test_a_malformed_request_is_answered_400_and_ends_the_connection(server, request_text):
    with Http(server) as connection:
        connection.send(request_text.encode("latin-1"))
        answer = connection.response()
        assert answer.status == 400
        assert answer.header("Connection").lower() == "close"
        assert connection.at_end()


@pytest.mark.parametrize("path", ["/%zz", "/hello%0", "/hello%", "/%00"])
def test_a_path_that_cannot_be_decoded_is_400(server, path):
    assert get(server, path).status == 400


def test_garbage_of_any_bytes_costs_only_its_connection(server):
    for seed in range(30):
        with Http(server) as connection:
            connection.send(bytes((seed * 7 + i * 131) % 256 for i in range(500)))
            connection.socket.shutdown(1)
            connection.rest()
    assert get(server, "/hello").status == 200


@pytest.mark.parametrize("method,path,allowed", [("POST", "/hello", {"GET", "HEAD"}), ("GET", "/len", {"POST"}),
                                                 ("DELETE", "/echo-body", {"POST", "PUT"})])
def test_a_known_path_with_another_method_is_405_and_names_those_allowed(server, method, path, allowed):
    with Http(server) as connection:
        connection.request(method, path)
        answer = connection.response()
    assert answer.status == 405
    assert allowed <= {name.strip() for name in answer.header("Allow").split(",")}


def test_a_plain_get_on_a_websocket_is_426(server):
    answer = get(server, "/echo")
    assert answer.status == 426
    assert answer.header("Upgrade").lower() == "websocket"


def test_an_upgrade_on_a_plain_route_is_answered_as_a_request(server):
    with Http(server) as connection:
        connection.request("GET", "/hello", [("Connection", "Upgrade"), ("Upgrade", "h2c")])
        assert connection.response().body == b"hello\n"


# ---- limits and times -----------------------------------------------------------------------------------------------

strict = shared_server("contract.so", "--header-timeout", "0.4", "--body-timeout", "0.4", "--keep-alive", "0.4",
                       "--limit-request-line", "512", "--limit-request-fields", "10", "--limit-request-head", "2048",
                       "--max-body", "1000", workers=1)


def test_a_long_request_line_is_414(strict):
    assert send_raw(strict, b"GET /" + b"a" * 600 + b" HTTP/1.1\r\nHost: t\r\n\r\n").status == 414


def test_a_request_line_without_an_end_is_414(strict):
    assert send_raw(strict, b"GET /" + b"a" * 4000).status == 414


def test_too_many_header_lines_are_431(strict):
    lines = b"".join(b"X-%d: 1\r\n" % number for number in range(10))
    assert send_raw(strict, b"GET /hello HTTP/1.1\r\nHost: t\r\n" + lines + b"\r\n").status == 431


def test_as_many_header_lines_as_allowed_are_taken(strict):
    lines = b"".join(b"X-%d: 1\r\n" % number for number in range(9))
    assert send_raw(strict, b"GET /hello HTTP/1.1\r\nHost: t\r\n" + lines + b"\r\n").status == 200


def test_too_large_a_head_is_431(strict):
    assert send_raw(strict, b"GET /hello HTTP/1.1\r\nHost: t\r\nX: " + b"a" * 3000 + b"\r\n\r\n").status == 431


def test_a_body_above_the_limit_is_413_before_it_is_sent(strict):
    assert send_raw(strict, b"POST /len HTTP/1.1\r\nHost: t\r\nContent-Length: 1001\r\n\r\n").status == 413


def test_a_body_at_the_limit_is_taken(strict):
    assert post(strict, "/len", b"x" * 1000).body == b"1000\n"


def test_a_chunked_body_above_the_limit_is_413(strict):
    head = b"POST /len HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert send_raw(strict, head + b"3e9\r\n" + b"x" * 1001).status == 413


@pytest.mark.parametrize("length,status", [(2**63 - 1, 413), (2**63, 400), (2**64, 400), (2**64 + 3, 400),
                                           (10**22, 400)])
def test_a_body_length_beyond_any_number_is_400_and_a_great_one_413(strict, length, status):
    assert send_raw(strict, b"POST /len HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % length).status == status


def test_a_head_that_does_not_end_in_time_is_408(strict):
    with Http(strict) as connection:
        connection.send(b"GET /hello HTTP/1.1\r\nHost: t\r\n")
        answer = connection.response()
        assert answer.status == 408
        assert connection.at_end()


def test_a_head_that_trickles_is_408_all_the_same(strict):
    """A byte now and then does not put off the end: the time counts from the first byte."""
    with Http(strict) as connection:
        begun = time.monotonic()
        connection.socket.settimeout(0.05)
        for byte in b"GET /hello HTTP/1.1\r\nX: " + b"x" * 200:
            connection.send(bytes([byte]))
            try:
                connection.fill()
                break
            except TimeoutError:
                continue
        assert time.monotonic() - begun < 5
        connection.socket.settimeout(10)
        assert connection.response().status == 408


def test_a_body_that_stalls_is_408(strict):
    with Http(strict) as connection:
        connection.send(b"POST /len HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nabc")
        assert connection.response().status == 408
        assert connection.at_end()


def test_an_idle_connection_is_closed_without_a_word(strict):
    with Http(strict) as connection:
        assert connection.get("/hello").status == 200
        assert connection.rest() == b""


def test_a_connection_that_never_says_anything_is_closed(strict):
    with Http(strict) as connection:
        connection.rest()
        assert connection.at_end()


def test_a_handler_may_take_longer_than_any_of_these_times(strict):
    assert get(strict, "/sleep/1").body == b"slept\n"


def test_a_client_that_stalls_costs_only_itself(strict):
    with Http(strict) as stalled, WebSocket(strict, "/echo") as other:
        stalled.send(b"POST /len HTTP/1.1\r\nHost: t\r\nContent-Length: 500\r\n\r\nabc")
        for number in range(20):
            other.send_text(str(number))
            assert other.receive_text() == str(number)


# ---- what applications see ------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def probe(apps, tmp_path_factory):
    server = Server(apps("probe"), folder=tmp_path_factory.mktemp("probe"), workers=1).start()
    yield server
    server.finish()


def test_a_parameter_takes_one_segment_decoded(probe):
    assert get(probe, "/users/J%C3%BCrgen%20%2F%20x").text() == "id=Jürgen / x q="


def test_a_literal_segment_wins_over_a_parameter(probe):
    assert get(probe, "/users/me").text() == "literal"


def test_a_star_takes_the_rest_of_the_path(probe):
    assert get(probe, "/files/a/b%20c/d").text() == "*=a/b c/d q="


def test_a_star_takes_an_empty_rest(probe):
    assert get(probe, "/files/").text() == "*= q="


def test_a_query_value_is_decoded_and_the_first_counts(probe):
    assert get(probe, "/users/x?p=0&q=a%20b%26&q=c").text() == "id=x q=a b&"


def test_a_star_method_takes_any_method(probe):
    for method in ("GET", "DELETE", "PATCH", "OPTIONS"):
        with Http(probe) as connection:
            connection.request(method, "/any-method")
            assert connection.response().text() == "any"


def test_a_handler_that_forgets_to_reply_answers_500(probe):
    assert get(probe, "/no-reply").status == 500


def test_headers_that_would_split_the_answer_are_refused(probe):
    answer = get(probe, "/set-header")
    assert (answer.status, answer.text()) == (201, "EINVAL EINVAL")
    assert answer.header("X-Good") == "yes"
    assert answer.header("X-Bad") is None and answer.header("X-Injected") is None


def test_a_second_reply_is_refused(probe):
    with Http(probe) as connection:
        assert connection.get("/reply-twice").body == b"first"
        assert connection.get("/hello-none").status == 404
    probe.wait_log("replies: OK ESTATE")


def test_the_peer_is_told_as_address_and_port(probe):
    with Http(probe) as connection:
        host, port = connection.socket.getsockname()
        assert connection.get("/peer").text() == f"{host}:{port}"


def test_greenlets_and_queues_work_together(probe):
    assert get(probe, "/greenlets").text() == "5050"


def test_start_hooks_ran_before_the_worker_was_ready(probe):
    log = probe.log()
    assert log.index("the start hook ran") < log.index(" ready in ")
