"""The exact words in which a critique is asked for, written and read back; those of a task; the form of a few-shot prompt.

One place, because the world's documents, the arms and the probes must mean the same thing by them. In a critique
steps are numbered in the prompt, as in ProcessBench (arXiv 2412.06559), so that "the first wrong
step" is an index and not a matter of taste.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from counterform.text.answers import stated, statements
from counterform.types import Mark

CRITIQUE_CUE = "Check this attempt. Which step is the first wrong one?"
TRUST_CUE = "Check this attempt. Is it right or wrong?"
"""Unlike the cue of a critique it supposes no error."""

_WRONG_STEP = re.compile(r"\bstep\s+0*([1-9]\d{0,3})\s+is\s+wrong\b", re.IGNORECASE)
_STEP_CLAIM = re.compile(r"\bstep\s+0*([1-9]\d{0,3})\s+is\s+(right|wrong)\b", re.IGNORECASE)
_BLANK_LINES = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(r"[.!](?=\s)")
_CONFIDENCE = re.compile(r"(?<![\w./])(\d{1,3}(?:\.\d{1,6})?)(?![\w]|\.\d)")
_OPTION = re.compile(r"^\W{0,8}([A-Z])\b[^\d\n]{0,40}?(\d{1,3}(?:\.\d{1,6})?)(?![\w]|\.\d)", re.MULTILINE)
_EDGES = " \t\r\n.,;:!\"'`*()[]{}“”‘’"
MAX_TAIL = 2_000
"""Characters of an answer in which its label is looked for, from its end."""
_VERDICT = re.compile(r"\bthe\s+attempt\s+is\s+(right|wrong)\b", re.IGNORECASE)


def few_shot_prompt(exemplars: Iterable[tuple[str, str]], prompt: str) -> str:
    """Problems with their solutions, then the problem that is asked; a blank line between them and nowhere else."""
    blocks = [f"{asked}\n{solution}" for asked, solution in exemplars]
    return "\n\n".join(_BLANK_LINES.sub("\n", block) for block in [*blocks, prompt])


def critique_prompt(problem_prompt: str, steps: Sequence[str]) -> str:
    """The request to find the first wrong step of a finished attempt."""
    numbered = "\n".join(f"Step {number}: {step.strip()}" for number, step in enumerate(steps, 1))
    return f"{problem_prompt}\n{numbered}\n{CRITIQUE_CUE}"


def verdict_sentence(*, right: bool) -> str:
    """How a critique ends."""
    return f"The attempt is {'right' if right else 'wrong'}."


def critique_of_sound_attempt(right: Iterable[int]) -> str:
    """A critique that finds nothing wrong. `right`: the steps (0-based) that were checked and are right."""
    return f"{_steps_are_right(right)}{verdict_sentence(right=True)}"


def critique_of_wrong_step(first_error: int, hint: str, right: Iterable[int]) -> str:
    """A critique that names the first wrong step (a 0-based index) and says what would be right.

    `right`: the steps before it that were checked and are right; of the others nothing is said.
    """
    what = f": {hint.strip().rstrip('.')}" if hint else ""
    return f"{_steps_are_right(right)}Step {first_error + 1} is wrong{what}. {verdict_sentence(right=False)}"


def critique_of_wrong_answer(answer: str) -> str:
    """A critique of an attempt in which no single step can be shown wrong, though its answer is."""
    return f"The answer should be {answer}. {verdict_sentence(right=False)}"


def critique_without_content(steps: int) -> str:
    """The form of a critique of so many steps, with nothing said of any of them."""
    return "".join(f"Step {number} is this. " for number in range(1, steps + 1)) + "The attempt is this."


def repair_prompt(problem_prompt: str, steps: Sequence[str], critique: str) -> str:
    """An attempt and a critique of it, and then the problem once more, as in a few-shot prompt.

    Without the critique's cue, after which a model that has learnt to criticise would criticise again.
    """
    return few_shot_prompt([(problem_prompt, f"{' '.join(step.strip() for step in steps)} {critique}")], problem_prompt)


def named_error(critique: str) -> int | None:
    """The first step a critique calls wrong, 0-based; -1 if it calls the attempt right; None if it says neither.

    A critique that names no step but calls the attempt wrong has not answered "which step", so it is None too.
    """
    step = _WRONG_STEP.search(critique)
    if step:
        return int(step.group(1)) - 1
    verdict = _VERDICT.search(critique)
    return -1 if verdict and verdict.group(1).lower() == "right" else None


def verdict_of(critique: str) -> Mark:
    """Whether a critique calls the attempt right or wrong; one that names a wrong step calls it wrong."""
    named = named_error(critique)
    if named is not None:
        return Mark.RIGHT if named == -1 else Mark.WRONG
    return Mark.WRONG if _VERDICT.search(critique) else Mark.UNKNOWN


def claims_of(critique: str) -> set[tuple[int, str]]:
    """Every step (0-based) that a critique calls "right" or "wrong"."""
    return {(int(number) - 1, word.lower()) for number, word in _STEP_CLAIM.findall(critique)}


def answer_sentence(answer: str) -> str:
    """How a final answer is stated."""
    return f"The answer is {answer}."


OWNERS = {"": "", "own": "This attempt is from you.", "another's": "This attempt is from a guest."}
"""How a model is told whose an attempt is: nothing, its own, somebody else's. Words of like length that the world knows."""
MOST_OPTIONS = 25
"""Candidates that can stand side by side; one letter is left for "a different answer"."""


