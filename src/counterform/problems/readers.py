"""Readers of the user's own problems and of attempts that somebody already recorded.

JSONL, a JSON list or Parquet. A row that cannot be used is numbered, kept out and counted; the others are kept.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from counterform.errors import DataError
from counterform.metrics import Shift
from counterform.problems.rows import BrokenRow, Row, Unusable, excerpt, nothing_usable, read_rows, recorded_mark
from counterform.study import ResponseColumns
from counterform.text.answers import stated
from counterform.text.shifts import shift_of
from counterform.types import Attempt, Completion, Mark, Problem

RECOGNISED = (
    ("prompt", "answer"),  # TRL
    ("question", "answer"),  # GSM8K
    ("prompt", "reward_model.ground_truth"),  # verl
    ("problem", "answer"),  # MATH
    ("prompt", "ground_truth"),  # TRL, where a reward function is given it
    ("prompt", "solution"),
    ("problem", "solution"),  # MATH as it was published
    ("input", "label"),  # OpenRLHF
)
"""The pairs of columns that are read as prompt and answer when the study file names none."""
PROBLEM_COLUMNS = ("problem", "prompt", "question", "problem_id")
"""Where a recorded attempt names its problem when the study file does not say."""
_SOLUTION = "solution"
_OPTIONAL = "correct"
MAX_SHIFTS, MAX_LABEL = 24, 60
"""Labels of one file, and characters of one: more are no labels but something else."""
_MISSING = object()


class ReadProblems(Struct, frozen=True, kw_only=True):
    """The problems of a file, and the rows that could not be used."""

    problems: list[Problem]
    broken: list[BrokenRow]
    columns: tuple[str, str, str]
    """Of prompt, answer and worked solution, as they were given or recognised; empty: none."""


class ReadAttempts(Struct, frozen=True, kw_only=True):
    """The recorded attempts of a file, and the rows or responses that could not be used."""

    attempts: list[Attempt]
    broken: list[BrokenRow]
    elsewhere: list[BrokenRow]
    """Of problems that are not among these."""

    @property
    def left_out(self) -> list[BrokenRow]:
        """All that was not used, in the order of the file."""
        return sorted([*self.broken, *self.elsewhere])


class _Elsewhere(Unusable):
    """A row of another problem."""


class _Column:
    """One value of a row by name; dots reach into nested objects."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen = False
        self._path = name.split(".")

    def of(self, row: Row) -> Any:
        """The value, None where it is null, `_MISSING` where there is no such column."""
        value = row.get(self.name, _MISSING)
        if value is _MISSING and len(self._path) > 1:
            value = row
            for key in self._path:
                value = value.get(key, _MISSING) if isinstance(value, dict) else _MISSING
        self.seen |= value is not _MISSING
        return value


def read_problems(
    path: str | Path,
    *,
    prompt: str = "",
    answer: str = "",
    solution: str = "",
    instruction: str = "",
    space: str = "",
    template: str = "{prompt}",
    shift: str = "",
    keyless: bool = False,
) -> ReadProblems:
    """Read problems; column names that are not given are recognised (TRL, GSM8K, verl, MATH).

    `instruction` and `space` name the columns of a row's task; they become the problem's facts `instruction` and,
    where given, `space`. `shift`: the column of a row's shift. `keyless`: a file without any answer key is read too, and its problems have
    an empty one. Of rows with one prompt (and one instruction) the first
    is kept. Raises DataError when the file, its columns or all its rows are unusable.
    """
    path = Path(path)
    broken: list[BrokenRow] = []
    rows = list(read_rows(path, broken))
    if not rows:
        raise nothing_usable(path, "problem", broken)
    only_rows = [row for _, row in rows]
    bare = keyless and not answer and _without_keys(only_rows, prompt)
    columns = bare or _recognised(path, only_rows, prompt, answer, solution)
    asks = _task_column(path, only_rows, "instruction", instruction)
    labels = _task_column(path, only_rows, "space", space)
    shifts = _Column(shift)
    usable: dict[str, tuple[int, str, str, str | None, dict[str, Any], Shift | None, Any]] = {}
    for line, row in rows:
        try:
            question = _prompt(row, columns[0])
            key, worked = ("", None) if bare else _answer(row, *columns[1:])
            facts = _task(row, asks, labels, key)
            away = _shift(row, shifts) if shift else None
            asked = f"{facts['instruction']}\n{question}" if facts else question
            if asked in usable:
                raise Unusable(f"same prompt as line {usable[asked][0]}")
        except Unusable as reason:
            broken.append(BrokenRow(line, str(reason)))
        else:
            usable[asked] = (line, question, key, worked, facts, away, row.get("id"))
    if not usable:
        raise nothing_usable(path, "problem", broken)
    ids = _ids(usable, [given for *_, given in usable.values()])
    problems = [
        Problem(
            id=name,
            prompt=template.replace("{prompt}", question),
            answer=key,
            solution=worked,
            facts=facts,
            shift=away,
        )
        for name, (_, question, key, worked, facts, away, _) in zip(ids, usable.values(), strict=True)
    ]
    if shift:
        _require_labels(path, shifts, problems, rows[0][1])
    prompts, answers, solutions = (column.name if column.seen else "" for column in columns)
    return ReadProblems(problems=problems, broken=sorted(broken), columns=(prompts, answers, solutions))


