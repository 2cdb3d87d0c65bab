"""All of a policy's text is in some sentence: what is left out in silence is a rule that nobody misses."""

import re

import pytest

from counterform.errors import DataError
from counterform.guard.drafting.sentences import read_policy_text, sentences

TEXT = """\
# Desk

The date is 2026-03-02. Use e.g. mail. "Is it late?" Yes.

## Lend
- At most 2.5 days
  or three nights! Never more.
1. First; second
2) Zweitens geht es.
| a | b |

本は五冊まで。延長はできない。
"""


def test_every_word_is_in_one_sentence():
    found = sentences(TEXT)
    assert [one.text for one in found] == [
        "The date is 2026-03-02.",
        "Use e.g. mail.",
        '"Is it late?"',
        "Yes.",
        "At most 2.5 days or three nights!",
        "Never more.",
        "First; second",
        "Zweitens geht es. | a | b |",
        "本は五冊まで。",
        "延長はできない。",
    ]
    assert [one.number for one in found] == list(range(1, 11))
    covered = "".join(TEXT[one.start : one.end] for one in found)
    left = re.sub(r"(?m)^#.*$|^\s*(-|1\.|2\))\s|\s", "", TEXT)
    assert re.sub(r"\s", "", covered) == left
    assert found[4].headings == ("Desk", "Lend")
    assert found[4].item == found[5].item != found[6].item


def test_another_language_is_seen():
    german, english = "Jede Reservierung darf höchstens fünf Personen haben.", "Each reservation has five people."
    assert [sentences(text)[0].is_english for text in (german, english, "本は五冊まで。", "Be friendly.")] == [
        False,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "no sentence"), ("# A\n---\n", "no sentence"), ("- One thing.\n" * 2001, "2,001 sentences")],
)
def test_what_cannot_be_drafted_is_refused(text, message):
    with pytest.raises(DataError, match=message):
        sentences(text)


def test_files(tmp_path):
    path = tmp_path / "policy.md"
    for data, message in ((b"\xff\xfe", "UTF-8"), (b"a" * 500_000, "Cut it by topic")):
        path.write_bytes(data)
        with pytest.raises(DataError, match=message):
            read_policy_text(path)
    with pytest.raises(DataError, match="No such file"):
        read_policy_text(tmp_path / "none.md")
    path.write_bytes(b"\xef\xbb\xbfOne.\r\nTwo.")
    assert read_policy_text(path) == "One.\nTwo."
