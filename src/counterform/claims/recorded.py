"""A recorded study: what it found, small enough to be kept beside its page, and what a reader of the figures must know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, nan
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from counterform.errors import DataError
from counterform.results import Baseline, Finding, FormShare, Level, Results, Retention
from counterform.study import ArmSpec
from counterform.text.shifts import reading_and_shift

SETTINGS = ("tool", "tool_failures", "shown", "samples", "domain")
"""Options of a recipe that say where it was used, and not what it teaches."""
ANSWER_AWAY = "exact match, answer"
"""Of what the probe `shift` reads away from home, all that is kept."""

_WORDS = ("claim", "sentence")
"""Made of the figures beside them, and left out."""
_UNREAD = {Finding, Level}
"""Of these, a number that is missing is not a number; elsewhere it is None."""
Row = TypeVar("Row", Finding, Level, Baseline, FormShare, Retention)


class Recorded(Struct, frozen=True, kw_only=True):
    """What one study found: the content of docs/studies/NAME.json."""

    name: str
    setting: str
    """The models and problems of which all of it is said, with their size."""
    results: Results
    recipes: Mapping[str, str] = {}
    """What each arm is, as `recipe_of` names it; an arm that is not here is what its name says."""
    retained: tuple[Retention, ...] = ()
    distances: Mapping[str, float] = {}
    """How far each shift is from training, by its label."""

    def arms(self, recipe: str) -> list[str]:
        """The arms made by a recipe."""
        made = [arm for arm, made_by in self.recipes.items() if made_by == recipe]
        return made if made or recipe in self.recipes else [recipe]


def recipe_of(spec: ArmSpec) -> str:
    """A recipe with the options that make it another one: `instructions(definition=space)`."""
    options = ", ".join(f"{key}={value}" for key, value in sorted(spec.options.items()) if key not in SETTINGS)
    return f"{spec.recipe}({options})" if options else spec.recipe


def to_json(study: Recorded) -> str:
    """The file's text: a line a row, without what can be made again from the figures."""
    results = study.results
    head = {
        "name": study.name,
        "setting": study.setting,
        "question": results.question,
        "recipes": study.recipes,
        "distances": study.distances,
        "notes": results.notes,
    }
    tables: dict[str, Sequence[Struct]] = {
        "findings": [finding for finding in results.findings if _kept(finding)],
        "levels": [level for level in results.levels if _kept(level)],
        "baselines": [line for line in results.baselines if _kept(line)],
        "form_shares": results.form_shares,
        "retained": study.retained,
    }
    parts = [f"{_json(name)}: {_json(value)}" for name, value in head.items()]
    parts += [f"{_json(name)}: {_packed(rows)}" for name, rows in tables.items() if rows]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def read(path: Path) -> Recorded:
    """A recorded study. Raises DataError for a file that is none."""
    try:
        plain = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        results = Results(
            question=plain["question"],
            findings=_unpacked(plain, "findings", Finding),
            levels=_unpacked(plain, "levels", Level),
            baselines=_unpacked(plain, "baselines", Baseline),
            form_shares=_unpacked(plain, "form_shares", FormShare),
            notes=tuple(plain["notes"]),
        )
        head = {name: plain[name] for name in ("name", "setting", "recipes", "distances")}
        retained = _unpacked(plain, "retained", Retention)
        return msgspec.convert({**head, "results": results, "retained": retained}, Recorded)
    except (OSError, msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} is not a recorded study ({error}). `counterform report RUN --record {path.parent}` writes one."
        ) from error


def read_all(folder: Path) -> list[Recorded]:
    """Every recorded study of a folder, by name. Raises DataError where there is none."""
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise DataError(f"{folder} holds no recorded study. `counterform report RUN --record {folder}` writes one.")
    return [read(path) for path in paths]


def _kept(row: Finding | Level | Baseline) -> bool:
    reading, _ = reading_and_shift(row.metric)
    return row.probe != "shift" or reading == ANSWER_AWAY


def _packed(rows: Sequence[Struct]) -> str:
    """A table as its columns and its rows, since names would be most of it."""
    names = [name for name in type(rows[0]).__struct_fields__ if name not in _WORDS]
    lines = [_json([_short(getattr(row, name)) for name in names]) for row in rows]
    return '{"columns": ' + _json(names) + ', "rows": [\n' + ",\n".join(lines) + "\n]}"


def _short(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return round(value, 6) if isfinite(value) else None


def _unpacked(plain: Mapping[str, Any], table: str, kind: type[Row]) -> tuple[Row, ...]:
    packed = plain.get(table, {"columns": [], "rows": []})
    words = {name: "" for name in _WORDS if name in kind.__struct_fields__}
    missing = nan if kind in _UNREAD else None
    return tuple(
        msgspec.convert(
            words
            | {name: missing if value is None else value for name, value in zip(packed["columns"], row, strict=True)},
            kind,
        )
        for row in packed["rows"]
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
