"""Models as arms: they are asked what a log or a list of items asks, and what they say is kept as a log of its own."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from counterform import parts
from counterform.errors import DataError, StudyError
from counterform.logs.answers import Answer
from counterform.logs.reader import Row, last_message
from counterform.logs.table import Table
from counterform.store import key_of, key_of_path
from counterform.store.appearing import appearing, disk_errors
from counterform.study import ModelSpec
from counterform.types import Completion, Model, is_transient

_WEIGHTS = ("*.safetensors", "*.bin", "*.json", "*.jinja", "*.model", "*.txt")


class Question(Struct, frozen=True, kw_only=True):
    """One item as its log names it, and how it can be put to a model."""

    item: str
    row: Row
    named_by: str
    sample: int | None
    """The number of the first sample of the item in its log."""

    @property
    def message(self) -> str:
        """What a user says to the model: all of the log's prompt, or of one that went through a chat template the user's last message."""
        row = self.row
        text = row.context or row.message or row.prompt
        said = last_message(text)
        return said if said == text or not row.message else row.message


class Asking(Struct, frozen=True, kw_only=True):
    """How models are asked."""

    samples: int = 1
    temperature: float = 0.0
    max_tokens: int = 512
    chat: bool = False
    """Through the model's chat template, even where the log holds the whole text that a model was to continue."""
    folder: Path | None = None
    """Where what they answer is kept; None: in the user's cache."""
    say: Callable[[str], None] = lambda _: None

    def __post_init__(self) -> None:
        if self.samples < 1 or self.max_tokens < 1 or not 0 <= self.temperature <= 10:
            raise StudyError(
                f"--samples {self.samples}, --max-tokens {self.max_tokens}, --temperature {self.temperature}: give 1 or more of "
                "the first two, and a temperature from 0 to 10."
            )
        if self.samples > 1 and self.temperature == 0:
            raise StudyError(
                f"--samples {self.samples} at temperature 0 are {self.samples} times the same answer. Give --temperature, e.g. 1."
            )


class Asked(Struct, frozen=True, kw_only=True):
    """What came of asking one model."""

    log: Path
    note: str


