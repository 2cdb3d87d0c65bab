"""Declare what candidates are compared by, and compare one: read, prove that the items are the declared ones, rule, write down, and only then tell."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct

from counterform import parts
from counterform.compare.match import Match, match
from counterform.compare.texts import Texts
from counterform.compare.watch import OURS, Regrader
from counterform.errors import DataError, StudyError, unknown_name
from counterform.findings.ruling import rule
from counterform.logs.collect import LoggedArm, Source, read
from counterform.logs.pairing import example
from counterform.logs.plain import Plain
from counterform.logs.table import MAX_SAMPLES, Table
from counterform.referee.entries import Asked, Contrast, Declared, Look, Released, Verdict
from counterform.referee.ledger import Ledger, begin, held

ALPHA = 0.05
MOST = 100_000
"""Candidates that can be planned."""


class Answers(Struct, frozen=True):
    """One log, and the hashes of what it answers and how well."""

    arm: LoggedArm
    held_out: str
    digest: str


def declare(ledger: Path, asked: Sequence[Asked], base: Path, *, alpha: float = ALPHA, candidates: int = 0) -> Ledger:
    """Begin a ledger. candidates: how many looks alpha is split over; 0: a series without an end. Raises CounterformError."""
    if not 0 < alpha <= 0.5:
        raise StudyError(f"--alpha {alpha} is no chance of a false find to live with: above 0 and at most 0.5.")
    if not 0 <= candidates <= MOST:
        raise StudyError(f"--candidates {candidates}: from 1 to {MOST:,}, or left out.")
    arm = _arm(base, regrade=any(each.metric in OURS for each in asked))
    contrasts = tuple(contrast for each in asked for contrast in _contrasts(arm, each, base))
    repeated = {str(c) for c in contrasts if sum(d.task == c.task and d.metric == c.metric for d in contrasts) > 1}
    if repeated:
        raise StudyError(f"--declare: {', '.join(sorted(repeated))} is declared twice.")
    answers = _answers(arm, contrasts)
    entry = Declared(
        contrasts=contrasts,
        base=os.path.relpath(base, ledger.parent),
        base_digest=answers.digest,
        held_out=answers.held_out,
        items=len({(c.task, item) for c in contrasts for item in arm.tasks[c.task][0].items}),
        runs=min(len(arm.tasks[contrast.task]) for contrast in contrasts),
        alpha=alpha,
        candidates=candidates,
        when=_now(),
    )
    return begin(ledger, entry)


def state(ledger: Path) -> Ledger:
    """A ledger, proven to hold. Raises DataError that names what was done to it."""
    with held(ledger):
        return Ledger(ledger)


def submit(ledger: Path, log: Path) -> Released:
    """Compare a candidate with the base, and write it down. Raises CounterformError for one that cannot be compared; then nothing is spent."""
    declared = state(ledger).declared
    regrade = any(contrast.metric in OURS for contrast in declared.contrasts)
    base_path = ledger.parent / declared.base
    if not base_path.exists():
        raise DataError(f"the base log of this ledger is not at {base_path}. Put it back there.")
    base = _answers(_arm(base_path, regrade=regrade), declared.contrasts)
    if (base.digest, base.held_out) != (declared.base_digest, declared.held_out):
        raise DataError(f"{base_path} is not the log that was declared: its items or scores have changed. Put it back.")
    arm = _arm(log, regrade=regrade)
    _require_tasks(arm, declared, log)
    candidate = _answers(arm, declared.contrasts)
    matches = {task: match(base.arm.tasks[task], arm.tasks[task]) for task in {c.task for c in declared.contrasts}}
    if candidate.held_out != declared.held_out:
        raise DataError(_other_items(matches.values(), log))
    if declared.runs > 1 and min(len(arm.tasks[c.task]) for c in declared.contrasts) < 2:
        raise DataError(
            f"{str(log)!r} has one run, and the base {declared.runs}: with one, luck of training cannot be told from a gain. "
            "Buy one more seed, and give the folder of both logs. Nothing was spent."
        )
    with held(ledger):
        return _decided(Ledger(ledger), candidate, matches, log)


def _decided(book: Ledger, candidate: Answers, matches: dict[str, Match], log: Path) -> Released:
    declared, looks = book.declared, book.looks
    seen = next((look for look in looks if look.candidate == candidate.digest), None)
    if seen is not None:
        notes = (f"the same answers as look {seen.number}, {seen.log}: its verdict stands, and nothing was spent",)
        return Released(look=seen, spent=False, alpha_left=declared.left(len(looks)), receipt=book.receipt, notes=notes)
    number = len(looks) + 1
    if 0 < declared.candidates < number:
        raise StudyError(
            f"{book.path}: all {declared.candidates} planned looks were taken, and with them alpha is spent. "
            "Declare a new ledger on items that no candidate has seen."
        )
    level = declared.level(number)
    verdicts = tuple(_verdict(contrast, matches[contrast.task], level, log) for contrast in declared.contrasts)
    look = Look(number=number, candidate=candidate.digest, log=str(log), level=level, verdicts=verdicts, when=_now())
    book.add(look)
    of_weights = "of one run each: a verdict on these weights, not on how they were trained"
    return Released(
        look=look,
        spent=True,
        alpha_left=declared.left(number),
        receipt=book.receipt,
        notes=(of_weights,) if declared.runs == 1 else (),
    )


def _verdict(contrast: Contrast, found: Match, level: float, log: Path) -> Verdict:
    ruled = rule(
        found.runs(contrast.metric),
        first_runs=found.first_runs,
        second_runs=found.second_runs,
        share=contrast.share,
        up=contrast.up,
        margin=contrast.margin,
        level=level,
    )
    if ruled is None:
        raise DataError(f"{str(log)!r}: no answer of {contrast} is scored in it and in the base. Nothing was spent.")
    return Verdict(task=contrast.task, metric=contrast.metric, ruling=ruled.ruling, buy=ruled.buy, more=ruled.more)


def _arm(path: Path, *, regrade: bool) -> LoggedArm:
    known = [name for name in parts.PARTS["log"] if name != Plain.name]
    readers = [parts.made("log", name, {}, "--candidate") for name in known]
    with Regrader(Texts(share=0.0)) as regrader:
        source = Source(readers=readers, plain=Plain(None), watch=regrader if regrade else None)
        arms = read(path, source, apart=False)
        regrader.finish()
    if len(arms) > 1:
        raise DataError(
            f"{str(path)!r} holds {len(arms)} models: {', '.join(arm.label for arm in arms[:4])}. Give one."
        )
    bad = [file for file in arms[0].files if file.status != "success" and file.tasks]
    if bad:
        raise DataError(
            f"{bad[0].path}: the log's status is {bad[0].status!r}, not success. Only a whole evaluation is compared."
        )
    return arms[0]


def _contrasts(arm: LoggedArm, asked: Asked, path: Path) -> Iterable[Contrast]:
    tasks = [task for task, runs in arm.tasks.items() if all(asked.metric in table.scorers for table in runs)]
    if not tasks:
        names = sorted({name for runs in arm.tasks.values() for table in runs for name in table.scorers} | OURS)
        raise StudyError(f"--declare: {unknown_name('metric', asked.metric, names)} (of {str(path)!r})")
    for task in tasks:
        values = np.concatenate([table.values(asked.metric) for table in arm.tasks[task]])
        values = values[~np.isnan(values)]
        share = bool(len(values) and ((values >= 0) & (values <= 1)).all())
        if not len(values):
            raise DataError(f"{str(path)!r}: no answer has a value of {asked.metric!r}.")
        if asked.points and not share:
            raise StudyError(f"--declare: {asked.metric} is no share. Give the margin without pt.")
        if share and asked.margin >= 1:
            raise StudyError(f"--declare: a margin of {asked.margin:g} of a share. Write points as 2pt.")
        yield Contrast(
            task=task, metric=asked.metric, margin=asked.margin, share=share, up=arm.better.get(asked.metric) != "low"
        )


def _require_tasks(arm: LoggedArm, declared: Declared, log: Path) -> None:
    for contrast in declared.contrasts:
        runs = arm.tasks.get(contrast.task)
        if runs is None:
            held = ", ".join(repr(task) for task in arm.tasks) or "none"
            raise DataError(f"{str(log)!r} has no task {contrast.task!r}. Tasks: {held}. Nothing was spent.")
        if not all(contrast.metric in table.scorers for table in runs):
            names = ", ".join(sorted({name for table in runs for name in table.scorers})) or "none"
            raise DataError(f"{str(log)!r} has no {contrast.metric!r}. Metrics: {names}. Nothing was spent.")


def _answers(arm: LoggedArm, contrasts: Sequence[Contrast]) -> Answers:
    tasks = list(dict.fromkeys(contrast.task for contrast in contrasts))
    held_out = hashlib.sha256()
    for task in tasks:
        held_out.update(repr((task, sorted({_items_of(table) for table in arm.tasks[task]}))).encode())
    values = hashlib.sha256()
    for contrast in contrasts:
        runs = sorted(_values_of(table, contrast.metric) for table in arm.tasks[contrast.task])
        values.update(repr((contrast.task, contrast.metric, runs)).encode())
    return Answers(arm, held_out.hexdigest(), values.hexdigest())


def _items_of(table: Table) -> str:
    """Hash of which items and samples a table holds; of all its runs equal where they are complete."""
    names = list(table.items)
    found = sorted((names[key // MAX_SAMPLES], key % MAX_SAMPLES) for key in table.keys.tolist())
    contents = sorted((name, table.contents[at]) for name, at in table.items.items())
    return hashlib.sha256(repr((found, contents)).encode()).hexdigest()


def _values_of(table: Table, metric: str) -> str:
    names = list(table.items)
    keys, values = table.keys.tolist(), table.values(metric).tolist()
    found = sorted(
        (names[key // MAX_SAMPLES], key % MAX_SAMPLES, value) for key, value in zip(keys, values, strict=True)
    )
    return hashlib.sha256(repr(found).encode()).hexdigest()


def _other_items(matches: Iterable[Match], log: Path) -> str:
    missing = sum(found.only_in_first for found in matches)
    more = sum(found.only_in_second for found in matches)
    said = [f"{missing:,} answers of the held-out set are missing"] if missing else []
    said += [f"{more:,} are to other items or samples"] if more else []
    for found in matches:
        for first, second, pairs in zip(found.first, found.second, found.pairs, strict=True):
            if pairs.other_question:
                said.append(f"another question under one id: {example(first, second, pairs.other_question[0])}")
    why = (
        "; ".join(said[:3])
        or "its items are named or worded otherwise than the base's (another tool, or another version of it)"
    )
    return f"{str(log)!r} was not read on the declared held-out set: {why}. Nothing was spent."


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
