"""Compiling arms from large pools: the stage `arms` on 10,000 to 1,000,000 graded attempts.

The pool is synthetic, but lies in a run directory as a study would leave it: ledger problems of 9 to 11 operations
(texts of about 150 characters), 4 graded attempts a problem, one of them right, 250 problems a part. Every problem
becomes a case, the worst case, and three arms are compiled: sft, rft, cft. Tokens are counted as
words, so that no tokenizer is measured. A fresh process for every size.
Measured: seconds, and peak resident memory of the process (the imports of a study, torch too, are in it).
Target: at most 60 s and 3 GB at 1,000,000 attempts, growing linearly.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterform.problems import ledger
from counterform.stages.arms import arm_units
from counterform.stages.unit import do
from counterform.stages.verify import verdict_table
from counterform.stages.work import PROBLEMS_A_PART, Work
from counterform.store import RunDir, table_of
from counterform.study import MatchSpec, ModelSpec, ProblemsSpec, Study
from counterform.train.memory import process_peak_mb
from counterform.types import Attempt, Completion, Problem

ATTEMPTS_A_PROBLEM = 4
DISTINCT = 10 * PROBLEMS_A_PART
"""Problems with a text of their own; larger pools repeat them under new ids, never within a part."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--attempts", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    args = parser.parse_args()

    print(f"n = 1 run a size, {ATTEMPTS_A_PROBLEM} attempts a problem, all problems cases, {os.cpu_count()} cores")
    print(f"{'attempts':>10}{'cases':>10}{'seconds':>10}{'s per 100k':>12}{'peak MB':>10}{'MB before':>11}")
    for attempts in args.attempts:
        with (
            tempfile.TemporaryDirectory() as folder,
            multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as fresh,
        ):
            fresh.apply(write_pool, (Path(folder), attempts))
            cases, seconds, before, peak = fresh.apply(compile_pool, (Path(folder), attempts))
        print(
            f"{attempts:>10,}{cases:>10,}{seconds:>10.1f}{seconds * 100_000 / attempts:>12.2f}{peak:>10,.0f}"
            f"{before:>11,.0f}",
            flush=True,
        )
    print("target: <= 60 s and <= 3,000 MB at 1,000,000")


def study_of(attempts: int) -> Study:
    problems = attempts // ATTEMPTS_A_PROBLEM
    return Study(
        name="bench",
        model=ModelSpec(kind="scripted"),
        problems=ProblemsSpec(family="ledger", train=problems - 1, held_out=1),
        match=MatchSpec(cases=problems),
    )


def write_pool(folder: Path, attempts: int) -> None:
    """Write problems, attempts and verdicts as the stages before `arms` do."""
    files = RunDir(folder)
    work = Work(study_of(attempts), files, say=lambda line: None)
    problems = ledger.Ledger().generate(DISTINCT, rng=np.random.default_rng(0), lengths=(9, 10, 11))
    pool = [attempt for problem in problems for attempt in attempts_at(problem)]
    graded = work.grade(pool, {problem.id: problem for problem in problems})
    problem_rows = table_of(problems, Problem)
    attempt_rows, verdict_rows = table_of(pool, Attempt), verdict_table(graded)
    all_problems = []
    for at in range(0, attempts // ATTEMPTS_A_PROBLEM, PROBLEMS_A_PART):
        start, prefix = at % DISTINCT, f"{at // DISTINCT}-"
        rows = slice(start * ATTEMPTS_A_PROBLEM, (start + PROBLEMS_A_PART) * ATTEMPTS_A_PROBLEM)
        all_problems.append(renamed(problem_rows[start : start + PROBLEMS_A_PART], prefix, "id"))
        part = f"part-{at // PROBLEMS_A_PART:05d}.parquet"
        files.write_table(f"attempts/{part}", renamed(attempt_rows[rows], prefix, "id", "problem_id"))
        files.write_table(f"verdicts/{part}", renamed(verdict_rows[rows], prefix, "attempt_id", "problem_id"))
    files.write_table("problems.parquet", pa.concat_tables(all_problems))


def attempts_at(problem: Problem) -> Iterator[Attempt]:
    """The worked solution, and three attempts with an error at another step each."""
    start, operations = ledger.facts(problem)
    texts = [" ".join(ledger.solution_steps(start, operations))]
    for at, kind in enumerate(("arithmetic", "operation", "carry")):
        texts.append(" ".join(ledger.broken_steps(start, operations, at=at, kind=kind, off=1)))
    for index, text in enumerate(texts):
        completion = Completion(text=text, tokens=len(text.split()), finish="stop")
        yield Attempt(
            id=f"{problem.id}/base/{index}", problem_id=problem.id, model="base", seed=0, completion=completion
        )


def renamed(table: pa.Table, prefix: str, *columns: str) -> pa.Table:
    """The same rows under other ids."""
    for name in columns:
        values = pc.binary_join_element_wise(prefix, table[name], "")
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)
    return table


def compile_pool(folder: Path, attempts: int) -> tuple[int, float, float, float]:
    """Cases, seconds, and peak memory before and after (MB) of compiling the arms."""
    files = RunDir(folder)
    work = Work(study_of(attempts), files, say=lambda line: None)
    before, started = process_peak_mb(), time.perf_counter()
    for unit in arm_units(work):
        do(work, unit)
    seconds = time.perf_counter() - started
    return files.read_table("arms/cft.parquet", ["problem_id"]).num_rows, seconds, before, process_peak_mb()


if __name__ == "__main__":
    main()
