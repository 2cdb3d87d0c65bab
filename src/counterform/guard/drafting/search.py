"""Cases near the ones that are there: a leaf or two of an example changed, within what its field can hold.

What a field can hold is taken from the examples, the tools' schemas, and the numbers and texts of the rule with their
neighbours. The nearest come first, so that what is asked about looks like what was written.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from counterform.guard.drafting.cases import Case, shown
from counterform.guard.drafting.language import hints

MOST_PROBES = 32
MOST_SINGLE, MOST_DOUBLE = 900, 1_200
"""Cases with one leaf changed, and with two."""
_MOST_OF_LEAF = 14
_LONGEST_LIST = 12
Path = tuple[str | int, ...]
_UNITS = frozenset(("weeks", "days", "hours", "minutes", "seconds"))


class Neighbourhood:
    """Makes cases around seeds, for one rule."""

    def __init__(self, rule: ast.FunctionDef, values: Mapping[str, tuple[str, ...]], tools: Sequence[str]) -> None:
        skipped = hints(rule)
        constants = [n.value for n in ast.walk(rule) if isinstance(n, ast.Constant) and id(n) not in skipped]
        self._numbers = sorted({n for n in constants if isinstance(n, int | float) and not isinstance(n, bool)})
        self._texts = [text for text in dict.fromkeys(constants) if isinstance(text, str) and len(text) <= 40]
        self._tools = list(dict.fromkeys([*(text for text in self._texts if text in tools), *tools]))[:24]
        self._spans = [
            timedelta(**{word.arg: word.value.value})
            for word in ast.walk(rule)
            if isinstance(word, ast.keyword)
            and word.arg in _UNITS
            and isinstance(word.value, ast.Constant)
            and isinstance(word.value.value, int | float)
            and abs(word.value.value) < 100_000
        ]
        self._times = [time for text in constants if isinstance(text, str) and (time := _time(text))]
        self._values = values
        self._seen: dict[str, list[Any]] = {}

    def around(self, seeds: Sequence[Case], seed: int = 0) -> list[Case]:
        """The seeds, then all cases with one leaf changed, then some with two; each once."""
        trees = [_tree(case) for case in seeds]
        for tree in trees:
            for path, value in _leaves(tree):
                pool = self._seen.setdefault(_field(path), [])
                if value not in pool and len(pool) < _MOST_OF_LEAF:
                    pool.append(value)
        found: dict[str, Case] = {shown(case): case for case in seeds}
        single = [
            (tree, path, new) for tree in trees for path, value in _leaves(tree) for new in self._instead(path, value)
        ]
        # Round robin over the leaves of all seeds would cost more than it brings; a shuffle with a fixed seed is as fair.
        rng = random.Random(seed)
        rng.shuffle(single)
        self._add(found, (_changed(tree, path, new) for tree, path, new in single), MOST_SINGLE)
        for _ in range(min(MOST_DOUBLE, 3 * len(single))):
            tree, path, new = rng.choice(single)
            once = _changed(tree, path, new)
            leaves = list(_leaves(once))
            other, value = rng.choice(leaves)
            options = list(self._instead(other, value))
            if options:
                self._add(found, [_changed(once, other, rng.choice(options))], 1)
        return list(found.values())

    def _add(self, found: dict[str, Case], trees: Iterable[dict[str, Any]], most: int) -> None:
        added = 0
        for tree in trees:
            try:
                case = msgspec.convert(tree, Case)
            except msgspec.ValidationError:
                continue
            key = shown(case)
            if key not in found:
                found[key] = case
                added += 1
            if added >= most:
                return

    def _instead(self, path: Path, value: Any) -> Iterator[Any]:
        """Other values that a leaf can have."""
        field, pool = _field(path), list[Any]()
        if path == ("tool",) or (path[0] == "earlier" and path[-1] == "tool"):
            pool = list(self._tools)
        elif path == ("other_calls",):
            pool = [0, 1, 2]
        elif path in (("user",), ("agent",)):
            pool = [
                "Let me see." if path == ("agent",) else "",
                *self._seen.get(field, ()),
                *(text for text in self._texts if " " not in text and "_" not in text),
            ]
        elif isinstance(value, bool):
            pool = [not value]
        elif isinstance(value, int | float):
            pool = [*self._seen.get(field, ()), *self._numbers_near(value)]
        elif isinstance(value, str):
            pool = [
                *self._values.get(field, ()),
                *self._seen.get(field, ()),
                *self._times_near(value),
                *self._alike(value),
                f"other {value}"[:60],
            ]
        elif isinstance(value, list):
            pool = list(self._lists(value))
        for new in list(dict.fromkeys(map(_hashable, pool)))[: 3 * _MOST_OF_LEAF]:
            if new != _hashable(value):
                yield _plain(new)

    def _numbers_near(self, value: float) -> Iterator[float]:
        yield from (value + 1, value - 1)
        for number in self._numbers:
            yield from (number, number + 1, number - 1)
            yield from (number * times for times in (2, 3))

    def _times_near(self, text: str) -> Iterator[str]:
        time = _time(text)
        if time is None:
            return
        for origin in (*self._times, time):
            for span in (
                *self._spans,
                *(timedelta(days=span.total_seconds() / 3600) for span in self._spans),
                timedelta(0),
                timedelta(days=1),
            ):
                for sign in (1, -1):
                    for nudge in (0, 1, -1):
                        try:
                            moved = origin + sign * span + timedelta(seconds=nudge)
                        except OverflowError:
                            continue
                        yield moved.isoformat() if len(text) > 10 else moved.date().isoformat()

    def _alike(self, value: str) -> Iterator[str]:
        """Texts that begin as the rule's texts do: `gift_card_1` for `gift_card`."""
        for text in self._texts:
            yield text
            if "_" in value and text not in self._tools:
                yield f"{text}_{value.rsplit('_', 1)[-1]}"

    def _lists(self, value: list[Any]) -> Iterator[list[Any]]:
        lengths = {
            0,
            1,
            2,
            len(value) + 1,
            len(value) - 1,
            *(int(n) + d for n in self._numbers for d in (-1, 0, 1) if abs(n) < _LONGEST_LIST),
        }
        for length in sorted(n for n in lengths if 0 <= n <= _LONGEST_LIST):
            if length <= len(value):
                yield value[:length]
            for item in value[:3]:
                if length > len(value):
                    yield value + [item] * (length - len(value))
        for at in range(min(len(value), 4)):
            yield value[:at] + value[at + 1 :]


