"""Files that appear whole or not at all: written under a name of their writer's own, flushed, renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from counterform.errors import RunDirError
from counterform.store.process import HOST, is_alive

_PARTIAL = re.compile(r"\.(.+)~(.+)~(\d+)~[0-9a-f]+\.partial", re.DOTALL)
_FULL = re.compile(r"No space left on device|Disk quota exceeded|File too large")


@contextlib.contextmanager
def appearing(final: Path) -> Iterator[Path]:
    """Fill the file or directory that is yielded; it stands at `final` once it is whole.

    Its name belongs to this writer alone; what a dead writer has left of the same file is removed.
    """
    temporary = final.with_name(f".{final.name}~{HOST}~{os.getpid()}~{secrets.token_hex(4)}.partial")
    with disk_errors(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        for path in leftovers(final.parent, final.name):
            remove(path)
        try:
            yield temporary
            for path in [temporary, *temporary.rglob("*")] if temporary.is_dir() else [temporary]:
                fsync(path)
            if final.is_dir() and not final.is_symlink():
                shutil.rmtree(final)
            temporary.replace(final)
            fsync(final.parent)
        finally:
            remove(temporary)


def leftovers(folder: Path, name: str = "") -> Iterator[Path]:
    """Partial files in a folder whose writer is gone: all of them, or those of the file `name`."""
    for path in list(folder.glob(".*.partial")):
        found = _PARTIAL.fullmatch(path.name)
        # Of a writer on another machine nothing is known here; whoever has the claim on the unit is its only writer.
        if found and name in ("", found[1]) and not (found[2] == HOST and is_alive(int(found[3]))):
            yield path


def is_partial(name: str) -> bool:
    """Whether a file of this name is one that has not appeared yet."""
    return _PARTIAL.fullmatch(name) is not None


def remove(path: Path) -> None:
    """Remove a file, a link or a whole directory; nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def fsync(path: Path) -> None:
    """Wait until a file or directory is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what a disk or a path refuses into one clear message."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(path) from error
        if error.errno == errno.EFBIG:
            raise _too_large(path) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise RunDirError(
                f"cannot write {path}: {error.strerror}. Give a writable directory with --out."
            ) from error
        if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV):
            raise RunDirError(
                f"cannot write {path}: {error.strerror}. A file must be renamed into place there, which this file system does "
                "not do. Give a directory on another one with --out."
            ) from error
        if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG):
            raise RunDirError(f"cannot write {path}: {error.strerror}. Give another directory with --out.") from error
        raise
    except Exception as error:
        found = _FULL.search(str(error))  # safetensors raises an error of its own
        if not found:
            raise
        raise (_too_large(path) if found[0] == "File too large" else _disk_full(path)) from error


def _disk_full(path: Path) -> RunDirError:
    return RunDirError(
        f"the disk is full at {path}. What was finished is kept: free some space and run the same command again."
    )


def _too_large(path: Path) -> RunDirError:
    return RunDirError(
        f"{path} is larger than a file may be here (`ulimit -f`). What was finished is kept: raise the limit and run the "
        "same command again."
    )
