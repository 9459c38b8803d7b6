# SPDX-License-Identifier: Apache-2.0
"""What the server takes for JSON is what another reader of it takes, over texts made of pieces and broken ones."""

import ctypes
import json
import random
import subprocess

import pytest

from hubbub import ROOT

pytestmark = pytest.mark.plain

OK, DEEPEST, TEXTS = 0, 64, 30000
SCALARS = ["null", "true", "false", "0", "-0", "7", "-12.5", "1e5", "0.25E-3", "1E+2", '""', '"a"', '"[1,{"', '"\\n\\"\\\\"',
           '"\\u00e9\\ud83d\\ude00"', '"é😀"', '"longer than one vector of sixteen bytes, by some"']
WRONG = ["nul", "True", "01", "-", "1.", ".5", "1e", "+1", "0x1", "NaN", "Infinity", '"', '"\\x"', '"\\u12g4"', '"\t"', "'a'", "", ","]
BLANKS = ["", "", "", " ", "\n", "\t\r "]


class Bytes(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("length", ctypes.c_size_t)]


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    library = tmp_path_factory.mktemp("json") / "json.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-std=gnu17", "-D_GNU_SOURCE", f"-I{ROOT}", f"-I{ROOT}/include", "-o", library,
                    ROOT / "worker/sio/json.c", ROOT / "worker/sio/json_text.c"], check=True)
    function = ctypes.CDLL(str(library)).json_check
    function.argtypes = [Bytes, ctypes.c_uint, ctypes.c_void_p]
    return lambda text: function(Bytes(text, len(text)), DEEPEST, None) == OK


def refuse(word):
    raise ValueError(word)


def peer_takes(text):
    try:
        json.loads(text, parse_constant=refuse)  # which takes NaN without it
        return True
    except ValueError:
        return False


def piece(source, depth):
    """A value with blanks around it, which is wrong once in a while."""
    kind = source.random()
    if depth == 0 or kind < 0.5:
        text = source.choice(SCALARS if source.random() < 0.98 else WRONG)
    elif kind < 0.75:
        text = "[" + ",".join(piece(source, depth - 1) for _ in range(source.randrange(4))) + "]"
    else:
        text = "{" + ",".join(f'{source.choice(BLANKS)}"{source.choice("abcnum")}"{source.choice(BLANKS)}:{piece(source, depth - 1)}'
                              for _ in range(source.randrange(4))) + "}"
    return source.choice(BLANKS) + text + source.choice(BLANKS)


def broken(source, text):
    """One character taken out, put in, or changed."""
    at = source.randrange(len(text) + 1)
    new = source.choice('[]{}",:\\ u0-1.e\x01\x7f')
    return source.choice([text[:at] + text[at + 1:], text[:at] + new + text[at:], text[:at] + new + text[at + 1:]])


def test_it_takes_what_pythons_reader_takes(check):
    source = random.Random(8259)
    taken = 0
    for _ in range(TEXTS):
        text = piece(source, 4)
        if source.random() < 0.6:
            text = broken(source, text)
        expected = peer_takes(text)
        taken += expected
        assert check(text.encode()) == expected, text
    assert TEXTS / 5 < taken < TEXTS * 4 / 5  # or it would show little