def read_attempts(
    path: str | Path,
    problems: Sequence[Problem],
    *,
    problem: str = PROBLEM_COLUMNS[0],
    responses: Sequence[ResponseColumns],
    template: str = "{prompt}",
    empty: bool = False,
    fix: str = '[[attempts.responses]] text = "..." correct = "..."',
) -> ReadAttempts:
    """Read recorded attempts at `problems`; `template` is the one that the problems were read with.

    A row names its problem by id or by prompt (as it stood before the template). An attempt's id is
    PROBLEM/MODEL/K: K counts the attempts of that model at that problem in file order. empty: whether a text that says
    nothing is an attempt too. fix: how a study file names columns. Raises DataError when the
    file, a named column or all rows are unusable.
    """
    path = Path(path)
    by_name = {known.prompt: known.id for known in problems} | {known.id: known.id for known in problems}
    names = [_Column(name) for name in (PROBLEM_COLUMNS if problem == PROBLEM_COLUMNS[0] else (problem,))]
    columns = [(_Column(r.text), _Column(r.correct), r.model or r.text) for r in responses]
    broken: list[BrokenRow] = []
    elsewhere: list[BrokenRow] = []
    attempts: list[Attempt] = []
    written: Counter[str] = Counter()
    first_row: dict[str, Any] = {}
    for line, row in read_rows(path, broken):
        first_row = first_row or row
        for text, correct, model in columns:
            try:
                given, grade = text.of(row), correct.of(row)  # both, so that a column which is there is seen
                problem_id = _problem_id(row, names, by_name, template)
                blank = empty and isinstance(given, str) and not given.strip()
                response, recorded = given if blank else _text(given, text), _grade(grade, correct)
            except _Elsewhere as reason:
                elsewhere.append(BrokenRow(line, str(reason)))
                continue
            except Unusable as reason:
                broken.append(BrokenRow(line, str(reason)))
                continue
            prefix = f"{problem_id}/{model}"
            attempts.append(
                Attempt(
                    id=f"{prefix}/{written[prefix]}",
                    problem_id=problem_id,
                    model=model,
                    seed=0,
                    completion=Completion(text=response, tokens=len(response.split()), finish="stop"),
                    recorded=recorded,
                )
            )
            written[prefix] += 1
    if first_row:
        _require(path, first_row, [column for text, correct, _ in columns for column in (text, correct)], fix)
    read = ReadAttempts(attempts=attempts, broken=broken, elsewhere=elsewhere)
    if not attempts:
        raise nothing_usable(path, "attempt", read.left_out)
    return read


def final_answer(text: str) -> tuple[str, str | None]:
    r"""The answer key in `text` and the worked solution that states it.

    A solution boxes its answer, or ends by stating it as every attempt does ("#### 18", "A: 18", "The answer is 18"); a
    text that states none, or several, is itself the key.
    """
    text = text.strip()
    said = stated(text)
    ends = not text[said.rest :].strip(" .$*") or text[said.head] == "\\"
    if said.answer is None or not said.answer.strip() or not ends:
        return text, None
    bare = text[said.head : said.rest].strip(" .$*") == text.strip(" .$*")
    return said.answer, None if bare else text


