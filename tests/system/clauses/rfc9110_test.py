# SPDX-License-Identifier: Apache-2.0
"""RFC 9110, HTTP semantics, and what of RFC 9111, caching, touches an origin server."""

import re
import time
from email.utils import parsedate_to_datetime

import pytest

from clause import CUTS, Answer, Clause, closed, deliver, get, kept, post, request, rows, run_http
from client import Http
from conftest import shared_server
from document_root import AFTER, BEFORE, DIGITS, THEN, make_root

server = shared_server("contract.so", "--max-body", "1000000", prepare=make_root, workers=2)

HELLO = Answer(200, b"hello\n")
FILE = Answer(200, DIGITS)
UPGRADE = ["Connection: Upgrade", "Upgrade: websocket"]


def target(text, method="GET", *lines):
    return request(f"{method} {text} HTTP/1.1", "Host: t", *lines)


def digits(*lines, method="GET"):
    return target("/static/digits.txt", method, *lines)


def dates(name, value):
    return digits(f"{name}: {value}")


def expecting(value, body=b"hello", version="1.1"):
    return post(f"Expect:{value}", f"Content-Length: {len(body)}", body=body, version=version)


def ranged(value):
    return digits(f"Range: {value}")


CLAUSES = [
    # ---- 2 to 7
    Clause("9110-2.3", "A recipient takes elements at least as long as those it makes, and a URI of 8,000 octets (4.1).",
           elsewhere=("clauses/rfc9112_test.py::test_clause",)),
    Clause("9110-2.5", "A higher minor version is read as 1.1; another major one is 505 (15.6.6), with a text that says so.", {
        "2.0": closed(get(version="2.0"), Answer(505, b"only HTTP/1.0 and HTTP/1.1 are spoken here\n")),
        "1.3": kept(get(version="1.3"), HELLO),
    }),
    Clause("9110-3.3", "Requests on one connection are unrelated.", {
        "fields-do-not-stay": kept(get("X-Once: 1", target="/headers") + get(target="/headers"),
                                   Answer(200, json={"x-once": "1"}), Answer(200, json={"x-once": None})),
    }),
    Clause("9110-4.2.3", "Equivalent URIs are one resource: percent-encoding and scheme's case make no difference.", {
        "encoded": kept(get(target="/%68%65llo"), HELLO),
        "hex-in-either-case": kept(get(target="/hell%6F"), HELLO),
        "hex-in-lower-case": kept(get(target="/hell%6f"), HELLO),
        "scheme": kept(get(target="HTTP://t/hello"), HELLO),
        "host": kept(get(target="http://T/hello"), HELLO),
        "path-has-its-case": kept(get(target="/HELLO"), 404),
        "encoded-slash-is-no-slash": kept(get(target="/sleep%2F0"), 404),
        "encoded-question-mark-is-none": kept(get(target="/hello%3Fa"), 404),
        "encoded-percent-is-decoded-once": kept(get(target="/%2568ello"), 404),
        "plus-is-a-plus-in-a-path": kept(get(target="/hel+lo"), 404),
        "dots-are-not-removed": kept(get(target="/x/../hello"), 404),
        "encoded-dots": kept(get(target="/x/%2e%2e/hello"), 404),
        "two-slashes-are-two": kept(get(target="//hello"), 404),
    }),
    Clause("9110-4.2.4", "Userinfo in a target is an error.", {
        "user": closed(get(target="http://me@t/hello"), 400),
        "empty": closed(get(target="http://@t/hello"), 400),
        "in-host": closed(request("GET /hello HTTP/1.1", "Host: me@t"), 400),
    }),
    Clause("9110-4.2.1", "An http URI with an empty host is refused.", {
        "http": closed(get(target="http:///hello"), 400),
        "https": closed(get(target="https:///hello"), 400),
    }),
    Clause("9110-5.1", "Field names have no case; unknown fields are ignored.", {
        "unknown": kept(get("Frobnicate: 1", "x-y-z: 2"), HELLO),
        "case": kept(post("cOnTeNt-LeNgTh: 5", body=b"hello"), Answer(200, b"hello")),
        "te-case": kept(post("TRANSFER-ENCODING: chunked", body=b"0\r\n\r\n"), Answer(200, b"")),
        "host-case": kept(request("GET /hello HTTP/1.1", "hOST: t"), HELLO),
    }),
    Clause("9110-5.3", "Lines of one name are one list, in their order.", {
        "joined": kept(get("X: 1", "Y: 9", "X: 2", "x: 3", target="/headers"), Answer(200, json={"x": "1, 2, 3", "y": "9"})),
    }),
    Clause("9110-5.3", "A request is not applied before its whole head is there.", elsewhere=(
        "unit/worker/http/server_test.c::every_cut_of_a_request_gives_the_same_answer",
        "unit/worker/http/server_test.c::a_client_may_end_after_any_byte")),
    Clause("9110-5.4", "Fields larger than the limits are answered 431.", {
        "101-fields": closed(get(*["X: 1"] * 100), 431),
        "100-fields": kept(get(*["X: 1"] * 99), HELLO),
        "33-kib": closed(get("X: " + "a" * 33 * 1024), 431),
        "31-kib": kept(get("X: " + "a" * 31 * 1024), HELLO),
        "33-kib-in-one-name": closed(get("X" * 33 * 1024 + ": a"), 431),
        "33-kib-without-an-end": closed(b"GET /hello HTTP/1.1\r\nX: " + b"a" * 33 * 1024, 431),
    }),
    Clause("9110-5.5", "A value with CR, LF, NUL or another control character is refused; tab and bytes above ASCII are not.", {
        **{f"control-{code}": closed(get(f"X: a{chr(code)}b"), 400) for code in (*range(0, 9), *range(11, 32), 127)},
        "tab": kept(get("X: a\tb"), HELLO),
        "obs-text": kept(get("X: " + "".join(chr(code) for code in range(128, 256)), target="/headers"),
                         Answer(200, json={"x": "".join(chr(code) for code in range(128, 256))})),
        "lf": closed(get("X: a\nb"), 400),
    }),
    Clause("9110-5.6.1.2", "Empty elements of lists are passed over; in Transfer-Encoding and Content-Length they are "
                           "refused, since others might frame the message otherwise.", {
        "connection": closed(get("Connection: , ,close,,"), Answer(200, connection="close")),
        "if-none-match": kept(digits('If-None-Match: ,, *'), 200),
        "accept-encoding": kept(digits("Accept-Encoding: ,, ,gzip,,"), FILE),
        "range": kept(ranged("bytes=,0-1,,"), Answer(206, b"01")),
        "transfer-encoding": closed(post("Transfer-Encoding: ,chunked", body=b"0\r\n\r\n"), 400),
        "transfer-encoding-behind": closed(post("Transfer-Encoding: chunked,", body=b"0\r\n\r\n"), 400),
        "content-length": closed(post("Content-Length: ,5", body=b"hello"), 400),
        "many": closed(get("Connection: " + "," * 5000 + "close"), Answer(200, connection="close")),
    }),
    Clause("9110-5.6.3", "Optional white space, spaces and tabs, may stand around elements.", {
        "connection": closed(get("Connection: \t x\t , \tclose\t "), Answer(200, connection="close")),
        "expect": kept(expecting(" \t 100-continue \t "), Answer(200, b"hello")),
    }),
    Clause("9110-5.6.7", "All three forms of a date are read; one is written.", {
        "imf-fixdate": kept(dates("If-Modified-Since", AFTER), 304),
        "rfc-850": kept(dates("If-Modified-Since", "Tuesday, 14-Nov-23 22:13:21 GMT"), 304),
        "asctime": kept(dates("If-Modified-Since", "Tue Nov 14 22:13:21 2023"), 304),
        "rfc-850-before": kept(dates("If-Modified-Since", "Tuesday, 14-Nov-23 22:13:19 GMT"), FILE),
        "asctime-before": kept(dates("If-Modified-Since", "Tue Nov 14 22:13:19 2023"), FILE),
        "other-zone-is-none": kept(dates("If-Modified-Since", "Tue, 14 Nov 2023 22:13:21 CET"), FILE),
        "no-such-day": kept(dates("If-Modified-Since", "Tue, 31 Feb 2024 22:13:21 GMT"), FILE),
        "number": kept(dates("If-Modified-Since", "1800000000"), FILE),
        "empty": kept(dates("If-Modified-Since", ""), FILE),
    }, elsewhere=("clauses/rfc9110_test.py::test_9110_6_6_1_every_answer_has_a_date",)),
    Clause("9110-6.2", "Answers bear the highest version that is spoken here: 1.1.",
           elsewhere=("clauses/rfc9112_test.py::test_9112_4_the_status_line_has_its_form",)),
    Clause("9110-6.5.1", "Trailer fields are not merged into the header.", elsewhere=("clauses/rfc9112_test.py::test_clause",)),
    Clause("9110-6.6.1", "Answers of the classes 2xx, 3xx and 4xx have a Date; here all have.",
           elsewhere=("clauses/rfc9110_test.py::test_9110_6_6_1_every_answer_has_a_date",)),
    Clause("9110-7.2", "Host names the target's authority.", elsewhere=("clauses/rfc9112_test.py::test_clause",)),
    Clause("9110-7.4", "A request for https that did not come over TLS is to be rejected, except from a trusted gateway.",
           untested="TLS ends at a gateway in front, so that https in a target is accepted"),
    Clause("9110-7.6", "Forwarding: Max-Forwards, Via, connection-specific fields.", untested="binds intermediaries"),
    Clause("9110-7.8", "Upgrade: followed to what is known, ignored otherwise and in HTTP/1.0; names have no case; 101 and "
                       "426 say Upgrade.", {
        "unknown": kept(get("Connection: Upgrade", "Upgrade: frobnicate/1"), HELLO),
        "h2c": kept(get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"), HELLO),
        "tls": kept(get("Connection: Upgrade", "Upgrade: TLS/1.0"), HELLO),
        "websocket-where-there-is-none": kept(get(*UPGRADE), HELLO),
        "without-connection": kept(get("Upgrade: websocket"), HELLO),
        "with-a-body": kept(post(*UPGRADE, "Content-Length: 5", body=b"hello"), Answer(200, b"hello")),
        "in-1.0": closed(get(*UPGRADE, version="1.0"), HELLO),
        "426": kept(get(target="/echo"), Answer(426, upgrade="websocket", connection="upgrade", sec_websocket_version="13")),
    }),

    # ---- 8 Representations
    Clause("9110-8.3", "An answer with content says its type.", {
        "text": kept(get(), Answer(200, content_type="text/plain")),
        "json": kept(get(target="/whoami"), Answer(200, content_type="application/json")),
        "refusal": closed(get("X : 1"), Answer(400, content_type="text/plain; charset=utf-8")),
        "404": kept(get(target="/nothing"), Answer(404, content_type="text/plain; charset=utf-8")),
    }),
    Clause("9110-8.4", "Codings of a request's content are not looked at: the application gets the bytes.", {
        "gzip": kept(post("Content-Encoding: gzip", "Content-Length: 5", body=b"hello"), Answer(200, b"hello")),
        "unknown": kept(post("Content-Encoding: x", "Content-Length: 5", body=b"hello"), Answer(200, b"hello")),
    }),
    Clause("9110-8.6", "Content-Length is said where it is known, in HEAD as in GET, never in 1xx and 204.", {
        "200": kept(get(), Answer(200, content_length="6")),
        "head": kept(target("/hello", "HEAD"), Answer(200, to_head=True, content_length="6")),
        "204": kept(target("*", "OPTIONS"), Answer(204, content_length=None)),
        "304": kept(digits(f"If-Modified-Since: {THEN}"), Answer(304, b"", content_length=None)),
        "empty": kept(post("Content-Length: 0"), Answer(200, b"", content_length="0")),
    }),
    Clause("9110-8.8", "Validators: Last-Modified and ETag, strong and weak, and their comparisons.", elsewhere=(
        "static_conditions_test.py::test_rfc9110_8_8_1_a_file_that_is_being_changed_has_a_weak_tag",
        "static_conditions_test.py::test_rfc9110_8_8_2_last_modified_is_the_files_time",
        "static_conditions_test.py::test_rfc9110_8_8_2_1_last_modified_is_never_after_the_date",
        "static_conditions_test.py::test_rfc9110_8_8_3_a_settled_file_has_a_strong_tag_that_stays",
        "static_conditions_test.py::test_rfc9110_8_8_3_the_tag_changes_with_the_file",
        "static_conditions_test.py::test_rfc9110_8_8_3_3_each_coding_has_a_tag_of_its_own")),

    # ---- 9 Methods
    Clause("9110-9.1", "GET and HEAD are supported; a method that is not implemented is 501, one that is not allowed 405.", {
        "unknown": closed(target("/hello", "FROBNICATE"), 501),
        "lower-case": closed(target("/hello", "get"), 501),
        "unknown-where-nothing-is": closed(target("/nothing", "FROBNICATE"), 501),
        "webdav": kept(target("/hello", "PROPFIND"), Answer(405, allow="GET, HEAD, OPTIONS")),
        "delete": kept(target("/hello", "DELETE"), Answer(405, allow="GET, HEAD, OPTIONS")),
        "get-where-post-is": kept(target("/len"), Answer(405, allow="POST, OPTIONS")),
        "two": kept(target("/echo-body", "DELETE"), Answer(405, allow="POST, PUT, OPTIONS")),
        "websocket": kept(target("/echo", "POST"), Answer(405, allow="GET, OPTIONS")),
        "not-allowed-where-nothing-is": kept(target("/nothing", "DELETE"), 404),
    }),
    Clause("9110-9.3.1", "A body on GET has no meaning; it is read and dropped.", {
        "get": kept(get("Content-Length: 5") + b"hello", HELLO),
    }),
    Clause("9110-9.3.2", "HEAD is GET without content, on errors too.", {
        "404": kept(target("/nothing", "HEAD"), Answer(404, to_head=True)),
        "405": kept(target("/len", "HEAD"), Answer(405, to_head=True, allow="POST, OPTIONS")),
        "426": kept(target("/echo", "HEAD"), Answer(405, to_head=True)),
        "431": closed(target("/hello", "HEAD", *["X: 1"] * 101), Answer(431, to_head=True)),
        "twice": kept(target("/hello", "HEAD") * 2, *[Answer(200, to_head=True)] * 2),
    }, elsewhere=("clauses/rfc9110_test.py::test_9110_9_3_2_head_has_the_fields_of_get",
                  "static_conditions_test.py::test_rfc9110_9_3_2_head_has_the_same_conditions",
                  "static_conditions_test.py::test_rfc9110_9_3_2_head_has_the_fields_of_get")),
    Clause("9110-9.3.4", "PUT, POST, DELETE: what they do.", untested="the application's matter"),
    Clause("9110-9.3.6", "CONNECT: an origin server need not implement it; an empty or invalid port is rejected.", {
        "port": closed(target("t:80", "CONNECT"), 501),
        "no-port": closed(target("t", "CONNECT"), 501),
        "empty-port": closed(target("t:", "CONNECT"), 501),
        "port-65536": closed(target("t:65536", "CONNECT"), 501),
    }),
    Clause("9110-9.3.7", "OPTIONS says what is allowed, about a resource or with * about the server.", {
        "resource": kept(target("/hello", "OPTIONS"), Answer(204, allow="GET, HEAD, OPTIONS")),
        "websocket": kept(target("/echo", "OPTIONS"), Answer(204, allow="GET, OPTIONS")),
        "server": kept(target("*", "OPTIONS"), 204),
        "nothing": kept(target("/nothing", "OPTIONS"), 404),
        "with-content": kept(target("/hello", "OPTIONS", "Content-Length: 5") + b"hello", 204),
        "max-forwards-0": kept(target("/hello", "OPTIONS", "Max-Forwards: 0"), 204),
    }, elsewhere=("static_test.py::test_rfc9110_9_3_7_options_of_files_are_get_and_head",
                  "static_test.py::test_rfc9110_9_3_7_options_of_the_server")),
    Clause("9110-9.3.8", "TRACE would send secrets back; it is not allowed.", {
        "trace": kept(target("/hello", "TRACE"), 405),
        "max-forwards-0": kept(target("/hello", "TRACE", "Max-Forwards: 0", "Cookie: secret"), 405),
    }),

    # ---- 10 Context
    Clause("9110-10.1.1", "Expect: 100-continue, without case, is met; another expectation is 417; HTTP/1.0 has none.", {
        "continue": kept(expecting(" 100-continue"), Answer(200, b"hello")),
        "case": kept(expecting(" 100-Continue"), Answer(200, b"hello")),
        "chunked": kept(post("Expect: 100-continue", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), Answer(200, b"")),
        "no-content": kept(get("Expect: 100-continue"), HELLO),
        "no-content-length-0": kept(post("Expect: 100-continue", "Content-Length: 0"), Answer(200, b"")),
        "404": kept(post("Expect: 100-continue", "Content-Length: 5", body=b"hello", target="/nothing"), 404),
        "other": closed(expecting(" frobnicate"), 417),
        "other-with-continue": closed(expecting(" 100-continue, frobnicate"), 417),
        "200-ok": closed(expecting(" 200-ok"), 417),
        "longer": closed(expecting(" 100-continued"), 417),
        "too-large": closed(post("Expect: 100-continue", "Content-Length: 1000001"), 413),
        "bad-length": closed(post("Expect: 100-continue", "Content-Length: x"), 400),
        "1.0": closed(expecting(" 100-continue", version="1.0"), Answer(200, b"hello")),
        "1.0-other": closed(expecting(" frobnicate", version="1.0"), Answer(200, b"hello")),
    }, elsewhere=("clauses/rfc9110_test.py::test_9110_10_1_1_the_100_comes_before_the_content",
                  "clauses/rfc9110_test.py::test_9110_10_1_1_a_final_answer_comes_instead_of_the_100",
                  "clauses/rfc9110_test.py::test_9110_10_1_1_in_1_0_there_is_no_100")),
    Clause("9110-10.1.2", "From, Referer, User-Agent, TE are passed to the application and change nothing.", {
        "all": kept(get("From: a@b", "Referer: http://x/#y", "User-Agent: (", "TE: x"), HELLO),
    }),
    Clause("9110-10.2.1", "Allow is in every 405.", elsewhere=("static_test.py::test_rfc9110_15_5_6_a_405_has_allow",)),
    Clause("9110-10.2.3", "Retry-After is in a 503.",
           elsewhere=("unit/worker/http/server_test.c::without_a_greenlet_the_answer_is_503",)),
    Clause("9110-10.2.4", "Server need not be said, and is not.", {"none": kept(get(), Answer(200, server=None))}),
    Clause("9110-11", "Authentication.", untested="the application's matter"),

    # ---- 12 to 14
    Clause("9110-12.5.3", "Accept-Encoding: weights, *, identity; the best of what is there is sent.", elsewhere=(
        "static_conditions_test.py::test_rfc9110_12_5_3_the_best_accepted_coding_is_sent",
        "static_conditions_test.py::test_rfc9110_12_5_3_a_coding_that_is_not_there_is_not_sent",
        "static_conditions_test.py::test_rfc9110_15_5_7_a_client_that_refuses_all_that_is_there_gets_406")),
    Clause("9110-12.5.1", "Accept, Accept-Charset, Accept-Language may be disregarded, and are.", {
        "accept": kept(get("Accept: image/png;q=0"), HELLO),
        "charset": kept(get("Accept-Charset: x"), HELLO),
        "language": kept(get("Accept-Language: x"), HELLO),
    }),
    Clause("9110-12.5.5", "Vary is in every answer with a file.",
           elsewhere=("static_conditions_test.py::test_rfc9110_12_5_5_every_answer_with_a_file_varies",)),
    Clause("9110-13.1.1", "If-Match: strong comparison; * when there is something.", {
        "star": kept(digits("If-Match: *"), FILE),
        "other": kept(digits('If-Match: "x"'), 412),
        "weak": kept(digits('If-Match: W/"x"'), 412),
        "on-post-nowhere": kept(post('If-Match: "x"', "Content-Length: 0"), Answer(200, b"")),
    }, elsewhere=("static_conditions_test.py::test_rfc9110_13_1_1_if_match",)),
    Clause("9110-13.1.2", "If-None-Match: weak comparison; 304 for GET and HEAD.", {
        "star": kept(digits("If-None-Match: *"), 304),
        "other": kept(digits('If-None-Match: "x"'), FILE),
        "head": kept(digits("If-None-Match: *", method="HEAD"), Answer(304, to_head=True)),
    }, elsewhere=("static_conditions_test.py::test_rfc9110_13_1_2_if_none_match",)),
    Clause("9110-13.1.3", "If-Modified-Since counts for GET and HEAD, when it is one valid date.", {
        "same": kept(dates("If-Modified-Since", THEN), 304),
        "before": kept(dates("If-Modified-Since", BEFORE), FILE),
        "not-a-date": kept(dates("If-Modified-Since", "soon"), FILE),
    }, elsewhere=("static_conditions_test.py::test_rfc9110_13_1_3_if_modified_since",
                  "static_conditions_test.py::test_rfc9110_13_1_3_dates_that_come_twice_are_ignored")),
    Clause("9110-13.1.4", "If-Unmodified-Since.", {
        "before": kept(dates("If-Unmodified-Since", BEFORE), 412),
        "same": kept(dates("If-Unmodified-Since", THEN), FILE),
        "not-a-date": kept(dates("If-Unmodified-Since", "soon"), FILE),
    }, elsewhere=("static_conditions_test.py::test_rfc9110_13_1_4_if_unmodified_since",)),
    Clause("9110-13.1.5", "If-Range: strong comparison; the whole when it does not hold.", elsewhere=(
        "static_ranges_test.py::test_rfc9110_13_1_5_if_range",
        "static_ranges_test.py::test_rfc9110_13_1_5_if_range_that_fails_saves_from_416",
        "static_ranges_test.py::test_rfc9110_13_1_5_if_range_without_range_is_ignored",
        "static_ranges_test.py::test_rfc9110_13_1_5_the_date_of_a_fresh_file_is_too_weak_for_if_range")),
    Clause("9110-13.2", "Preconditions are evaluated in their order, and only where the answer would be a success.", {
        "nothing-there": kept(target("/static/absent", "GET", "If-Match: *"), 404),
        "not-allowed": kept(digits('If-Match: "x"', method="POST"), 405),
    }, elsewhere=(
        "static_conditions_test.py::test_rfc9110_13_2_1_conditions_do_not_count_where_the_answer_is_no_success_anyway",
        "static_conditions_test.py::test_rfc9110_13_2_2_step_1_if_match_wins_over_if_unmodified_since",
        "static_conditions_test.py::test_rfc9110_13_2_2_step_1_if_match_is_looked_at_before_if_none_match",
        "static_conditions_test.py::test_rfc9110_13_2_2_step_2_if_unmodified_since_is_looked_at_before_if_none_match",
        "static_conditions_test.py::test_rfc9110_13_2_2_step_3_if_none_match_wins_over_if_modified_since",
        "static_conditions_test.py::test_rfc9110_13_2_2_step_4_if_modified_since_is_looked_at_after_if_match",
        "static_conditions_test.py::test_rfc9110_13_2_2_step_5_ranges_come_after_the_conditions")),
    Clause("9110-14.1.2", "Byte ranges: from the start, to the end, the last ones; cut at the end of the file.", {
        "first": kept(ranged("bytes=0-0"), Answer(206, b"0", content_range="bytes 0-0/20")),
        "middle": kept(ranged("bytes=2-5"), Answer(206, b"2345", content_range="bytes 2-5/20")),
        "to-the-end": kept(ranged("bytes=17-"), Answer(206, b"hij", content_range="bytes 17-19/20")),
        "beyond-the-end": kept(ranged("bytes=17-100"), Answer(206, b"hij")),
        "suffix": kept(ranged("bytes=-3"), Answer(206, b"hij")),
        "suffix-beyond-the-start": kept(ranged("bytes=-100"), Answer(206, DIGITS)),
        "beyond-2^64": kept(ranged("bytes=17-18446744073709551616"), Answer(206, b"hij")),
        "suffix-2^64": kept(ranged("bytes=-18446744073709551617"), Answer(206, DIGITS)),
        "unit-in-any-case": kept(ranged("BYTES=0-1"), Answer(206, b"01")),
    }, elsewhere=("static_ranges_test.py::test_rfc9110_14_1_2_a_suffix_of_an_empty_file_is_the_file",)),
    Clause("9110-14.2", "A Range that is malformed, of another unit, on another method, or in several lines is ignored.", {
        **{name: kept(ranged(value), FILE) for name, value in {
            "unit": "lines=0-1", "no-unit": "0-1", "no-equals": "bytes 0-1", "empty": "bytes=", "dash": "bytes=-",
            "backwards": "bytes=5-2", "words": "bytes=a-b", "signed": "bytes=+0-1", "hexadecimal": "bytes=0x0-0x1",
            "three": "bytes=0-1-2", "space-inside": "bytes=0 - 1", "one-bad": "bytes=0-1,x",
        }.items()},
        "on-post": kept(post("Range: bytes=0-0", "Content-Length: 5", body=b"hello"), Answer(200, b"hello")),
        "where-there-is-no-file": kept(get("Range: bytes=0-0"), HELLO),
        "head": kept(digits("Range: bytes=0-0", method="HEAD"), Answer(200, to_head=True, content_length="20")),
        "two-lines": kept(digits("Range: bytes=0-0", "Range: bytes=1-1"), FILE),
    }, elsewhere=("static_ranges_test.py::test_rfc9110_14_2_what_is_no_range_is_ignored",
                  "static_ranges_test.py::test_rfc9110_14_2_two_range_fields_are_ignored",
                  "static_ranges_test.py::test_rfc9110_14_2_ranges_are_for_get_alone")),
    Clause("9110-14.3", "Accept-Ranges is said.", {"bytes": kept(digits(), Answer(200, accept_ranges="bytes"))},
           elsewhere=("static_ranges_test.py::test_rfc9110_14_3_accept_ranges_is_said",)),
    Clause("9110-14.6", "Several ranges come as multipart/byteranges.", elsewhere=(
        "static_ranges_test.py::test_rfc9110_15_3_7_2_several_parts_come_as_multipart_in_the_order_asked",
        "static_ranges_test.py::test_rfc9110_14_6_the_boundary_is_another_each_time",
        "static_ranges_test.py::test_rfc9110_15_3_7_2_parts_that_overlap_become_one_in_place_of_the_first")),

    # ---- 15 Status codes
    Clause("9110-15.2", "No 1xx goes to a client of HTTP/1.0.",
           elsewhere=("clauses/rfc9110_test.py::test_9110_10_1_1_in_1_0_there_is_no_100",)),
    Clause("9110-15.3.7", "206 has Content-Range and what the 200 would have had.",
           elsewhere=("static_ranges_test.py::test_rfc9110_15_3_7_1_one_part_comes_as_itself",)),
    Clause("9110-15.4.5", "304 has what caches need, and no content.",
           elsewhere=("static_conditions_test.py::test_rfc9110_15_4_5_a_304_has_what_caches_need_and_no_more",)),
    Clause("9110-15.5.1", "400: what cannot be read as a request, or names its path in a way that cannot be decoded.", {
        **{name: kept(get(target=path), 400) for name, path in {
            "bad-percent": "/%zz", "percent-cut": "/hello%4", "percent-at-the-end": "/hello%", "encoded-nul": "/hello%00",
            "nul-in-a-parameter": "/sleep/0%00", "percent-u": "/%u0041",
        }.items()},
        "bad-percent-in-a-query-is-the-applications": kept(get(target="/hello?%zz"), HELLO),
    }),
    Clause("9110-15.5.5", "404 where nothing is.", {"nothing": kept(get(target="/nothing"), Answer(404, b"there is nothing here\n"))}),
    Clause("9110-15.5.9", "408 for a request that did not come in time, with close.",
           elsewhere=("http_test.py::test_a_head_that_does_not_end_in_time_is_408", "http_test.py::test_a_body_that_stalls_is_408")),
    Clause("9110-15.5.12", "411 for a body without a length.", {
        "1.0": closed(post(version="1.0"), 411),
    }),
    Clause("9110-15.5.14", "413 for content that is too large: before it is read, when its length says so.", {
        "at-the-limit": kept(post("Content-Length: 1000000", body=b"x" * 1_000_000, target="/len"), Answer(200, b"1000000\n")),
        "declared": closed(post("Content-Length: 1000001"), Answer(413, connection="close")),
        "declared-2^63-1": closed(post(f"Content-Length: {2**63 - 1}"), 413),
        "chunk-size": closed(post("Transfer-Encoding: chunked", body=b"f4241\r\n"), 413),
        "chunks": closed(post("Transfer-Encoding: chunked", body=b"f423f\r\n" + b"x" * 999_999 + b"\r\n2\r\n"), 413),
        "on-get": closed(get("Content-Length: 1000001"), 413),
        "where-nothing-is": closed(post("Content-Length: 1000001", target="/nothing"), 413),
    }),
    Clause("9110-15.5.15", "414 for a target that is too long.", {"100-kb": closed(get(target="/" + "a" * 100_000), 414)}),
    Clause("9110-15.5.17", "416 has Content-Range with the length.", {
        "beyond": kept(ranged("bytes=20-"), Answer(416, content_range="bytes */20")),
        "suffix-0": kept(ranged("bytes=-0"), Answer(416, content_range="bytes */20")),
        "2^64": kept(ranged("bytes=18446744073709551616-"), Answer(416, content_range="bytes */20")),
    }, elsewhere=("static_ranges_test.py::test_rfc9110_15_5_17_nothing_of_it_is_416",)),
    Clause("9110-15.5.18", "417 for an expectation that is not known.", {"unknown": closed(expecting(" x"), 417)}),
    Clause("9110-15.5.22", "426 has Upgrade.", {"websocket": kept(get(target="/echo"), Answer(426, upgrade="websocket"))}),
    Clause("9110-15.6.2", "501 for a method or a transfer coding that is not implemented.", {
        "method": closed(target("/hello", "FROBNICATE"), 501),
        "coding": closed(post("Transfer-Encoding: gzip, chunked"), 501),
    }),
    Clause("9110-15.6.4", "503 when there is no room for another request.",
           elsewhere=("unit/worker/http/server_test.c::without_a_greenlet_the_answer_is_503",)),
    Clause("9110-16", "Registries.", untested="binds authors of specifications"),
    Clause("9110-17.3", "Paths lead to nothing outside the document root.", {
        **{name: kept(get(target="/static/" + path), status) for name, path, status in (
            ("dots", "../secret", 404), ("encoded-dots", "%2e%2e/secret", 404), ("encoded-slash", "..%2fsecret", 404),
            ("backslash", "..\\secret", 404), ("encoded-backslash", "..%5csecret", 404), ("absolute", "/etc/passwd", 404),
            ("dot", "./digits.txt", 404), ("link", "link_out", 404), ("nul", "digits.txt%00.html", 400),
            ("overlong", "..%c0%afsecret", 404), ("twice-encoded", "%252e%252e/secret", 404), ("fifo", "fifo", 404),
            ("socket", "socket", 404), ("folder", "empty/", 404), ("long-name", "a" * 5000, 404),
        )},
    }, elsewhere=("static_test.py::test_nothing_outside_the_root_is_served",
                  "static_test.py::test_a_folder_that_is_exchanged_for_a_link_all_the_time_never_leads_out")),
    Clause("9110-17.5", "Lengths of elements are limited; see limits.md.", elsewhere=("docs_test.py::test_every_limit_is_told",)),
    Clause("9110-17.15", "Ranges are limited in number and coalesced.", elsewhere=(
        "static_ranges_test.py::test_rfc9110_17_15_more_than_16_ranges_get_the_whole",
        "static_ranges_test.py::test_rfc9110_17_15_repeated_ranges_do_not_multiply_the_file")),

    # ---- RFC 9111
    Clause("9111-5.2.2", "Cache-Control of files is set by an option.", elsewhere=(
        "static_conditions_test.py::test_by_default_caches_ask_each_time",
        "static_conditions_test.py::test_the_option_says_for_how_long_caches_need_not_ask")),
    Clause("9111-4.3.4", "A 304 bears the fields that a cache updates from: ETag, Date, Vary, Cache-Control.",
           elsewhere=("static_conditions_test.py::test_rfc9110_15_4_5_a_304_has_what_caches_need_and_no_more",)),
    Clause("9111-5.2.1", "Cache directives of a request, Pragma.", {
        "no-cache": kept(digits("Cache-Control: no-cache", "Pragma: no-cache"), FILE),
        "only-if-cached": kept(digits("Cache-Control: only-if-cached"), FILE),
    }),
    Clause("9111-3", "Storing and constructing responses in caches.", untested="binds caches"),
]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("case", rows(CLAUSES))
def test_clause(server, case, cut):
    run_http(server, case, cut)


# ---- what takes more than bytes and answers

IMF_FIXDATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) "
                         r"\d{4} \d\d:\d\d:\d\d GMT")


