"""One meaning of a call: what two readers could take for different things is refused before a rule sees it.

Arguments are read as I-JSON (RFC 7493): no key twice, numbers that a double holds exactly, no half characters. Keys that
differ only in case or by invisible characters are one key written twice, and an invisible character beside a letter or a
digit hides from a rule what a person reads.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping
from decimal import Decimal
from numbers import Number
from typing import Any, NoReturn

MAX_ARGUMENTS = 100_000
"""Characters of one call's arguments, or of a result, that are read as JSON."""
MOST_EXACT = 2**53 - 1
"""The largest whole number that every reader of JSON takes for the same (RFC 7493, 2.2)."""

_NO_OBJECT = "the arguments are not a JSON object"
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Characters that show nothing, besides those of the category Cf."""


def spelling(name: str) -> str:
    """A name without what does not show: case, width and invisible characters."""
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if not _invisible(c)).strip()


def read_arguments(given: object) -> dict[str, Any]:
    """A call's arguments as rules see them, and frozen; none at all for None, "" and "null".

    Raises ValueError, with the reason in the model's words, for what is no JSON object or has more than one meaning.
    """
    if given is None or (isinstance(given, str) and given.strip() in ("", "null")):
        return FrozenDict()
    value = given
    if not isinstance(given, dict):
        if not isinstance(given, str):
            raise ValueError(_NO_OBJECT)
        if len(given) > MAX_ARGUMENTS:
            raise ValueError(f"the arguments are JSON of more than {MAX_ARGUMENTS:,} characters")
        try:
            value = DECODER.decode(given)
        except json.JSONDecodeError:
            raise ValueError(_NO_OBJECT) from None
        except RecursionError:
            raise ValueError("the arguments are JSON that is nested too deep") from None
    if not isinstance(value, dict):
        raise ValueError(_NO_OBJECT)
    return canonical(value)


def canonical(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The same arguments, frozen. Raises ValueError for a number that is none, and for what does not show."""
    try:
        return FrozenDict({_key(key): _value(str(key), value) for key, value in _distinct(arguments.items())})
    except RecursionError:
        raise ValueError("the arguments are nested too deep") from None


def frozen(value: Any) -> Any:
    """A JSON value that nobody can change; of any other object, itself."""
    if isinstance(value, dict):
        return FrozenDict({key: frozen(inner) for key, inner in value.items()})
    if isinstance(value, list):
        return FrozenList(map(frozen, value))
    return value


class FrozenDict(dict[str, Any]):
    """A dict that cannot be changed: one rule must not alter what the next one sees, nor what the tool gets."""

    def _unchangeable(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("a rule must not change what it is shown: copy it first, with dict() or list()")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _unchangeable

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __deepcopy__(self, memo: Any) -> dict[str, Any]:
        return {key: _thawed(value) for key, value in self.items()}


class FrozenList(list[Any]):
    """A list that cannot be changed."""

    __setitem__ = __delitem__ = __iadd__ = __imul__ = FrozenDict._unchangeable
    append = extend = insert = pop = remove = clear = sort = reverse = FrozenDict._unchangeable

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))

    def __deepcopy__(self, memo: Any) -> list[Any]:
        return [_thawed(value) for value in self]


def _thawed(value: Any) -> Any:
    return value.__deepcopy__({}) if isinstance(value, FrozenDict | FrozenList) else value


def _value(at: str, value: Any) -> Any:
    if isinstance(value, dict):
        return FrozenDict({_key(key): _value(f"{at}.{key}", inner) for key, inner in _distinct(value.items())})
    if isinstance(value, list):
        return FrozenList([_value(at, inner) for inner in value])
    if isinstance(value, tuple):
        return tuple(_value(at, inner) for inner in value)
    if isinstance(value, str):
        _shown(at, value)
    elif isinstance(value, Number) and not _finite(value):
        raise ValueError(f"{at[:100]} is {value}, which is no number")
    return value


def _finite(value: Any) -> bool:
    try:
        return bool(value == value and value not in (float("inf"), float("-inf")))
    except ArithmeticError:  # a signalling NaN
        return False


def _key(key: Any) -> Any:
    if isinstance(key, str):
        if any(map(_invisible, key)):
            raise ValueError(f"the key {ascii(key)[:100]} holds characters that do not show")
        _shown("a key", key)
    return key


def _shown(at: str, text: str) -> None:
    """Raises ValueError for half characters, and for invisible ones beside a letter or digit of ASCII."""
    if text.isascii():
        return
    for place, character in enumerate(text):
        if "\ud800" <= character <= "\udfff":
            raise ValueError(f"{at[:100]} holds half a character")
        if _invisible(character):
            beside = text[max(0, place - 1) : place] + text[place + 1 : place + 2]
            if any(other.isascii() and other.isalnum() for other in beside) or character >= "\U000e0000":
                raise ValueError(f"{at[:100]} holds characters that do not show: {ascii(text)[:100]}")


def _invisible(character: str) -> bool:
    return character in _FILLERS or unicodedata.category(character) == "Cf"


def _distinct(pairs: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """The pairs. Raises ValueError where two keys are one, as they are or but for their spelling."""
    kept, seen = list(pairs), dict[str, str]()
    for key, _ in kept:
        bare = spelling(key) if isinstance(key, str) else repr(key)
        if bare in seen:
            raise ValueError(f"the key {str(key)[:100]!r} stands twice")
        seen[bare] = key
    return kept


def _whole(digits: str) -> int:
    if len(digits) > 20 or abs(int(digits)) > MOST_EXACT:
        raise ValueError(f"the number {digits[:30]} is too large to be the same for every reader; write it as a text")
    return int(digits)


def _real(digits: str) -> float:
    value = float(digits)
    try:
        exact = _finite(value) and len(digits) <= 400 and Decimal(digits) == Decimal(repr(value))
    except ArithmeticError:  # an exponent that no decimal has
        exact = False
    if not exact:
        raise ValueError(f"the number {digits[:30]} has more digits than every reader keeps")
    return value


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(_distinct(pairs))


DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_int=_whole, parse_float=_real, parse_constant=_no_number, strict=True
)
"""Reads I-JSON. Raises json.JSONDecodeError for what is no JSON, and any other ValueError for what has more than one meaning."""