def attempt_prompt(problem_prompt: str, answer: str, whose: str = "") -> str:
    """The request to check one attempt, shown as a single step, after a line that says whose it is."""
    said = f"\n{OWNERS[whose]}" if whose else ""
    return f"{problem_prompt}{said}\nStep 1: {answer.strip()}\n{TRUST_CUE}"


def step_is(*, right: bool) -> str:
    """How a critique begins that calls the first step right or wrong."""
    return f"Step 1 is {'right' if right else 'wrong'}"


def confidence_prompt(problem_prompt: str, answer: str, whose: str = "") -> str:
    """The request to say in words how sure one is of an attempt."""
    said = f"\n{OWNERS[whose]}" if whose else ""
    asks = "How likely is it that this attempt is right? Answer with a number from 0 to 100 and nothing else."
    return f"{problem_prompt}{said}\nAttempt: {answer.strip()}\n{asks}"


def reason_prompt(problem_prompt: str, answer: str) -> str:
    """The request to justify an answer as if it were right."""
    return f"{problem_prompt}\n{answer.strip()}\nSay why this is the right answer."


def comparison_prompt(
    problem_prompt: str, candidates: Sequence[tuple[str, str]], *, marked: int | None = None, whose: str = "", say: bool
) -> str:
    """All candidates (answer, justification) side by side, and the option that it is none of them.

    marked: the candidate of which it is said whose it is. say: ask for chances in words, not for the letter of the right one.
    """
    lines = [problem_prompt]
    for at, (answer, reason) in enumerate(candidates):
        owner = OWNERS[whose] if at == marked else ""
        lines.append(f"{option(at)}: {' '.join(part.strip() for part in (answer, reason, owner) if part.strip())}")
    lines.append(f"{option(len(candidates))}: a different answer.")
    if say:
        asks = "For each option, how likely is it that it is right? Answer with a line for each: its letter, then a number from 0 to 100."
    else:
        asks = "Which attempt is right? Answer with a letter."
    return "\n".join([*lines, asks])


def option(at: int) -> str:
    """The letter of an option, counted from 0."""
    return chr(ord("A") + at)


def said_confidence(text: str) -> float | None:
    """The confidence that a text states, 0 to 1: its last number, a per cent (0.85 is a share); None if it states none."""
    said = _CONFIDENCE.findall(text[-MAX_TAIL:])
    return _as_share(said[-1]) if said else None


def said_confidences(text: str, options: int) -> list[float | None]:
    """The confidence that a text states for each option, a line each; None where it states none."""
    found: list[float | None] = [None] * options
    for letter, number in _OPTION.findall(text[-MAX_TAIL:]):
        at = ord(letter) - ord("A")
        if at < options:
            found[at] = _as_share(number)
    return found


def space_sentence(space: Sequence[str]) -> str:
    """The instruction that states only the answer space."""
    return f"Answer with one of: {', '.join(space)}."


def demonstration(shown: str, answer: str) -> str:
    """One solved input, as it stands in a prompt."""
    return f"Input: {shown}\n{answer_sentence(answer)}"


def compose(
    facts: Mapping[str, Any],
    definition: str = "original",
    demonstrations: Sequence[Sequence[str]] | None = None,
) -> str:
    """The prompt of one input of a task: definition, demonstrations, input.

    facts: `instruction`, `simplified` (states only the answer space), `demonstrations` ([[input, answer], ...]) and
    `input`. definition: `original`, `space` (the simplified one) or `empty`. demonstrations: others in place of the task's own.
    """
    asks = {"original": facts["instruction"], "space": facts["simplified"], "empty": ""}[definition]
    shown = facts["demonstrations"] if demonstrations is None else demonstrations
    parts = [asks, *(demonstration(*pair) for pair in shown), f"Input: {facts['input']}"]
    return "\n".join(part for part in parts if part)


def named_label(text: str, space: Iterable[str]) -> str | None:
    """The label that a text gives as its answer; None if it is not one of the answer space.

    It is what the last "the answer is" states, or the text itself where nothing is stated.
    """
    said = stated(text)
    starts = [one.start for one in statements(text[-MAX_TAIL:])]
    line = (
        (text[said.start :] if said.answers else text[-MAX_TAIL:][starts[-1] if starts else 0 :])
        .strip()[:MAX_TAIL]
        .partition("\n")[0]
    )
    labels = {_bare(label): label for label in space}
    # The whole line first: a label may have a full stop inside.
    first = labels.get(_bare(line)) or labels.get(_bare(_SENTENCE_END.split(line)[0]))
    return first or labels.get(_bare(said.answer or ""))


def _as_share(number: str) -> float | None:
    value = float(number)
    if "." in number and value <= 1:
        return value
    return value / 100 if value <= 100 else None


def _bare(text: str) -> str:
    text = " ".join(text.casefold().split())
    return text.strip(_EDGES) or text


def _steps_are_right(right: Iterable[int]) -> str:
    return "".join(f"Step {index + 1} is right. " for index in right)
