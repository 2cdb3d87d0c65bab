"""What counterform itself heard of a model that it was told to ask (compare/asking.py): one row per answer, not yet scored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from counterform.logs.reader import Broken, Head, Identified, LogReader, Row
from counterform.logs.streams import lines

NO_SCORE = "asked by counterform, and not scored yet"


class Answer(Struct, frozen=True, kw_only=True):
    """One row: what was asked, with the names that its log gave it, and what was answered."""

    item: str
    identified: Identified
    named_by: str
    """Whose reader named the item."""
    content: str
    rendered: str
    task: str
    prompt: str
    answer: str | None
    """The key."""
    model: str
    sample: int | None
    response: str | None
    """None: the model was not heard."""
    finish: str
    failure: str
    """Why it was not heard."""


class Answers(LogReader):
    """Answers that counterform heard. Pairs as the log does whose questions were asked."""

    name = "counterform"

    def recognises(self, head: Head) -> bool:
        """Rows with all columns of an Answer."""
        return head.container == "jsonl" and head.names >= set(Answer.__struct_fields__)

    def rows(self, path: Path, broken: Broken) -> Iterator[Row]:
        """A row for each answer."""
        for index, value in enumerate(lines(path, broken), 1):
            try:
                answer = msgspec.convert(value, Answer)
            except msgspec.ValidationError as error:
                broken.add(f"row {index}", error)
                continue
            yield Row(
                item=answer.item,
                identified=answer.identified,
                named_by=answer.named_by,
                content=answer.content,
                rendered=answer.rendered,
                prompt=answer.prompt,
                sample=answer.sample,
                failure=f"not heard: {answer.failure}" if answer.response is None else NO_SCORE,
                text=answer.response,
                key=answer.answer,
                model=answer.model,
                task=answer.task,
            )
