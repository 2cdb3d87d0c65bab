"""What a reader must know before believing the numbers, and why nothing could be compared."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from counterform.compare.arms import LETTERS
from counterform.compare.contrast import Contrast
from counterform.compare.watch import OURS
from counterform.logs.collect import LoggedArm
from counterform.logs.pairing import example


def notes_on(contrasts: Sequence[Contrast], letters: Mapping[str, LoggedArm], metrics: Container[str]) -> list[str]:
    """What a reader must know before believing the numbers, the worst first."""
    notes = []
    seen: dict[frozenset[object], str] = {}
    for letter, arm in letters.items():
        if arm.identities in seen:
            notes.append(f"{seen[arm.identities]} and {letter} are the same log, or hold the same answers")
        seen.setdefault(arm.identities, letter)
        notes += [f"{letter}: {Path(file.path).name}: {note}" for file in arm.files for note in file.notes]
        notes += [f"{letter}: {note}" for note in arm.notes]
        if len(arm.models) > 1:
            notes.append(f"{letter}: {len(arm.models)} models in one folder are taken for runs (seeds) of one arm")
    for contrast in contrasts:
        notes += _pairing_notes(contrast, metrics)
    return list(dict.fromkeys(notes))


def _pairing_notes(contrast: Contrast, metrics: Container[str]) -> Iterator[str]:
    a, b, found = contrast.first, contrast.second, contrast.match
    for table, other, pairs in zip(found.first, found.second, found.pairs, strict=True):
        if pairs.other_question:
            said = example(table, other, pairs.other_question[0])
            yield f"{len(pairs.other_question):,} ids are other questions in {a} and {b}, and are not paired, e.g. {said}"
        if pairs.ambiguous:
            yield f"{len(pairs.ambiguous):,} ids stand for several questions within a log, and are not paired, e.g. {pairs.ambiguous[0]!r}"
        if pairs.other_prompt:
            n = len(np.unique(pairs.items))
            yield f"the prompt was rendered differently in {a} and {b} for {pairs.other_prompt:,} of {n:,} items: template, or examples"
    if found.left_out:
        yield f"{found.left_out} runs are left out: {a} and {b} have not equally many"
    for scorer in (name for name in found.scorers if name in metrics):
        for letter, reasons in zip((a, b), found.unscored(scorer), strict=True):
            if reasons:
                why = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common(3))
                yield f"{letter} has no {scorer} for {reasons.total():,} answers of pairs: {why}"
        remarks = sum(table.remarks(scorer).total() for table in {*found.first, *found.second})
        if remarks:
            table = next(table for table in (*found.first, *found.second) if table.remarks(scorer))
            yield f"{scorer}: {remarks:,} values are {table.remarks(scorer).most_common(1)[0][0]}"


def nothing(contrasts: Sequence[Contrast], arms: Sequence[LoggedArm], order: Sequence[int]) -> str:
    """Why nothing could be compared: what was found, and what would pair."""
    held = "; ".join(f"{LETTERS[index]} ({arms[index].label}) {_held(arms[index])}" for index in order)
    if not contrasts:
        return f"no task is in both logs: {held}. Compare logs of one task."
    return f"{why_not(contrasts[0])} What was read: {held}."


def why_not(contrast: Contrast) -> str:
    """Why two arms cannot be compared on a task, and what would help."""
    pairs = contrast.match.pairs[0]
    if not any(len(found.first) for found in contrast.match.pairs):
        why = "no item is in both logs"
        if pairs.other_question:
            said = example(contrast.match.first[0], contrast.match.second[0], pairs.other_question[0])
            why = f"{len(pairs.other_question):,} ids are in both logs, but stand for other questions: {said}"
        elif pairs.ambiguous:
            why = f"every id that is in both logs stands for several questions, e.g. {pairs.ambiguous[0]!r}"
        return f"{why}. Logs of the same items pair: by the tool's id, or by content where there is none."
    if not contrast.match.scorers:
        return (
            "no scorer is common to the logs, and they do not hold responses with keys that could be graded again. "
            "Score both with one scorer, or give the keys: --items FILE."
        )
    reasons = ", ".join(_pairing_notes(contrast, contrast.match.scorers[:1])) or "no reason is given"
    return f"no pair of answers is scored in both logs: {reasons}."


def _held(arm: LoggedArm) -> str:
    parts_held = [
        f"{sum(len(table) for table in runs):,} answers to {len(runs[0].items):,} items"
        + (f" of {task}" if task else "")
        + f", scored by {', '.join(name for name in runs[0].scorers if name not in OURS) or 'nothing'}"
        for task, runs in list(arm.tasks.items())[:3]
    ]
    odd = [note for file in arm.files for note in file.notes][:3]
    return f"holds {'; '.join(parts_held)}" + (f" ({'; '.join(odd)})" if odd else "")
