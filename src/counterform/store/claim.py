"""Claim files: one worker a unit, on any file system. No flock, which is not to be relied on over NFS.

A claim is made with O_CREAT | O_EXCL, says who holds it, and is touched while its holder is at work. One whose holder is dead, or was
silent for minutes, is stale and is taken over: never by taking its file away, for by then another's may stand at that name, but by a
file of the next number beside it, which one taker alone can make. Who has made one holds the claim if nothing else is left of it than
what was stale before; else it is withdrawn, and what stands there is judged anew.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from counterform.errors import RunDirError
from counterform.store.appearing import disk_errors
from counterform.store.process import HOST, is_alive, start_of

BEAT_SECONDS = 15.0
STALE_SECONDS = 300.0
"""Silence after which a claim counts for nothing, wherever its holder is."""


class Holder(Struct, frozen=True, kw_only=True):
    """Who holds a claim."""

    host: str
    pid: int
    started: str
    """Of the process; a later one may have the same number."""
    since: str
    token: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


class Claimed(RunDirError):
    """Somebody else is at work on it."""

    def __init__(self, path: Path, holder: Holder | None) -> None:
        super().__init__(f"{path} is held by {holder or 'another process'}.")
        self.path, self.holder = path, holder


class Claim:
    """A claim that is held. Its holder asks `check` before what it made is recorded."""

    def __init__(self, path: Path, text: bytes) -> None:
        self._path, self._text = path, text
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"claim {path.name}", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raises RunDirError where the claim has been taken over, after a silence (a suspended machine)."""
        if _read(self._path) != self._text:
            raise RunDirError(
                f"{self._path} was taken over by another process while this one was silent. Run the same command again."
            )

    def release(self) -> None:
        """Give it back."""
        self._over.set()
        self._thread.join()
        if _read(self._path) == self._text:
            self._path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            with contextlib.suppress(OSError):
                if _read(self._path) == self._text:
                    os.utime(self._path)


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[Claim]:
    """The claim at `path`, held. Raises Claimed where a living holder has it."""
    holder = Holder(
        host=HOST,
        pid=os.getpid(),
        started=start_of(os.getpid()),
        since=time.strftime("%Y-%m-%d %H:%M:%S"),
        token=secrets.token_hex(8),
    )
    text = msgspec.json.encode(holder)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        while (own := _take(path, text)) is None:
            pass  # another was quicker, and may have given it back already
    claim = Claim(own, text)
    try:
        yield claim
    finally:
        claim.release()


def holder_of(path: Path) -> Holder | None:
    """Who is at work under this claim; None where nobody is."""
    return next((_holder(text) for file, text in _standing(path).items() if not _is_stale(file, text)), None)


def _take(path: Path, text: bytes) -> Path | None:
    """The file of the claim that was made; None where another came in between. Raises Claimed where a living holder has it."""
    stale = _standing(path)
    for file, found in stale.items():
        if not _is_stale(file, found):
            raise Claimed(path, _holder(found))
    own = path.with_name(f"{path.name}.{1 + max(_number(path, file) for file in stale)}") if stale else path
    if not _make(own, text):
        return None
    left = _standing(path)
    left.pop(own, None)
    if not left.items() <= stale.items():
        own.unlink(missing_ok=True)
        return None
    for file in left:
        file.unlink(missing_ok=True)
    return own


def _standing(path: Path) -> dict[Path, bytes]:
    """What stands of the claim at `path`: that file, or those of later numbers that took it over."""
    ours = re.compile(re.escape(path.name) + r"(\.[0-9]+)?").fullmatch
    files = [path.with_name(name) for name in os.listdir(path.parent) if ours(name)] if path.parent.is_dir() else []
    return {file: text for file in files if (text := _read(file)) is not None}


def _number(path: Path, file: Path) -> int:
    return int(file.name[len(path.name) + 1 :] or 0)


def _make(path: Path, text: bytes) -> bool:
    """Write the claim under another name and link it here: it appears whole, or not at all where one stands already."""
    own = path.with_name(f".{path.name}~{secrets.token_hex(8)}")
    descriptor = os.open(own, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        os.write(descriptor, text)
    finally:
        os.close(descriptor)
    try:
        os.link(own, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        return _make_in_place(path, text)
    finally:
        own.unlink(missing_ok=True)
    return True


def _make_in_place(path: Path, text: bytes) -> bool:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except FileExistsError:
        return False
    try:
        os.write(descriptor, text)
    finally:
        os.close(descriptor)
    return True


def _is_stale(path: Path, text: bytes) -> bool:
    holder = _holder(text)
    if holder is not None and holder.host == HOST and not is_alive(holder.pid, holder.started):
        return True
    try:
        return _now(path.parent) - path.stat().st_mtime > STALE_SECONDS
    except FileNotFoundError:
        return True  # given back in between


def _now(folder: Path) -> float:
    """The file server's clock: this machine's may be minutes off."""
    probe = folder / f".clock~{secrets.token_hex(8)}"
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _holder(text: bytes) -> Holder | None:
    try:
        return msgspec.json.decode(text, type=Holder)
    except msgspec.MsgspecError:
        return None