@pytest.mark.parametrize("sent,status", [
    (get(), 200), (digits("If-None-Match: *"), 304), (ranged("bytes=0-1"), 206), (get("X : 1"), 400),
    (get(target="/nothing"), 404), (target("/hello", "DELETE"), 405), (target("/hello", "X"), 501),
    (target("*", "OPTIONS"), 204), (get(version="2.0"), 505), (post("Content-Length: 1000001"), 413),
], ids=lambda value: str(value) if isinstance(value, int) else "")
def test_9110_6_6_1_every_answer_has_a_date(server, sent, status):
    with Http(server) as connection:
        before = int(time.time())
        connection.send(sent)
        answer = connection.response()
        date = answer.header("Date")
        assert answer.status == status and IMF_FIXDATE.fullmatch(date), date
        assert before - 1 <= parsedate_to_datetime(date).timestamp() <= time.time() + 1


@pytest.mark.parametrize("path", ["/hello", "/headers", "/nothing", "/static/digits.txt", "/static/app.js", "/sleep/0",
                                  "/%zz", "/echo"])
def test_9110_9_3_2_head_has_the_fields_of_get(server, path):
    with Http(server) as connection:
        connection.send(get(target=path))
        whole = connection.response()
        connection.send(target(path, "HEAD"))
        head = connection.response(to_head=True)
    if path == "/echo":  # a handshake is a GET
        assert (whole.status, head.status) == (426, 405)
        return
    assert head.status == whole.status
    assert [field for field in head.headers if field[0] != "Date"] == [field for field in whole.headers if field[0] != "Date"]


@pytest.mark.parametrize("framing", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_9110_10_1_1_the_100_comes_before_the_content(server, framing):
    with Http(server) as connection:
        connection.send(post("Expect: 100-continue", framing))
        assert connection.line() == b"HTTP/1.1 100 Continue"
        assert connection.line() == b""  # no fields
        connection.send(b"hello" if "Length" in framing else b"5\r\nhello\r\n0\r\n\r\n")
        assert connection.line() == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize("lines,status", [(["Content-Length: 1000001"], 413), (["Content-Length: x"], 400),
                                          (["Content-Length: 5", "X : 1"], 400), (["Transfer-Encoding: x, chunked"], 501)])
def test_9110_10_1_1_a_final_answer_comes_instead_of_the_100(server, lines, status):
    with Http(server) as connection:
        connection.send(post("Expect: 100-continue", *lines))
        assert connection.line().startswith(b"HTTP/1.1 %d " % status)


def test_9110_10_1_1_in_1_0_there_is_no_100(server):
    with Http(server) as connection:
        deliver(connection, expecting(" 100-continue", version="1.0"), "bytes")
        assert connection.line() == b"HTTP/1.1 200 OK"
