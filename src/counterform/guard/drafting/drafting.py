"""A policy's text becomes rules: drafted item by item, each put to the proof, then held against each other and recorded conversations."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from counterform.errors import ModelError
from counterform.guard.drafting import wording
from counterform.guard.drafting.cases import Case, Example, Label
from counterform.guard.drafting.language import FUNCTIONS, Refused, parse
from counterform.guard.drafting.proof import Draft, Proof, Proving, Reader
from counterform.guard.drafting.replies import Replied
from counterform.guard.drafting.sandbox import Sandbox
from counterform.guard.drafting.sentences import Sentence, read_policy_text, sentences
from counterform.guard.drafting.toolbox import Toolbox, read_tools
from counterform.guard.drafting.traces import OnTraces, on_traces
from counterform.guard.recorded import Recorded, read_recorded
from counterform.types import Model

Uncovered = (
    wording.Reason
    | Literal["its draft was refused", "nothing was drafted", "is not in English", "the model was not heard"]
)


class DraftedRule(Struct, frozen=True, kw_only=True):
    """One draft with all that is known of it."""

    quotes: tuple[int, ...]
    """Numbers of the sentences that it says."""
    background: tuple[int, ...]
    proof: Proof
    logic: str = ""
    """What z3 says of it beside the other rules, or why it was not asked."""
    traces: OnTraces | None = None
    """What it says of recorded calls; None: none were given, or it is refused."""

    @property
    def accepted(self) -> bool:
        """Whether nothing speaks against it; a person still has to accept it."""
        return not self.proof.refused


class Coverage(Struct, frozen=True, kw_only=True):
    """What became of one sentence: a rule, or why not."""

    sentence: int
    rules: tuple[str, ...] = ()
    reason: Uncovered | Literal[""] = ""
    why: str = ""


class Drafted(Struct, frozen=True, kw_only=True):
    """A policy, its drafts, and what became of each of its sentences."""

    policy: str
    """The file's name."""
    model: str
    text: str
    sentences: tuple[Sentence, ...]
    rules: tuple[DraftedRule, ...]
    coverage: tuple[Coverage, ...]
    """One row per sentence, in order."""
    unheard: dict[str, int] = {}
    """Calls of the model that failed, by reason."""
    notes: tuple[str, ...] = ()


