"""What makes a study void, or weak, before anything is trained: each check with its value, its threshold and the fix. Pure.

Void is only what no training could mend: the study could not answer its question whatever became of the arms. All else is a warning.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from counterform.text.numbers import share

State = Literal["sound", "warning", "void"]

FLOOR, CEILING = 0.02, 0.98
"""Levels at or beyond which a measurement has no room left."""
UNKNOWN = (0.10, 0.50)
"""Shares of attempts that nobody could grade: from here a warning, and from here void."""
CUT = (0.05, 0.50)
"""The same for attempts cut at max_tokens."""
LOCATED = (0.50, 0.05)
"""Shares of critiques of wrong attempts that name a step: under this a warning, and under this void."""
MIXED = (0.20, 0.02)
"""The same for groups of rollouts with a right and a wrong one."""
GAP = 0.10
"""How far lenient grading may lie over strict grading."""
FEW_CASES = 0.5
"""Of the cases that were asked for."""
FORM = "{prompt}\nWork it out step by step, and end with a line 'The answer is ' and the answer."
"""A template that says in which form an answer is to stand, for a model that does as it is told."""
ENOUGH = 30
"""Answers, items or problems from which a share proves a study void: none of fewer may still be one of ten."""


class Check(Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    name: str
    state: State
    value: float
    """A share, but for cases (their number)."""
    threshold: float
    """At or beyond which it would be a warning; where it is void, void."""
    message: str
    fix: str


class Answers(Struct, frozen=True, kw_only=True):
    """What became of some attempts."""

    n: int = 0
    right: int = 0
    lenient: int = 0
    unknown: int = 0
    cut: int = 0
    """Cut at max_tokens."""
    reasons: Mapping[str, int] = {}
    """Why attempts are UNKNOWN."""

    @property
    def chief_reason(self) -> str:
        """The commonest reason, with how often it stands."""
        if not self.reasons:
            return "no reason given"
        reason, n = Counter(self.reasons).most_common(1)[0]
        return f"{reason or 'no reason given'} ({n:,} of {self.unknown:,})"

    def part(self, n: int) -> float:
        """A count as a share of all."""
        return n / self.n if self.n else 0.0


class Level(Struct, frozen=True, kw_only=True):
    """Where the base stands in a share, turned so that more is better."""

    words: str
    value: float
    items: int


class Looked(Struct, frozen=True, kw_only=True):
    """What is known of a study once its base has been read."""

    pool: Answers
    """Of the attempts that arms are made of."""
    own: bool
    """The base itself was sampled for them."""
    base: Answers
    """The base's answers to held-out problems."""
    levels: Sequence[Level] = ()
    cases: int = 0
    cases_wanted: int = 0
    located: Mapping[str, tuple[int, int]] = {}
    """By arm, critiques of wrong attempts that name a step, of all of those."""
    mixed: Mapping[str, tuple[float, int, int]] = {}
    """By GRPO arm, the share of groups with a right and a wrong rollout, the size of a group, and of how many problems that is known."""
    refused: Mapping[str, str] = {}
    bare: bool = False
    """The problems are put without a template of their own to a model that has a chat template."""
    unchatted: str = ""
    """The name of a model that is called an instruct model and has no chat template; else empty."""


def checks(looked: Looked) -> list[Check]:
    """Everything that is void or weak, and what was found sound, the worst first."""
    found = [
        *_levels(looked),
        *_unknown(looked),
        *_cut(looked),
        *_prompts(looked),
        *_cases(looked),
        *_critiques(looked),
        *_groups(looked),
    ]
    order: dict[State, int] = {"void": 0, "warning": 1, "sound": 2}
    return sorted(found, key=lambda check: order[check.state])


def _graded(value: float, limits: tuple[float, float], n: int, *, above: bool = True) -> tuple[State, float]:
    """The state of a share of n, and the threshold that it passed or would have to pass for a warning."""
    weak, void = limits
    size = value if above else -value
    passed = [size >= limit if above else size > -limit for limit in (weak, void)]
    return ("void", void) if passed[1] and n >= ENOUGH else ("warning", weak) if passed[0] else ("sound", weak)


def _levels(looked: Looked) -> Iterator[Check]:
    base = looked.base
    if base.n:
        level, lenient = base.part(base.right), base.part(base.lenient)
        floor = level <= FLOOR
        # What it can do and does not say in the right form is no floor, and what others have written can lift it.
        void = floor and lenient <= FLOOR and (looked.own or bool(looked.mixed)) and base.n >= ENOUGH
        yield Check(
            name="base at the floor",
            state="void" if void else "warning" if floor else "sound",
            value=level,
            threshold=FLOOR,
            message=f"the base answers {share(level)} of held-out problems right ({base.n:,} attempts"
            + (f"; {share(lenient)} where the form is forgiven)" if lenient > level else ")")
            + (
                ": what it writes itself has next to nothing right in it to learn from"
                if void
                else ": what an arm loses cannot be seen"
                if floor
                else ""
            ),
            fix="Take easier problems, another template, a stronger model, or attempts that somebody else wrote ($.attempts).",
        )
    if looked.levels:
        best = [level for level in looked.levels if level.value >= CEILING]
        every = len(best) == len(looked.levels) and min(level.items for level in best) >= ENOUGH
        least = min(looked.levels, key=lambda level: level.value)
        yield Check(
            name="base at the ceiling",
            state="void" if every else "warning" if best else "sound",
            value=least.value if every or not best else best[0].value,
            threshold=CEILING,
            message=f"the base stands at {share(least.value)} or more in all {len(best)} measurements: no arm can gain"
            if every
            else f"the base stands at {share(best[0].value)} in {best[0].words}: no arm can gain there"
            if best
            else f"the base has room to gain: {share(least.value)} in {least.words}",
            fix="Take harder problems, or measure what the base cannot do yet ($.probes).",
        )


