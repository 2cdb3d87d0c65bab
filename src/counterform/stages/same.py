"""Whether a run directory holds this study, or another one that must not be written over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from counterform.errors import RunDirError
from counterform.stages.keys import model_table
from counterform.store import RunDir
from counterform.study import Study, moved


def require_same_study(files: RunDir, study: Study) -> None:
    """Raises RunDirError, with what differs, where the directory holds what another model, problems or seeds have made.

    Seeds may be added or left out.
    """
    try:
        there = msgspec.json.decode(files.mark().study, type=Study | None)
    except msgspec.MsgspecError as error:
        raise RunDirError(
            f"{files / 'run.json'} holds no study that this version reads ({error}). Use another --out."
        ) from error
    if there is None or not files.records:
        return
    ours, theirs = _of_a_study(study), _of_a_study(there)
    differ = [
        f"{name} is {ours.get(name)!r} and there {theirs.get(name)!r}"
        for name in ours | theirs
        if ours.get(name) != theirs.get(name)
    ]
    seeds, before = set(study.seeds), set(there.seeds)
    if not (seeds <= before or before <= seeds):
        differ.append(f"$.seeds is {list(study.seeds)} and there {list(there.seeds)}")
    if differ:
        raise RunDirError(
            f"{files.path} holds another study, {there.name!r}: {'; '.join(differ)}. It is left as it is. Give this one another "
            "name, or another directory with --out."
        )


def _of_a_study(study: Study) -> dict[str, Any]:
    """What makes a study another one, by the path of each key; files by name, since they may have been moved."""
    problems = msgspec.to_builtins(study.problems)
    for key in ("file", "shift_file", "dataset"):
        problems[key] = Path(problems[key]).name
    model = model_table(msgspec.to_builtins(study.model))
    return {f"$.model.{k}": v for k, v in model.items()} | {f"$.problems.{k}": v for k, v in problems.items()}


def resolved(study: Study) -> Study:
    """The same study with absolute paths, so that any worker on this machine, wherever it stands, finds its files."""
    data = str(Path(study.data).resolve())
    named: dict[str, dict[str, Any]] = {
        "problems": {key: _absolute(getattr(study.problems, key)) for key in ("file", "shift_file")}
        | {"dataset": _if_there(study.problems.dataset)},
        "attempts": {"file": _absolute(study.attempts.file)},
        "probe": {"lexicon": _absolute(study.probe.lexicon)},
        "model": {"path": _if_there(study.model.path)},
    }
    if sampled := study.attempts.model:
        named["attempts"]["model"] = msgspec.structs.replace(sampled, path=_if_there(sampled.path))
    arms = tuple(arm if isinstance(arm, str) else moved(arm, _absolute, _if_there) for arm in study.arms)
    tables = {table: msgspec.structs.replace(getattr(study, table), **values) for table, values in named.items()}
    return msgspec.structs.replace(study, data=data, arms=arms, **tables)


def _absolute(name: str) -> str:
    return name if not name or name.startswith("{data}") else str(Path(name).expanduser().resolve())


def _if_there(path: str) -> str:
    """A hub id, or the name of a model, is no path."""
    return str(Path(path).resolve()) if path not in ("", "world") and Path(path).exists() else path
