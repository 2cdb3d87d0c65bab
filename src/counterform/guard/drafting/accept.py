"""Rules that were proven, written down as a policy file that `guard check`, `judge` and `serve` load. Only a person asks for it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from pprint import pformat

import msgspec

from counterform.errors import StudyError, unknown_name
from counterform.guard.drafting.cases import shown
from counterform.guard.drafting.drafting import Drafted, DraftedRule
from counterform.guard.drafting.language import parse
from counterform.store.appearing import disk_errors

MOST_EXAMPLES = 12
"""Examples of one rule that become tests."""

_HEAD = '''"""{title}

Drafted by {model} out of {policy}, proven by counterform, and accepted by a person. Each rule quotes the sentences that it says.
Sentences without a rule stand in the report of the draft.
"""

from datetime import datetime, timedelta

from counterform.guard.calls import Call as _Call
from counterform.guard.calls import Result as _Result
from counterform.guard.calls import State as _State
'''
_TESTS = '''
def _shown(tool, arguments, user="", agent="", other_calls=0, earlier=()):
    """The state and the call of an example."""
    results = tuple(_Result(call=_Call(name=name, arguments=asked), text="", value=answer) for name, asked, answer in earlier)
    return (
        _State(messages=(("user", user),) if user else (), results=results),
        _Call(name=tool, arguments=arguments, said=agent, beside=other_calls),
    )
'''


def write_policy(found: Drafted, path: Path, only: Sequence[str] = ()) -> list[str]:
    """Write the proven rules, or those of them that are named, and say which. Raises StudyError; no file is written over."""
    proven = {rule.proof.name: rule for rule in found.rules if rule.accepted}
    for name in only:
        if name not in proven:
            raise StudyError(unknown_name("proven rule", name, proven))
    chosen = [rule for name, rule in proven.items() if not only or name in only]
    if not chosen:
        raise StudyError(
            f"no rule of {found.policy} was proven, so there is nothing to accept. The report says why of each draft."
        )
    text = policy_text(found, chosen)
    try:
        with disk_errors(path), path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise StudyError(f"{path} exists and is left as it is. Give another path.") from None
    return [rule.proof.name for rule in chosen]


def policy_text(found: Drafted, rules: Sequence[DraftedRule]) -> str:
    """The policy file of some rules."""
    sentences = {sentence.number: sentence.text for sentence in found.sentences}
    head = _HEAD.format(
        title=_plain(f"Rules of {found.policy}."), model=_plain(found.model), policy=_plain(found.policy)
    )
    parts = [
        head
        if any("datetime" in rule.proof.code or "timedelta" in rule.proof.code for rule in rules)
        else head.replace("from datetime import datetime, timedelta\n\n", "")
    ]
    for rule in rules:
        tree = parse(rule.proof.code)
        quote = " ".join(sentences[number] for number in rule.quotes)
        tree.body.insert(0, ast.Expr(ast.Constant(quote)))
        parts.append(f"\n{ast.unparse(tree)}\n")
    parts.append(_TESTS)
    parts += [_test(rule) for rule in rules]
    return "\n".join(parts)


def _test(rule: DraftedRule) -> str:
    """Some of its examples, those of the sentence alone first, as a test that `guard check` runs."""
    order = {"sentence": 0, "asked": 1, "draft": 2}
    sure = sorted((e for e in rule.proof.examples if e.label != "unsure"), key=lambda e: order[e.origin])
    lines = [f"def _test_{rule.proof.name}():"]
    for label in ("breaks", "keeps"):
        cases = {shown(e.case): e.case for e in sure if e.label == label}
        for case in list(cases.values())[: MOST_EXAMPLES // 2]:
            earlier = [(one.tool, one.arguments, one.answer) for one in case.earlier]
            more = {"user": case.user, "agent": case.agent, "other_calls": case.other_calls, "earlier": earlier}
            given = "".join(
                f", {name}={pformat(msgspec.to_builtins(value), width=110, compact=True)}"
                for name, value in more.items()
                if value
            )
            call = f"_shown({case.tool!r}, {case.arguments!r}{given})"
            lines.append(f"    assert {rule.proof.name}(*{call})" + (" is None" if label == "keeps" else ""))
    return "\n" + "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """A name inside a docstring, where it can end nothing."""
    return "".join(c if c.isprintable() and c not in "\"\\'{}" else "?" for c in text)[:100]
