# SPDX-License-Identifier: Apache-2.0
"""RFC 9112, HTTP/1.1: every clause that binds an origin server. Behind each request stands another, as bait."""

from socket import SHUT_WR

import pytest

from client import Http
from clause import CUTS, Answer, Clause, chunked, closed, get, kept, post, request, rows, run_http
from conftest import shared_server

server = shared_server("contract.so", "--limit-request-line", "8190", workers=2)

HELLO = Answer(200, b"hello\n")
HELLO_CLOSE = Answer(200, b"hello\n", connection="close")
HELLO_HEAD = Answer(200, b"", to_head=True, content_length="6")


def echo(body):
    return Answer(200, body)


def seen(**fields):
    """The answer of /headers, with these among the request's fields as the application sees them; x_a is x-a."""
    return Answer(200, json={name.replace("_", "-"): value for name, value in fields.items()})


def headers(*lines):
    return get(*lines, target="/headers")


def target(text, method="GET", *lines):
    return request(f"{method} {text} HTTP/1.1", *(lines or ("Host: t",)))


def length(value, body=b"hello"):
    return post(f"Content-Length:{value}", body=body)


def coding(value, body=b"5\r\nhello\r\n0\r\n\r\n"):
    return post(f"Transfer-Encoding:{value}", body=body)


def one_chunk(size_line, data=b"hello", end=b"\r\n0\r\n\r\n"):
    return chunked(size_line + b"\r\n" + data + end)


def trailers(*lines):
    return chunked(b"5\r\nhello\r\n0\r\n" + "".join(line + "\r\n" for line in lines).encode("latin-1") + b"\r\n")


