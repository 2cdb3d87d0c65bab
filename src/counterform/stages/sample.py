"""Stage 2: attempts, recorded ones or sampled."""

from __future__ import annotations

from counterform.models.sampling import derived_seed, sample_attempts
from counterform.parts import part
from counterform.stages.work import Work
from counterform.types import Attempt, Problem

PROBLEMS_A_PART = 250
"""Problems whose attempts appear together; what a kill -9 can cost."""


def sample(work: Work) -> None:
    """Attempts at every problem: recorded ones from the user's file, or sampled in parts that appear whole."""
    if work.files.is_done("sample", work.attempts_key):
        return
    problems = work.problems("train", "held_out")
    if not work.files.is_done("sampling", work.attempts_key):
        work.files.clear("attempts")
        work.files.done("sampling", work.attempts_key)
    if work.study.attempts.file:
        work.files.write_rows("attempts/part-00000.parquet", _recorded(work, problems), Attempt)
    else:
        _sample_parts(work, problems)
    work.files.done("sample", work.attempts_key)


def _recorded(work: Work, problems: list[Problem]) -> list[Attempt]:
    from counterform.problems.readers import read_attempts

    spec = work.study.attempts
    read = read_attempts(
        work.study.file(spec.file),
        problems,
        problem=spec.problem,
        responses=spec.responses,
        template=work.study.problems.template,
    )
    work.count("recorded attempts that belong to no chosen problem, or are broken", len(read.broken))
    return read.attempts


def _sample_parts(work: Work, problems: list[Problem]) -> None:
    spec = work.study.attempts
    starts = range(0, len(problems), PROBLEMS_A_PART)
    missing = [at for at in starts if not (work.files / part_of("attempts", at)).exists()]
    if not missing:
        return
    model = part("model", work.sampled.kind).open(work.sampled)
    for at in missing:
        work.say(f"sample    problems {at + 1} to {min(at + PROBLEMS_A_PART, len(problems))} of {len(problems)}")
        attempts = sample_attempts(
            model,
            problems[at : at + PROBLEMS_A_PART],
            who="base" if work.study.attempts.model is None else model.name.replace("/", "_"),
            n=spec.samples,
            seed=derived_seed("pool", at),
            temperature=spec.temperature,
            max_tokens=spec.max_tokens,
        )
        work.files.write_rows(part_of("attempts", at), attempts, Attempt)
    if model.failures:
        work.count("model calls that failed", sum(model.failures.values()))
    model.close()


def part_of(folder: str, at: int) -> str:
    """The file of the attempts, or of the verdicts, that begins with this problem's."""
    return f"{folder}/part-{at // PROBLEMS_A_PART:05d}.parquet"
