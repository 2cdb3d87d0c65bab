"""What a model has replied, kept as it comes: a run that was interrupted asks only for the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec
from msgspec import Struct

from counterform.errors import RunDirError
from counterform.store.appearing import disk_errors
from counterform.types import Model

MAX_TOKENS = 4_096
"""Of one reply."""


class _Kept(Struct, frozen=True):
    key: str
    text: str


class Replied:
    """A model whose replies are in a file, one JSON line each. Greedy, so that the same prompt has one reply."""

    def __init__(self, model: Model, path: Path) -> None:
        self._model, self._path = model, path
        self._known = _read(path)
        self.unheard: Counter[str] = Counter()
        """Calls that failed, by reason; they are asked again by the next run."""
        self.asked = 0

    def __call__(self, prompts: Sequence[str]) -> list[str | None]:
        """The reply to each prompt; None where the model was not heard."""
        keys = [
            blake2b(f"{self._model.name}\0{prompt}".encode(errors="replace"), digest_size=16).hexdigest()
            for prompt in prompts
        ]
        missing = dict.fromkeys(
            (key, prompt) for key, prompt in zip(keys, prompts, strict=True) if key not in self._known
        )
        wanted = list(missing)
        if wanted:
            rows = self._model.completions(
                [prompt for _, prompt in wanted], n=1, seed=0, temperature=0.0, max_tokens=MAX_TOKENS
            )
            with disk_errors(self._path), self._path.open("ab") as file:
                for at, _, completion in rows:
                    self.asked += 1
                    if completion.finish == "error":
                        self.unheard[completion.failure or "error"] += 1
                        continue
                    kept = _Kept(wanted[at][0], completion.text)
                    self._known[kept.key] = kept.text
                    file.write(msgspec.json.encode(kept) + b"\n")
                    file.flush()
        return [self._known.get(key) for key in keys]


def _read(path: Path) -> dict[str, str]:
    """The replies of a file; a last line that was cut off is asked for again."""
    if not path.exists():
        return {}
    found = {}
    lines = path.read_bytes().split(b"\n")
    for at, line in enumerate(lines):
        if not line:
            continue
        try:
            kept = msgspec.json.decode(line, type=_Kept)
        except msgspec.MsgspecError as error:
            if at == len(lines) - 1:
                path.write_bytes(b"\n".join(lines[:-1]) + b"\n")
                continue
            raise RunDirError(
                f"{path} is broken at line {at + 1}: {error}. Remove it, and run the same command again."
            ) from error
        found[kept.key] = kept.text
    return found
