"""The comparison itself: read, match, estimate, and say what a reader must know."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from importlib.resources import files
from itertools import permutations
from pathlib import Path

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from counterform import parts
from counterform.compare.match import Match, match
from counterform.compare.result import Compared, Level, Named
from counterform.compare.shown import disagreeing, shown
from counterform.compare.watch import LENIENT, OURS, STRICT, Regrader
from counterform.errors import DataError, StudyError
from counterform.findings.paired import Comparison, FormSplit, Pass, Run, compared, corrected, form_split, passes
from counterform.logs.collect import LoggedArm, Source, read
from counterform.logs.items import Items
from counterform.logs.pairing import example
from counterform.logs.plain import Plain
from counterform.logs.reader import Direction

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LENGTH = "length, characters"
_FORMS = (("strict", "flexible"), ("strict", "lenient"), ("exact", "includes"), ("match", "includes"))
"""Words in the names of two scorers of which the first demands a form that the second forgives."""


class Contrast(Struct, frozen=True, kw_only=True):
    """Two arms on one task."""

    first: str
    second: str
    task: str
    match: Match
    better: Mapping[str, Direction]

    def comparison(
        self, metric: str, runs: Sequence[Run], better: Direction, *, count: bool = False
    ) -> Comparison | None:
        """One metric's paired difference; None where no pair has it. count: of something, so that 0 and 1 are no marks."""
        return compared(
            runs,
            first=self.first,
            second=self.second,
            task=self.task,
            metric=metric,
            better=better,
            first_runs=self.match.first_runs,
            second_runs=self.match.second_runs,
            only_in_first=self.match.only_in_first,
            only_in_second=self.match.only_in_second,
            count=count,
        )

    def scored(self) -> list[Comparison]:
        """One comparison for each scorer that both arms have."""
        found = (
            self.comparison(scorer, self.match.runs(scorer), self.better.get(scorer, "high"))
            for scorer in self.match.scorers
        )
        return [comparison for comparison in found if comparison is not None]


def example_logs() -> list[Path]:
    """Two small logs that come with the package: lm-eval over the world's tiny base, and over the same taught another form of answer."""
    folder = Path(str(files("counterform.logs"))) / "examples"
    return [folder / "world-base", folder / "world-tuned"]


def compare(
    paths: Sequence[str | Path],
    *,
    base: str = "",
    items: Path | None = None,
    by: str = "",
    columns: Mapping[str, Sequence[str]] | None = None,
    reader: str = "",
    detail: bool = False,
) -> Compared:
    """Compare logs, or folders of logs, with the base: the first of them, or the one of this letter or path.

    items: a file of the items to compare, with their keys and columns. by: a column to break the results down by. columns: of plain files, what is
    named how. reader: the format of all of them, a name or `module:object`; empty: as each file's content says. detail: grade every response again with our own verifier, count markers, and keep what is worth reading. Raises DataError or StudyError.
    """
    known = [reader] if reader else [name for name in parts.PARTS["log"] if name != Plain.name]
    readers = [parts.made("log", name, {}, "--reader") for name in known]
    source = Source(readers=readers, plain=Plain(columns), items=None if items is None else Items(items), by=by)
    if detail:
        arms, missing = _regraded(paths, source)
    else:
        arms, missing = _read(paths, source), []
    order = _order(arms, base)
    contrasts, notes = _contrasts(arms, order)
    paired = [contrast for contrast in contrasts if any(len(pairs.first) for pairs in contrast.match.pairs)]
    if paired and not detail and not any(contrast.match.scorers for contrast in paired):
        arms, missing = _regraded(paths, source)
        contrasts, more = _contrasts(arms, order)
        notes += [*more, "graded by counterform's own verifier: no scorer is common to the logs"]
    notes = list(dict.fromkeys(notes + missing))
    scored = _families([c for contrast in contrasts for c in contrast.scored()])
    regraded = [c for c in scored if c.metric in OURS]
    comparisons = [c for c in scored if c.metric not in OURS]
    if not comparisons:
        comparisons, regraded = regraded, []
    if not comparisons:
        raise DataError(_nothing(contrasts, arms, order))
    letters = {LETTERS[index]: arms[index] for index in order}
    return Compared(
        arms=tuple(_named(letter, arm) for letter, arm in letters.items()),
        comparisons=tuple(comparisons),
        regraded=tuple(regraded),
        form_splits=tuple(split for contrast in contrasts for split in _form_splits(contrast)),
        passes=tuple(found for contrast in contrasts for found in _passes(contrast)),
        traits=tuple(_families([c for contrast in contrasts for c in _traits(contrast)])),
        levels=tuple(_levels(contrasts, by)) if by else (),
        disagreements=sum(disagreeing(arm) for arm in letters.values()),
        shown=tuple(shown(paths, source, contrasts, letters)) if detail else (),
        files=tuple((letter, file) for letter, arm in letters.items() for file in arm.files),
        notes=tuple(notes + _notes(contrasts, letters, {c.metric for c in comparisons})),
    )


