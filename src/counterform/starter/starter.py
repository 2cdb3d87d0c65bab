"""The study: what the user has given, and what follows from it."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from counterform.errors import DataError
from counterform.findings.checks import FORM
from counterform.models.source import chats, weights
from counterform.problems.readers import ReadProblems, read_problems
from counterform.problems.source import columns, read
from counterform.settings import changed
from counterform.starter.pool import Pool, read_pool
from counterform.starter.sizes import MOST_CASES, SAMPLES, SEEDS, Sizes, effect_of, sizes_of, tokens_for
from counterform.starter.writing import written
from counterform.study import (
    ArmSpec,
    AttemptsSpec,
    MatchSpec,
    ModelSpec,
    ProbeSpec,
    ProblemsSpec,
    Study,
    TrainSpec,
    checked,
    embedded_text,
)

FEWEST = 8
"""Usable problems, of which half are held out."""
LOCATED = 0.5
"""Share of wrong attempts in which the step verifier must find the wrong step, or critiques compare with worked solutions."""
LARGE = 1 << 30
"""Bytes of weights from which LoRA is written."""
SFT: dict[str, Any] = {
    "per_device_train_batch_size": 4,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 5,
}
WHOLE_RATE, LORA_RATE = 1e-4, 2e-4
EPOCHS, STEPS = 2, 48
"""Of training, at least: few cases are read more often."""
LORA: dict[str, Any] = {"r": 16, "target_modules": "all-linear"}
SAID = (
    "model.path",
    "seeds",
    "match.cases",
    "attempts.max_tokens",
    "probe.samples",
    "probe.max_tokens",
)
"""Written into the file even where they are at their defaults: what a user changes first."""


class Starter(Struct, frozen=True, kw_only=True):
    """A study, and the file of it."""

    study: Study
    text: str
    """TOML with comments."""
    notes: tuple[str, ...]
    """What was recognised, and what is left out."""


def starter(
    file: Path, problems: Path, model: str, attempts: Path | None = None, *, name: str, settings: Sequence[str] = ()
) -> Starter:
    """A study that trains this model on these problems.

    file: where it will stand, for names of files are taken from there. attempts: recorded ones; left out: the model is sampled. name: the study's.
    settings: `PATH=VALUE`, as if they stood in the file. Raises DataError for rows that cannot be used, StudyError for bad settings.
    """
    given = Study(
        name=name,
        model=ModelSpec(path=model, batch_size=32),
        problems=ProblemsSpec(file=_from(file, problems), template=FORM if chats(model) else "{prompt}"),
        attempts=AttemptsSpec(file=_from(file, attempts) if attempts else "", samples=SAMPLES),
    )
    given = changed(given, settings, str(file))
    rows = read_problems(problems, **columns(given.problems), keyless=attempts is not None)
    if len(rows.problems) < FEWEST:
        raise DataError(f"{problems} holds {len(rows.problems)} usable problems; a study needs {FEWEST} at least.")
    pool = read_pool(attempts, rows.problems, given) if attempts else None
    recipes = _recipes(rows, pool)
    sizes = sizes_of(len(rows.problems), len(recipes))
    study = _filled(given, rows, pool, sizes, recipes)
    if pool is not None:
        train = read(problems, study.problems, keyless=True).train
        cases = min(pool.both({problem.id for problem in train}), MOST_CASES)
        study = replace(study, match=MatchSpec(cases=max(cases, 1)))
    study = replace(study, train=_train(model, study.match.cases))
    study = checked(changed(study, settings, str(file)), str(file))
    return Starter(
        study=study,
        text=written(study, _comments(study, pool), head=_head(file), said=SAID),
        notes=tuple(_notes(problems, rows, pool)),
    )


def embedded(name: str) -> str:
    """The embedded study's commented TOML, under a name of its own."""
    return embedded_text().replace('name = "embedded"', f'name = "{name}"', 1)