def probes(seeds: Sequence[Case], cases: Sequence[Case], marks: Sequence[str]) -> list[int]:
    """Places of cases that differ from a seed in one leaf: one of each other tool, and of each leaf and mark; at most MOST_PROBES."""
    trees = {shown(case): _leaves_of(case) for case in seeds}
    found: dict[tuple[Any, ...], int] = {}
    for at, case in enumerate(cases):
        if shown(case) in trees:
            continue
        leaves = _leaves_of(case)
        for other in trees.values():
            changed = [path for path in leaves.keys() | other.keys() if leaves.get(path, ...) != other.get(path, ...)]
            if len(changed) == 1:
                path = changed[0]
                names = tuple(part for part in path if isinstance(part, str))
                # A tool is one case each; of other leaves one that keeps and one that breaks the rule say whether they matter.
                found.setdefault((path, case.tool) if path == ("tool",) else (names, marks[at]), at)
                break
    return list(found.values())[:MOST_PROBES]


def _leaves_of(case: Case) -> dict[Path, Any]:
    return {path: value for path, value in _leaves(_tree(case)) if not isinstance(value, list)} | {
        (*path, "length"): len(value) for path, value in _leaves(_tree(case)) if isinstance(value, list)
    }


def _tree(case: Case) -> dict[str, Any]:
    tree: dict[str, Any] = msgspec.to_builtins(case)
    tree["earlier"] = [msgspec.to_builtins(one) for one in case.earlier]
    return tree


def _leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """(where, value) of all texts, numbers, truth values and lists."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        if path != ("earlier",):
            yield path, value
        for at, inner in enumerate(value[:6]):
            yield from _leaves(inner, (*path, at))
    elif value is not None and path:
        yield path, value


def _field(path: Path) -> str:
    """The name of the field that a leaf stands in."""
    return next((part for part in reversed(path) if isinstance(part, str)), "")


def _changed(tree: dict[str, Any], path: Path, new: Any) -> dict[str, Any]:
    return dict(_put(tree, path, new))


def _put(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    first, rest = path[0], path[1:]
    if isinstance(value, list):
        return [_put(inner, rest, new) if at == first else inner for at, inner in enumerate(value)]
    return {key: _put(inner, rest, new) if key == first else inner for key, inner in value.items()}


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None) if len(text) >= 10 else None
    except ValueError:
        return None


def _hashable(value: Any) -> Any:
    """A value as something that can be a key: lists and objects as their JSON."""
    return msgspec.json.encode(value) if isinstance(value, list | dict) else (type(value).__name__, value)


def _plain(value: Any) -> Any:
    return msgspec.json.decode(value) if isinstance(value, bytes) else value[1]
