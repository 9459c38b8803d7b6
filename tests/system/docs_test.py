# SPDX-License-Identifier: Apache-2.0
"""What the documentation says is true: its C compiles, its links lead somewhere, its options and commands exist."""

import re
import subprocess

import pytest

from hubbub import BUILD, ROOT, run
from proofs import assert_test_exists

pytestmark = pytest.mark.plain

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def blocks(language):
    return [pytest.param(found.group(2), id=f"{page.name}:{page.read_text()[:found.start()].count(chr(10)) + 1}")
            for page in PAGES if page.exists()
            for found in FENCE.finditer(page.read_text()) if found.group(1) == language]


def without_code(text):
    return FENCE.sub("", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_page_exists(page):
    assert page.exists() and page.read_text().startswith("# ")


@pytest.mark.parametrize("code", blocks("c"))
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_its_c_compiles_without_a_warning(tmp_path, compiler, code):
    """A block that includes nothing is a piece of a file that includes what it needs."""
    if "#include" not in code:
        code = "#include <hubbub.h>\n#include <stdio.h>\n#include <stdlib.h>\n" + code
    (tmp_path / "block.c").write_text(code)
    subprocess.run([compiler, "-std=gnu17", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-Wno-unused-function",
                    "-Wno-unused-parameter", f"-I{ROOT}/include", "-c", "block.c", "-o", "block.o"],
                   cwd=tmp_path, check=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_its_links_lead_somewhere(page):
    for target in LINK.findall(without_code(page.read_text())):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        where = (page.parent / path).resolve() if path else page
        assert where.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", without_code(where.read_text()), re.MULTILINE)
            anchors = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
            assert anchor in anchors, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_options_that_it_names_exist(page):
    known = run("--help").stdout + "--print-reference"  # for this reference only, so not in --help
    known += subprocess.run([BUILD / "hubbubctl", "--help"], capture_output=True, text=True).stdout
    for option in set(re.findall(r"hubbub[^\n|]*?(--[a-z][a-z-]+)", page.read_text())):
        assert option in known, option


def test_the_example_of_the_readme_is_the_message_example():
    readme = (ROOT / "README.md").read_text()
    message = (ROOT / "examples" / "message.c").read_text()
    assert message.partition("\n")[2] in readme


def test_the_examples_are_as_short_as_the_readme_says():
    def lines_of_c(name):
        text = re.sub(r"/\*.*?\*/", "", (ROOT / "examples" / name).read_text(), flags=re.DOTALL)
        return sum(bool(line.strip()) for line in text.splitlines())

    assert lines_of_c("echo.c") <= 12
    assert lines_of_c("message.c") <= 15
    assert lines_of_c("chat.c") <= 32


def test_the_configuration_reference_is_that_of_the_option_table():
    assert (ROOT / "docs" / "configuration.md").read_text() == run("--print-reference").stdout


REFERENCE = re.compile(r"^### `([a-z-]+)`\n.*?^(?:Default: `([^`]+)`|No default)", re.MULTILINE | re.DOTALL)
LIMITED = ("Supervision of workers", "Connections and HTTP", "WebSocket", "Socket.IO and Engine.IO", "Output queue of one client",
           "Memory")
NO_LIMITS = {"forwarded-allow-ips", "proxy-allow-from", "proxy-protocol", "static-cache", "http-compress", "http-compress-threshold", "ws-origins", "ws-deflate",
             "ws-deflate-threshold", "reload-verify", "max-requests-jitter", "max-worker-memory-jitter",
             "max-worker-lifetime-jitter", "sio-transports", "sio-origins", "sio-cookie", "sio-compress-threshold"}  # among those that are


def test_every_limit_is_told():
    """docs/limits.md has every option that is a limit, with its default; `backlog` stands in another group."""
    groups = run("--print-reference").stdout.split("\n## ")
    limits = {"backlog": "2048"}
    for group in groups:
        if group.startswith(LIMITED):
            limits.update(REFERENCE.findall(group))
    told = dict(re.findall(r"^\| `([a-z-]+)` \| `([^`]+)` \|", (ROOT / "docs" / "limits.md").read_text(), re.MULTILINE))
    assert told == {name: value for name, value in limits.items() if name not in NO_LIMITS}


def test_the_tests_of_the_limits_exist():
    for row in re.findall(r"^\| .* \|$", (ROOT / "docs" / "limits.md").read_text(), re.MULTILINE)[2:]:
        place = row.rpartition(" | ")[2]
        for name in re.findall(r"`([^`]+::\w+)`", place):
            assert_test_exists(name)
        assert "::" in place or place.strip(" |") in ("tested by", "---", "not here: the kernel's doing"), row


GUNICORN = ROOT / "docs" / "gunicorn.md"


def gunicorn_rows(title):
    """The cells of the rows of a chapter's table."""
    chapter = GUNICORN.read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in re.findall(r"^\|.*\|$", chapter, re.MULTILINE)]
    assert len(rows) > 2, title
    return rows[2:]


def test_the_options_that_are_gunicorns_exist():
    known = set(re.findall(r"--[a-z-]+", run("--help").stdout))
    for row in gunicorn_rows("Options"):
        assert row[1].strip("`") in known, row


def test_the_options_of_gunicorns_that_are_not_offered_are_refused_with_a_reason():
    for names, _ in gunicorn_rows("What is not offered"):
        for name in re.findall(r"`(-[^`]+)`", names):
            refused = run(name, "app.so")
            assert refused.returncode == 2 and f"there is no option {name}: " in refused.stderr, refused.stderr


# The settings of gunicorn 26.1: its options, and what only its file has.
GUNICORNS_OPTIONS = """
config bind backlog workers worker-class threads worker-connections max-requests max-requests-jitter timeout
graceful-timeout keep-alive limit-request-line limit-request-fields limit-request-field_size reload reload-engine
reload-extra-file spew check-config print-config preload no-sendfile reuse-port chdir daemon env pid worker-tmp-dir
user group umask initgroups forwarded-allow-ips access-logfile disable-redirect-access-to-syslog access-logformat
error-logfile log-file log-level capture-output logger-class log-config log-config-json log-syslog-to log-syslog
log-syslog-prefix log-syslog-facility enable-stdio-inheritance statsd-host dogstatsd-tags statsd-prefix
enable-backlog-metric name pythonpath paste paster proxy-protocol proxy-allow-from protocol uwsgi-allow-from keyfile
certfile ssl-version cert-reqs ca-certs suppress-ragged-eofs do-handshake-on-connect ciphers http-protocols
http2-cleartext http2-max-concurrent-streams http2-initial-window-size http2-max-frame-size http2-max-header-list-size
paste-global permit-obsolete-folding strip-header-spaces permit-unconventional-http-method
permit-unconventional-http-version casefold-http-method forwarder-headers header-map asgi-loop asgi-lifespan
asgi-disconnect-grace-period http-parser root-path dirty-app dirty-workers dirty-timeout dirty-threads
dirty-graceful-timeout control-socket control-socket-mode no-control-socket
""".split()
GUNICORNS_KEYS = """
wsgi_app keepalive reload_extra_files preload_app sendfile raw_env pidfile tmp_upload_dir secure_scheme_headers
accesslog access_log_format errorlog loglevel logconfig logconfig_dict logconfig_json syslog_addr syslog syslog_prefix
syslog_facility proc_name default_proc_name on_starting on_reload when_ready pre_fork post_fork post_worker_init
worker_int worker_abort pre_exec pre_request post_request child_exit worker_exit nworkers_changed on_exit ssl_context
proxy_allow_ips uwsgi_allow_ips raw_paste_global_conf dirty_apps on_dirty_starting dirty_post_fork dirty_worker_init
dirty_worker_exit control_socket_disable
""".split()


def test_every_option_of_gunicorns_is_offered_or_not_with_a_reason():
    page = GUNICORN.read_text()
    missing = [name for name in GUNICORNS_OPTIONS if f"`--{name}`" not in page]
    assert missing == []


def test_every_key_of_gunicorns_file_is_answered(tmp_path):
    file = tmp_path / "gunicorn.yaml"
    for key in GUNICORNS_KEYS:
        file.write_text(f"\n{key}: x\n")
        refused = run("-c", file, "app.so")
        assert refused.returncode == 2 and f"gunicorn.yaml:2: there is no option {key}: " in refused.stderr, refused.stderr


@pytest.mark.parametrize("title", ["Signals to the master", "Reloads", "Upgrades", "Control", "Listeners", "Logs", "Supervision"])
def test_the_tests_of_what_differs_from_gunicorn_exist(title):
    for row in gunicorn_rows(title):
        places = re.findall(r"`([^`]+::\w+)`", row[-1])
        assert places, row
        for place in places:
            assert_test_exists(place)


def test_every_public_function_is_in_the_guide():
    header = re.sub(r"/\*.*?\*/", "", (ROOT / "include" / "hubbub.h").read_text(), flags=re.DOTALL)
    guide = (ROOT / "docs" / "api.md").read_text()
    names = set(re.findall(r"\b(hub_[a-z_]+)\s*\(", header)) - {"hub_module_declared"}
    missing = sorted(name for name in names if not re.search(rf"\b{name}\b", guide))
    assert missing == []


SOCKETIO = re.compile(r"\b(hub_(?:on|on_connect|on_disconnect|on_socketio|on_engine|refuse|reply|emit|emitv|ack_send|call|call_many|join_all|"
                      r"leave_all|disconnect_all|in|volatile|local_only|to_rooms|except_rooms|(?:client|value|engine|fetch)_[a-z]+))\s*\(")


@pytest.mark.parametrize("name", ["from-flask-socketio.md", "from-node.md"])
def test_the_tables_of_counterparts_are_whole_and_name_nothing_else(name):
    header = re.sub(r"/\*.*?\*/", "", (ROOT / "include" / "hubbub.h").read_text(), flags=re.DOTALL)
    page = (ROOT / "docs" / name).read_text()
    missing = sorted(function for function in set(SOCKETIO.findall(header)) if not re.search(rf"\b{function}\b", page))
    assert missing == []
    unknown = sorted(word for word in set(re.findall(r"\bhub_[a-z_]+\b", page)) if not re.search(rf"\b{word}\b", header))
    assert unknown == []


def test_the_example_of_flask_socketios_users_is_the_message_example():
    example = (ROOT / "examples" / "message.c").read_text().partition("\n")[2]
    assert example in (ROOT / "docs" / "from-flask-socketio.md").read_text()


def test_bootstrap_explains_itself_and_names_a_wrong_command():
    explained = subprocess.run([ROOT / "bootstrap"], capture_output=True, text=True)
    assert explained.returncode == 0
    for command in ("run", "test", "bench", "fuzz"):
        assert re.search(rf"^  {command}\b", explained.stdout, re.MULTILINE)
    wrong = subprocess.run([ROOT / "bootstrap", "tset"], capture_output=True, text=True)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.count("\n") == 1 and "tset" in wrong.stderr
