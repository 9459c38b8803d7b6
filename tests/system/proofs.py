# SPDX-License-Identifier: Apache-2.0
"""Names of tests as the documentation writes them: FILE::TEST, below tests/system or, with unit/ in front, tests/."""

import re

from hubbub import ROOT


def assert_test_exists(place):
    file, _, name = place.partition("::")
    path = ROOT / "tests" / file if file.startswith("unit/") else ROOT / "tests" / "system" / file
    start = "def" if file.endswith(".py") else "static void"
    assert path.exists() and re.search(rf"^{start} {name}\(", path.read_text(), re.MULTILINE), f"there is no test {place}"
