"""Of stage 2: the answers that others have recorded to the problems of this study, read once for each seed of their arm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from counterform.errors import DataError
from counterform.problems.hub import problems_file
from counterform.problems.readers import read_attempts
from counterform.stages.answering import Recorded, answers_file
from counterform.stages.unit import Unit
from counterform.stages.work import Work
from counterform.study import ResponseColumns, several
from counterform.types import Attempt, Mark, Problem


def answer_units(work: Work) -> Iterator[Unit]:
    """The answers of every arm of which they were recorded, seed by seed."""
    for arm in work.existing.values():
        if isinstance(arm, Recorded):
            yield from (AnswersUnit(arm, seed) for seed in arm.seeds)


class AnswersUnit(Unit):
    """Recorded answers to held-out problems. What is not there is counted, and never scored."""

    def __init__(self, arm: Recorded, seed: int) -> None:
        self._arm, self._seed = arm, seed
        super().__init__(arm.unit(seed), needs=("problems", "shifted"))

    def key(self, work: Work) -> str:
        return self._arm.key(self._seed)

    def make(self, work: Work) -> list[str]:
        arm, file = self._arm.name, answers_file(self._arm.name, self._seed)
        problems = [*work.problems("held_out"), *work.shifted()]
        where = f"They stand in {work.files / 'problems.parquet'} (split = held_out); a row names its problem by prompt or id."
        try:
            path, attempts, unused = self._read(work, problems)
        except DataError as error:
            raise DataError(f"the arm {arm!r}: {error} It must answer held-out problems. {where}") from error
        asked = [problem.id for problem in problems if problem.split == "held_out" and not problem.shift]
        asked = asked[: work.study.probe.problems]
        answered = {attempt.problem_id for attempt in attempts}.intersection(asked)
        if not answered:
            raise DataError(
                f"the arm {arm!r}: {path} answers none of the {len(asked):,} held-out problems that are asked. {where}"
            )
        whose = f"{arm}, {path.name}"
        if len(answered) < len(asked):
            work.making.notes.append(
                f"{whose} answers {len(answered):,} of {len(asked):,} held-out problems; the others are not scored."
            )
        most, read = max(Counter(attempt.problem_id for attempt in attempts).values()), work.study.probe.samples
        if most > read:
            work.making.notes.append(
                f"{whose} holds up to {most:,} answers to a problem, of which the first {read} are read ($.probe.samples)."
            )
        if not self._arm.counts_tokens:
            work.making.notes.append(f"{whose}: lengths of answers are counted in words.")
        self._look_at_marks(work, whose, attempts, {problem.id: problem for problem in problems})
        work.count("rows of recorded answers that answer no held-out problem, or are broken", unused)
        work.files.write_rows(file, self._counted(work, attempts), Attempt)
        work.say(f"sample    {arm}: {len(attempts):,} recorded answers to {len(answered):,} of {len(asked):,} problems")
        return [file]

    def _read(self, work: Work, problems: Sequence[Problem]) -> tuple[Path, list[Attempt], int]:
        from counterform.logs.attempts import column_of_answers, is_log, read_log

        path, columns = self._arm.source(self._seed)
        spec = work.study.problems
        beside = work.family is None and path == problems_file(work.study)
        text = next(iter(several(columns.text)), "")
        if not text and is_log(path):
            logged = read_log(path, problems, template=spec.template)
            work.making.notes += [f"{self._arm.name}: {note}" for note in logged.notes]
            return path, logged.attempts, logged.unused
        read = read_attempts(
            path,
            problems,
            problem=spec.prompt if beside and spec.prompt else columns.problem,
            responses=[ResponseColumns(text=text or column_of_answers(path), correct=columns.correct)],
            template=spec.template,
            empty=True,
            fix=f'{{name = "{self._arm.name}", responses = {{text = "...", correct = "...", ...}}}}',
        )
        return path, read.attempts, len(read.left_out)

    def _look_at_marks(self, work: Work, whose: str, attempts: Sequence[Attempt], problems: dict[str, Problem]) -> None:
        """Say what the grades that came with the answers are used for: nothing, where there are keys."""
        marked = [attempt for attempt in attempts if attempt.recorded is not Mark.UNKNOWN]
        without_key = sum(not problems[attempt.problem_id].answer for attempt in attempts)
        if without_key and marked and (other := self._arm.shares_grades(self._seed)):
            raise DataError(
                f"{whose}: both {other} take their grades from one column, and the problems have no keys. Say whose each is: "
                f'{{name = "{self._arm.name}", responses = {{text = "...", correct = "..."}}}}'
            )
        if without_key and len(marked) < len(attempts):
            work.making.notes.append(
                f"{whose}: {len(attempts) - len(marked):,} of {len(attempts):,} answers have no recorded grade, and their "
                "problems no key; nobody can say whether they are right."
            )
        if marked and not without_key:
            ours = [
                one.verdict.outcome for one in work.grade([replace(a, recorded=Mark.UNKNOWN) for a in marked], problems)
            ]
            known = [(a.recorded, mark) for a, mark in zip(marked, ours, strict=True) if mark is not Mark.UNKNOWN]
            differ = sum(theirs is not mark for theirs, mark in known)
            work.making.notes.append(
                f"{whose}: of {len(marked):,} recorded grades {differ:,} differ from the study's own, which alone are used"
                f"{f'; {len(marked) - len(known):,} answers the study cannot grade' if len(known) < len(marked) else ''}."
            )

    def _counted(self, work: Work, attempts: Sequence[Attempt]) -> list[Attempt]:
        """With the number of tokens of each as the base would write it, its end token too, where that is known."""
        if not self._arm.counts_tokens:
            return list(attempts)
        from counterform.models.loading import load_tokenizer

        tokenizer = load_tokenizer(work.study.model)
        found = []
        for attempt in attempts:
            ids = tokenizer(attempt.completion.text, add_special_tokens=False)["input_ids"]
            found.append(replace(attempt, completion=replace(attempt.completion, tokens=len(ids) + 1)))
        return found