def _unknown(looked: Looked) -> Iterator[Check]:
    fix = (
        "Look at the answers (`counterform show`), state the form in $.problems.template, or name a step verifier and keys that "
        "fit; `counterform audit` grades the graders."
    )
    for name, answers, can_void in (("attempts", looked.pool, True), ("base's answers", looked.base, False)):
        if not answers.n:
            continue
        value = answers.part(answers.unknown)
        state, threshold = _graded(value, UNKNOWN, answers.n)
        yield Check(
            name=f"UNKNOWN among the {name}",
            state="warning" if state == "void" and not can_void else state,
            value=value,
            threshold=threshold if can_void else UNKNOWN[0],
            message=f"{share(value)} of the {answers.n:,} {name} are UNKNOWN"
            + (f", mostly: {answers.chief_reason}" if answers.unknown else ""),
            fix=fix,
        )


def _cut(looked: Looked) -> Iterator[Check]:
    for name, answers, key in (("attempts", looked.pool, "attempts"), ("base's answers", looked.base, "probe")):
        if not answers.n:
            continue
        value = answers.part(answers.cut)
        state, threshold = _graded(value, CUT, answers.n)
        yield Check(
            name=f"cut at max_tokens among the {name}",
            state="warning" if state == "void" and key == "probe" else state,
            value=value,
            threshold=threshold if key == "attempts" else CUT[0],
            message=f"{share(value)} of the {answers.n:,} {name} were cut at max_tokens",
            fix=f"Raise $.{key}.max_tokens, or ask for shorter answers in $.problems.template.",
        )


def _prompts(looked: Looked) -> Iterator[Check]:
    base = looked.base
    unread, gap = base.part(base.unknown), base.part(base.lenient) - base.part(base.right)
    if looked.unchatted:
        yield Check(
            name="no chat template",
            state="warning",
            value=unread,
            threshold=0.0,
            message=f"{looked.unchatted!r} is called an instruct model, and its tokenizer has no chat template: prompts are put bare",
            fix="Give the model's own repository, or lay its chat_template.jinja beside the weights.",
        )
    if base.n and looked.bare and max(unread, gap) >= GAP:
        yield Check(
            name="bare prompts",
            state="warning",
            value=max(unread, gap),
            threshold=GAP,
            message=f"an instruct model is asked without a word on the form of its answer: {share(unread)} are UNKNOWN, and forgiving "
            f"the form makes {100 * gap:.1f} points more right",
            fix=f"Set $.problems.template, e.g. {json.dumps(FORM)}",
        )


def _cases(looked: Looked) -> Iterator[Check]:
    if looked.cases_wanted:
        few = looked.cases < FEW_CASES * looked.cases_wanted
        yield Check(
            name="cases",
            state="warning" if few else "sound",
            value=float(looked.cases),
            threshold=FEW_CASES * looked.cases_wanted,
            message=f"{looked.cases:,} of the {looked.cases_wanted:,} cases that were asked for",
            fix="Sample more attempts a problem ($.attempts.samples), give more problems ($.problems.train), or ask for fewer cases.",
        )
    for arm, why in looked.refused.items():
        yield Check(
            name=f"arm {arm}",
            state="warning",
            value=0.0,
            threshold=0.0,
            message=f"{arm} cannot be made of these cases: {why.rstrip('.')}",
            fix="Mend that, or leave the arm out.",
        )


def _critiques(looked: Looked) -> Iterator[Check]:
    for arm, (named, wrong) in looked.located.items():
        value = named / wrong if wrong else 0.0
        state, threshold = _graded(value, LOCATED, wrong, above=False)
        yield Check(
            name=f"critiques of {arm}",
            state=state,
            value=value,
            threshold=threshold,
            message=f"{named:,} of {wrong:,} critiques of wrong attempts in {arm} name a wrong step",
            fix="Name a step verifier that reads these attempts ($.verify.steps), or another critic (options of the arm).",
        )


def _groups(looked: Looked) -> Iterator[Check]:
    for arm, (value, size, problems) in looked.mixed.items():
        state, threshold = _graded(value, MIXED, problems, above=False)
        yield Check(
            name=f"reward variance of {arm}",
            state=state,
            value=value,
            threshold=threshold,
            message=f"{share(value)} of groups of {size} rollouts in {arm} are expected to hold a right and a wrong one; the others teach nothing",
            fix="Take problems that the base solves now and then, more num_generations, or a higher temperature ($.train.grpo).",
        )