CLAUSES = [
    # ---- 2 Message
    Clause("9112-2.2", "A message is read as octets; bytes above ASCII end no line and hide none.", {
        "utf-8-value": kept(headers("X: \xc3\xbc"), seen(x="\xc3\xbc")),
        "latin-1-value": kept(headers("X: \xfc\xff\x80"), seen(x="\xfc\xff\x80")),
        "lead-byte-before-cr-lf": kept(headers("X: a\xe4", "Y: 1"), seen(x="a\xe4", y="1")),
        "lead-byte-in-name": closed(get("X\xc3\xbc: 1"), 400),
    }),
    Clause("9112-2.2", "A bare LF may be taken for a line's end; here it never is, since others may read it otherwise.", {
        "bare-lf-request-line": closed(b"GET /hello HTTP/1.1\nHost: t\r\n\r\n", 400),
        "bare-lf-field": closed(b"GET /hello HTTP/1.1\r\nHost: t\nX: 1\r\n\r\n", 400),
        "bare-lf-blank-line": closed(b"GET /hello HTTP/1.1\r\nHost: t\r\n\n", 400),
        "bare-lf-everywhere": closed(b"GET /hello HTTP/1.1\nHost: t\n\n", 400),
        "bare-lf-in-front": closed(b"\nGET /hello HTTP/1.1\r\nHost: t\r\n\r\n", 400),
        "bare-lf-behind-value": closed(get("X: a\nY: b"), 400),
    }),
    Clause("9112-2.2", "A bare CR makes what it stands in invalid.", {
        "bare-cr-request-line": closed(b"GET /hello\r HTTP/1.1\r\nHost: t\r\n\r\n", 400),
        "bare-cr-for-a-space": closed(b"GET\r/hello HTTP/1.1\r\nHost: t\r\n\r\n", 400),
        "bare-cr-before-cr-lf": closed(b"GET /hello HTTP/1.1\r\r\nHost: t\r\n\r\n", 400),
        "bare-cr-value": closed(get("X: a\rb"), 400),
        "bare-cr-smuggles-a-field": closed(get("X: a\rContent-Length: 50"), 400),
        "bare-cr-name": closed(get("X\rY: a"), 400),
        "bare-cr-value-end": closed(get("X: a\r"), 400),
        "bare-cr-blank-line": closed(b"GET /hello HTTP/1.1\r\nHost: t\r\n\r\r\n\r\n", 400),
    }),
    Clause("9112-2.2", "Empty lines before the request line are passed over, a few of them.", {
        "one-empty-line": kept(b"\r\n" + get(), HELLO),
        "four-empty-lines": kept(b"\r\n" * 4 + get(), HELLO),
        "five-empty-lines": closed(b"\r\n" * 5 + get(), 400),
        "behind-a-body": kept(post("Content-Length: 2", body=b"ab\r\n"), echo(b"ab")),
        "between-requests": kept(get() + b"\r\n\r\n" + get(), HELLO, HELLO),
    }),
    Clause("9112-2.2", "White space between the request line and the first field is refused.", {
        "space-before-first-field": closed(b"GET /hello HTTP/1.1\r\n Host: t\r\nHost: t\r\n\r\n", 400),
        "tab-before-first-field": closed(b"GET /hello HTTP/1.1\r\n\tX: 1\r\nHost: t\r\n\r\n", 400),
        "blank-line-of-spaces": closed(b"GET /hello HTTP/1.1\r\n  \r\nHost: t\r\n\r\n", 400),
    }),
    Clause("9112-2.2", "What is no HTTP message is answered 400 and the connection closed.", {
        "words": closed(b"nonsense\r\n\r\n", 400),
        "tls-client-hello": closed(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(40)), 400),
        "sslv2-hello": closed(b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"\xaa" * 40, 400),
        "nul-bytes": closed(b"\0" * 40, 400),
        "field-without-colon": closed(get("no colon"), 400),
        "field-without-name": closed(get(": no name"), 400),
        "colon-alone": closed(get(":"), 400),
        "answer-instead": closed(b"HTTP/1.1 200 OK\r\nHost: t\r\n\r\n", 400),
        "ssh-greeting": closed(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 400),
        "smtp": closed(b"EHLO mail.example\r\n\r\n", 400),
        "socks": closed(b"\x05\x01\x00" + b"\r\n\r\n", 400),
        "proxy-protocol": closed(b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + get(), 400),
    }),
    Clause("9112-2.3", "The version is HTTP/DIGIT.DIGIT with its case; another major version is answered 505, "
                       "a higher minor one read as 1.1.", {
        "1.2": kept(get(version="1.2"), HELLO),
        "1.9": kept(get(version="1.9"), HELLO),
        "2.0": closed(get(version="2.0"), 505),
        "0.9": closed(get(version="0.9"), 505),
        "3.0": closed(get(version="3.0"), 505),
        "9.9": closed(get(version="9.9"), 505),
        "http-2-preface": closed(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), 505),
        "lower-case": closed(b"GET /hello http/1.1\r\nHost: t\r\n\r\n", 400),
        "mixed-case": closed(b"GET /hello HtTP/1.1\r\nHost: t\r\n\r\n", 400),
        "1.10": closed(get(version="1.10"), 400),
        "01.1": closed(get(version="01.1"), 400),
        "1": closed(get(version="1"), 400),
        "1.": closed(get(version="1."), 400),
        "1-1": closed(get(version="1-1"), 400),
        "1.x": closed(get(version="1.x"), 400),
        "one-comma-one": closed(get(version="1,1"), 400),
        "other-name": closed(b"GET /hello HTTPS/1.1\r\nHost: t\r\n\r\n", 400),
        "space-inside": closed(b"GET /hello HTTP /1.1\r\nHost: t\r\n\r\n", 400),
        "fullwidth-digit": closed("GET /hello HTTP/1.１\r\nHost: t\r\n\r\n".encode(), 400),
    }),

    # ---- 3 Request line
    Clause("9112-3", "The parts of the request line stand one space apart; other white space is not taken.", {
        "two-spaces-before-target": closed(b"GET  /hello HTTP/1.1\r\nHost: t\r\n\r\n", 400),
        "two-spaces-before-version": closed(b"GET /hello  HTTP/1.1\r\nHost: t\r\n\r\n", 400),
        "tab-before-target": closed(b"GET\t/hello HTTP/1.1\r\nHost: t\r\n\r\n", 400),
        "tab-before-version": closed(b"GET /hello\tHTTP/1.1\r\nHost: t\r\n\r\n", 400),
        "vertical-tab": closed(b"GET\x0b/hello HTTP/1.1\r\nHost: t\r\n\r\n", 400),
        "form-feed": closed(b"GET /hello\x0cHTTP/1.1\r\nHost: t\r\n\r\n", 400),
        "leading-space": closed(b" GET /hello HTTP/1.1\r\nHost: t\r\n\r\n", 400),
        "leading-tab": closed(b"\tGET /hello HTTP/1.1\r\nHost: t\r\n\r\n", 400),
        "trailing-space": closed(b"GET /hello HTTP/1.1 \r\nHost: t\r\n\r\n", 400),
        "trailing-tab": closed(b"GET /hello HTTP/1.1\t\r\nHost: t\r\n\r\n", 400),
        "a-fourth-word": closed(b"GET /hello HTTP/1.1 x\r\nHost: t\r\n\r\n", 400),
        "space-in-target": closed(b"GET /hello x HTTP/1.1\r\nHost: t\r\n\r\n", 400),
        "http-0.9": closed(b"GET /hello\r\n\r\n", 400),
        "method-alone": closed(b"GET\r\n\r\n", 400),
        "no-target": closed(b"GET HTTP/1.1\r\nHost: t\r\n\r\n", 400),
        "empty-target": closed(b"GET  HTTP/1.1\r\nHost: t\r\n\r\n", 400),
    }),
    Clause("9112-3", "A request line of 8,000 octets is taken; one longer than the limit is answered 414.", {
        "8000-octets": kept(target("/hello?" + "q" * (8000 - 20)), HELLO),
        "at-the-limit": kept(target("/hello?" + "q" * (8190 - 20)), HELLO),
        "above-the-limit": closed(target("/hello?" + "q" * (8191 - 20)), 414),
        "much-longer": closed(target("/" + "a" * 100_000), 414),
        "without-an-end": closed(b"GET /" + b"a" * 100_000, 414),
    }),
    Clause("9112-3.1", "A method is a token with its case; one that is not implemented is answered 501.", {
        "unknown": closed(target("/hello", "FROBNICATE"), 501),
        "lower-case": closed(target("/hello", "get"), 501),
        "mixed-case": closed(target("/hello", "Get"), 501),
        "long": closed(target("/hello", "G" * 100), 501),
        "unknown-on-unknown-path": closed(target("/nothing", "FROBNICATE"), 501),
        "no-token": closed(target("/hello", "G(T"), 400),
        "control-character": closed(target("/hello", "GE\x01T"), 400),
        "nul": closed(target("/hello", "GET\0"), 400),
        "above-ascii": closed(target("/hello", "G\xc9T"), 400),
    }),
    Clause("9112-3.2", "A target with what no URI holds is refused with 400, and not corrected.", {
        "fragment": closed(target("/hello#x"), 400),
        "fragment-alone": closed(target("#"), 400),
        "fragment-in-query": closed(target("/hello?a#b"), 400),
        "nul": closed(target("/hello\0"), 400),
        "control-character": closed(target("/hel\x01lo"), 400),
        "delete": closed(target("/hel\x7flo"), 400),
        "above-ascii": closed(target("/hell\xf6"), 400),
        "utf-8": closed("GET /hellö HTTP/1.1\r\nHost: t\r\n\r\n".encode(), 400),
        "no-slash": closed(target("hello"), 400),
        "relative": closed(target("../hello"), 400),
        "query-alone": closed(target("?a=1"), 400),
        "backslash": closed(target("\\hello"), 400),
    }),
    Clause("9112-3.2", "A request of HTTP/1.1 without Host, with two, or with one that is not valid, is answered 400.", {
        "missing": closed(request("GET /hello HTTP/1.1"), 400),
        "missing-in-1.2": closed(request("GET /hello HTTP/1.2"), 400),
        "twice": closed(get("Host: t"), 400),
        "twice-different": closed(get("Host: other"), 400),
        "twice-in-any-case": closed(get("HOST: t"), 400),
        "twice-in-1.0": closed(get("Host: t", version="1.0"), 400),
        "far-apart": closed(get(*[f"X-{n}: 1" for n in range(50)], "Host: t"), 400),
        "missing-before-other-faults": closed(request("GET /nothing HTTP/1.1", "X: 1"), 400),
        **{name: closed(request("GET /hello HTTP/1.1", f"Host: {value}"), 400) for name, value in {
            "empty": "", "space": "a b", "slash": "a/b", "query": "a?b", "fragment": "a#b", "userinfo": "me@t",
            "url": "http://t", "list": "a, b", "bad-percent": "a%zz", "percent-cut": "a%4", "no-name": ":80",
            "port-letters": "t:http", "port-signed": "t:+80", "port-negative": "t:-1", "port-65536": "t:65536",
            "port-overflows": "t:18446744073709551696", "two-ports": "t:80:80", "bracket-open": "[::1",
            "bracket-empty": "[]", "bracket-close": "::1]", "ipv6-bare": "::1", "ipv6-bad": "[::zz]",
            "ipv6-too-long": "[1:2:3:4:5:6:7:8:9]", "ipv6-zone": "[fe80::1%25eth0]", "ipv6-then-text": "[::1]x",
            "above-ascii": "b\xfccher", "backslash": "a\\b", "quote": 'a"b', "angle": "<t>", "caret": "a^b",
        }.items()},
        **{name: kept(request("GET /headers HTTP/1.1", f"Host: {value}"), seen(host=value)) for name, value in {
            "name": "example.com", "name-port": "example.com:8080", "empty-port": "t:", "port-0": "t:0",
            "port-65535": "t:65535", "ipv4": "127.0.0.1:80", "ipv6": "[::1]", "ipv6-port": "[2001:db8::1]:443",
            "ipv6-ipv4": "[::ffff:127.0.0.1]", "ip-future": "[v1.a:b]", "upper-case": "EXAMPLE.COM", "one-letter": "t",
            "percent": "b%C3%BCcher", "underscore": "a_b", "sub-delims": "a!$&'()*+;=b", "trailing-dot": "t.",
        }.items()},
        "no-white-space-needed": kept(request("GET /headers HTTP/1.1", "Host:t"), seen(host="t")),
        "white-space-around": kept(request("GET /headers HTTP/1.1", "Host: \t t \t"), seen(host="t")),
        "not-needed-in-1.0": closed(request("GET /hello HTTP/1.0"), HELLO),
    }, prefix="host"),
    Clause("9112-3.2.1", "Origin form: a path from the root, and a query.", {
        "path": kept(target("/hello"), HELLO),
        "query": kept(target("/hello?a=1&b=%20?/"), HELLO),
        "empty-query": kept(target("/hello?"), HELLO),
        "root": kept(target("/"), 404),
        "two-slashes": kept(target("//hello"), 404),
        "looks-like-an-authority": kept(target("//t/hello"), 404),
        "colon": kept(target("/a:b"), 404),
        "all-characters-of-a-path": kept(target("/-._~!$&'()*+,;=:@%41"), 404),
    }),
    Clause("9112-3.2.2", "Absolute form is accepted, and its authority counts instead of the Host field.", {
        "http": kept(target("http://t/hello"), HELLO),
        "https": kept(target("https://t/hello"), HELLO),
        "scheme-in-any-case": kept(target("HtTp://t/hello"), HELLO),
        "port": kept(target("http://t:80/hello"), HELLO),
        "ipv6": kept(target("http://[::1]:80/hello"), HELLO),
        "another-host-field": kept(target("http://t/hello", "GET", "Host: other"), HELLO),
        "no-path": kept(target("http://t"), 404),
        "no-path-but-a-query": kept(target("http://t?a=1"), 404),
        "query": kept(target("http://t/hello?http://x/"), HELLO),
        "in-1.0": closed(request("GET http://t/hello HTTP/1.0"), HELLO),
        "no-host-field": closed(request("GET http://t/hello HTTP/1.1"), 400),
        "bad-host-field": closed(target("http://t/hello", "GET", "Host: a b"), 400),
        "userinfo": closed(target("http://me@t/hello"), 400),
        "userinfo-password": closed(target("http://me:pw@t/hello"), 400),
        "no-host": closed(target("http:///hello"), 400),
        "no-host-but-a-port": closed(target("http://:80/hello"), 400),
        "port-above-65535": closed(target("http://t:65536/hello"), 400),
        "port-letters": closed(target("http://t:x/hello"), 400),
        "fragment": closed(target("http://t/hello#x"), 400),
        "one-slash": closed(target("http:/hello"), 400),
        "other-scheme": closed(target("ftp://t/hello"), 400),
        "file-scheme": closed(target("file:///etc/passwd"), 400),
        "no-scheme": closed(target("://t/hello"), 400),
    }),
    Clause("9112-3.2.3", "Authority form is for CONNECT, which an origin server need not implement.", {
        "connect": closed(target("t:80", "CONNECT"), 501),
        "connect-no-port": closed(target("t", "CONNECT"), 501),
        "connect-a-path": closed(target("/hello", "CONNECT"), 501),
        "get": closed(target("t:80"), 400),
        "post": closed(target("t:80", "POST"), 400),
    }),
    Clause("9112-3.2.4", "Asterisk form is for OPTIONS, about the server as a whole.", {
        "options": kept(target("*", "OPTIONS"), 204),
        "options-absolute-without-a-path": kept(target("http://t", "OPTIONS"), 204),
        "get": closed(target("*"), 400),
        "post": closed(target("*", "POST"), 400),
        "trace": closed(target("*", "TRACE"), 400),
        "more-behind-it": closed(target("*x", "OPTIONS"), 400),
        "query": closed(target("*?a", "OPTIONS"), 400),
    }),

    # ---- 4, 5 Status line and fields
    Clause("9112-4", "A status line is HTTP/1.1, a space, three digits, a space and a reason that may be empty.",
           elsewhere=("clauses/rfc9112_test.py::test_9112_4_the_status_line_has_its_form",)),
    Clause("9112-5", "A field is a name of token characters, a colon, and a value without its outer white space.", {
        "white-space-around": kept(headers("X: \t a b \t "), seen(x="a b")),
        "white-space-inside": kept(headers("X: a \t  b"), seen(x="a \t  b")),
        "none": kept(headers("X:a"), seen(x="a")),
        "empty": kept(headers("X:"), seen(x="")),
        "blanks-alone": kept(headers("X:  \t "), seen(x="")),
        "a-colon": kept(headers("X::a:b"), seen(x=":a:b")),
        "every-token-character": kept(headers("!#$%&'*+-.^_`|~09azAZ: 1"), Answer(200, json={"!#$%&'*+-.^_`|~09azaz": "1"})),
        "names-in-any-case": kept(headers("x-A: 1", "X-a: 2"), seen(x_a="1, 2")),
        "long-value": kept(headers("X: " + "a" * 16_000), seen(x="a" * 16_000)),
        "long-name": kept(headers("x" * 16_000 + ": 1"), Answer(200, json={"x" * 16_000: "1"})),
        "many": kept(headers(*[f"X: {n}" for n in range(99)]), seen(x=", ".join(str(n) for n in range(99)))),
        **{f"name-with-{name}": closed(get(f"X{sign}Y: 1"), 400) for name, sign in {
            "nul": "\0", "control": "\x01", "delete": "\x7f", "quote": '"', "parenthesis": "(", "comma": ",", "slash": "/",
            "semicolon": ";", "angle": "<", "equals": "=", "question": "?", "at": "@", "bracket": "[", "backslash": "\\",
            "brace": "{", "space": " ", "tab": "\t",
        }.items()},
        **{f"value-with-{name}": closed(get(f"X: a{sign}b"), 400) for name, sign in {
            "nul": "\0", "control-1": "\x01", "bell": "\x07", "backspace": "\x08", "vertical-tab": "\x0b",
            "form-feed": "\x0c", "escape": "\x1b", "control-31": "\x1f", "delete": "\x7f",
        }.items()},
    }),
    Clause("9112-5.1", "White space between a field's name and its colon is refused with 400.", {
        "space-before-colon": closed(get("X : 1"), 400),
        "tab-before-colon": closed(get("X\t: 1"), 400),
        "many-before-colon": closed(get("X   : 1"), 400),
        "space-before-colon-content-length": closed(post("Content-Length : 5", body=b"hello"), 400),
        "space-before-colon-transfer-encoding": closed(post("Transfer-Encoding : chunked", body=b"0\r\n\r\n"), 400),
        "space-before-colon-host": closed(request("GET /hello HTTP/1.1", "Host : t"), 400),
        "space-before-colon-1.0": closed(get("X : 1", version="1.0"), 400),
    }),
    Clause("9112-5.2", "A folded field line is refused with 400.", {
        "space": closed(get("X: a", " b"), 400),
        "tab": closed(get("X: a", "\tb"), 400),
        "empty": closed(get("X: a", " "), 400),
        "transfer-encoding": closed(post("Transfer-Encoding:", " chunked", body=b"0\r\n\r\n"), 400),
        "content-length": closed(post("Content-Length: 1", " 0", body=b"0123456789"), 400),
        "host": closed(request("GET /hello HTTP/1.1", "Host:", " t"), 400),
    }),

    # ---- 6 Body
    Clause("9112-6.1", "A transfer coding's name has no case; chunked is understood, others are answered 501.", {
        "chunked": kept(coding(" chunked"), echo(b"hello")),
        "upper-case": kept(coding(" CHUNKED"), echo(b"hello")),
        "mixed-case": kept(coding(" ChUnKeD"), echo(b"hello")),
        "white-space": kept(coding("\t chunked \t"), echo(b"hello")),
        "gzip-chunked": closed(coding(" gzip, chunked"), 501),
        "deflate-chunked": closed(coding(" deflate, chunked"), 501),
        "identity-chunked": closed(coding(" identity, chunked"), 501),
        "unknown-chunked": closed(coding(" x, chunked"), 501),
        "two-lines": closed(post("Transfer-Encoding: gzip", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 501),
    }),
    Clause("9112-6.1", "Chunked is applied once, and last.", {
        "twice": closed(coding(" chunked, chunked"), 400),
        "twice-in-two-lines": closed(post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
        "before-another": closed(coding(" chunked, gzip"), 400),
        "before-identity": closed(coding(" chunked, identity"), 400),
        "before-another-line": closed(post("Transfer-Encoding: chunked", "Transfer-Encoding: x", body=b"0\r\n\r\n"), 400),
    }),
    Clause("9112-6.1", "A message of HTTP/1.0 with Transfer-Encoding is faulty, whatever else it has.", {
        "1.0": closed(post("Transfer-Encoding: chunked", body=b"0\r\n\r\n", version="1.0"), 400),
        "1.0-with-length": closed(post("Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n", version="1.0"), 400),
        "1.0-keep-alive": closed(post("Transfer-Encoding: chunked", "Connection: keep-alive", body=b"0\r\n\r\n", version="1.0"), 400),
    }, prefix="faulty"),
    Clause("9112-6.1", "No Transfer-Encoding in 1xx and 204, nor in answers to HTTP/1.0.", {
        "204": kept(target("/hello", "OPTIONS"), Answer(204, transfer_encoding=None, content_length=None)),
        "1.0": closed(get(version="1.0"), Answer(200, transfer_encoding=None)),
    }),
    Clause("9112-6.2", "The length is one decimal number.", {
        "plain": kept(length(" 5"), echo(b"hello")),
        "zero": kept(length(" 0", b""), echo(b"")),
        "leading-zeros": kept(length(" 00005"), echo(b"hello")),
        "many-leading-zeros": kept(length(" " + "0" * 300 + "5"), echo(b"hello")),
        "white-space-around": kept(length(" \t 5 \t"), echo(b"hello")),
    }),
    Clause("9112-6.3", "Rule 3: Content-Length together with Transfer-Encoding is an error.", {
        "length-first": closed(post("Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
        "coding-first": closed(post("Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n"), 400),
        "length-zero": closed(post("Transfer-Encoding: chunked", "Content-Length: 0", body=b"0\r\n\r\n"), 400),
        "unknown-coding": closed(post("Transfer-Encoding: x", "Content-Length: 5", body=b"hello"), 400),
        "empty-coding": closed(post("Transfer-Encoding:", "Content-Length: 5", body=b"hello"), 400),
        "far-apart": closed(post("Content-Length: 5", *[f"X-{n}: 1" for n in range(50)], "Transfer-Encoding: chunked",
                                 body=b"0\r\n\r\n"), 400),
        "on-get": closed(get("Content-Length: 5", "Transfer-Encoding: chunked"), 400),
    }, prefix="rule-3"),
    Clause("9112-6.3", "Rule 4: a request whose codings do not end with chunked is answered 400 and closed.", {
        "identity": closed(coding(" identity", b"hello"), 400),
        "gzip": closed(coding(" gzip", b"hello"), 400),
        "empty": closed(coding("", b"hello"), 400),
        "comma": closed(coding(" ,"), 400),
        "xchunked": closed(coding(" xchunked"), 400),
        "chunkedx": closed(coding(" chunkedx"), 400),
        "x-chunked": closed(coding(" x-chunked"), 400),
        "quoted": closed(coding(' "chunked"'), 400),
        "parameter": closed(coding(" chunked;q=1"), 400),
        "semicolon": closed(coding(" chunked;"), 400),
        "no-comma": closed(coding(" gzip chunked"), 400),
        "vertical-tab": closed(coding(" \x0bchunked"), 400),
        "nul": closed(coding(" chunked\0"), 400),
        "above-ascii": closed(coding(" chun\xebed"), 400),
        "on-get": closed(get("Transfer-Encoding: x"), 400),
    }, prefix="rule-4"),
    Clause("9112-6.3", "Rule 5: a Content-Length that is not valid, or several, are answered 400 and closed; also equal "
                       "ones, which might be taken for one.", {
        **{name: closed(length(value), 400) for name, value in {
            "plus": " +5", "minus": " -5", "minus-zero": " -0", "hexadecimal": " 0x5", "hexadecimal-digit": " a",
            "octal": " 0o5", "exponent": " 5e0", "decimals": " 5.0", "empty": "", "blank": " ", "words": " five",
            "space-inside": " 5 0", "tab-inside": " 5\t0", "underscore": " 1_0", "comma": " ,", "trailing-comma": " 5,",
            "leading-comma": " ,5", "list": " 5, 5", "list-different": " 5, 6", "list-no-space": " 5,5", "quoted": ' "5"',
            "semicolon": " 5;", "nul": " 5\0", "vertical-tab": " \x0b5", "letter-behind": " 5x", "letter-before": " x5",
            "above-ascii": " 5\xa0", "superscript": " \xb2", "2^63": f" {2**63}", "2^64": f" {2**64}",
            "2^64+5": f" {2**64 + 5}", "2^32-digits": " " + "9" * 4000, "equals": " =5", "brackets": " [5]",
        }.items()},
        "twice": closed(post("Content-Length: 5", "Content-Length: 5", body=b"hello"), 400),
        "twice-different": closed(post("Content-Length: 5", "Content-Length: 6", body=b"hello"), 400),
        "twice-in-any-case": closed(post("content-length: 5", "CONTENT-LENGTH: 5", body=b"hello"), 400),
        "twice-one-empty": closed(post("Content-Length: 5", "Content-Length:", body=b"hello"), 400),
        "thrice": closed(post(*["Content-Length: 5"] * 3, body=b"hello"), 400),
        "bad-on-get": closed(get("Content-Length: x"), 400),
        "bad-on-head": closed(request("HEAD /hello HTTP/1.1", "Host: t", "Content-Length: x"), Answer(400, to_head=True)),
        "bad-in-1.0": closed(post("Content-Length: x", version="1.0"), 400),
    }, prefix="rule-5"),
    Clause("9112-6.3", "Rule 6: the body has as many octets as Content-Length says, whatever they are.", {
        "any-bytes": kept(post("Content-Length: 256", body=bytes(range(256))), echo(bytes(range(256)))),
        "looks-like-a-request": kept(post(f"Content-Length: {len(get())}", body=get()), echo(get())),
        "looks-like-chunks": kept(post("Content-Length: 5", body=b"0\r\n\r\n"), echo(b"0\r\n\r\n")),
        "1.0": closed(post("Content-Length: 5", body=b"hello", version="1.0"), echo(b"hello")),
        "on-get": kept(get("Content-Length: 5") + b"hello", HELLO),
        "on-a-path-that-is-not-there": kept(post("Content-Length: 5", body=b"hello", target="/nothing"), 404),
        "on-a-method-that-is-not-allowed": kept(post("Content-Length: 5", body=b"hello", target="/hello"), 405),
        "chunked-on-get": kept(get("Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n", HELLO),
        "chunked-on-a-path-that-is-not-there": kept(request("POST /nothing HTTP/1.1", "Host: t", "Transfer-Encoding: chunked",
                                                            body=b"5\r\nhello\r\n0\r\n\r\n"), 404),
    }, prefix="rule-6"),
    Clause("9112-6.3", "Rule 6: a body that ends early is incomplete: the connection ends, and no handler saw it.",
           elsewhere=("clauses/rfc9112_test.py::test_9112_6_3_a_body_that_ends_early_is_not_answered",)),
    Clause("9112-6.3", "Rule 7: a request with neither field has no body.", {
        "post": kept(post(), echo(b"")),
        "put": kept(target("/echo-body", "PUT"), echo(b"")),
        "options": kept(target("/hello", "OPTIONS"), 204),
    }, prefix="rule-7"),
    Clause("9112-6.3", "411 for a body without a length: here for the HTTP/1.0 methods that always have one.", {
        **{f"{method.lower()}-1.0": closed(target("/echo-body", method).replace(b"/1.1", b"/1.0"), 411)
           for method in ("POST", "PUT", "PATCH")},
        "post-1.0-keep-alive": closed(post("Connection: keep-alive", version="1.0"), 411),
        "post-1.0-bytes-behind": closed(post(version="1.0", body=b"hello"), 411),
        "post-1.0-zero": closed(post("Content-Length: 0", version="1.0"), echo(b"")),
        "get-1.0": closed(get(version="1.0"), HELLO),
        "delete-1.0": closed(target("/hello", "DELETE").replace(b"/1.1", b"/1.0"), 405),
    }),

    # ---- 7 Transfer codings
    Clause("9112-7.1", "Chunks: hexadecimal sizes in either case, data of any bytes, a last chunk of size zero.", {
        "one": kept(one_chunk(b"5"), echo(b"hello")),
        "none": kept(chunked(b"0\r\n\r\n"), echo(b"")),
        "many": kept(chunked(b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n"), echo(b"x" * 1000)),
        "upper-case": kept(one_chunk(b"1A", b"x" * 26), echo(b"x" * 26)),
        "lower-case": kept(one_chunk(b"1a", b"x" * 26), echo(b"x" * 26)),
        "leading-zeros": kept(one_chunk(b"0000000000000000000000005"), echo(b"hello")),
        "last-with-zeros": kept(chunked(b"5\r\nhello\r\n000\r\n\r\n"), echo(b"hello")),
        "data-looks-like-chunks": kept(one_chunk(b"b", b"\r\n0\r\n\r\nGET "), echo(b"\r\n0\r\n\r\nGET ")),
        "data-of-any-bytes": kept(one_chunk(b"100", bytes(range(256))), echo(bytes(range(256)))),
    }),
    Clause("9112-7.1", "A size is a hexadecimal number and nothing else; one that overflows is an error.", {
        **{name: closed(one_chunk(size), 400) for name, size in {
            "empty": b"", "space": b" ", "words": b"xyz", "prefix": b"0x5", "plus": b"+5", "minus": b"-5", "minus-zero": b"-0",
            "leading-space": b" 5", "leading-tab": b"\t5", "trailing-space": b"5 ", "trailing-tab": b"5\t",
            "letter-g": b"g", "letter-behind": b"5g", "underscore": b"0_5", "dot": b"5.0", "comma": b"5,", "nul": b"5\0",
            "above-ascii": b"5\xa0", "quoted": b'"5"', "2^63": b"8000000000000000", "2^64": b"10000000000000000",
            "2^64+5": b"10000000000000005", "2^32-digits": b"f" * 1000, "h-suffix": b"5h",
        }.items()},
        "2^63-1": closed(one_chunk(b"7fffffffffffffff"), 413),
        "2^32": closed(one_chunk(b"100000005"), 413),
    }),
    Clause("9112-7.1", "CR LF stands behind the size, behind the data and at the end; nothing else does.", {
        "bare-lf-behind-size": closed(chunked(b"5\nhello\r\n0\r\n\r\n"), 400),
        "bare-cr-behind-size": closed(chunked(b"5\rhello\r\n0\r\n\r\n"), 400),
        "cr-cr-lf-behind-size": closed(chunked(b"5\r\r\nhello\r\n0\r\n\r\n"), 400),
        "bare-lf-behind-data": closed(chunked(b"5\r\nhello\n0\r\n\r\n"), 400),
        "bare-cr-behind-data": closed(chunked(b"5\r\nhello\r0\r\n\r\n"), 400),
        "nothing-behind-data": closed(chunked(b"5\r\nhello0\r\n\r\n"), 400),
        "two-bytes-behind-data": closed(chunked(b"5\r\nhelloxx0\r\n\r\n"), 400),
        "more-data-than-size": closed(chunked(b"4\r\nhello\r\n0\r\n\r\n"), 400),
        "less-data-than-size": closed(chunked(b"6\r\nhello\r\n0\r\n\r\n"), 400),
        "empty-line-before-size": closed(chunked(b"\r\n5\r\nhello\r\n0\r\n\r\n"), 400),
        "bare-lf-behind-last-size": closed(chunked(b"0\n\r\n"), 400),
        "bare-lf-at-the-end": closed(chunked(b"0\r\n\n"), 400),
        "cr-and-another-at-the-end": closed(chunked(b"0\r\n\rX"), 400),
        "request-in-place-of-the-end": closed(chunked(b"0\r\n"), 400),
    }),
    Clause("9112-7.1.1", "Chunk extensions are read by their grammar and ignored.", {
        **{name: kept(one_chunk(b"5" + extension), echo(b"hello")) for name, extension in {
            "name": b";a", "value": b";a=b", "quoted": b';a="b c"', "quoted-empty": b';a=""', "several": b';a=1;b="2";c',
            "white-space": b" ; a = b", "tabs": b"\t;\ta\t=\tb", "quoted-semicolon": b';a="1;2,3=4"',
            "escaped-quote": b';a="\\""', "escaped-backslash": b';a="\\\\"', "quoted-utf-8": ';a="ü"'.encode(),
            "any-token": b";!#$%&'*+-.^_`|~=!#$%&'*+-.^_`|~", "looks-like-a-size": b";a=0",
        }.items()},
        "on-the-last": kept(chunked(b"5\r\nhello\r\n0;a=b\r\n\r\n"), echo(b"hello")),
    }),
    Clause("9112-7.1.1", "What is no extension is refused; nothing in one ends its line but CR LF.", {
        **{name: closed(one_chunk(b"5" + extension), 400) for name, extension in {
            "semicolon-alone": b";", "no-name": b";=b", "no-value": b";a=", "empty-one": b";a;;b", "trailing-semicolon": b";a;",
            "two-words": b";a b", "open-quote": b';a="b', "behind-a-quote": b';a="b"c', "bare-lf": b";a\nb",
            "bare-lf-in-quotes": b';a="\n"', "bare-cr": b";a\rb", "bare-cr-in-quotes": b';a="\rb"', "nul": b";a\0",
            "nul-in-quotes": b';a="\0"', "control": b";a\x01", "escaped-control": b';a="\\\x01"', "comma": b";a,b",
            "above-ascii": b";a=\xfc", "quoted-name": b';"a"=b', "trailing-space": b";a ", "no-semicolon": b" a=b",
        }.items()},
    }),
    Clause("9112-7.1.1", "The length of all extensions of a request is limited; above it the answer is 400.", {
        "3000-bytes": kept(one_chunk(b"5;a=" + b"b" * 3000), echo(b"hello")),
        "5000-bytes": closed(one_chunk(b"5;a=" + b"b" * 5000), 400),
        "5000-bytes-in-many": closed(chunked(b"1;a=bcdef\r\nx\r\n" * 800 + b"0\r\n\r\n"), 400),
        "5000-zeros": closed(one_chunk(b"0" * 5000 + b"5"), 400),
    }),
    Clause("9112-7.1.2", "Trailer fields are checked, and never taken for header fields.", {
        "one": kept(trailers("X: 1"), echo(b"hello")),
        "many": kept(trailers(*[f"X-{n}: {n}" for n in range(50)]), echo(b"hello")),
        "empty-value": kept(trailers("X:"), echo(b"hello")),
        "content-length": kept(trailers("Content-Length: 100"), echo(b"hello")),
        "transfer-encoding": kept(trailers("Transfer-Encoding: gzip"), echo(b"hello")),
        "host": kept(trailers("Host: a b"), echo(b"hello")),
        "connection-close": kept(trailers("Connection: close"), echo(b"hello")),
        "not-merged": kept(request("GET /headers HTTP/1.1", "Host: t", "Transfer-Encoding: chunked",
                                   body=b"0\r\nX-Late: 1\r\nHost: late\r\n\r\n"), Answer(200, json={"x-late": None, "host": "t"})),
        "no-colon": closed(trailers("nonsense"), 400),
        "no-name": closed(trailers(": 1"), 400),
        "space-before-colon": closed(trailers("X : 1"), 400),
        "folded": closed(trailers("X: a", " b"), 400),
        "leading-space": closed(trailers(" X: a"), 400),
        "control-in-value": closed(trailers("X: a\x01"), 400),
        "nul-in-value": closed(trailers("X: a\0"), 400),
        "bare-lf": closed(trailers("X: a\nY: b"), 400),
        "bare-cr": closed(trailers("X: a\rY: b"), 400),
        "name-above-ascii": closed(trailers("\xfc: a"), 400),
        "request-line": closed(trailers("GET /hello HTTP/1.1"), 400),
        "too-many": closed(trailers(*["X: 1"] * 200), 431),
        "too-large": closed(trailers("X: " + "a" * 40_000), 431),
    }),
    Clause("9112-7.2", "Compression codings are transfer codings that the server does not understand.", {
        **{name: closed(coding(f" {name}, chunked"), 501) for name in ("compress", "deflate", "gzip", "x-gzip", "x-compress")},
    }),
    Clause("9112-7.3", "Registration of codings.", untested="binds authors of specifications"),
    Clause("9112-7.4", "TE says which codings and trailers the client takes: none is ever sent to it.", {
        "trailers": kept(get("TE: trailers", "Connection: TE"), Answer(200, b"hello\n", transfer_encoding=None)),
        "deflate": kept(get("TE: deflate;q=0.5, gzip", "Connection: TE"), Answer(200, b"hello\n", transfer_encoding=None)),
        "chunked": kept(get("TE: chunked"), HELLO),
        "empty": kept(get("TE:"), HELLO),
    }),

    # ---- 8, 9 Connections
    Clause("9112-8", "A request that does not come in time is answered 408 before the connection closes.",
           elsewhere=("http_test.py::test_a_head_that_does_not_end_in_time_is_408",
                      "http_test.py::test_a_head_that_trickles_is_408_all_the_same",
                      "http_test.py::test_a_body_that_stalls_is_408")),
    Clause("9112-9.3", "Connections persist by the version and the connection options; options have no case.", {
        "1.1": kept(get(), Answer(200, connection=None)),
        "1.1-keep-alive": kept(get("Connection: keep-alive"), HELLO),
        "1.1-close": closed(get("Connection: close"), HELLO_CLOSE),
        "1.1-close-in-any-case": closed(get("Connection: ClOsE"), HELLO_CLOSE),
        "1.1-close-in-a-list": closed(get("Connection: x , close,y"), HELLO_CLOSE),
        "1.1-close-after-empty-elements": closed(get("Connection: ,, ,close"), HELLO_CLOSE),
        "1.1-close-in-a-second-line": closed(get("Connection: x", "Connection: close"), HELLO_CLOSE),
        "1.1-close-wins": closed(get("Connection: keep-alive, close"), HELLO_CLOSE),
        "1.1-closed-is-another-option": kept(get("Connection: closed"), HELLO),
        "1.1-unknown-option": kept(get("Connection: frobnicate"), HELLO),
        "1.1-empty": kept(get("Connection:"), HELLO),
        "1.2": kept(get(version="1.2"), HELLO),
        "1.2-close": closed(get("Connection: close", version="1.2"), HELLO_CLOSE),
        "1.0": closed(get(version="1.0"), HELLO_CLOSE),
        "1.0-keep-alive": kept(get("Connection: keep-alive", version="1.0"), Answer(200, b"hello\n", connection="keep-alive")),
        "1.0-keep-alive-in-any-case": kept(get("Connection: Keep-Alive", version="1.0"), Answer(200, connection="keep-alive")),
        "1.0-keep-alive-and-close": closed(get("Connection: keep-alive, close", version="1.0"), HELLO_CLOSE),
        "1.0-unknown-option": closed(get("Connection: x", version="1.0"), HELLO_CLOSE),
        "1.0-keep-alive-field-alone": closed(get("Keep-Alive: timeout=5", version="1.0"), HELLO_CLOSE),
        "proxy-connection-means-nothing": kept(get("Proxy-Connection: close"), HELLO),
        "after-404": kept(get(target="/nothing"), 404),
        "after-405": kept(target("/hello", "DELETE"), 405),
    }),
    Clause("9112-9.3", "A request's body is read whole before the next request, also where nobody wants it.", {
        "404": kept(post("Content-Length: 70000", body=b"x" * 70_000, target="/nothing"), 404),
        "405": kept(post("Content-Length: 70000", body=b"x" * 70_000, target="/hello"), 405),
        "404-chunked": kept(request("POST /nothing HTTP/1.1", "Host: t", "Transfer-Encoding: chunked",
                                    body=b"5\r\nhello\r\n" * 1000 + b"0\r\n\r\n"), 404),
        "handler-that-does-not-look": kept(get("Content-Length: 30") + get()[:30], HELLO),
    }),
    Clause("9112-9.3.2", "Answers to pipelined requests come in the order of the requests, while handlers run.", {
        "mixed": kept(get() + post("Content-Length: 1", body=b"1") + get(target="/nothing") +
                      request("HEAD /hello HTTP/1.1", "Host: t") + post("Content-Length: 1", body=b"2"),
                      HELLO, echo(b"1"), 404, HELLO_HEAD, echo(b"2")),
        "slow-first": kept(get(target="/sleep/0.05") + get() + post("Content-Length: 1", body=b"1"),
                           Answer(200, b"slept\n"), HELLO, echo(b"1")),
        "slow-ones": kept(get(target="/sleep/0.03") + get(target="/sleep/0.01") + get(),
                          Answer(200, b"slept\n"), Answer(200, b"slept\n"), HELLO),
        "slow-with-a-body-behind": kept(get(target="/sleep/0.02") + post("Content-Length: 5000", body=b"x" * 5000),
                                        Answer(200, b"slept\n"), echo(b"x" * 5000)),
        "chunked-ones": kept(one_chunk(b"1", b"a") + one_chunk(b"1", b"b"), echo(b"a"), echo(b"b")),
        "refused-last": closed(get() + get(target="/sleep/0.02") + get("X : 1") + get(), HELLO, 200, 400),
        "closed-in-between": closed(get() + get("Connection: close") + get(), HELLO, HELLO_CLOSE),
        "a-hundred": kept(get() * 100, *[HELLO] * 100),
    }, elsewhere=("http_test.py::test_pipelined_requests_are_answered_in_order",
                  "unit/worker/http/server_test.c::requests_behind_a_parked_one_wait_for_it")),
    Clause("9112-9.4", "Concurrency: a client limits its connections.", untested="binds clients"),
    Clause("9112-9.5", "Idle connections are closed in an orderly way, and a client's end is seen at once.",
           elsewhere=("http_test.py::test_an_idle_connection_is_closed_without_a_word",
                      "http_test.py::test_a_connection_that_never_says_anything_is_closed",
                      "http_test.py::test_a_client_that_shuts_its_side_still_gets_its_answer",
                      "unit/worker/http/server_test.c::a_client_may_end_after_any_byte")),
    Clause("9112-9.6", "After close, said by either side, nothing more is processed, and a client that still sends can "
                       "read the answer.",
           elsewhere=("clauses/rfc9112_test.py::test_9112_9_6_a_refusal_reaches_a_client_that_is_still_sending",
                      "clauses/rfc9112_test.py::test_9112_9_6_requests_behind_a_close_are_not_processed",
                      "unit/worker/http/server_test.c::draining_ends_idle_connections_and_finishes_requests")),
    Clause("9112-9.7", "TLS.", untested="TLS ends at a proxy in front of the server"),
    Clause("9112-10", "The media types message/http and application/http.", untested="the server makes and reads neither"),
    Clause("9112-11.2", "Request smuggling: behind whatever is refused, nothing is read as a request. Every case here that "
                        "ends its connection has a request behind it, and more forms of the attack are these.", {
        "cl-te": closed(post("Content-Length: 6", "Transfer-Encoding: chunked", body=b"0\r\n\r\nG" + get()), 400),
        "te-cl": closed(post("Content-Length: 4", "Transfer-Encoding: chunked",
                             body=b"5c\r\n" + get() + b"\r\n0\r\n\r\n"), 400),
        "te-te": closed(post("Transfer-Encoding: chunked", "Transfer-Encoding: cow", body=b"0\r\n\r\n"), 400),
        "te-space": closed(post("Transfer-Encoding : chunked", "Content-Length: 5", body=b"0\r\n\r\n"), 400),
        "te-tab-name": closed(post("Transfer-Encoding\t: chunked", "Content-Length: 5", body=b"0\r\n\r\n"), 400),
        "te-leading-space": closed(post("X: a", " Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n"), 400),
        "te-underscore-is-another-field": kept(post("Transfer_Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n"),
                                               echo(b"0\r\n\r\n")),
        "te-null-byte": closed(post("Transfer-Encoding: chunked\0", "Content-Length: 5", body=b"0\r\n\r\n"), 400),
        "cl-0-on-get": kept(get("Content-Length: 0"), HELLO),
        "cl-zero-then-body": kept(post("Content-Length: 0"), echo(b"")),
        "body-on-get-looks-like-a-request": kept(get(f"Content-Length: {len(get())}") + get(), HELLO),
        "body-on-head": kept(request("HEAD /hello HTTP/1.1", "Host: t", "Content-Length: 5", body=b"hello"), HELLO_HEAD),
        "chunk-size-overflow": closed(one_chunk(b"1" + b"0" * 16), 400),
        "connection-names-content-length": kept(post("Connection: content-length", "Content-Length: 5", body=b"hello"), echo(b"hello")),
    }),
]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("case", rows(CLAUSES))
def test_clause(server, case, cut):
    run_http(server, case, cut)


# ---- what takes more than bytes and answers

def test_9112_4_the_status_line_has_its_form(server):
    for path, line in (("/hello", b"HTTP/1.1 200 OK"), ("/nothing", b"HTTP/1.1 404 Not Found")):
        for version in ("1.0", "1.1", "1.2"):
            with Http(server) as connection:
                connection.send(get(target=path, version=version))
                assert connection.line() == line


@pytest.mark.parametrize("sent", [
    post("Content-Length: 10", body=b"hello"),
    chunked(b"5\r\nhel"),
    chunked(b"5\r\nhello\r\n"),
    chunked(b"5\r\nhello\r\n0\r\n"),
    chunked(b"5\r\nhello\r\n0\r\nX: 1\r\n"),
], ids=["length", "in-a-chunk", "before-the-last", "before-the-end", "in-the-trailers"])
def test_9112_6_3_a_body_that_ends_early_is_not_answered(server, sent):
    with Http(server) as connection:
        connection.send(sent)
        connection.socket.shutdown(SHUT_WR)
        assert connection.rest() == b""


def test_9112_9_6_a_refusal_reaches_a_client_that_is_still_sending(server):
    with Http(server) as connection:
        connection.send(post("Content-Length: 100000000"))
        for _ in range(40):
            connection.send(b"x" * (100 << 10))
        assert connection.response().status == 413
        assert connection.at_end()


def test_9112_9_6_requests_behind_a_close_are_not_processed(server):
    """A request behind the close would sleep, and what it holds up would come late."""
    with Http(server) as connection:
        connection.send(get("Connection: close") + get(target="/sleep/30") + get() * 1000)
        assert connection.response().header("Connection") == "close"
        assert connection.at_end()
