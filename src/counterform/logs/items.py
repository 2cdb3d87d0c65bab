"""A user's own list of items: which to compare, their keys, and columns to break results down by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from counterform.errors import DataError
from counterform.logs.plain import KNOWN, rows
from counterform.logs.reader import Broken, Row, content_id, item_name, key_text, last_message, message_text
from counterform.logs.streams import head


class _Held(NamedTuple):
    prompt: str
    key: str | None
    columns: Mapping[str, Any]


class Items:
    """The rows of a file by item and by question. Raises DataError where it names none."""

    def __init__(self, path: Path) -> None:
        self._named: dict[str, _Held] = {}
        self._asked: dict[str, _Held] = {}
        beginning = head(path, lambda _: ())
        for row in rows(beginning, Broken()):
            item, prompt, key = (_first(row, KNOWN[what]) for what in ("item", "prompt", "key"))
            held = _Held(message_text(prompt), key_text(key), row)
            if (name := item_name(item)) is not None:
                self._named[name] = held
            if held.prompt:
                self._asked["".join(held.prompt.split())] = held
        if not (self._named or self._asked):
            raise DataError(
                f"{str(path)!r} names no items. Columns: {', '.join(sorted(beginning.names)) or 'none'}. "
                f"One must be named {', '.join((*KNOWN['item'], *KNOWN['prompt']))}."
            )

    def of(self, row: Row) -> Row | None:
        """A log's row with the key and the columns of its item; None where the list does not hold it."""
        held = self._named.get(row.item) or self._asked.get("".join(last_message(row.prompt).split()))
        if held is None:
            return None
        return replace(
            row,
            prompt=row.prompt or held.prompt,
            key=row.key if held.key is None else held.key,
            columns={**row.columns, **held.columns},
        )

    def rows(self) -> Iterator[Row]:
        """The items themselves, with a prompt, as rows that nobody has answered: what a model is asked where there is no log."""
        for name, held in (self._named or self._asked).items():
            if held.prompt:
                yield Row(
                    item=name if self._named else content_id(held.prompt, held.key or ""),
                    identified="id" if self._named else "content",
                    content=content_id(held.prompt),
                    prompt=held.prompt,
                    key=held.key,
                    task=str(_first(held.columns, KNOWN["task"]) or ""),
                    columns=held.columns,
                )


def _first(row: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)