def _read(paths: Sequence[str | Path], source: Source) -> list[LoggedArm]:
    arms = [arm for path in paths for arm in read(Path(path), source, apart=len(paths) == 1)]
    if len(arms) < 2:
        models = sorted({model for arm in arms for model in arm.models})
        raise DataError(
            f"one arm is no comparison: {str(paths[0])!r} holds {', '.join(models) or 'one model'}. "
            "Give two or more logs, or a log of several models."
        )
    if len(arms) > len(LETTERS):
        raise DataError(f"{len(arms)} arms; at most {len(LETTERS)} are compared. Give fewer logs.")
    return arms


def _regraded(paths: Sequence[str | Path], source: Source) -> tuple[list[LoggedArm], list[str]]:
    with Regrader() as regrader:
        arms = _read(paths, replace(source, watch=regrader))
        regrader.finish()
        return arms, [f"{count:,} answers could not be graded again: {why}" for why, count in regrader.missing.items()]


def _order(arms: Sequence[LoggedArm], base: str) -> list[int]:
    """The arms, the base first. Raises StudyError where there is no such arm."""
    if not base:
        return list(range(len(arms)))
    labels = [arm.label for arm in arms]
    chosen = LETTERS.find(base) if len(base) == 1 else -1
    if not 0 <= chosen < len(arms):
        if base not in labels:
            known = ", ".join(f"{letter} ({label})" for letter, label in zip(LETTERS, labels, strict=False))
            raise StudyError(f"--base {base!r} is no arm. Arms: {known}")
        chosen = labels.index(base)
    return [chosen, *(index for index in range(len(arms)) if index != chosen)]


def _contrasts(arms: Sequence[LoggedArm], order: Sequence[int]) -> tuple[list[Contrast], list[str]]:
    """Every arm against the base, on every task that both have."""
    base, notes = arms[order[0]], []
    found = []
    for index in order[1:]:
        other = arms[index]
        tasks = [(task, task) for task in base.tasks if task in other.tasks]
        if not tasks and len(base.tasks) == len(other.tasks) == 1:
            tasks = [(next(iter(base.tasks)), next(iter(other.tasks)))]
            if all(tasks[0]):
                notes.append(f"the tasks have two names, {tasks[0][0]!r} and {tasks[0][1]!r}")
        for task, named in tasks:
            matched = match(base.tasks[task], other.tasks[named])
            found.append(
                Contrast(
                    first=LETTERS[order[0]],
                    second=LETTERS[index],
                    task=task or named,
                    match=matched,
                    better={**other.better, **base.better},
                )
            )
        left = sorted({*base.tasks, *other.tasks} - {name for pair in tasks for name in pair})
        if left and tasks:
            notes.append(f"only one of {LETTERS[order[0]]} and {LETTERS[index]} has the tasks {', '.join(left[:5])}")
    return found, notes


