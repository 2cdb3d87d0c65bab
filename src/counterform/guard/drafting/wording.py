"""What a model is asked, and how its replies are read. A reply is hostile text: what cannot be read of it is left out, and counted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from counterform.guard.drafting.cases import Case, Example, Label, read_examples, shown
from counterform.guard.drafting.sentences import Sentence
from counterform.guard.drafting.toolbox import Toolbox

DRAFT, EXAMPLES, LABEL = "Draft rules of a policy.", "Write examples for a policy.", "Judge one call by a policy."
"""The first lines of the three prompts."""
MAX_REPLY = 40_000
"""Characters of a reply that are read."""
_WHOLE = 16_000
"""Characters of a policy that is shown whole; of a longer one, the section and what comes first."""
_CASE = """{"tool": NAME, "arguments": {...}, "user": what the user said last, "agent": what the agent tells the user in the same message,
 "other_calls": how many other calls that message makes, "earlier": [{"tool": NAME, "arguments": {...}, "answer": JSON that the tool answered}]}"""

Reason = Literal["needs the conversation", "needs judgement", "is advice", "is a description"]
_REASONS: dict[str, Reason] = {
    "conversation": "needs the conversation",
    "judg": "needs judgement",
    "advice": "is advice",
    "descri": "is a description",
}


class Reply(Struct, frozen=True, kw_only=True):
    """One rule as a model wrote it down."""

    quotes: tuple[int, ...]
    background: tuple[int, ...]
    code: str
    examples: tuple[Example, ...]


class Replies(Struct, frozen=True, kw_only=True):
    """What a model drafted of a few sentences."""

    rules: tuple[Reply, ...]
    uncovered: dict[int, tuple[Reason, str]]
    """Sentences that it says no rule can be made of, with why."""


def draft_prompt(asked: Sequence[Sentence], everything: Sequence[Sentence], box: Toolbox) -> str:
    """Asks for rules, their examples, and what no rule can be made of."""
    numbers = ", ".join(str(sentence.number) for sentence in asked)
    return f"""{DRAFT}
A rule is a Python function that is asked before a tool call runs. It returns a text (what to do instead) where the call breaks the rule, and None where it keeps it.

The policy, its sentences numbered:
{_policy(asked, everything)}

The tools:
{_tools(box)}

In a rule, call.name is the tool, call.arguments its arguments, call.said what the agent tells the user in the same message, call.beside how many other calls that message makes.
state.said("user") is what the user said last. state.last("tool", argument=value) is the JSON that this tool last answered to such a call, or None.
state.results are all earlier calls: each has .call.name, .call.arguments and .value. datetime.fromisoformat and timedelta(hours=24) may be used. Imports, other functions and loops but `for` may not.
Use the policy's own numbers and words, and nothing that the quoted sentences do not say. Where the rule cannot be told from the call, raise LookupError("why").

Draft sentences {numbers}. For each rule write, in this form:
RULE {asked[0].number}
BACKGROUND numbers of sentences that only explain its words, or nothing
```python
def short_name(state, call):
    if call.name == "tool" and ...:
        return "What to do instead."
```
```json
[{{"label": "keeps", "tool": ...}}, {{"label": "breaks", "tool": ...}}]
```
An example is {_CASE}; leave out what the rule does not look at. Give two that keep and two that break the rule.
A rule that needs several sentences names them all (RULE 3, 4). For a sentence of which no rule can be made write one line:
UNCOVERED {asked[0].number}: conversation | judgement | advice | description: why
"""


def examples_prompt(quoted: Sequence[Sentence], background: Sequence[Sentence], box: Toolbox) -> str:
    """Asks for examples of sentences, of whoever has not seen the rule."""
    return f"""{EXAMPLES}
The sentences:
{_lines(quoted)}
{"What explains them:" if background else ""}
{_lines(background)}

The tools:
{_tools(box)}

Write a JSON list of calls: three that keep what the sentences say and three that break it, at the bounds of what they allow, one for each exception. Each is
{_CASE}
with "label": "keeps" or "breaks". Leave out what does not matter.
"""


def label_prompt(quoted: Sequence[Sentence], background: Sequence[Sentence], case: Case) -> str:
    """Asks whether one call keeps or breaks what sentences say, of whoever has not seen the rule."""
    return f"""{LABEL}
