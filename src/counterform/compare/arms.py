"""From what a user names to arms that are read: models are asked first, and then all are logs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from counterform.compare.asking import Asking, Question, Questions, ask, require_askable
from counterform.compare.places import model_of
from counterform.compare.texts import MAX_READ, Texts
from counterform.compare.watch import Regrader
from counterform.errors import DataError, StudyError
from counterform.logs.collect import LoggedArm, Source, read

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Place(Struct, frozen=True, kw_only=True):
    """Where an arm's log lies."""

    path: Path
    label: str
    """As the user named it."""
    note: str = ""
    """How it came about, where a model was asked."""


def placed(names: Sequence[str | Path], source: Source, *, base: str, asking: Asking) -> list[Place]:
    """The logs that a user names, and those of the models that he names, which are asked now.

    Models are asked what the base's log asks, or else the first log, or where there is none the items of the source. Raises DataError
    where nothing says what to ask, ModelError for a model that cannot be loaded or reached.
    """
    if not all(str(name).strip() for name in names):
        raise StudyError("an arm has an empty name. Give a log, a folder of logs, a checkpoint, or an endpoint.")
    specs = [model_of(str(name), source) for name in names]
    if not any(specs):
        return [Place(path=Path(name), label=str(name)) for name in names]
    questions = _questions([str(name) for name, spec in zip(names, specs, strict=True) if spec is None], source, base)
    found = []
    for name, spec in zip(names, specs, strict=True):
        if spec is None:
            found.append(Place(path=Path(name), label=str(name)))
        else:
            asked = ask(spec, questions, asking)
            found.append(Place(path=asked.log, label=str(name), note=asked.note))
    return found


def _questions(logs: Sequence[str], source: Source, base: str) -> list[Question]:
    if logs:
        log = base if base in logs else logs[0]
        collected = Questions()
        read(Path(log), replace(source, watch=collected, by=""), apart=True)
        return require_askable(list(collected.found.values()), repr(log))
    if source.items is None:
        raise DataError(
            "models alone have nothing to answer. Give the items: --items FILE with columns `prompt` and `answer`, or a log."
        )
    rows = [Question(item=row.item, row=row, named_by="plain", sample=None) for row in source.items.rows()]
    return require_askable(rows, "--items")


def read_all(places: Sequence[Place], source: Source) -> list[LoggedArm]:
    """Every arm of these logs. Raises DataError where they are no two, or too many."""
    arms = []
    for place in places:
        found = read(place.path, source, apart=len(places) == 1)
        arms += (
            [replace(arm, label=place.label, notes=(*arm.notes, place.note)) for arm in found] if place.note else found
        )
    if len(arms) < 2:
        models = sorted({model for arm in arms for model in arm.models})
        raise DataError(
            f"one arm is no comparison: {places[0].label!r} holds {', '.join(models) or 'one model'}. "
            "Give two or more logs, or a log of several models."
        )
    if len(arms) > len(LETTERS):
        raise DataError(f"{len(arms)} arms; at most {len(LETTERS)} are compared. Give fewer logs.")
    return arms


def read_and_graded(places: Sequence[Place], source: Source) -> tuple[list[LoggedArm], list[str]]:
    """The same arms with our own grades and what else was read in the texts, and notes on what could not be."""
    share = min(1.0, MAX_READ / max(1, sum(_bytes(place.path) for place in places)))
    with Regrader(Texts(share=share)) as regrader:
        arms = read_all(places, replace(source, watch=regrader))
        regrader.finish()
        notes = [f"{count:,} answers could not be graded again: {why}" for why, count in regrader.missing.items()]
    if share < 1:
        notes.append(
            f"steps and search are read in the responses to {share:.1%} of the items, chosen by their questions alone"
        )
    return arms, notes


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file())


def ordered(arms: Sequence[LoggedArm], base: str) -> list[int]:
    """The arms, the base first. Raises StudyError where there is no such arm."""
    if not base:
        return list(range(len(arms)))
    labels = [arm.label for arm in arms]
    chosen = LETTERS.find(base) if len(base) == 1 else -1
    if not 0 <= chosen < len(arms):
        if base not in labels:
            known = ", ".join(f"{letter} ({label})" for letter, label in zip(LETTERS, labels, strict=False))
            raise StudyError(f"--base {base!r} is no arm. Arms: {known}")
        chosen = labels.index(base)
    return [chosen, *(index for index in range(len(arms)) if index != chosen)]
