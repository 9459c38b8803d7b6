# SPDX-License-Identifier: Apache-2.0
"""docs/conformance.md says what the tables say, no clause in them is without proof or reason, and each proof exists."""

import importlib
import re
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]  # for `python3 conformance_test.py`

from hubbub import ROOT  # noqa: E402
from proofs import assert_test_exists  # noqa: E402

pytestmark = pytest.mark.plain

TABLES = ["rfc9110_test", "rfc9112_test", "rfc6455_test", "rfc7692_test", "rfc3629_test"]
TITLES = {"9110": "HTTP semantics", "9111": "HTTP caching", "9112": "HTTP/1.1", "6455": "WebSocket",
          "7692": "permessage-deflate", "3629": "UTF-8"}
HEAD = """# Conformance

This page is made by `/usr/bin/python3 tests/system/clauses/conformance_test.py` from the tables of the tests beside it.

A case is called by its section and name, as `9112-5.1-tab-before-colon`, and is run with
`./bootstrap test -k 9112-5.1-tab-before-colon`. Every case of HTTP and WebSocket is run three times: its bytes sent
at once, in pieces, and one by one, with the same result. Behind each request of a case stands another: behind what
was refused it must not be read. Tests that are named with a file prove a clause elsewhere; `unit/` is `tests/unit/`,
other files are in `tests/system/`.
"""


def table_of(module):
    return importlib.import_module(module).CLAUSES


def order(clause):
    return [int(part) for part in re.findall(r"\d+", clause.section)]


def proof(clause):
    names = ", ".join(f"`{name}`" for name in clause.cases)
    cases = f"`{clause.name_of('…')}`: {names}" if names else ""
    places = ", ".join(f"`{place}`" for place in clause.elsewhere)
    reason = f"not tested: {clause.untested}" if clause.untested else ""
    return ("; ".join(filter(None, (cases, places, reason)))).replace("|", "\\|")


def page():
    parts = [HEAD]
    for number, title in TITLES.items():
        table = sorted((clause for module in TABLES for clause in table_of(module) if clause.section.startswith(number)), key=order)
        count = sum(len(clause.cases) for clause in table)
        parts.append(f"\n## RFC {number}, {title}\n\n{len(table)} clauses, {count} cases.\n\n"
                     "| section | what it asks, or what is chosen | proof |\n| --- | --- | --- |\n")
        parts += [f"| {clause.section.partition('-')[2]} | {clause.says} | {proof(clause)} |\n" for clause in table]
    return "".join(parts)


def test_the_page_is_that_of_the_tables():
    assert (ROOT / "docs" / "conformance.md").read_text() == page(), "run tests/system/clauses/conformance_test.py"


@pytest.mark.parametrize("module", TABLES)
def test_every_clause_has_a_proof_or_a_reason(module):
    for clause in table_of(module):
        assert clause.cases or clause.elsewhere or clause.untested, clause.says
        assert clause.section.partition("-")[0] in TITLES, clause.section


@pytest.mark.parametrize("module", TABLES)
def test_every_test_that_is_named_exists(module):
    for clause in table_of(module):
        for place in clause.elsewhere:
            assert_test_exists(place)


def test_every_table_is_in_the_page():
    assert sorted(TABLES) == sorted(path.stem for path in Path(__file__).parent.glob("rfc*_test.py"))


if __name__ == "__main__":
    (ROOT / "docs" / "conformance.md").write_text(page())
