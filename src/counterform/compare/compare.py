"""The comparison itself: read, match, estimate, and say what a reader must know."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from importlib.resources import files
from itertools import permutations
from pathlib import Path

import numpy as np

from counterform import parts
from counterform.compare.arms import LETTERS, ordered, placed, read_all, read_and_graded
from counterform.compare.asking import Asking
from counterform.compare.contrast import Contrast
from counterform.compare.match import match
from counterform.compare.notes import notes_on, nothing, why_not
from counterform.compare.result import Compared, Level, Named
from counterform.compare.shown import shown
from counterform.compare.texts import Texts
from counterform.compare.watch import LENIENT, OURS, STRICT
from counterform.errors import DataError
from counterform.findings.paired import Comparison, FormSplit, Pass, Run, corrected, form_split, passes
from counterform.findings.stats import FEW_CLUSTERS
from counterform.logs.answers import Answers
from counterform.logs.collect import LoggedArm, Source
from counterform.logs.items import Items
from counterform.logs.plain import Plain

LENGTH = "length, characters"
_FORMS = (("strict", "flexible"), ("strict", "lenient"), ("exact", "includes"), ("match", "includes"))
"""Words in the names of two scorers of which the first demands a form that the second forgives."""


def example_logs() -> list[Path]:
    """Two small logs that come with the package: lm-eval over the world's tiny base, and over the same taught another form of answer."""
    folder = Path(str(files("counterform.logs"))) / "examples"
    return [folder / "world-base", folder / "world-tuned"]


def compare_arms(
    names: Sequence[str | Path],
    *,
    base: str = "",
    items: str | Path | None = None,
    by: str = "",
    columns: Mapping[str, Sequence[str]] | None = None,
    reader: str = "",
    detail: bool = False,
    asking: Asking | None = None,
) -> Compared:
    """Compare logs, folders of logs, and models, with the base: the first of them, or the one of this letter or path.

    items: a file of the items to compare, with their keys and columns. by: a column to break the results down by. columns: of plain files, what is
    named how. reader: the format of all logs, a name or `module:object`; empty: as each file's content says. detail: grade every response again with our
    own verifier, read its steps and markers, and keep what is worth reading. asking: how models are asked. Raises DataError, StudyError or ModelError.
    """
    known = [Answers.name, reader] if reader else [name for name in parts.PARTS["log"] if name != Plain.name]
    readers = [parts.made("log", name, {}, "--reader") for name in known]
    source = Source(readers=readers, plain=Plain(columns), items=None if items is None else Items(Path(items)), by=by)
    places = placed(names, source, base=base, asking=asking or Asking())
    detail_missing: list[str] = []
    if detail:
        arms, detail_missing = read_and_graded(places, source)
    else:
        arms = read_all(places, source)
    order = ordered(arms, base)
    contrasts, notes = _contrasts(arms, order)
    if not detail and any(contrast.is_paired and not contrast.match.scorers for contrast in contrasts):
        arms, detail_missing = read_and_graded(places, source)
        contrasts, notes = _contrasts(arms, order)
    scored = _families([c for contrast in contrasts for c in contrast.scored()])
    by_logs = {(c.first, c.second, c.task) for c in scored if c.metric not in OURS}
    comparisons = [c for c in scored if c.metric not in OURS or (c.first, c.second, c.task) not in by_logs]
    if not comparisons:
        raise DataError(nothing(contrasts, arms, order))
    letters = {LETTERS[index]: arms[index] for index in order}
    metrics = {c.metric for c in comparisons}
    texts, differing = shown([place.path for place in places], source, contrasts, letters) if detail else ([], {})
    return Compared(
        arms=tuple(_named(letter, arm) for letter, arm in letters.items()),
        pairings=tuple(contrast.pairing for contrast in contrasts),
        comparisons=tuple(comparisons),
        regraded=tuple(c for c in scored if c not in comparisons) if detail else (),
        form_splits=tuple(split for contrast in contrasts for split in _form_splits(contrast)),
        passes=tuple(found for contrast in contrasts for found in _passes(contrast)),
        traits=tuple(_families([c for contrast in contrasts for c in _traits(contrast)])),
        levels=tuple(_levels(contrasts, by)) if by else (),
        shown=tuple(texts),
        differing=differing,
        files=tuple((letter, file) for letter, arm in letters.items() for file in arm.files),
        notes=tuple(
            dict.fromkeys(
                [*notes, *_graded_by_us(contrasts, by_logs), *detail_missing, *notes_on(contrasts, letters, metrics)]
            )
        ),
    )


def _graded_by_us(contrasts: Sequence[Contrast], by_logs: Container[tuple[str, str, str]]) -> Iterator[str]:
    """Which arms are compared by our own grades alone, and which are not compared at all."""
    for contrast in contrasts:
        a, b, task = contrast.first, contrast.second, contrast.task
        if (a, b, task) in by_logs:
            continue
        if contrast.scored():
            yield f"{a} and {b} are graded by counterform's own verifier: no scorer is common to their logs"
        else:
            yield f"{a} and {b} are not compared{f' on {task}' * bool(task)}: {why_not(contrast)}"


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
    """Length, and what else was read in the texts; what fewer than six items show says nothing."""
    lengths = contrast.comparison(LENGTH, contrast.match.lengths(), "neither", count=True)
    read = all(table.traits for table in (*contrast.match.first, *contrast.match.second))
    found = [
        contrast.comparison(trait.name, contrast.match.trait(trait.name), trait.better, count=trait.is_count)
        for trait in (Texts(share=1).traits if read else ())
    ]
    yield from (c for c in (lengths, *found) if c is not None and (c is lengths or c.clusters >= FEW_CLUSTERS))


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