def fresh_name(wanted: str, runs: Path = Path("runs")) -> str:
    """A name like this one for a study of which there is no run directory yet."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", wanted).strip("._-")[:56] or "study"
    number, found = 1, name
    while (runs / found).exists():
        number += 1
        found = f"{name}-{number}"
    return found


def _from(file: Path, other: Path) -> str:
    """A path as it is written in a file."""
    return os.path.relpath(other.resolve(), file.resolve().parent)


def _recipes(rows: ReadProblems, pool: Pool | None) -> list[ArmSpec]:
    """Imitation where there are worked solutions, right attempts, critiques of attempts, and the control of bare answers."""
    solved = all(problem.solution for problem in rows.problems)
    compared = solved and pool is not None and pool.located < LOCATED
    return [
        *([ArmSpec(name="sft", recipe="sft")] if solved else []),
        ArmSpec(name="rft", recipe="rft"),
        ArmSpec(name="cft", recipe="cft", options={"critic": "reference"} if compared else {}),
        ArmSpec(name="answer_only", recipe="answer_only"),
    ]


def _filled(given: Study, rows: ReadProblems, pool: Pool | None, sizes: Sizes, recipes: Sequence[ArmSpec]) -> Study:
    prompt, answer, solution = rows.columns
    best = recipes[0].name
    tokens = tokens_for(
        [attempt.completion.text for attempt in pool.attempts] if pool else [],
        [problem.solution for problem in rows.problems if problem.solution],
    )
    return replace(
        given,
        question="What do right answers teach this model, and what do failures? How much of it is only form?",
        seeds=SEEDS,
        arms=tuple(arm if arm.options else arm.name for arm in recipes),
        contrasts=tuple((name, best) for name in ("cft", "rft") if name != best),
        form_shares=(("answer_only", best),),
        problems=replace(
            given.problems,
            prompt=prompt,
            answer=answer,
            solution=solution,
            train=sizes.train,
            held_out=sizes.held_out,
        ),
        attempts=replace(given.attempts, max_tokens=tokens, **({"responses": pool.responses} if pool else {})),
        match=MatchSpec(cases=min(MOST_CASES, sizes.train)),
        probe=ProbeSpec(samples=SAMPLES, k=SAMPLES, max_tokens=tokens, problems=sizes.held_out),
    )


def _train(model: str, cases: int) -> TrainSpec:
    size = weights(model)
    lora = size is None or size >= LARGE
    epochs = max(EPOCHS, math.ceil(STEPS * SFT["per_device_train_batch_size"] / cases))
    rate = LORA_RATE if lora else WHOLE_RATE
    return TrainSpec(sft={"num_train_epochs": epochs, **SFT, "learning_rate": rate}, lora=LORA if lora else None)


def _head(file: Path) -> list[str]:
    return [
        'A study of what right answers teach this model, and what failures do. Every key: the page "The study file" of the documentation.',
        f"counterform audit {file.name}; counterform plan {file.name}; counterform run {file.name}",
    ]


def _comments(study: Study, pool: Pool | None) -> dict[str, str]:
    """What stands behind the keys."""
    found = {
        "seeds": _could_find(study),
        "form_shares": "[control, full arm]: how much of its gain bare answers make",
        "model.path": "trained, from these weights in every arm",
        "problems.template": "says in which form the answer is to stand",
        "problems.train": "problems from which cases are made",
        "problems.held_out": "problems that only probes see",
        "attempts.samples": "of the model itself, at each training problem",
        "attempts.max_tokens": "of one answer",
        "match.cases": "training problems with a right and a wrong attempt, at most; all arms share them",
        "train.sft": "any option of TRL's SFTConfig",
        "train.lora": "any option of peft's LoraConfig; without this table all weights are trained",
        "probe.samples": "answers to each held-out problem",
    }
    if pool is not None:
        found["attempts.file"] = "recorded attempts: nothing is sampled for training"
        found["match.cases"] = "training problems with a right and a wrong attempt, as far as was graded"
    return found


def _could_find(study: Study) -> str:
    """What the numbers of seeds and problems would show; for one seed, that no interval covers its luck."""
    seeds = len(study.seeds)
    points = 100 * effect_of(study.problems.held_out, seeds, len(study.arms), study.probe.samples)
    if seeds == 1:
        return f"shows some {points:.0f} points, but no interval covers seed variance: give three"
    return (
        f"shows some {points:.0f} points, where seed variance is small"
        if math.isfinite(points)
        else "too few problems to tell"
    )


def _notes(path: Path, rows: ReadProblems, pool: Pool | None) -> list[str]:
    names = zip(("prompt", "answer", "solution"), rows.columns, strict=True)
    told = ", ".join(f"{what} = {column!r}" for what, column in names if column)
    solved = sum(bool(problem.solution) for problem in rows.problems)
    notes = [f"{len(rows.problems):,} problems of {path}, {solved:,} with a worked solution: {told}"]
    if rows.broken:
        first = min(rows.broken)
        notes.append(f"left out: {len(rows.broken):,}; the first at line {first.line}: {first.reason}")
    return [*notes, *(pool.notes if pool else ())]