The sentences:
{_lines(quoted)}
{"What explains them:" if background else ""}
{_lines(background)}

An agent is about to make this call ("earlier": what tools have answered before; "user": what the user said last):
{shown(case)}

By these sentences alone: answer with one word, keeps (the call is allowed by them, or they do not speak of it), breaks, or unsure.
"""


def read_draft(text: str) -> Replies:
    """The rules of a reply, and what it says is uncovered."""
    text = text[:MAX_REPLY]
    starts = [*re.finditer(r"^[#*\s]*RULE[S]?\b[^\n]*", text, re.MULTILINE)]
    rules = []
    for at, start in enumerate(starts):
        part = text[start.end() : starts[at + 1].start() if at + 1 < len(starts) else len(text)]
        code, rows = _fenced(part, "python"), _fenced(part, "json")
        background = re.search(r"^[#*\s]*BACKGROUND\b([^\n]*)", part, re.MULTILINE)
        rules.append(
            Reply(
                quotes=_numbers(start[0]),
                background=_numbers(background[1]) if background else (),
                code=code.strip(),
                examples=tuple(_read(rows, "draft")),
            )
        )
    uncovered: dict[int, tuple[Reason, str]] = {}
    for line in re.finditer(r"^[#*\s]*UNCOVERED\b([\d,\s]+):\s*([^\n]*)", text, re.MULTILINE):
        kind, _, why = line[2].partition(":")
        reason = next((reason for word, reason in _REASONS.items() if word in kind.lower()), None)
        if reason is not None:
            uncovered |= dict.fromkeys(_numbers(line[1]), (reason, " ".join(why.split())[:300]))
    return Replies(rules=tuple(rules), uncovered=uncovered)


def read_written(text: str) -> list[Example]:
    """The examples of a reply to `examples_prompt`."""
    text = text[:MAX_REPLY]
    return _read(_fenced(text, "json") or text[max(0, text.find("[")) : text.rfind("]") + 1], "sentence")


def read_label(text: str) -> Label | None:
    """The label of a reply to `label_prompt`; None where it says several, or cannot be read."""
    found = set(re.findall(r"\b(keep|break|unsure)s?\b", text[:MAX_REPLY].lower()))
    return {"keep": "keeps", "break": "breaks", "unsure": "unsure"}.get(found.pop()) if len(found) == 1 else None  # type: ignore[return-value]


def _read(rows: str, origin: Literal["draft", "sentence"]) -> list[Example]:
    try:
        return read_examples(msgspec.json.decode(rows), origin)[0]
    except (msgspec.DecodeError, RecursionError):
        return []


def _fenced(text: str, kind: str) -> str:
    """The first block of code of a kind."""
    found = re.search(rf"^\s*```{kind}[^\n]*\n(.*?)^\s*```", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(int(found) for found in re.findall(r"\d{1,6}", text)))[:20]


def _policy(asked: Sequence[Sentence], everything: Sequence[Sentence]) -> str:
    whole = sum(len(sentence.text) for sentence in everything) <= _WHOLE
    top = asked[0].headings[:2]
    near = [
        s
        for s in everything
        if whole or s.number <= 20 or (s.headings[:2] == top and abs(s.number - asked[0].number) < 60)
    ]
    lines, headings = list[str](), tuple[str, ...]()
    for sentence in near:
        if sentence.headings != headings:
            headings = sentence.headings
            lines.append(" > ".join(headings))
        lines.append(f"[{sentence.number}] {sentence.text[:2000]}")
    return "\n".join(lines)


def _tools(box: Toolbox) -> str:
    values = box.values()

    def of(name: str) -> str:
        return f"{name} ({' | '.join(values[name])})" if values.get(name) else name

    return "\n".join(
        f"- {tool.name}({', '.join(map(of, tool.parameters))})"
        + (f": {' '.join(tool.description.split())[:300]}" if tool.description else "")
        for tool in box.tools.values()
    )[:20_000]


def _lines(sentences: Sequence[Sentence]) -> str:
    return "\n".join(f"({' > '.join(sentence.headings)}) {sentence.text[:2000]}" for sentence in sentences)
