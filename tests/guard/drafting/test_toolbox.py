"""Tools are those of a chat request, each name once."""

import json

import pytest

from counterform.errors import DataError
from counterform.guard.drafting.toolbox import read_tools


def read(tmp_path, given):
    path = tmp_path / "tools.json"
    path.write_text(given if isinstance(given, str) else json.dumps(given))
    return read_tools(path)


def test_shapes_and_values(tmp_path):
    cabin = {"type": "string", "enum": ["economy", "business"]}
    schema = {"properties": {"cabin": cabin, "legs": {"items": {"properties": {"kind": {"enum": ["one way", 3]}}}}}}
    wrapped = [{"type": "function", "function": {"name": "book", "description": "Book.", "parameters": schema}}]
    for given in (wrapped, {"tools": wrapped}, [wrapped[0]["function"]]):
        box = read(tmp_path, given)
        assert list(box.tools) == ["book"]
        assert box.values() == {"cabin": ("economy", "business"), "kind": ("one way",)}
    assert read(tmp_path, [{"name": "a", "parameters": None}]).tools["a"].parameters == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{", "no JSON"),
        ("[]", "offers no tool"),
        ('"x"', "offers no tool"),
        ([{"name": "a"}, {"name": "a"}], "two tools named 'a'"),
        ([{"name": "a"}, {"function": {}}], "entry 2"),
        ([{"name": "a b"}], "entry 1"),
        ([3], "entry 1"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_what_is_no_tools(tmp_path, given, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, given)
    with pytest.raises(DataError, match="cannot be read"):
        read_tools(tmp_path / "none.json")
