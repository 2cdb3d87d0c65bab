"""The answers in a log to the problems of a study, with what the log says of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from counterform import parts
from counterform.errors import DataError
from counterform.logs.archive import names as archive_names
from counterform.logs.collect import Source, read
from counterform.logs.plain import KNOWN, Plain
from counterform.logs.reader import LogReader, Row
from counterform.logs.streams import head
from counterform.logs.table import Table
from counterform.types import Attempt, Completion, Mark, Problem


class LoggedAnswers(Struct, frozen=True, kw_only=True):
    """What of a log answers the problems."""

    attempts: list[Attempt]
    unused: int
    """Answers to no such problem, or of which the log holds no text."""
    notes: tuple[str, ...] = ()


def is_log(path: Path) -> bool:
    """Whether a file is a log that a tool wrote, or a folder, which may hold some. Raises DataError for what cannot be read."""
    if path.is_dir():
        return True
    beginning = head(path, archive_names)
    return any(reader.recognises(beginning) for reader in _readers())


def column_of_answers(path: Path) -> str:
    """The column of a file of rows that holds answers, by its name. Raises DataError with the columns that there are."""
    names = head(path, archive_names).names
    found = [name for name in KNOWN["text"] if name in names]
    if not found:
        raise DataError(
            f"{str(path)!r} has no column that is known to hold answers ({', '.join(KNOWN['text'])}). Found: "
            f'{", ".join(map(repr, sorted(names))) or "none"}. Name yours: responses = {{file = "...", text = "COLUMN"}}'
        )
    return found[0]


def read_log(path: Path, problems: Sequence[Problem], *, template: str) -> LoggedAnswers:
    """The answers of the one model of a log, or a folder of logs, to `problems`; `template`: with which those were read.

    An item is a problem by its id, or by its question, whatever the white space. A mark is that of the first scorer that gives right and wrong.
    Raises DataError where nothing can be read, or where there are several models.
    """
    taken = _Taken(path, problems, template)
    arms = read(path, Source(readers=_readers(), plain=Plain(), watch=taken), apart=False)
    if len(arms) > 1:
        labels = ", ".join(arm.label for arm in arms)
        raise DataError(
            f"{str(path)!r} holds several models, and an arm is one: {labels}. Give the log of one of them."
        )
    file_notes = [f"{Path(file.path).name}: {note}" for arm in arms for file in arm.files for note in file.notes]
    return taken.found([*arms[0].notes, *file_notes])


def _readers() -> list[LogReader]:
    return [parts.made("log", name, {}, "log") for name in parts.PARTS["log"] if name != Plain.name]


class _Taken:
    """Rows on their way into attempts: filters of one answer are one answer."""

    def __init__(self, path: Path, problems: Sequence[Problem], template: str) -> None:
        self._path, self._template = path, template
        self._ids = {problem.id: problem.id for problem in problems}
        self._prompts = {_bare(problem.prompt): problem.id for problem in problems}
        self._texts: dict[tuple[int, int], tuple[str, str]] = {}
        """By table and number of the answer: the problem and the text."""
        self._marks: dict[tuple[int, int], dict[str, Mark]] = {}
        self._unused: set[tuple[int, int]] = set()
        self._scorers: dict[str, None] = {}

    def __call__(self, table: Table, at: int, row: Row) -> None:
        key = (id(table), at)
        asked = self._template.replace("{prompt}", row.prompt)
        problem = self._ids.get(row.item) or self._prompts.get(_bare(row.prompt)) or self._prompts.get(_bare(asked))
        if problem is None or row.text is None:
            self._unused.add(key)
            return
        self._texts.setdefault(key, (problem, row.text))
        marks = self._marks.setdefault(key, {})
        for score in row.scores:
            if score.mark is not Mark.UNKNOWN:
                marks.setdefault(score.scorer, score.mark)
                self._scorers.setdefault(score.scorer)

    def found(self, notes: Sequence[str]) -> LoggedAnswers:
        """What came of all rows."""
        scorer, others = next(iter(self._scorers), ""), list(self._scorers)[1:]
        numbers: Counter[str] = Counter()
        attempts = []
        for key, (problem, text) in self._texts.items():
            attempts.append(
                Attempt(
                    id=f"{problem}/{self._path.name}/{numbers[problem]}",
                    problem_id=problem,
                    model=self._path.name,
                    seed=0,
                    completion=Completion(text=text, tokens=len(text.split()), finish="stop"),
                    recorded=self._marks[key].get(scorer, Mark.UNKNOWN),
                )
            )
            numbers[problem] += 1
        chosen = (
            [f"recorded marks are those of {scorer!r}, and not of {', '.join(map(repr, others))}"] if others else []
        )
        return LoggedAnswers(attempts=attempts, unused=len(self._unused), notes=(*notes, *chosen))


def _bare(text: str) -> str:
    return "".join(text.split())