def _families(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Verdicts corrected over the arms that are compared on one metric of one task."""
    families: dict[tuple[str, str], list[int]] = {}
    for index, comparison in enumerate(comparisons):
        families.setdefault((comparison.task, comparison.metric), []).append(index)
    found = list(comparisons)
    for indices in families.values():
        for index, fixed in zip(indices, corrected([comparisons[i] for i in indices]), strict=True):
            found[index] = fixed
    return found


def _form_splits(contrast: Contrast) -> Iterator[FormSplit]:
    """A split for each pair of scorers of which one demands a form; of counterform's own, only where the logs have none."""
    scorers = contrast.match.scorers
    named = list(_form_pairs([name for name in scorers if name not in OURS]))
    if not named and set(scorers) >= OURS:
        named = [(STRICT, LENIENT)]
    for names in named:
        split = form_split(
            contrast.match.runs(names[0]),
            contrast.match.runs(names[1]),
            first=contrast.first,
            second=contrast.second,
            task=contrast.task,
            names=names,
            first_runs=contrast.match.first_runs,
            second_runs=contrast.match.second_runs,
        )
        if split is not None:
            yield split


def _form_pairs(scorers: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Scorers that differ by what they demand: `exact_match,strict-match` and `exact_match,flexible-extract`."""
    taken: set[str] = set()
    for demanding, forgiving in _FORMS:
        for strict, flexible in permutations(scorers, 2):
            (metric, _, demands), (other, _, forgives) = strict.rpartition(","), flexible.rpartition(",")
            fits = metric == other and demanding in demands.casefold() and forgiving in forgives.casefold()
            if fits and taken.isdisjoint((strict, flexible)):
                taken.update((strict, flexible))
                yield strict, flexible


def _passes(contrast: Contrast) -> Iterator[Pass]:
    """pass@k and pass^k of one run against one, where items have several samples."""
    found = contrast.match
    if len(found.pairs) > 1 or found.pairs[0].by == "question":
        return
    first, second = found.first[0], found.second[0]
    names = list(first.items)
    partner = np.array([first.items.get(item, len(names) + at) for at, item in enumerate(second.items)], dtype=np.int64)
    refused = {first.items[item] for item in (*found.pairs[0].other_question, *found.pairs[0].ambiguous)}
    for scorer in found.scorers:
        a, b = first.items_of(first.keys), partner[second.items_of(second.keys)]
        kept = [~np.isin(items, sorted(refused)) for items in (a, b)]
        yield from passes(
            (first.values(scorer)[kept[0]], a[kept[0]]),
            (second.values(scorer)[kept[1]], b[kept[1]]),
            names=(contrast.first, contrast.second),
            task=contrast.task,
            metric=scorer,
        )


def _traits(contrast: Contrast) -> Iterator[Comparison]:
    """Length, and markers where they were counted."""
    kinds = contrast.match.first[0].traits if all(table.traits for table in contrast.match.second) else {}
    runs = {LENGTH: contrast.match.lengths()} | {f"{kind}, per response": contrast.match.trait(kind) for kind in kinds}
    found = [contrast.comparison(name, values, "neither", count=True) for name, values in runs.items()]
    yield from (comparison for comparison in found if comparison is not None)


def _levels(contrasts: Sequence[Contrast], by: str) -> Iterator[Level]:
    """Each scorer's comparison within each level; the verdicts of one scorer's levels are one family."""
    for contrast in contrasts:
        levels = contrast.match.levels()
        names = sorted({str(level) for run in levels for level in run})
        for scorer in contrast.match.scorers:
            runs = contrast.match.runs(scorer)
            found = []
            for name in names:
                within = [
                    Run(run.first[at == name], run.second[at == name], run.items[at == name])
                    for run, at in zip(runs, levels, strict=True)
                ]
                comparison = contrast.comparison(scorer, within, contrast.better.get(scorer, "high"))
                if comparison is not None:
                    found.append((name, comparison))
            for (name, _), fixed in zip(found, corrected([c for _, c in found]), strict=True):
                yield Level(column=by, level=name, comparison=fixed)


def _named(letter: str, arm: LoggedArm) -> Named:
    runs = list(arm.tasks.values())
    return Named(
        letter=letter,
        label=arm.label,
        models=arm.models,
        tasks=tuple(task for task in arm.tasks if task),
        answers=sum(len(table) for tables in runs for table in tables),
        runs=max(map(len, runs)),
    )


def _notes(contrasts: Sequence[Contrast], letters: Mapping[str, LoggedArm], metrics: Container[str]) -> list[str]:
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


def _nothing(contrasts: Sequence[Contrast], arms: Sequence[LoggedArm], order: Sequence[int]) -> str:
    """Why nothing could be compared: what was found, and what would pair."""
    held = "; ".join(f"{LETTERS[index]} ({arms[index].label}) {_held(arms[index])}" for index in order)
    if not contrasts:
        return f"no task is in both logs: {held}. Compare logs of one task."
    contrast = contrasts[0]
    pairs = contrast.match.pairs[0]
    if not any(len(found.first) for c in contrasts for found in c.match.pairs):
        why = "no item is in both logs"
        if pairs.other_question:
            said = example(contrast.match.first[0], contrast.match.second[0], pairs.other_question[0])
            why = f"{len(pairs.other_question):,} ids are in both logs, but stand for other questions: {said}"
        elif pairs.ambiguous:
            why = f"every id that is in both logs stands for several questions, e.g. {pairs.ambiguous[0]!r}"
        return f"{why}. {held}. Logs of the same items pair: by the tool's id, or by content where there is none."
    if not contrast.match.scorers:
        return (
            f"no scorer is common to the logs, and they do not hold responses with keys that could be graded again. {held}. "
            "Score both with one scorer, or give the keys: --items FILE."
        )
    reasons = ", ".join(note for c in contrasts for note in _pairing_notes(c, c.match.scorers)) or "no reason is given"
    return f"no pair of answers is scored in both logs: {reasons}. {held}."


def _held(arm: LoggedArm) -> str:
    parts_held = [
        f"{sum(len(table) for table in runs):,} answers to {len(runs[0].items):,} items"
        + (f" of {task}" if task else "")
        + f", scored by {', '.join(name for name in runs[0].scorers if name not in OURS) or 'nothing'}"
        for task, runs in list(arm.tasks.items())[:3]
    ]
    return f"holds {'; '.join(parts_held)}"