class Questions:
    """Collects the questions of a log while it is read: each item once."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], Question] = {}

    def __call__(self, table: Table, at: int, row: Row) -> None:
        """Look at one row."""
        place = (row.task, row.item)
        if place not in self.found:
            self.found[place] = Question(item=row.item, row=row, named_by=table.reader, sample=row.sample)


def require_askable(questions: Sequence[Question], where: str) -> list[Question]:
    """Those with a prompt and a key. Raises DataError where there is none, before anything is asked."""
    asked = [
        question
        for question in questions
        if question.row.key is not None and (question.message or question.row.context)
    ]
    if not asked:
        missing = "prompt" if not any(q.message or q.row.context for q in questions) else "single key to grade by"
        raise DataError(
            f"a model cannot be asked what {where} asks: none of its {len(questions):,} items has a {missing}. "
            "Give them: --items FILE with columns `prompt` and `answer`."
        )
    return asked


def ask(spec: ModelSpec, questions: Sequence[Question], asking: Asking) -> Asked:
    """Ask one model every question, but for what it has answered before; keep what it says as it comes.

    Raises ModelError where it cannot be loaded or reached; what was heard until then is kept, and the next call goes on from there.
    """
    bare = spec.kind == "hf" and not asking.chat and all(question.row.context for question in questions)
    prompts = [question.row.context if bare else question.message for question in questions]
    how = key_of(
        _identity(spec),
        prompts,
        bare,
        asking.samples,
        asking.temperature,
        asking.max_tokens,
        [_names(q) for q in questions],
    )
    log = (
        asking.folder or _cache()
    ) / f"{re.sub(r'[^A-Za-z0-9.-]+', '_', spec.path)[-60:].strip('_.')}-{how[:8]}.jsonl"
    places = {
        (q.row.task, q.item, _sample(q, n)): (at, n) for at, q in enumerate(questions) for n in range(asking.samples)
    }
    with disk_errors(log):
        known = _known(log, places)
    left = len(places) - len(known)
    if left:
        asking.say(f"{spec.path}: {left:,} of {len(places):,} answers to come; they are kept in {log}")
        _ask(spec, questions, prompts, asking, bare, log, known)
    return Asked(log=log, note=_note(spec, questions, asking, bare, log))


def _ask(
    spec: ModelSpec,
    questions: Sequence[Question],
    prompts: Sequence[str],
    asking: Asking,
    bare: bool,
    log: Path,
    known: frozenset[tuple[int, int]],
) -> None:
    opened: Model = parts.part("model", spec.kind).open(spec)
    try:
        model = opened.bare() if bare else opened
        heard = model.completions(
            prompts,
            n=asking.samples,
            seed=0,
            temperature=asking.temperature,
            max_tokens=asking.max_tokens,
            known=known,
        )
        with disk_errors(log), log.open("ab") as stream:
            for index, sample, completion in heard:
                if (index, sample) not in known:
                    row = _answer(questions[index], sample, _cut(completion, questions[index].row.stops), spec)
                    stream.write(_encoded(row))
                    stream.flush()
    finally:
        opened.close()


def _known(log: Path, places: dict[tuple[str, str, int | None], tuple[int, int]]) -> frozenset[tuple[int, int]]:
    """What the log holds already; it is left with whole rows of it, without calls that may be heard this time."""
    kept: dict[tuple[int, int], Answer] = {}
    for line in log.read_bytes().splitlines() if log.exists() else ():
        try:
            answer = msgspec.json.decode(line, type=Answer)
        except msgspec.MsgspecError:
            continue  # the last row of a run that was killed
        at = places.get((answer.task, answer.item, answer.sample))
        if at is not None and not (answer.response is None and is_transient(answer.failure)):
            kept[at] = answer
    with appearing(log) as new:
        new.write_bytes(b"".join(_encoded(answer) for answer in kept.values()))
    return frozenset(kept)


def _answer(question: Question, sample: int, completion: Completion, spec: ModelSpec) -> Answer:
    row = question.row
    return Answer(
        item=question.item,
        identified=row.identified,
        named_by=question.named_by,
        content=row.content,
        rendered=row.rendered,
        task=row.task,
        prompt=row.prompt,
        answer=row.key,
        model=spec.path,
        sample=_sample(question, sample),
        response=None if completion.finish == "error" else completion.text,
        finish=completion.finish,
        failure=completion.failure,
    )


def _encoded(answer: Answer) -> bytes:
    try:
        return msgspec.json.encode(answer) + b"\n"
    except UnicodeEncodeError:  # half a surrogate pair is no text that could be kept
        lost = msgspec.structs.replace(answer, response=None, finish="error", failure="unreadable")
        return msgspec.json.encode(lost) + b"\n"


def _cut(completion: Completion, stops: Iterable[str]) -> Completion:
    """The completion as far as the first of the stop sequences that the log's own model was given."""
    ends = [at for stop in stops if stop and (at := completion.text.find(stop)) >= 0]
    return msgspec.structs.replace(completion, text=completion.text[: min(ends)], finish="stop") if ends else completion


def _sample(question: Question, number: int) -> int | None:
    """The number of a sample as the question's log counts; None where it counts as they come."""
    return number + (question.sample or 0)


def _names(question: Question) -> list[object]:
    row = question.row
    return [question.named_by, row.task, question.item, question.sample, row.content, row.key, list(row.stops)]


def _identity(spec: ModelSpec) -> list[object]:
    """What a model is: its bytes where they lie here, else its name and where it is served."""
    path = Path(spec.path)
    files = [path] if path.is_file() else sorted({file for kind in _WEIGHTS for file in path.glob(kind)})
    local = spec.kind == "hf" and path.exists()
    return [spec.kind, spec.base_url, [key_of_path(f) for f in files] if local else [spec.path, spec.revision]]


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "counterform" / "answers"


def _note(spec: ModelSpec, questions: Sequence[Question], asking: Asking, bare: bool, log: Path) -> str:
    """How a model was asked, and what it did not answer whole."""
    ends = Counter(_ends(log))
    put = (
        "the text of the log, as it stands"
        if bare
        else "through its chat template"
        if spec.kind == "hf"
        else "as a user's message"
    )
    odd = [f"{count:,} {why}" for why, count in sorted(ends.items())]
    return (
        f"was asked here: {len(questions):,} items, {asking.samples} sample{'s' * (asking.samples > 1)} each at temperature "
        f"{asking.temperature:g}, at most {asking.max_tokens} tokens, {put}"
        + (f"; {', '.join(odd)}" if odd else "")
        + f"; answers in {log}"
    )


def _ends(log: Path) -> Iterator[str]:
    with log.open("rb") as stream:
        for line in stream:
            answer = msgspec.json.decode(line, type=Answer)
            if answer.finish == "length":
                yield "cut off at that length"
            elif answer.finish == "error":
                yield f"not heard ({answer.failure})"
