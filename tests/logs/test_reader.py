"""Every format keeps the promises of a reader, and is known from every other by what its files hold."""

import numpy as np
import pytest

from counterform import parts
from counterform.logs.archive import names
from counterform.logs.reader import Broken, Score, content_id, key_text, message_text, numeric
from counterform.logs.streams import head
from counterform.testing import check_log_reader
from counterform.types import Mark


def reader(name):
    return parts.part("log", name)()


def test_the_promises_of_a_reader(made, tmp_path):
    name, path = made
    (tmp_path / "copies").mkdir()
    check_log_reader(reader(name), path, tmp_path / "copies")


def test_a_log_is_recognised_by_its_own_reader_alone(made):
    name, path = made
    beginning = head(path, names)
    found = [other for other in parts.PARTS["log"] if other != "plain" and reader(other).recognises(beginning)]
    assert found == ([name] if name != "plain" else [])


def test_what_each_format_says_of_two_answers(made):
    name, path = made
    rows = list(reader(name).rows(path, Broken()))
    first = rows[0]
    assert "What is 2 + 3?" in first.prompt
    assert first.text == "The answer is 5."
    assert first.key == "5"
    assert len({row.item for row in rows}) == 2
    if first.scores and first.scores[0].value is not None:
        assert first.scores[0].mark is Mark.RIGHT
        second = next(row for row in rows if row.item != first.item)
        assert second.scores[0].mark is (Mark.UNKNOWN if name == "trl" else Mark.WRONG)


class TestScore:
    @pytest.mark.parametrize(
        ("value", "mark"), [(1.0, Mark.RIGHT), (0.0, Mark.WRONG), (0.5, Mark.UNKNOWN), (None, Mark.UNKNOWN)]
    )
    def test_only_1_and_0_are_marks(self, value, mark):
        assert Score("s", value).mark is mark

    @pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "7", [1], {}, 10**400, 1e308, -1e101])
    def test_what_is_no_number_is_unscored_and_says_why(self, value):
        score = numeric("s", value)
        assert score.value is None
        assert score.reason

    @pytest.mark.parametrize(("value", "number"), [(True, 1.0), (0, 0.0), (0.25, 0.25), (np.float64(2), 2.0)])
    def test_numbers(self, value, number):
        assert numeric("s", value).value == number


def test_a_name_made_of_content_does_not_depend_on_the_order_of_keys_and_bears_any_text():
    assert content_id({"a": 1, "b": 2}) == content_id({"b": 2, "a": 1})
    assert content_id("a", "b") != content_id("ab") != content_id("a\x1fc")
    assert content_id("half a pair: \ud83d")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        ([{"role": "user", "content": "one"}, {"role": "user", "content": "two"}], "one\ntwo"),
        ([{"type": "text", "text": "part"}, {"type": "image"}], "part"),
        ({"role": "HUMAN", "prompt": "asked"}, "asked"),
        (None, ""),
        (7, ""),
    ],
)
def test_messages_as_text(value, text):
    assert message_text(value) == text


@pytest.mark.parametrize(
    ("value", "key"), [("5", "5"), (5, "5"), (["5"], "5"), (["5", "6"], None), (None, None), (True, None)]
)
def test_keys(value, key):
    assert key_text(value) == key