def draft_policy(
    policy: Path,
    tools: Path,
    model: Callable[[], Model],
    replies: Callable[[], Path],
    *,
    traces: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Drafted:
    """Draft and prove the rules of a policy. replies: makes the file in which the model's replies are kept.

    Raises DataError for files that cannot be used, ModelError for a model that cannot be asked, MissingExtra without z3.
    """
    import counterform.guard.logic  # noqa: F401  # a missing z3 is said before a model is asked

    text = read_policy_text(policy)
    found, box = sentences(text), read_tools(tools)
    recorded = read_recorded(traces).conversations if traces is not None else ()
    opened = model()
    sandbox = Sandbox()
    try:
        ask = Replied(opened, replies())
        drafts, uncovered = _drafts(found, box, ask)
        proving = Proving(box, sandbox, _reader(ask, box))
        rules = []
        for draft in drafts:
            rules.append(_proven(draft, proving))
            proof = rules[-1].proof
            say(
                f"{proof.name or 'a draft'} of sentence {', '.join(map(str, rules[-1].quotes))}: {proof.refused or 'proven'}"[
                    :300
                ]
            )
        rules, notes = _together(rules, found)
        rules = _replayed(rules, recorded, sandbox)
        return Drafted(
            policy=policy.name,
            model=opened.name,
            text=text,
            sentences=tuple(found),
            rules=tuple(rules),
            coverage=tuple(_coverage(sentence, rules, uncovered) for sentence in found),
            unheard=dict(ask.unheard),
            notes=notes,
        )
    finally:
        sandbox.close()
        opened.close()


def require_heard(found: Drafted) -> None:
    """Raises ModelError where calls of the model failed, so that not all is drafted."""
    if found.unheard:
        failed = ", ".join(f"{reason} {count}" for reason, count in found.unheard.items())
        raise ModelError(
            f"{sum(found.unheard.values())} calls of the model failed ({failed}). What was drafted is kept: run the same command again, "
            "and only these are asked."
        )


def _drafts(
    found: Sequence[Sentence], box: Toolbox, ask: Replied
) -> tuple[list[Draft], dict[int, tuple[Uncovered, str]]]:
    """The drafts of all items, and sentences without one, with why."""
    items = [list(group) for _, group in groupby(found, key=lambda sentence: sentence.item)]
    uncovered: dict[int, tuple[Uncovered, str]] = {}
    for sentence in found:
        if not sentence.is_english:
            uncovered[sentence.number] = (
                "is not in English",
                "The words of a sentence are held against its rule, and only English is read.",
            )
    asked = [item for item in items if not all(sentence.number in uncovered for sentence in item)]
    texts = ask([wording.draft_prompt(item, found, box) for item in asked])
    by_number = {sentence.number: sentence for sentence in found}
    drafts: dict[str, Draft] = {}
    for item, text in zip(asked, texts, strict=True):
        if text is None:
            uncovered |= {sentence.number: ("the model was not heard", "") for sentence in item}
            continue
        read = wording.read_draft(text)
        for rule in read.rules:
            draft = Draft(
                quoted=tuple(by_number[number] for number in rule.quotes if number in by_number),
                background=tuple(
                    by_number[number] for number in rule.background if number in by_number and number not in rule.quotes
                ),
                code=rule.code,
                examples=rule.examples,
            )
            drafts.setdefault(f"{rule.quotes} {draft.code}", draft)
        own = {sentence.number for sentence in item}
        uncovered |= {number: said for number, said in read.uncovered.items() if number in own}
    return list(drafts.values()), uncovered


def _reader(ask: Replied, box: Toolbox) -> Reader:
    """Whoever reads sentences without seeing the rule: the same model, asked anew."""

    def examples(quoted: Sequence[Sentence], background: Sequence[Sentence]) -> list[Example]:
        (text,) = ask([wording.examples_prompt(quoted, background, box)])
        return wording.read_written(_heard(text))

    def labels(quoted: Sequence[Sentence], background: Sequence[Sentence], cases: Sequence[Case]) -> list[Label | None]:
        texts = ask([wording.label_prompt(quoted, background, case) for case in cases])
        return [wording.read_label(_heard(text)) for text in texts]

    return Reader(examples, labels)


def _heard(text: str | None) -> str:
    if text is None:
        raise Refused("the model was not heard while it was proven; run the same command again")
    return text


def _proven(draft: Draft, proving: Proving) -> DraftedRule:
    return DraftedRule(
        quotes=tuple(sentence.number for sentence in draft.quoted),
        background=tuple(sentence.number for sentence in draft.background),
        proof=proving(draft),
    )


def _together(rules: Sequence[DraftedRule], found: Sequence[Sentence]) -> tuple[list[DraftedRule], tuple[str, ...]]:
    """The rules beside each other: names that are taken, rules that can never be broken, tools of which no call could pass."""
    rules = _named_apart(rules)
    accepted = {rule.proof.name: rule for rule in rules if rule.accepted}
    from counterform.guard.logic import examine  # z3 takes a while to load

    said, contradictions = examine({name: parse(rule.proof.code) for name, rule in accepted.items()}, {})
    texts = {sentence.number: sentence.text for sentence in found}
    refused: dict[str, str] = {name: "it can never be broken" for name, what in said.items() if what == "dead"}
    notes = []
    for contradiction in contradictions:
        quotes = [f"“{texts[number]}”" for name in contradiction.rules for number in accepted[name].quotes]
        reason = f"no call of {contradiction.tool!r} could keep {' and '.join(contradiction.rules)} together: {' against '.join(dict.fromkeys(quotes))}"
        refused |= dict.fromkeys(contradiction.rules, reason)
        notes.append(f"These sentences contradict each other: {reason}.")
    return [
        _with(rule, refused=refused.get(rule.proof.name, ""), logic=said[rule.proof.name]) if rule.accepted else rule
        for rule in rules
    ], tuple(notes)


def _with(rule: DraftedRule, *, refused: str, logic: str = "") -> DraftedRule:
    return msgspec.structs.replace(rule, logic=logic, proof=msgspec.structs.replace(rule.proof, refused=refused))


def _named_apart(rules: Sequence[DraftedRule]) -> list[DraftedRule]:
    """The same rules, no two accepted ones with one name."""
    taken = set[str](FUNCTIONS | {"datetime", "Call", "Result", "State", "LookupError"})
    found = []
    for rule in rules:
        name, at = rule.proof.name, 2
        while rule.accepted and name in taken:
            name, at = f"{rule.proof.name}_{at}", at + 1
        if rule.accepted:
            taken.add(name)
        if name != rule.proof.name:
            tree = parse(rule.proof.code)
            tree.name = name
            rule = msgspec.structs.replace(
                rule, proof=msgspec.structs.replace(rule.proof, name=name, code=ast.unparse(tree))
            )
        found.append(rule)
    return found


def _replayed(rules: Sequence[DraftedRule], recorded: Sequence[Recorded], sandbox: Sandbox) -> list[DraftedRule]:
    if not recorded:
        return list(rules)
    accepted = [rule for rule in rules if rule.accepted]
    said = dict(
        zip(
            (rule.proof.name for rule in accepted),
            on_traces([rule.proof.code for rule in accepted], recorded, sandbox),
            strict=True,
        )
    )
    return [msgspec.structs.replace(rule, traces=said[rule.proof.name]) if rule.accepted else rule for rule in rules]


def _coverage(
    sentence: Sentence, rules: Sequence[DraftedRule], uncovered: dict[int, tuple[Uncovered, str]]
) -> Coverage:
    mine = [rule for rule in rules if sentence.number in rule.quotes]
    accepted = tuple(rule.proof.name for rule in mine if rule.accepted)
    if accepted:
        return Coverage(sentence=sentence.number, rules=accepted)
    if mine:
        return Coverage(sentence=sentence.number, reason="its draft was refused", why=mine[-1].proof.refused)
    reason, why = uncovered.get(
        sentence.number, ("nothing was drafted", "The model's reply has no rule of it that can be read, and no reason.")
    )
    return Coverage(sentence=sentence.number, reason=reason, why=why)
