"""Structs as Arrow rows, and back."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import pyarrow as pa
from msgspec import Struct

SLICE = 10_000
"""Rows turned from structs to Arrow and back at once: as plain dicts they take several times the memory."""

Row = TypeVar("Row", bound=Struct)


def table_of(rows: Sequence[Row], kind: type[Row]) -> pa.Table:
    """Structs as an Arrow table. What Parquet cannot hold (half a surrogate pair, a number over 64 bits) is replaced."""
    schema = arrow_schema(kind)
    json_fields = [field.name for field in schema if field.metadata and b"json" in field.metadata]
    slices = [rows[at : at + SLICE] for at in range(0, len(rows), SLICE)] or [rows]
    return pa.concat_tables([_table([_plain(row, json_fields) for row in some], schema) for some in slices])


def rows_of(table: pa.Table, kind: type[Row]) -> list[Row]:
    """The structs of an Arrow table."""
    json_fields = [field.name for field in arrow_schema(kind) if field.metadata and b"json" in field.metadata]
    found: list[Row] = []
    for at in range(0, len(table), SLICE):
        rows = table.slice(at, SLICE).to_pylist()
        for row in rows:
            for step in row.get("steps", ()):  # a verdict's: a few names of rules, by the million
                step["rule"] = sys.intern(step["rule"])
            for name in json_fields:
                row[name] = json.loads(row[name])
        found += msgspec.convert(rows, list[kind])  # type: ignore[valid-type]
    return found


def arrow_schema(kind: type[Struct]) -> pa.Schema:
    """The Arrow schema of a struct: nested structs and tuples as such, free dicts as JSON text."""
    return pa.schema([_arrow_field(name, hint) for name, hint in get_type_hints(kind).items()])


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    try:
        return pa.Table.from_pylist(rows, schema=schema)
    except (UnicodeEncodeError, OverflowError, pa.ArrowInvalid):
        # One odd row must not cost the others; all the same, it is rare, and looking for it is slow.
        return pa.Table.from_pylist([_storable(row) for row in rows], schema=schema)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int):
        return max(-(2**63), min(value, 2**63 - 1))
    if isinstance(value, dict):
        return {name: _storable(inner) for name, inner in value.items()}
    return [_storable(inner) for inner in value] if isinstance(value, list | tuple) else value


def _arrow_field(name: str, hint: Any) -> pa.Field:
    is_json = get_origin(hint) is dict
    return pa.field(name, _arrow_type(hint), metadata={"json": "1"} if is_json else None)


def _arrow_type(hint: Any) -> pa.DataType:
    origin, args = get_origin(hint), get_args(hint)
    if origin is dict or origin is Literal:
        return pa.string()
    if origin in (tuple, list):
        return pa.list_(_arrow_type(args[0]))
    if origin in (Union, UnionType):
        return _arrow_type(next(arg for arg in args if arg is not NoneType))
    if isinstance(hint, type) and issubclass(hint, Struct):
        return pa.struct([_arrow_field(name, inner) for name, inner in get_type_hints(hint).items()])
    if isinstance(hint, type) and issubclass(hint, Enum):
        return pa.string()
    return {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}[hint]


def _plain(row: Struct, json_fields: Iterable[str]) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(row)
    for name in json_fields:
        plain[name] = json.dumps(plain[name], sort_keys=True)
    return plain
