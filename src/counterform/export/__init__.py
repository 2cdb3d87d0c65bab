"""Arms for other trainers: any arm of a run as the files that TRL, LLaMA-Factory, verl or OpenRLHF read.

rows.py         examples -> training rows, read back and compared before they count as written
verl_grpo.py    problems -> Parquet, a config and a reward file for GRPO in verl
verl_reward.py  what that reward file calls: counterform's verifiers
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from counterform.errors import DataError, StudyError, unknown_name
from counterform.export.rows import PAIR_FORMATS, ROW_FORMATS, write_arm
from counterform.export.verl_grpo import chosen, write_grpo
from counterform.results import MatchCard
from counterform.store import RunDir, finished_run
from counterform.study import Study, load_study
from counterform.types import Example, Objective, Problem

VERL_GRPO = "verl-grpo"
DISTILLED: tuple[Objective, ...] = ("sdft", "sdpo")
FORMATS = (*ROW_FORMATS, VERL_GRPO)


class Exported(Struct, frozen=True):
    """What was written, and where."""

    rows: int
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    """What makes the arm what it is and no row can hold: it is to be told to the other trainer."""


def export(run: str | Path, arm: str, *, to: str, out: str | Path) -> Exported:
    """Write the arm `arm` of the run directory `run` in the format `to` (one of FORMATS) into the folder `out`.

    The folder appears whole or not at all. Raises StudyError for a run, arm, format or folder that cannot be used, and
    DataError for an arm without completions in a format that needs them.
    """
    run, out = Path(run), Path(out)
    if to not in FORMATS:
        raise StudyError(unknown_name("format", to, FORMATS))
    files = finished_run(run)
    if (out.exists() or out.is_symlink()) and (not out.is_dir() or any(out.iterdir())):
        raise StudyError(f"{out} is not an empty folder and is left as it is. Give another with --out.")
    examples, study = _examples(files, arm), load_study(run / "study.toml")
    facts = files.records["arm/" + arm].facts
    _require_room(arm, facts["objective"], to, examples)
    with RunDir(out.resolve().parent).appearing_dir(out.resolve().name) as folder:
        if to == VERL_GRPO:
            how = chosen(arm, facts["objective"], facts["options"])
            rows = write_grpo(folder, out.resolve(), study, how, *_problems(files, examples))
        else:
            rows = write_arm(folder, arm, examples, to)
    own = next((spec.train for spec in study.trained if spec.name == arm), {})
    options = own if to == VERL_GRPO else facts["options"] | own
    return Exported(rows, tuple(sorted(path for path in out.iterdir())), tuple(_not_in_rows(examples, options)))


def _require_room(arm: str, objective: Objective, to: str, examples: list[Example]) -> None:
    """Raises DataError for a format that cannot hold what the arm is."""
    if objective in DISTILLED:
        raise DataError(
            f"arm {arm!r} learns from a teacher that is shown more than it is, and no format here holds that. It is trained in a study alone."
        )
    if to != VERL_GRPO and any(example.completion is None for example in examples):
        raise DataError(
            f"arm {arm!r} has no completions, since its trainer samples them, and {to!r} needs them. "
            f"Write its problems with --to {VERL_GRPO}."
        )
    if to not in (*PAIR_FORMATS, VERL_GRPO) and any(example.rejected is not None for example in examples):
        raise DataError(
            f"arm {arm!r} learns from pairs of a preferred and a rejected text, and {to!r} has rows of one. Write TRL's preference format, "
            f"which its DPO, KTO and ORPO trainers read: --to {' or --to '.join(PAIR_FORMATS)}."
        )


def _not_in_rows(examples: list[Example], options: dict[str, Any]) -> Iterator[str]:
    kinds = Counter(example.kind for example in examples)
    if any(kinds):
        told = " and ".join(f"{n:,} {kind}" for kind, n in kinds.items())
        yield (
            f"a study has these kinds of rows ({told}) count alike in the loss, however many tokens each has; elsewhere every token counts alike"
        )
    for name, value in options.items():
        yield f"the arm is what it is by {name} = {value!r}: tell the trainer"


def _examples(files: RunDir, arm: str) -> list[Example]:
    """The arm's examples. Raises StudyError with the arms that there are, or with why this one was refused, or has none."""
    study = msgspec.json.decode(files.mark().study, type=Study | None)
    existing = {spec.name: spec for spec in study.existing} if study else {}
    if arm in existing:
        raise StudyError(
            f"arm {arm!r} of {files.path} was not trained here: it is given by its {existing[arm].sources[0]}, and there are no "
            "training examples of it to export."
        )
    if "match" not in files.records:
        raise StudyError(f"{files.path} holds no arms yet. `counterform arms` compiles them.")
    # Of the study as it is now: the file of an arm that has left it may still lie there.
    card = msgspec.json.decode((files / "arms/match.json").read_bytes(), type=MatchCard)
    names = [row.arm for row in card.arms]
    if arm in names:
        return files.read_rows(f"arms/{arm}.parquet", Example)
    refused = files.fact(f"arm/{arm}", "refused")
    if refused:
        raise StudyError(f"arm {arm!r} of {files.path} was refused when it was compiled: {refused}")
    raise StudyError(f"{files.path}: {unknown_name('arm', arm, names)}")


def _problems(files: RunDir, examples: list[Example]) -> tuple[list[Problem], list[Problem]]:
    """The problems that the arm was made from, in its order, and the held-out ones."""
    all_problems = files.read_rows("problems.parquet", Problem)
    by_id = {problem.id: problem for problem in all_problems if problem.split == "train"}
    return (
        [by_id[name] for name in dict.fromkeys(example.problem_id for example in examples)],
        [problem for problem in all_problems if problem.split == "held_out"],
    )
