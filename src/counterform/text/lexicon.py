"""Epistemic markers: words and phrases in which a text doubts, checks, takes back and looks for another way.

One replaceable list (`lexicon.json`), read in two ways: counted in many texts at once, and found one by one in a text. A
list holds plain words and phrases and no patterns, so matching takes linear time whatever the list and the text. The marker
study this follows (arXiv 2603.24472) counted substrings, in which "unlikely" holds "likely" and "await" holds "wait"; here a
term is bounded by what is no letter, digit or underscore of ASCII.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from counterform.errors import DataError

MAX_TERM, MAX_CHARACTERS = 80, 20_000
"""Characters of one term, and of all terms of a kind."""
TEXTS_AT_ONCE = 20_000

_SYNTAX = frozenset("\\()[]{}|*+?^$")
_KIND = re.compile(r"[a-z][a-z -]{0,30}")
_PAUSE = " ,.!:;…"


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kinds: dict[str, list[str]]
    about: str = ""


class Lexicon:
    """Markers by kind. Each kind is counted by itself: "let me try again" is one marker of its kind, however many words.

    In a term a blank is any one to three of blank, tab and line break, a hyphen may be a blank, and "'" is the curly one too.
    Raises DataError naming a kind or term that is empty, too long, no plain text, or of two kinds.
    """

    def __init__(self, kinds: Mapping[str, Sequence[str]], source: str = "the lexicon") -> None:
        self.terms = _checked(kinds, source)
        self._patterns = {kind: _pattern(terms) for kind, terms in self.terms.items()}

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of the kinds, in their order."""
        return tuple(self.terms)

    def counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """How many markers of each kind stand in each text: (texts, kinds)."""
        parts = [self._counted(texts[at : at + TEXTS_AT_ONCE]) for at in range(0, len(texts), TEXTS_AT_ONCE)]
        return np.concatenate([np.zeros((0, len(self.terms)), dtype=np.int64), *parts])

    def spans(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Where each marker stands, without the pause after it, and of which kind; kind by kind."""
        for kind, pattern in self._found_by.items():
            for found in pattern.finditer(text):
                yield found.start(), found.start() + len(found[0].rstrip(_PAUSE)), kind

    def _counted(self, texts: Sequence[str]) -> NDArray[np.int64]:
        # RE2 inside Arrow: linear time, and twenty times the speed of `re` (bench/traits.py).
        column = _column(texts)
        rows = [pc.count_substring_regex(column, pattern=pattern) for pattern in self._patterns.values()]
        return np.stack([row.to_numpy(zero_copy_only=False) for row in rows], axis=1).astype(np.int64)

    @cached_property
    def _found_by(self) -> dict[str, re.Pattern[str]]:
        return {kind: re.compile(pattern, re.ASCII) for kind, pattern in self._patterns.items()}


def load_lexicon(path: str | Path = "") -> Lexicon:
    """The lexicon in a JSON file, {"kinds": {"hedge": ["perhaps", ...], ...}}; the package's own where none is named.

    Raises DataError where the file cannot be read or holds something else.
    """
    if not path:
        return _own()
    try:
        return _read(Path(path).read_bytes(), str(path))
    except OSError as error:
        raise DataError(f"cannot read the lexicon {str(path)!r}: {error.strerror}.") from error


@cache
def _own() -> Lexicon:
    return _read(files("counterform.text").joinpath("lexicon.json").read_bytes(), "the package's lexicon")


def _read(text: bytes, source: str) -> Lexicon:
    try:
        return Lexicon(msgspec.json.decode(text, type=_File).kinds, source)
    except msgspec.DecodeError as error:
        raise DataError(
            f'the lexicon {source!r} is not of the form {{"kinds": {{"hedge": ["perhaps", "i think"]}}}}: {error}'
        ) from error


def _checked(kinds: Mapping[str, Sequence[str]], source: str) -> dict[str, tuple[str, ...]]:
    """The terms of each kind, the longest first, once they are known to be plain."""
    if not kinds:
        raise DataError(f"{source} has no kinds. Give at least one, with at least one term.")
    owner: dict[str, str] = {}
    found: dict[str, tuple[str, ...]] = {}
    for kind, terms in kinds.items():
        if not _KIND.fullmatch(kind):
            raise DataError(f"{source}: kind {kind[:40]!r} must be a name of small letters, blanks and hyphens.")
        plain = dict.fromkeys(" ".join(term.casefold().split()) for term in terms)
        if not plain or sum(map(len, plain)) > MAX_CHARACTERS:
            size = f"{sum(map(len, plain)):,} characters of terms; at most {MAX_CHARACTERS:,}" if plain else "no terms"
            raise DataError(f"{source}: kind {kind!r} has {size}. Leave the kind out, or change its terms.")
        for term in plain:
            if why := _why_not(term):
                raise DataError(f"{source}: term {term[:MAX_TERM]!r} of kind {kind!r} {why}.")
            if owner.setdefault(term, kind) != kind:
                raise DataError(f"{source}: term {term!r} stands under {owner[term]!r} and under {kind!r}; keep one.")
        found[kind] = tuple(sorted(plain, key=lambda term: (-len(term), term)))
    return found


def _why_not(term: str) -> str:
    """Why a term is not usable; empty if it is."""
    if not term:
        return "is empty, and would be found everywhere. Remove it"
    if len(term) > MAX_TERM:
        return f"is longer than {MAX_TERM} characters. Shorten it"
    syntax = sorted(_SYNTAX.intersection(term))
    if syntax:
        return f"holds {syntax[0]!r}: terms are plain words and phrases, and no patterns. Write out what it should find"
    if not term[0].isalnum() or not term.rstrip(_PAUSE) or not term.isprintable():
        return "must begin with a letter or digit, and hold nothing that cannot be printed"
    return ""


def _pattern(terms: Iterable[str]) -> str:
    """One expression with the same meaning for RE2 and for `re` in ASCII mode."""
    return "(?:" + "|".join(_edge(term[0]) + "".join(map(_sign, term)) + _edge(term[-1]) for term in terms) + ")"


def _sign(sign: str) -> str:
    if sign == " ":
        return r"[ \t\r\n]{1,3}"
    if sign == "'":
        return "['’]"
    if sign == "-":
        return "[- ]"
    cases = {sign, sign.upper(), sign.lower()}
    return (
        f"[{''.join(sorted(cases))}]" if len(cases) > 1 and all(len(case) == 1 for case in cases) else re.escape(sign)
    )


def _edge(sign: str) -> str:
    """The end of a word: no letter, digit or underscore of ASCII follows or goes before; a pause needs none."""
    if sign.isascii():
        return r"\b" if sign.isalnum() else ""
    return r"\B" if sign.isalnum() else ""


def _column(texts: Sequence[str]) -> pa.Array:
    try:
        return pa.array(texts, pa.large_string())
    except UnicodeEncodeError:  # half a surrogate pair
        return pa.array([text.encode("utf-8", "replace").decode() for text in texts], pa.large_string())
