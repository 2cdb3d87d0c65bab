"""Stage 2: attempts, recorded ones or sampled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from counterform.errors import ModelError
from counterform.models.sampling import attempts_of, derived_seed
from counterform.stages.kept import completions
from counterform.stages.recorded import answer_units
from counterform.stages.unit import Unit
from counterform.stages.work import PROBLEMS_A_PART, OpenLater, Work
from counterform.types import Attempt, Problem


def sample_units(work: Work) -> Iterator[Unit]:
    """The user's recorded attempts, or those at 250 problems a unit, sampled; none where nobody needs any. Before them, arms' own answers."""
    yield from answer_units(work)
    if not work.keys.splits:
        return
    if work.study.attempts.file:
        yield RecordedUnit("sample/part-00000", needs=("problems",))
        return
    with OpenLater(work.sampled) as model:
        yield from (SampleUnit(name, number * PROBLEMS_A_PART, model) for number, name in enumerate(work.parts()))


class RecordedUnit(Unit):
    """Attempts from the user's file."""

    def key(self, work: Work) -> str:
        return work.keys.attempts

    def make(self, work: Work) -> list[str]:
        from counterform.problems.readers import read_attempts

        spec = work.study.attempts
        read = read_attempts(
            work.study.file(spec.file),
            work.problems(*work.keys.splits),
            problem=spec.problem,
            responses=spec.responses,
            template=work.study.problems.template,
        )
        work.count("recorded attempts at problems that were not chosen", len(read.elsewhere))
        work.count("recorded attempts that cannot be used", len(read.broken))
        if read.broken:
            first = read.broken[0]
            note = f"{len(read.broken):,} of the recorded attempts cannot be used, the first at line {first.line}: {first.reason}."
            work.say(f"sample    {note}")
            work.making.notes.append(note)
        work.files.write_rows("attempts/part-00000.parquet", read.attempts, Attempt)
        return ["attempts/part-00000.parquet"]


class SampleUnit(Unit):
    """Attempts at some of the problems, in problem order.

    What is sampled depends on the study alone, not on how often it was interrupted nor on how fast the model is: a part has its own
    seed, and what was heard of it is kept every minute (stages/kept.py).
    """

    def __init__(self, part: str, at: int, model: OpenLater) -> None:
        super().__init__(f"sample/{part}", needs=("problems",))
        self._part, self._at, self._model = part, at, model

    def key(self, work: Work) -> str:
        return work.keys.attempts

    def make(self, work: Work) -> list[str]:
        spec, every = work.study.attempts, work.problems(*work.keys.splits)
        problems = every[self._at : self._at + PROBLEMS_A_PART]
        folder = f"partial/{self._part}-{work.keys.attempts}"
        seed = derived_seed("pool", self._at)
        rows = completions(
            work.files,
            folder,
            self._model,
            [problem.prompt for problem in problems],
            n=spec.samples,
            seed=seed,
            temperature=spec.temperature,
            max_tokens=spec.max_tokens,
        )
        work.making.tokens = sum(completion.tokens for row in rows for completion in row)
        if self._model.is_open:
            work.making.notes += self._model().notes
        who = "base" if spec.model is None else work.sampled.path.replace("/", "_")
        attempts = attempts_of(problems, rows, who=who, seed=seed)
        self._look(work, attempts, problems)
        work.files.write_rows(f"attempts/{self._part}.parquet", attempts, Attempt)
        lost = [attempt.id for attempt in attempts if attempt.completion.transient]
        if not lost:
            work.files.clear(folder)
        work.lose(iter(lost))
        return [f"attempts/{self._part}.parquet"]

    def _look(self, work: Work, attempts: list[Attempt], problems: list[Problem]) -> None:
        """Count the calls that failed. Raises ModelError where all have: that is no data."""
        failed = Counter(a.completion.failure or "no reason" for a in attempts if a.completion.finish == "error")
        if failed:
            work.count("model calls that failed", sum(failed.values()))
        if failed.total() == len(attempts):
            kinds = ", ".join(f"{n} x {kind}" for kind, n in failed.most_common())
            raise ModelError(
                f"{work.sampled.path!r} answered none of {len(attempts)} calls ({kinds}). Mend that, and run the same command "
                "again; `context` means that no prompt leaves room for $.attempts.max_tokens."
            )
