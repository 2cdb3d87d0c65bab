"""One .gguf file out of the parts in which it is shipped: some packages hold a piece each, since registries limit the size of a file.

A path with a range, as a shell would expand it, names the parts in their order: `pieces_{1..6}:data/piece0{1..6}.bin`. They are joined once,
in the cache of this user, under a name that is made of what the parts are.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from counterform.errors import ModelError, extra
from counterform.store import key_of
from counterform.store.appearing import appearing

MAGIC = b"GGUF"
"""What a .gguf file begins with, and none of its later parts."""
_RANGE = re.compile(r"\{(\d{1,4})\.\.(\d{1,4})\}")


def names_of_parts(path: str) -> list[str]:
    """The names that a path with ranges stands for, in order; none for a path without a range.

    Several ranges in one path count together. A range from a number with leading zeros keeps its width, as in bash. Raises ModelError
    for ranges that differ or do not rise.
    """
    ranges = {match.groups() for match in _RANGE.finditer(path)}
    if not ranges:
        return []
    spans = {(int(first), int(last)) for first, last in ranges}
    if len(spans) > 1 or not all(first < last for first, last in spans):
        raise ModelError(
            f"the model {path!r} has the ranges {', '.join(sorted(f'{{{a}..{b}}}' for a, b in ranges))}. Parts are counted by one rising "
            "range, which may stand more than once: pieces_{1..6}:data/piece0{1..6}.bin."
        )
    [(first, last)] = spans
    return [_numbered(path, number) for number in range(first, last + 1)]


def _numbered(path: str, number: int) -> str:
    """The path of one part: its number in place of every range."""
    return _RANGE.sub(lambda match: str(number).zfill(len(match[1])), path)


def joined(path: str, parts: Sequence[Path]) -> Path:
    """The one .gguf file that these parts make, in order; `path` names them in messages.

    It lies in $XDG_CACHE_HOME/counterform (~/.cache/counterform), appears whole or not at all, and is found there the next time. Raises
    ModelError for a part that is not there, and for parts that are not one GGUF.
    """
    missing = [part for part in parts if not part.is_file()]
    if missing:
        raise ModelError(
            f"the model {path!r} has {len(parts)} parts, and {str(missing[0])!r} is not there"
            f"{f' (nor are {len(missing) - 1} more)' if missing[1:] else ''}. Install every package of it, and name the file that they hold."
        )
    for number, part in enumerate(parts):
        if _begins_a_gguf(part) != (number == 0):
            wrong = "does not begin a GGUF" if number == 0 else "begins a GGUF of its own"
            raise ModelError(
                f"the model {path!r}: {str(part)!r}, part {number + 1}, {wrong}. Parts are one .gguf file that was cut, in their order; "
                "what llama.cpp has split is merged by its own tool (llama-gguf-split --merge)."
            )
    stats = [part.stat() for part in parts]
    key = key_of([(str(part), stat.st_size, stat.st_mtime_ns) for part, stat in zip(parts, stats, strict=True)])
    whole = _cache() / f"{key}.gguf"
    if not whole.exists():
        with appearing(whole) as growing:
            with growing.open("wb") as into:
                for part in parts:
                    with part.open("rb") as piece:
                        shutil.copyfileobj(piece, into, 1 << 24)
            _require_whole(path, growing)
    return whole


def _begins_a_gguf(part: Path) -> bool:
    with part.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "counterform"


def _require_whole(path: str, file: Path) -> None:
    """Raises ModelError where the file ends before the last of its tensors, or cannot be read as a GGUF at all."""
    with extra("train"):
        from gguf import GGUFReader
    try:
        GGUFReader(file)
    except Exception as error:  # of a file that is cut, numpy and struct complain, each in its own words
        raise ModelError(
            f"the model {path!r}: its parts together are not a whole GGUF ({str(error).strip() or type(error).__name__}). Is the range too "
            "short, or a part cut?"
        ) from error