def _require(path: Path, first_row: Row, columns: Sequence[_Column], fix: str) -> None:
    """Refuse a file in which no row has a column that the study file names."""
    absent = [column.name for column in columns if not column.seen and column.name not in ("", _OPTIONAL)]
    if absent:
        raise DataError(
            f"{path} has no column {_quoted(absent)}. Found: {_quoted(_column_names(first_row))}. "
            f"Name yours in the study file: {fix}"
        )


def _without_keys(rows: Sequence[Row], prompt: str) -> tuple[_Column, _Column, _Column] | None:
    """The column of prompts of a file in which no row has a key under any known name; None where some row has."""
    prompts = [_Column(name) for name in dict.fromkeys((prompt,) if prompt else (known for known, _ in RECOGNISED))]
    keys = [_Column(name) for name in dict.fromkeys(known for _, known in RECOGNISED)]
    if any(column.of(row) is not _MISSING for row in rows for column in keys):
        return None
    counts = [sum(column.of(row) is not _MISSING for row in rows) for column in prompts]
    nothing = _Column("")
    return (prompts[counts.index(max(counts))], nothing, nothing) if any(counts) else None


def _recognised(
    path: Path, rows: Sequence[Row], prompt: str, answer: str, solution: str
) -> tuple[_Column, _Column, _Column]:
    """The columns of prompt, answer and solution: the given ones, else the pair that most rows have."""
    pairs = list(dict.fromkeys((prompt or known[0], answer or known[1]) for known in RECOGNISED))
    columns = [(_Column(first), _Column(second)) for first, second in pairs]
    counts = [sum(_MISSING not in (a.of(row), b.of(row)) for row in rows) for a, b in columns]
    if not any(counts):
        raise DataError(
            f"{path} has no columns that can be read as problems. Found: {_quoted(_column_names(rows[0]))}. "
            f"Readable: {', '.join(' + '.join(pair) for pair in pairs)}. "
            'Name yours in the study file: [problems] prompt = "..." answer = "..."'
        )
    prompts, answers = columns[counts.index(max(counts))]
    solutions = _Column(solution or ("" if answers.name == _SOLUTION else _SOLUTION))
    if solution and all(solutions.of(row) is _MISSING for row in rows):
        raise DataError(f"{path} has no column {solution!r}. Found: {_quoted(_column_names(rows[0]))}.")
    return prompts, answers, solutions


def _prompt(row: Row, column: _Column) -> str:
    """A prompt: text, or a message list whose system and user turns are joined, the system's first."""
    value = _messages(column.of(row))
    if not isinstance(value, list):
        return _text(value, column)
    turns: dict[str, list[str]] = {"system": [], "user": []}
    for message in value:
        role, content = (message.get("role"), message.get("content")) if isinstance(message, dict) else (None, None)
        if role not in turns or not isinstance(content, str):
            raise Unusable(f"`{column.name}` holds a message that is not a text of the system or the user")
        turns[role].append(content)
    return _text("\n\n".join(turns["system"] + turns["user"]), column)


def _messages(value: Any) -> Any:
    """A message list that was written as text, as CSV and data frames do; else the value itself."""
    if isinstance(value, str) and value.lstrip().startswith('[{"role"'):
        try:
            return msgspec.json.decode(value)
        except (ValueError, RecursionError):
            return value
    return value


def _answer(row: Row, answers: _Column, solutions: _Column) -> tuple[str, str | None]:
    """The answer key and the worked solution."""
    value = answers.of(row)
    if value is _MISSING:
        raise Unusable(f"no column `{answers.name}`")
    key, worked = answer_key(value, answers.name)
    solution = solutions.of(row)
    if solution in (None, "", _MISSING):
        return key, worked
    return key, _text(solution, solutions)


