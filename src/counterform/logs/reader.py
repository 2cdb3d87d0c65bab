"""What a log holds, and what a reader of logs must offer.

A *log* is a file in which a tool wrote a model's answers and what scorers made of them. A reader recognises its tool's files by
what they hold and streams their rows; nothing is kept of a row that has been handed on, so a log may be larger than memory.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Struct

from counterform.types import Mark

Direction = Literal["high", "low", "neither"]
Container = Literal["zip", "parquet", "json", "jsonl", "csv"]
Identified = Literal["id", "content"]
MAX_EXAMPLES = 3
"""Reasons kept of rows that could not be read; all are counted."""
MAX_REASON = 120
MAX_NUMBER = 1e100
"""A score beyond it is none: sums of its squares would have no bound."""


class Score(Struct, frozen=True, gc=False):
    """What one scorer (in lm-eval: one metric of one filter) made of one answer."""

    scorer: str
    value: float | None
    """None: not scored."""
    reason: str = ""
    """Why there is no value, or what is odd about it."""

    @property
    def mark(self) -> Mark:
        """RIGHT for 1, WRONG for 0; UNKNOWN for what was not scored, and for a number that is no mark."""
        if self.value == 1.0:
            return Mark.RIGHT
        return Mark.WRONG if self.value == 0.0 else Mark.UNKNOWN


class Row(Struct, frozen=True, kw_only=True, gc=False):
    """One answer of one model to one item, with what scorers made of it."""

    item: str
    """The item's name: the tool's own id, or `content_id` of what the item is."""
    identified: Identified
    named_by: str = ""
    """The reader whose names of items are used, where it is another than the one that reads this row."""
    content: str = ""
    """A hash of what the item is: two rows of one `item` with different ones are not the same question. Empty: not known."""
    prompt: str = ""
    """The question, as text; empty: the log does not hold it."""
    context: str = ""
    """The whole text that the model was to go on from (template, examples), where the log holds it as one text."""
    message: str = ""
    """What the user said to the model, where it is more than `prompt` (choices, instructions)."""
    stops: tuple[str, ...] = ()
    """Sequences at which the model's text was ended."""
    rendered: str = ""
    """A hash of the prompt as the model saw it (template, examples); may differ between two logs of one item, which is said."""
    sample: int | None = None
    """Epoch, or number of the sample; None: samples of an item are numbered as they come."""
    scores: tuple[Score, ...] = ()
    failure: str = ""
    """Why nothing was scored; empty where something was."""
    text: str | None = None
    """The response; None: the log does not hold it."""
    key: str | None = None
    """The right answer, where the log holds it."""
    model: str = ""
    task: str = ""
    step: int | None = None
    """Of training; models of different steps are never taken for one."""
    columns: Mapping[str, Any] = {}
    """Whatever else the log holds of the item, by name."""


class About(Struct, frozen=True, kw_only=True):
    """What a file says of the whole evaluation."""

    status: str = "success"
    """`success`, or the tool's word for what it became instead."""
    error: str = ""
    model: str = ""
    identity: str = ""
    """The evaluation's own id; two files with one id are one evaluation."""
    attempt: str = ""
    """An evaluation and its retries share this; the last one holds them all."""
    created: str = ""
    expected: int | None = None
    """Answers that a finished evaluation would hold."""
    scorers: tuple[str, ...] = ()
    """Scorers that the tool meant to use, for rows that were never scored."""
    better: Mapping[str, Direction] = {}
    """By scorer or metric, where the tool says so."""


class Head(Struct, frozen=True, kw_only=True):
    """The beginning of a file: enough to recognise whose it is."""

    path: Path
    container: Container
    names: frozenset[str]
    """Names at the top: keys of the first row or of the document, columns, or members of the archive."""
    row: dict[str, Any] = {}
    """The first row of rows; the first few members of a JSON document."""


class Broken:
    """Rows of one file that could not be read: how many, and the first reasons."""

    def __init__(self) -> None:
        self.count = 0
        self.examples: list[str] = []

    def add(self, where: str, reason: object) -> None:
        """Count one row; `where` names it ("line 7")."""
        self.count += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(f"{where}: {str(reason)[:MAX_REASON]}")


