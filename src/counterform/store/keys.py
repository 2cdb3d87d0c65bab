"""Hashes of what a unit of work is made from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec


def key_of(*inputs: Any) -> str:
    """The hash of anything msgspec can encode, stable over runs and machines."""
    return hashlib.sha256(msgspec.json.encode(inputs, order="sorted")).hexdigest()[:24]


def key_of_path(path: Path) -> str:
    """The hash of a file's bytes, or of all files of a directory with their names."""
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        digest.update(str(file.relative_to(path)).encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:24]
