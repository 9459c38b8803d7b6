# SPDX-License-Identifier: Apache-2.0
"""Conditional requests for static files, codings that lie ready beside them, and what caches are told."""

import gzip
import os
import re
from email.utils import parsedate_to_datetime

import pytest

from client import get
from conftest import shared_server
from document_root import AFTER, BEFORE, BROTLI, CHANGED, DIGITS, SCRIPT, THEN, asked, make_root, settle, tag_of
from hubbub import wait_for

server = shared_server("contract.so", prepare=make_root, workers=2)


# ---- validators and conditions (RFC 9110, sections 8.8 and 13)


def test_rfc9110_8_8_2_last_modified_is_the_files_time(server):
    assert get(server, "/static/digits.txt").header("Last-Modified") == THEN


def test_rfc9110_8_8_2_1_last_modified_is_never_after_the_date(start, tmp_path):
    env = make_root(tmp_path)
    os.utime(tmp_path / "root" / "hello.txt", (4_000_000_000,) * 2)
    answer = get(start("contract.so", workers=1, env=env), "/static/hello.txt")
    modified, date = (parsedate_to_datetime(answer.header(name)) for name in ("Last-Modified", "Date"))
    assert modified <= date


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


# ---- codings that lie ready (RFC 9110, sections 8.4 and 12.5.3)


@pytest.mark.parametrize("accepted,coding", [
    (None, None), ("", None), ("gzip", "gzip"), ("br", "br"), ("gzip, deflate, br, zstd", "br"),
    ("br;q=0.5, gzip", "gzip"), ("gzip;q=0", None), ("gzip;q=0, br;q=0.0, *", None), ("*", "br"),
    ("*;q=0.1, br;q=0", "gzip"), ("x-gzip", "gzip"), ("identity, gzip;q=0.5", None),
    ("gzip, identity;q=0", "gzip"), ("deflate", None), ("GZIP;Q=1", "gzip")])
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


def test_rfc9110_8_4_a_coding_never_comes_in_several_parts_which_are_not_coded(server):
    answer = asked(server, ("Accept-Encoding", "br"), ("Range", "bytes=0-1,5-6"), path="/static/app.js")
    assert (answer.status, answer.body, answer.header("Content-Encoding")) == (200, BROTLI, "br")


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
