"""A recorded study: what it found, small enough to be kept beside its page, and what a reader of the figures must know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from counterform.errors import DataError
from counterform.metrics import Measured
from counterform.results import Results, Retention, as_struct
from counterform.study import ArmSpec

SETTINGS = ("tool", "tool_failures", "shown", "samples", "domain", "critic")
"""Options of a recipe that say where it was used or who wrote it, and not what it teaches."""
AWAY = Measured(probe="shift", metric="exact match", condition="answer")
"""Of what the probe `shift` reads, all that is kept."""

_WORDS = ("claim", "sentence")
"""Made of the figures beside them, and left out."""
_TABLES = ("findings", "levels", "baselines", "form_shares")


class Recorded(Struct, frozen=True, kw_only=True):
    """What one study found: the content of docs/studies/NAME.json."""

    name: str
    problems: str
    """Of which all of it is said: a family, a file, whose recorded answers."""
    model: str
    """Of which all of it is said: the base of every arm, or who wrote the recorded answers."""
    results: Results
    parameters: int = 0
    """Numbers in the model's weights; 0 where nobody can say: of an endpoint, of recorded answers."""
    training_seconds: float = 0.0
    """Of the trainings together, as their ledgers have it: by the clock, on whatever else the machine did."""
    recipes: Mapping[str, str] = {}
    """What each arm is, as `recipe_of` names it; an arm that is not here is what its name says."""
    retained: tuple[Retention, ...] = ()

    @property
    def size(self) -> str:
        """The model's parameters in words: `134.5 M`; empty where nobody can say."""
        return f"{self.parameters / 1e6:,.1f} M" if self.parameters else ""

    @property
    def setting(self) -> str:
        """The problems, the model and its size."""
        return f"{self.problems}, {self.model}{f' of {self.size} parameters' if self.size else ''}"

    def arms(self, recipe: str) -> list[str]:
        """The arms made by a recipe."""
        made = [arm for arm, made_by in self.recipes.items() if made_by == recipe]
        return made if made or recipe in self.recipes else [recipe]


def recipe_of(spec: ArmSpec) -> str:
    """A recipe with the options that make it another one: `instructions(definition=space)`. What was not trained here is no recipe."""
    if not spec.recipe:
        return "not trained here"
    options = ", ".join(f"{key}={value}" for key, value in sorted(spec.options.items()) if key not in SETTINGS)
    return f"{spec.recipe}({options})" if options else spec.recipe


def to_json(study: Recorded) -> str:
    """The file's text: one line per row, without what can be made again from the figures."""
    results = study.results
    head = {
        "name": study.name,
        "problems": study.problems,
        "model": study.model,
        "parameters": study.parameters,
        "training_seconds": round(study.training_seconds, 1),
        "question": results.question,
        "recipes": study.recipes,
        "notes": results.notes,
        "metrics": results.metrics,
    }
    tables: dict[str, Sequence[Struct]] = {
        name: [row for row in getattr(results, name) if _kept(row)] for name in _TABLES
    }
    tables["retained"] = study.retained
    parts = [f"{_json(name)}: {_json(value)}" for name, value in head.items()]
    parts += [f"{_json(name)}: {_packed(rows)}" for name, rows in tables.items() if rows]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def read(path: Path) -> Recorded:
    """A recorded study. Raises DataError for a file that is none."""
    try:
        plain = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        results = {name: plain[name] for name in ("question", "notes", "metrics")}
        results |= {name: _unpacked(plain, name) for name in _TABLES}
        study = {
            name: plain[name] for name in ("name", "problems", "model", "parameters", "training_seconds", "recipes")
        }
        return as_struct({**study, "results": results, "retained": _unpacked(plain, "retained")}, Recorded)
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


def _kept(row: Measured) -> bool:
    return row.probe != AWAY.probe or (row.metric, row.condition) == (AWAY.metric, AWAY.condition)


def _packed(rows: Sequence[Struct]) -> str:
    """A table as its columns and its rows, since names would be most of it; a column that is empty in all rows is left out."""
    fields = [field for field in msgspec.structs.fields(rows[0]) if field.name not in _WORDS]
    names = [f.name for f in fields if f.required or any(getattr(row, f.name) != f.default for row in rows)]
    lines = [_json([_short(getattr(row, name)) for name in names]) for row in rows]
    return '{"columns": ' + _json(names) + ', "rows": [\n' + ",\n".join(lines) + "\n]}"


def _short(value: Any) -> Any:
    """A value as the file has it: figures to six places, what is no number as null."""
    if isinstance(value, Struct):
        return {name: _short(one) for name, one in msgspec.structs.asdict(value).items()}
    if not isinstance(value, float):
        return value
    return round(value, 6) if isfinite(value) else None


def _unpacked(plain: Mapping[str, Any], table: str) -> list[dict[str, Any]]:
    packed = plain.get(table, {"columns": [], "rows": []})
    words = dict.fromkeys(_WORDS, "")
    return [words | dict(zip(packed["columns"], row, strict=True)) for row in packed["rows"]]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
