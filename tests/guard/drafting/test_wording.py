"""A model's reply is hostile text: what can be read of it is read, and the rest is nothing."""

import json

import pytest

from counterform.guard.drafting.sentences import sentences
from counterform.guard.drafting.toolbox import Tool, Toolbox
from counterform.guard.drafting.wording import draft_prompt, read_draft, read_label, read_written

ROW = {"label": "keeps", "tool": "pay", "arguments": {"n": 1}}


def test_rules_and_what_is_uncovered():
    reply = f"""Sure!
**RULE 3, 4**
BACKGROUND 1
```python
def a(state, call):
    return "x"
```
```json
{json.dumps([ROW, {"label": "maybe", "tool": "pay"}, {"tool": "pay"}, 3, ROW | {"arguments": {"n": float("1e300")}}])}
```
RULE 5
no code
UNCOVERED 6, 7: judgement: what is fair
UNCOVERED 8: because I say so
"""
    read = read_draft(reply)
    first, second = read.rules
    assert (first.quotes, first.background, len(first.examples)) == ((3, 4), (1,), 2)
    assert first.code.startswith("def a")
    assert (second.quotes, second.code, second.examples) == ((5,), "", ())
    assert read.uncovered == {6: ("needs judgement", "what is fair"), 7: ("needs judgement", "what is fair")}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "RULE",
        "```python",
        "RULE 9" * 10_000,
        "[" * 100_000,
        "```json\n{\n```",
        "\0",
        "RULE 1\n```python\n" + "x" * 90_000,
    ],
)
def test_what_cannot_be_read(text):
    assert all(not rule.examples for rule in read_draft(text).rules)
    assert read_written(text) == []
    assert read_label(text) is None


def test_examples_and_labels():
    assert [one.origin for one in read_written(f"Here: {json.dumps([ROW])} done")] == ["sentence"]
    assert read_written(json.dumps([ROW | {"user": "x" * 30_000}])) == []
    said = ("Breaks.", "keeps", "It is unsure", "keeps, or breaks", "perhaps")
    assert [read_label(text) for text in said] == ["breaks", "keeps", "unsure", None, None]


def test_a_long_policy_is_shown_in_part():
    found = sentences("# A\n\nThe date is 1.\n\n" + "".join(f"## S{n}\n\n- {'word ' * 30}{n}.\n\n" for n in range(500)))
    prompt = draft_prompt([found[400]], found, Toolbox({"pay": Tool(name="pay")}))
    assert "[401]" in prompt
    assert "The date is 1." in prompt
    assert "[200]" not in prompt
