"""The folder of one draft: the model's replies, what was found, and the page."""

from __future__ import annotations

from pathlib import Path

import msgspec

from counterform.errors import RunDirError
from counterform.guard.drafting.drafting import Drafted
from counterform.store.appearing import appearing, disk_errors, is_partial

_REPLIES, _FOUND, _PAGE = "replies.jsonl", "draft.json", "draft.html"


class DraftFolder:
    """Raises RunDirError where the folder holds anything else."""

    def __init__(self, path: Path) -> None:
        if path.exists() and not path.is_dir():
            raise RunDirError(f"{path} is no folder and is left as it is. Give another with --out.")
        names = {entry.name for entry in path.iterdir()} if path.exists() else set()
        if strange := sorted(name for name in names - {_REPLIES, _FOUND, _PAGE} if not is_partial(name)):
            raise RunDirError(
                f"{path} holds other things ({strange[0]!r}) and is left as it is. Give an empty folder with --out."
            )
        self._path = path

    @property
    def page(self) -> Path:
        """Where the page goes."""
        return self._path / _PAGE

    def open_replies(self) -> Path:
        """Where the model's replies go; the folder is made."""
        with disk_errors(self._path):
            self._path.mkdir(parents=True, exist_ok=True)
        return self._path / _REPLIES

    def write(self, found: Drafted) -> None:
        """Keep what was found."""
        with appearing(self._path / _FOUND) as temporary:
            temporary.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