class LogReader(ABC):
    """Reads one format of log. testing.check_log_reader checks the promises."""

    name: ClassVar[str]
    """As people say it: `lm-eval`."""
    better: ClassVar[Direction] = "neither"
    """The direction of a number that is no mark where the file does not say: a reward is better high, a count need not be."""

    @abstractmethod
    def recognises(self, head: Head) -> bool:
        """Whether a file that begins so is of this format."""

    @abstractmethod
    def rows(self, path: Path, broken: Broken) -> Iterator[Row]:
        """Every row in file order. One that cannot be read goes to `broken`; a file that cannot be read raises DataError."""

    def about(self, path: Path) -> About:
        """What the file says of the whole evaluation. Raises DataError where it cannot be read."""
        return About()

    def direction(self, about: About, scorer: str) -> Direction:
        """Which way a scorer's numbers are better."""
        return about.better.get(scorer, self.better)

    def run(self, path: Path) -> str:
        """Names the run that a file is part of; files of one run (shards, steps) are read as one log."""
        return str(path)


def content_id(*parts: object) -> str:
    """A name made of what an item is: equal for equal parts, whatever the order of keys. 16 bytes of BLAKE2b, as hex."""
    text = [part if isinstance(part, str) else msgspec.json.encode(part, order="sorted").decode() for part in parts]
    return blake2b("\x1f".join(text).encode("utf-8", "replace"), digest_size=16).hexdigest()


def number(value: object) -> float | None:
    """A number of at most MAX_NUMBER or a truth value as a float; None for anything else."""
    if isinstance(value, bool | int | float):
        try:
            found = float(value)
        except OverflowError:
            return None
        return found if abs(found) <= MAX_NUMBER else None  # NaN is not
    return None


def numeric(scorer: str, value: object) -> Score:
    """The score in a field that should hold a number, with the reason where it holds none."""
    found = number(value)
    if found is not None:
        return Score(scorer, found)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Score(scorer, None, "no score")
    return Score(scorer, None, f"not a number: {str(value)[:40]}")


def item_name(value: object) -> str | None:
    """An id as text, equal for 3, "3" and 3.0 (what a table with a gap makes of 3); None where there is none."""
    if isinstance(value, float):
        value = int(value) if value.is_integer() else None if math.isnan(value) else value
    return None if value is None else str(value)


def message_text(value: object) -> str:
    """A prompt or message as text: text itself, the texts of a message, or the messages of a list, one a line."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        for name in ("content", "text", "prompt"):
            if name in value:
                return message_text(value[name])
        return ""
    if isinstance(value, Iterable):
        return "\n".join(text for part in value if (text := message_text(part)))
    return ""


_USER = re.compile(
    r"(?:<\|im_start\|>user\n|<\|start_header_id\|>user<\|end_header_id\|>|<start_of_turn>user\n|\[INST\]|<\|user\|>|<｜User｜>|<user>)"
    r"(.*?)"
    r"(?:<\|im_end\|>|<\|eot_id\|>|<end_of_turn>|\[/INST\]|<\|end\|>|<\|assistant\|>|<｜Assistant｜>|<model>|\Z)",
    re.DOTALL,
)
"""What a user says in a rendered chat of ChatML, Llama, Gemma, Mistral, Phi, DeepSeek, or the embedded world."""


def last_message(text: str) -> str:
    """What the user said last in a prompt that went through a chat template; any other text as it is."""
    said = _USER.findall(text) if "<" in text or "[INST]" in text else ()
    return str(said[-1]).strip() if said else text


def key_text(value: object) -> str | None:
    """A key as text; None where there is none. A list of keys that are all right is no single key."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str | int | float):
        return str(value)
    return None


def first_text(values: Mapping[str, Any], names: Iterable[str]) -> str:
    """The first of these columns that holds text; empty where none does."""
    return next((value for name in names if isinstance(value := values.get(name), str) and value), "")