def answer_key(value: object, name: str) -> tuple[str, str | None]:
    """The answer key in a value of the column `name`, and the worked solution that states it. Raises Unusable."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise Unusable(f"`{name}` is {value}")
        return (str(int(value)) if value == int(value) else repr(value)), None
    if isinstance(value, str) and value.strip():
        return final_answer(value)
    raise Unusable(f"`{name}` is {excerpt(value)}, not text")


def _task_column(path: Path, rows: Sequence[Row], key: str, name: str) -> _Column | None:
    """The column that a study file names under `key`; None where it names none."""
    column = _Column(name)
    if name and all(column.of(row) is _MISSING for row in rows):
        raise DataError(
            f"{path} has no column {name!r}. Found: {_quoted(_column_names(rows[0]))}. "
            f'Name yours in the study file: [problems] {key} = "..."'
        )
    return column if name else None


def _task(row: Row, instruction: _Column | None, space: _Column | None, answer: str) -> dict[str, Any]:
    """The facts `instruction` and `space` of a row."""
    if instruction is None:
        return {}
    given = instruction.of(row)
    lines = given if given and isinstance(given, list) else [given]
    facts: dict[str, Any] = {"instruction": "\n".join(_text(line, instruction) for line in lines).strip()}
    if space is None:
        return facts
    given = space.of(row)
    labels = re.split("[;,]", given) if isinstance(given, str) else given if isinstance(given, list) else [given]
    facts["space"] = list(dict.fromkeys(_text(label, space).strip() for label in labels))
    if answer not in facts["space"]:
        raise Unusable(f"the answer {excerpt(answer)} is not in its answer space {excerpt(facts['space'])}")
    return facts


def _shift(row: Row, column: _Column) -> Shift | None:
    """A row's shift; None where it says nothing."""
    value = column.of(row)
    if value is _MISSING or value is None:
        return None
    label = " ".join(str(value).split())
    if len(label) > MAX_LABEL or isinstance(value, bool) or not isinstance(value, str | int):
        raise Unusable(f"`{column.name}` is {excerpt(value)}, not a label of at most {MAX_LABEL} characters")
    return shift_of(label) if label else None


def _require_labels(path: Path, column: _Column, problems: Sequence[Problem], first_row: Row) -> None:
    """Refuse a shift column that is not there, or that names too many shifts to be one."""
    labels = {problem.shift.label for problem in problems if problem.shift}
    if not column.seen:
        raise DataError(
            f"{path} has no column {column.name!r}. Found: {_quoted(_column_names(first_row))}. "
            "Name yours in the study file: [problems] shift."
        )
    if len(labels) > MAX_SHIFTS:
        raise DataError(
            f"the column {column.name!r} of {path} has {len(labels):,} different labels, e.g. {sorted(labels)[0]!r}; "
            f"at most {MAX_SHIFTS} shifts can be told apart. Name another column: [problems] shift."
        )


def _problem_id(row: Row, names: Sequence[_Column], by_name: dict[str, str], template: str) -> str:
    given: object = _MISSING
    for column in names:
        value = column.of(row)
        if value is _MISSING or value is None:
            continue
        given = value
        name = str(value) if isinstance(value, int) else _prompt(row, column)
        found = by_name.get(name) or by_name.get(template.replace("{prompt}", name))
        if found is not None:
            return found
    if given is _MISSING:
        raise Unusable(f"nothing under {_quoted(column.name for column in names)} names its problem")
    raise _Elsewhere(f"no problem has this prompt or id: {excerpt(given)}")


def _grade(value: Any, column: _Column) -> Mark:
    grade = recorded_mark(None if value is _MISSING else value)
    if grade is None:
        raise Unusable(f"`{column.name}` is {excerpt(value)}, not true, false, 1, 0, right, wrong or null")
    return grade


def _text(value: Any, column: _Column) -> str:
    """`value` if it is text that says something."""
    if isinstance(value, str) and value and not value.isspace():
        return value
    if value is _MISSING:
        raise Unusable(f"no column `{column.name}`")
    raise Unusable(f"`{column.name}` is {'empty' if isinstance(value, str) else f'{excerpt(value)}, not text'}")


def _ids(prompts: Iterable[str], given: Sequence[Any]) -> list[str]:
    """The ids that the rows bring, if all do and they differ; else a hash of each prompt."""
    texts = [str(name) for name in given if isinstance(name, str | int) and not isinstance(name, bool) and name != ""]
    if len(set(texts)) == len(given):
        return texts
    return [f"user-{blake2b(prompt.encode(), digest_size=8).hexdigest()}" for prompt in prompts]


def _column_names(row: Row) -> list[str]:
    return [
        name if not isinstance(value, dict) else f"{name}.{inner}"
        for name, value in row.items()
        for inner in (value if isinstance(value, dict) else [""])
    ]


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
