"""inspect_ai: `.eval` archives and JSON logs, from the first format with one score a sample to 0.3.285.

An archive holds `header.json` (missing while the evaluation runs, and after it was killed) and a member for each sample and epoch,
`samples/ID_epoch_N.json` or, for large ones, `samples/ID_epoch_N/sample.json` with its long texts in members beside it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from counterform.errors import DataError
from counterform.logs.archive import Archive, archive
from counterform.logs.reader import (
    About,
    Broken,
    Head,
    LogReader,
    Row,
    Score,
    content_id,
    key_text,
    message_text,
    number,
)
from counterform.logs.streams import decode, members

_WHOLE = re.compile(r"samples/.+_epoch_\d+\.json")
_SHELL = re.compile(r"(samples/.+_epoch_\d+)/sample\.json")
_CHUNK = re.compile(r"(samples/.+_epoch_\d+)/attachments/(\d+)\.json")
_ATTACHED = "attachment://"
_MAX_REASON = 60
# inspect's own reading of values (scorer/_metric.py: value_to_float).
_WORDS = {"c": 1.0, "i": 0.0, "p": 0.5, "n": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


class _Output(Struct):
    completion: str | None = None
    choices: list[dict[str, Any]] | None = None


class _Score(Struct):
    value: Any = None
    reason: str | None = None
    metadata: dict[str, Any] | None = None


class _Sample(Struct):
    id: int | str
    epoch: int = 1
    input: Any = ""
    choices: list[str] | None = None
    target: Any = None
    output: _Output | None = None
    scores: dict[str, _Score] | None = None
    score: _Score | None = None
    """Before several scorers were possible."""
    metadata: dict[str, Any] | None = None
    error: Any = None
    invalidation: Any = None
    attachments: dict[str, str] | None = None


class _Dataset(Struct):
    sample_ids: list[int | str] | None = None


class _Config(Struct):
    epochs: int | None = None


class _Task(Struct):
    dataset: _Dataset | None = None
    config: _Config | None = None
    task: str = ""
    model: str = ""
    eval_id: str = ""
    run_id: str = ""
    task_id: str = ""
    created: str = ""
    scorers: list[dict[str, Any]] | None = None


class _Header(Struct):
    eval: _Task
    status: str = "started"
    error: Any = None
    invalidated: bool = False


class Inspect(LogReader):
    """Logs of inspect_ai. Pairs by sample id and epoch; one id with another input is another item."""

    name = "inspect"

    def recognises(self, head: Head) -> bool:
        """An archive with a header or a journal; a document of version, status and eval."""
        if head.container == "zip":
            return not head.names.isdisjoint({"header.json", "_journal/start.json"})
        return head.container in ("json", "jsonl") and head.names >= {"status", "eval"}

    def about(self, path: Path) -> About:
        """The header of the log; one without it was never finished."""
        header = _header(path)
        spec = header.eval
        ids = (spec.dataset and spec.dataset.sample_ids) or []
        message = header.error.get("message", "") if isinstance(header.error, dict) else ""
        return About(
            status="invalidated" if header.invalidated else header.status,
            error=str(message).partition("\n")[0][:200],
            model=spec.model,
            identity=spec.eval_id or spec.run_id + spec.task_id,
            attempt=spec.task_id,
            created=spec.created,
            expected=len(ids) * ((spec.config and spec.config.epochs) or 1) if ids else None,
            scorers=tuple(str(scorer.get("name", "")) for scorer in spec.scorers or []),
        )

    def run(self, path: Path) -> str:
        """The archive; the shards in NAME.shards/ are one run."""
        shards = next((parent for parent in path.parents if parent.suffix == ".shards"), None)
        return str(shards or path)

    def rows(self, path: Path, broken: Broken) -> Iterator[Row]:
        """A row for each sample and epoch."""
        task = _header(path).eval
        for sample in _samples(path, broken):
            yield _row(sample, task)


def _header(path: Path) -> _Header:
    try:
        if not _is_archive(path):
            found: dict[str, Any] = {}
            for name, value in members(path):
                found[name] = value
                if name == "eval":
                    break
            return msgspec.convert(found, _Header)
        with archive(path) as log:
            name = next(name for name in ("header.json", "_journal/start.json") if name in log)
            return msgspec.convert(decode(log.read(name)), _Header)
    except (ValueError, StopIteration) as error:
        raise DataError(f"the header of the inspect log {str(path)!r} cannot be read: {error}.") from error


def _is_archive(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) == b"PK\x03\x04"


def _samples(path: Path, broken: Broken) -> Iterator[_Sample]:
    """Each sample that can be read."""
    if not _is_archive(path):
        samples = (value for name, value in members(path, inside="samples") if name == "samples" and value is not None)
        for index, value in enumerate(samples, 1):
            try:
                yield msgspec.convert(value, _Sample)
            except msgspec.ValidationError as error:
                broken.add(f"sample {index}", error)
        return
    reader = msgspec.json.Decoder(_Sample)
    with archive(path) as log:
        chunks = _chunks(log)
        for name in log.names:
            shell = _SHELL.fullmatch(name)
            if not shell and not _WHOLE.fullmatch(name):
                continue
            try:
                text = log.read(name)
                try:
                    sample = reader.decode(text)
                except (msgspec.DecodeError, RecursionError):  # NaN, perhaps
                    sample = msgspec.convert(decode(text), _Sample)
                if shell:
                    _put_together(sample, log, shell[1], chunks.get(shell[1], []))
            except ValueError as error:
                broken.add(name, error)
            else:
                yield sample


def _chunks(log: Archive) -> dict[str, list[tuple[int, str]]]:
    """The members that hold the long texts of each large sample, by its prefix, with the number of their first text."""
    found: dict[str, list[tuple[int, str]]] = {}
    for name in log.names:
        if chunk := _CHUNK.fullmatch(name):
            found.setdefault(chunk[1], []).append((int(chunk[2]), name))
    return found


def _put_together(sample: _Sample, log: Archive, prefix: str, chunks: list[tuple[int, str]]) -> None:
    """Give a large sample back what stands in members beside it: its long texts, named by their number, and its metadata."""
    sample.attachments = {
        str(start + index): text for start, name in sorted(chunks) for index, text in enumerate(decode(log.read(name)))
    }
    beside = f"{prefix}/metadata.json"
    if beside in log and not sample.metadata:
        sample.metadata = msgspec.convert(decode(log.read(beside)), dict[str, Any])


def _row(sample: _Sample, task: _Task) -> Row:
    attached = sample.attachments or {}
    question = _resolved(message_text(sample.input), attached)
    scores = [score for name, made in (sample.scores or {}).items() for score in _scores(name, made)] or (
        [] if sample.score is None else _scores("score", sample.score)
    )
    failure = ""
    if sample.invalidation is not None:
        failure, scores = "invalidated", []
    elif sample.error is not None and not scores:
        message = sample.error.get("message", "") if isinstance(sample.error, dict) else sample.error
        said = re.sub(r"\b(?:0x)?[0-9a-f]{8,}\b", "…", str(message).partition("\n")[0])  # an address is no reason
        failure = f"error: {said}"[:_MAX_REASON]
    elif not scores:
        failure = "never scored"
    text = _response(sample.output)
    return Row(
        item=str(sample.id),
        identified="id",
        content=content_id(question, sample.choices or [], sample.target),
        prompt=question,
        message=_with_choices(question, sample.choices or []),
        sample=sample.epoch,
        scores=tuple(scores),
        failure=failure,
        text=None if text is None else _resolved(text, attached),
        key=key_text(sample.target),
        model=task.model,
        task=task.task,
        columns=sample.metadata or {},
    )


def _with_choices(question: str, choices: Sequence[str]) -> str:
    """The question with its choices as inspect letters them (`multiple_choice`); empty where it has none."""
    lettered = [f"{chr(ord('A') + at)}) {choice}" for at, choice in enumerate(choices[:26])]
    return "\n".join([question, "", *lettered]) if lettered else ""


def _resolved(text: str, attached: Mapping[str, str]) -> str:
    return attached.get(text.removeprefix(_ATTACHED), text) if text.startswith(_ATTACHED) else text


def _response(output: _Output | None) -> str | None:
    if output is None or (output.completion is None and not output.choices):
        return None
    if output.completion is not None:
        return output.completion
    return message_text((output.choices or [{}])[0].get("message"))


def _scores(name: str, made: _Score) -> list[Score]:
    """The scores in one value: a dictionary or list holds several, as inspect reduces them apart."""
    value, why = made.value, made.reason or str((made.metadata or {}).get("unscored_reason") or "")
    if isinstance(value, dict):
        return [_scored(f"{name}/{part}", inner, why) for part, inner in value.items()]
    if isinstance(value, list):
        return [_scored(f"{name}/{part}", inner, why) for part, inner in enumerate(value)]
    return [_scored(name, value, why)]


def _scored(name: str, value: Any, why: str) -> Score:
    found = number(value)
    if found is not None:
        return Score(name, found)
    if isinstance(value, str):
        word = value.strip().casefold()
        if word in _WORDS:
            return Score(name, _WORDS[word], "no answer, which inspect counts as wrong" if value == "N" else "")
        try:
            parsed = float(word)
        except ValueError:
            return Score(name, None, f"not a number: {value[:40]}")
        return Score(name, parsed) if math.isfinite(parsed) else Score(name, None, why or "no score")
    return Score(name, None, why[:_MAX_REASON] or "no score")
