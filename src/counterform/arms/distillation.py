"""Where do markers of doubt go in training on right answers? Traces written with the solution in sight, and their controls.

Kim et al. 2026 (arXiv 2603.24472): right traces whose writer had been shown the solution (*guided*) teach a model to stop doubting, and it
gets worse out of distribution; right traces without it do much less. Guided traces are also shorter, so length and markers stand
apart here: an unguided arm as short as the guided one, one without its markers, and a guided one with the markers put back.
The unguided arm itself is the recipe `rejection`. Use `[match] by = "loss_tokens"`: the traces differ in length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from counterform.arms.recipe import Recipe
from counterform.bench import Bench
from counterform.errors import ControlError, DataError
from counterform.text.lexicon import Lexicon
from counterform.types import Arm, Attempt, Case, Completion, Example, Grade, Graded, Mark

SHOWN = "{prompt}\n\nCorrect solution: {solution}\n\nCorrectly solve the original question."
"""How the solution is shown (the source's make_sft_dataset); `{prompt}` and `{solution}` are replaced."""
LENGTH_TOLERANCE = 0.1
"""How far the mean length of a length-matched arm may be from that of the guided one."""
_STRIPS = 50
_PAUSES = re.compile(r"[ \t,.!:;…—]*")
_COMMA = re.compile(r"[ \t]*,?[ \t]*")


def shown_with(shown: str) -> Callable[[str, str], str]:
    """Puts a prompt and a solution into such a text. Raises ValueError where it has no place for one of them."""
    if "{prompt}" not in shown or "{solution}" not in shown:
        raise ValueError(f"shown must hold {{prompt}} and {{solution}}; got {shown!r}")
    before, _, after = shown.partition("{solution}")
    return lambda prompt, solution: solution.join(part.replace("{prompt}", prompt) for part in (before, after))


def solved(arm: str, cases: Sequence[Case]) -> None:
    """Raises DataError where a problem has no worked solution that could be shown."""
    without = [case.problem.id for case in cases if not case.problem.solution]
    if without:
        raise DataError(
            f"arm {arm!r} shows solutions, and {len(without)} of {len(cases)} problems have none (first: "
            f"{without[0]!r}). Name the column ($.problems.solution), or leave this arm out."
        )


class Guided(Recipe):
    """Problem -> a right trace of the sampled model, which was shown the solution; the training prompt shows none.

    shown: how. samples: traces a problem, of which the first right one is taken. Cases for which none is right leave the study, for
    every arm, since all arms have the same problems.
    """

    name = "guided"
    leaves_out = True
    differs_by = "the target is a right attempt that was written with the solution in sight"

    def __init__(self, *, shown: str = SHOWN, samples: int = 4, bench: Bench | None = None) -> None:
        super().__init__(bench=bench)
        self._shown, self._samples = shown_with(shown), samples

    def usable(self, cases: Sequence[Case]) -> list[bool]:
        """Whether each case has a right guided trace."""
        return [graded is not None for graded in self._traces(cases)]

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        guided = self._all(cases)
        copied = sum(
            g.attempt.completion.text.strip() == (c.problem.solution or "").strip()
            for g, c in zip(guided, cases, strict=True)
        )
        told = f"; {copied} of {len(cases)} are the shown solution word for word"
        return _arm(self.name, self.differs_by + told, cases, [g.attempt.completion.text for g in guided])

    def _all(self, cases: Sequence[Case]) -> list[Graded]:
        found = self._traces(cases)
        missing = [case.problem.id for case, graded in zip(cases, found, strict=True) if graded is None]
        if missing:
            raise ControlError(
                f"arm {self.name!r}: {len(missing)} of {len(cases)} cases have no right guided trace (first: {missing[0]!r}). "
                "Draw more (options = { samples = 16 }), or show the solution in another form (options = { shown = ... })."
            )
        return [graded for graded in found if graded is not None]

    def _traces(self, cases: Sequence[Case]) -> list[Graded | None]:
        solved(self.name, cases)
        prompts = [self._shown(case.problem.prompt, f"{case.problem.solution}") for case in cases]
        right = _right(cases, self.bench.ask(prompts, n=self._samples), self.bench.grade, "guided")
        return [rows[0] if rows else None for rows in right]


class ShortUnguided(Guided):
    """Problem -> of several right traces without the solution in sight, the one whose length is nearest the guided one's.

    Proven: the mean lengths, in the sampled model's tokens, are within 10 % of each other.
    """

    name = "short_unguided"
    differs_by = "the target is a right attempt as short as the guided one, written without the solution in sight"

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        guided = [g.attempt.completion.tokens for g in self._all(cases)]
        answers = self.bench.ask([case.problem.prompt for case in cases], n=self._samples)
        right = _right(cases, answers, self.bench.grade, "unguided")
        chosen = [
            min((case.right, *rows), key=lambda g: abs(g.attempt.completion.tokens - length))
            for case, rows, length in zip(cases, right, guided, strict=True)
        ]
        ours, theirs = float(np.mean([g.attempt.completion.tokens for g in chosen])), float(np.mean(guided))
        if abs(ours - theirs) > LENGTH_TOLERANCE * theirs:
            raise ControlError(
                f"arm {self.name!r}: right attempts without the solution have {ours:.1f} tokens where guided ones have {theirs:.1f}, "
                "at the nearest. Draw more of them (options = { samples = 16 }), or leave this arm out."
            )
        told = f"; {ours:.1f} tokens on average, guided {theirs:.1f}"
        return _arm(self.name, self.differs_by + told, cases, [g.attempt.completion.text for g in chosen])


class StrippedUnguided(Recipe):
    """Problem -> the right attempt of the pool without its markers.

    Proven: no marker is left, and every answer is still right.
    """

    name = "stripped_unguided"
    uses_lexicon = True
    differs_by = "the target is an attempt that was graded right, with its markers of doubt and checking cut out"

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        texts = [case.right.attempt.completion.text for case in cases]
        before = int(self.bench.lexicon.counts(texts).sum())
        if not before:
            raise ControlError(
                f"arm {self.name!r}: the right attempts hold no marker, so there is nothing to cut out. Leave this arm out, "
                "or give a lexicon of the markers that this model writes ($.probe.lexicon)."
            )
        stripped = [strip(text, self.bench.lexicon) for text in texts]
        left = int(self.bench.lexicon.counts(stripped).sum())
        if left:
            raise ControlError(f"arm {self.name!r}: {left} of {before} markers are still there once they are cut out")
        _still_right(self.name, cases, stripped, self.bench.grade)
        return _arm(self.name, f"{self.differs_by}; {before} were", cases, stripped)


class MarkedGuided(Guided):
    """Problem -> the guided trace with the markers of the unguided one put back, where they stood as far as steps allow.

    The form of doubt without its work. Proven: it holds the markers of both traces, kind by kind, and its answers are right.
    """

    name = "marked_guided"
    uses_lexicon = True
    differs_by = "the target is the guided attempt with the unguided one's markers put in"

    def __call__(self, cases: Sequence[Case], rng: np.random.Generator) -> Arm:
        guided = self._all(cases)
        unguided = [case.right.attempt.completion.text for case in cases]
        marked = [put_back(graded, text, self.bench.lexicon) for graded, text in zip(guided, unguided, strict=True)]
        given = self.bench.lexicon.counts(unguided).sum(0)
        before = self.bench.lexicon.counts([g.attempt.completion.text for g in guided]).sum(0)
        after = self.bench.lexicon.counts(marked).sum(0)
        if not given.sum():
            raise ControlError(
                f"arm {self.name!r}: the unguided attempts hold no marker to put back. Leave this arm out."
            )
        if (after != before + given).any():
            counts = dict(
                zip(self.bench.lexicon.kinds, zip(after.tolist(), (before + given).tolist(), strict=True), strict=True)
            )
            raise ControlError(f"arm {self.name!r}: of each kind of marker (there are, should be): {counts}")
        _still_right(self.name, cases, marked, self.bench.grade)
        return _arm(self.name, f"{self.differs_by}; {int(given.sum())} were", cases, marked)


def strip(text: str, lexicon: Lexicon) -> str:
    """The text without its markers and the pauses after them; what they began begins with a capital again."""
    for _ in range(_STRIPS):  # cutting one out may make another of what stood beside it
        spans = sorted((start, end) for start, end, _ in lexicon.spans(text))
        if not spans:
            break
        kept, at, capital = [], 0, False
        for start, end in spans:
            if start > at:
                kept.append(_begun(text[at:start], capital))
                capital = False
            if end > at:
                begins = text[max(0, start - 3) : start].rstrip()[-1:] in ("", ".", "!", "?")
                capital = capital or (begins and text[start].isupper())
                after = (_PAUSES if begins else _COMMA).match(text, end)
                at = after.end() if after else end
        text = "".join([*kept, _begun(text[at:], capital)])
    return text


def put_back(graded: Graded, other: str, lexicon: Lexicon) -> str:
    """The attempt with the markers of another text, each before the step that stands as far on; none before the last one."""
    text = graded.attempt.completion.text
    starts = [step.span[0] for step in graded.verdict.steps]
    starts = starts[:-1] or starts or [0]
    added: dict[int, list[str]] = {}
    for start, end, _ in sorted(lexicon.spans(other)):
        place = starts[min(len(starts) - 1, int(len(starts) * start / len(other)))]
        added.setdefault(place, []).append(other[start:end])
    written, at = "", 0
    for place, markers in sorted(added.items()):
        written += text[at:place] + "".join(f"{marker[0].upper()}{marker[1:]}, " for marker in markers)
        at = place
    return written + text[at:]


def _begun(text: str, capital: bool) -> str:
    return text[:1].upper() + text[1:] if capital else text


def _right(
    cases: Sequence[Case], answers: Sequence[Sequence[Completion]], grade: Grade, who: str
) -> list[list[Graded]]:
    """Of each case, the answers that are right, in their order."""
    attempts = [
        Attempt(
            id=f"{case.problem.id}/{who}/{index}", problem_id=case.problem.id, model=who, seed=0, completion=completion
        )
        for case, row in zip(cases, answers, strict=True)
        for index, completion in enumerate(row)
    ]
    found: dict[str, list[Graded]] = {case.problem.id: [] for case in cases}
    for graded in grade(attempts):
        if graded.verdict.outcome is Mark.RIGHT:
            found[graded.attempt.problem_id].append(graded)
    return [found[case.problem.id] for case in cases]


def _still_right(name: str, cases: Sequence[Case], texts: Sequence[str], grade: Grade) -> None:
    """Raises ControlError unless every text answers its problem rightly."""
    answers = [[Completion(text=text, tokens=0, finish="stop")] for text in texts]
    wrong = [case.problem.id for case, rows in zip(cases, _right(cases, answers, grade, name), strict=True) if not rows]
    if wrong:
        raise ControlError(
            f"arm {name!r}: {len(wrong)} of {len(cases)} answers are no longer right (first: {wrong[0]!r})"
        )


def _arm(name: str, differs_by: str, cases: Sequence[Case], texts: Sequence[str]) -> Arm:
    examples = tuple(
        Example(problem_id=case.problem.id, prompt=case.problem.prompt, completion=text)
        for case, text in zip(cases, texts, strict=True)
    )
    return Arm(name=name, differs_by=differs_by, examples=examples)
