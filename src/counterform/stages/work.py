"""One study at work: its parts, its files, and the hash of each stage's inputs."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from counterform import __version__
from counterform.arms.recipe import Recipe
from counterform.bench import Bench
from counterform.errors import MissingExtra, RunDirError, StudyError
from counterform.models.sampling import derived_seed
from counterform.models.source import commits, source_of
from counterform.parts import critic, made, part
from counterform.store import RunDir, key_of, key_of_path, rows_of
from counterform.study import BASE_ARM, ArmSpec, ModelSpec, Study, TrainSpec
from counterform.text.lexicon import load_lexicon
from counterform.train.trainer import Trainer
from counterform.types import (
    Attempt,
    Checkpoint,
    Completion,
    Critic,
    Criticism,
    Grade,
    Graded,
    Problem,
    StepVerifier,
    Verdict,
)

Say = Callable[[str], None]

CRITIQUES_A_PART = 250
"""Criticisms of a model that appear together."""


class Work:
    """One study at work: its files, its parts, and the hash of each stage's inputs."""

    def __init__(self, study: Study, files: RunDir, say: Say) -> None:
        self.study, self.files, self.say = study, files, say
        self.sampled = study.attempts.model or study.model
        self.own_options = {spec.name: spec.train for spec in study.arm_specs}
        self._asked: dict[int, dict[str, list[Completion]]] = {}
        self._trainers: dict[str, Trainer] = {}
        self.family = (
            made("family", study.problems.family, study.problems.options, "$.problems.options")
            if study.problems.family
            else None
        )
        self.steps: StepVerifier = (
            made("step verifier", study.verify.steps or "arithmetic", {}, "$.verify.steps")
            if study.verify.steps or self.family is None
            else self.family
        )
        self.outcome = part("outcome verifier", "answer")(study.verify.seconds)
        # Everything a study names is made or found before anything runs: not after an hour of sampling.
        self.recipes = self._recipes()
        with contextlib.suppress(MissingExtra):  # which a study that ends before `train` does not need
            self.require_trainers()
        self.arm_keys = self._arm_keys()

    def require_trainers(self) -> None:
        """Raises StudyError for options that no trainer takes, and MissingExtra where the packages are missing."""
        for name in self.recipes:
            self.trainer(name)

    @property
    def trained(self) -> bool:
        """Whether every arm was trained with every seed, so that no trainer is needed any more."""
        return all(
            self.files.is_done(f"train/{arm}/{seed}", self.checkpoint_key(arm, seed))
            for arm in self.arms
            for seed in self.study.seeds
        )

    @cached_property
    def hub_commits(self) -> dict[str, str]:
        """The commit at which each hub id of the study is loaded."""
        specs = [spec for spec in (self.study.model, self.sampled) if spec.kind == "hf"]
        return {name: commit for spec in specs for name, commit in commits(spec).items()}

    def _recipes(self) -> dict[str, Recipe]:
        bench = self.bench(self.grade_training)
        return {
            spec.name: made("arm", spec.recipe, spec.options, f"$.arms[{index}].options", bench=bench)
            for index, spec in enumerate(self.study.arm_specs)
        }

    def bench(self, grade: Grade | None = None) -> Bench:
        """What a part may use of this study, with an empty memory of what a model answered."""
        return Bench(
            spec=self.study.probe,
            grade=grade or self.grade_training,
            ask=self.ask,
            critic=self.critic,
            lexicon=load_lexicon(self._lexicon or ""),
            steps=self.steps,
        )

    @cached_property
    def problems_key(self) -> str:
        """Of everything that decides the problems; and so on below, each stage's with those before it."""
        return key_of(__version__, self.study.problems, self._named(self.study.problems.file))

    @cached_property
    def shifted_key(self) -> str:
        """Of the problems away from those of training."""
        away = self._named(self.study.problems.shift_file)
        return key_of(self.problems_key, self.study.probe.shifted, away)

    @cached_property
    def attempts_key(self) -> str:
        """Of the pool of attempts."""
        spec = self.study.attempts
        return key_of(self.problems_key, spec, _model_key(self.sampled), self._named(spec.file))

    @cached_property
    def verdicts_key(self) -> str:
        """Of their verdicts."""
        return key_of(self.attempts_key, self.study.verify)

    @cached_property
    def base_key(self) -> str:
        """Of the model that every arm is trained from."""
        return _model_key(self.study.model)

    def _arm_keys(self) -> dict[str, str]:
        study = self.study
        several = [study.match.pairs] if study.match.pairs > 1 else []
        cases_key = key_of(self.verdicts_key, study.match.cases, *several)
        # One arm may leave cases out for all, or set the measure of loss tokens.
        bound = study.match.by == "loss_tokens" or any(recipe.leaves_out for recipe in self.recipes.values())
        together = [[arm if isinstance(arm, str) else _compiled(arm) for arm in study.arms]] if bound else []
        return {
            spec.name: key_of(
                cases_key,
                self.base_key,
                _compiled(spec),
                study.match.by,
                *together,
                *(self._lexicon_key if self.recipes[spec.name].uses_lexicon else []),
            )
            for spec in study.arm_specs
        }

    def _named(self, file: str) -> str:
        return _file_key(self.study.file(file) if file else None)

    @cached_property
    def _lexicon(self) -> Path | None:
        named = self.study.probe.lexicon
        return self.study.file(named) if named else None

    @cached_property
    def _lexicon_key(self) -> list[str]:
        """Of the study's own lexicon, if it has one."""
        return [_file_key(self._lexicon)] if self._lexicon else []

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms that were not refused when they were compiled: those of every later stage."""
        return tuple(name for name, key in self.arm_keys.items() if not self.files.is_done(f"refused/{name}", key))

    def checkpoint_key(self, arm: str, seed: int) -> str:
        """Of everything that decides what one training run becomes."""
        # An arm is not trained again because the options of the other objective have changed.
        other = {"sft": "grpo", "grpo": "sft"}[self._objective(arm)]
        return key_of(self.arm_keys[arm], msgspec.structs.replace(self._train_spec(arm), **{other: {}}), seed)

    def trainer(self, arm: str) -> Trainer:
        """What trains this arm; one for all arms of an objective that are trained alike.

        Raises StudyError, named by the arm's own path, for an option of its own that cannot be.
        """
        objective, spec = self._objective(arm), self._train_spec(arm)
        key = key_of(objective, spec)
        if key not in self._trainers:
            name = spec.trainer if spec.trainer != "sft" else objective
            try:
                self._trainers[key] = made("trainer", name, {}, "$.train.trainer", spec=spec, bench=self.bench())
            except StudyError as error:
                if not self.own_options[arm]:
                    raise
                own = f"$.arms[{list(self.recipes).index(arm)}].train"
                raise StudyError(str(error).replace(f"$.train.{objective}", own)) from error
        return self._trainers[key]

    def _objective(self, arm: str) -> str:
        return self.recipes[arm].objective

    def _train_spec(self, arm: str) -> TrainSpec:
        """The study's [train], with the arm's own options over it."""
        spec, objective = self.study.train, self._objective(arm)
        return msgspec.structs.replace(spec, **{objective: getattr(spec, objective) | self.own_options[arm]})

    def differences(self) -> list[str]:
        """For each arm that was trained otherwise than the study says, in which options."""
        said = []
        for name in self.arms:
            common = getattr(self.study.train, self._objective(name))
            own = [
                f"{option} = {value} (the others: {common.get(option, 'the default')})"
                for option, value in self.own_options[name].items()
            ]
            said += [f"{name} was trained with {', '.join(own)}"] if own else []
        return said

    def reading_key(self, name: str, arm: str, seed: int) -> str:
        """Of everything that decides what one probe reads off one model."""
        model = self.base_key if arm == BASE_ARM else self.checkpoint_key(arm, seed)
        away = [self.shifted_key] if name == "shift" else []
        return key_of(model, self.verdicts_key, self.study.probe, name, arm, seed, *away, *self._lexicon_key)

    def checkpoint(self, arm: str, seed: int) -> Checkpoint:
        """What became of one training. Raises RunDirError where there was none yet."""
        path = self.files / f"checkpoints/{arm}/{seed}/checkpoint.json"
        if not path.exists():
            raise RunDirError(f"{path} is missing. Run `counterform train` first, or `counterform run`.")
        return msgspec.json.decode(path.read_bytes(), type=Checkpoint)

    def problems(self, *splits: str) -> list[Problem]:
        """The problems of these splits, without the shifted ones."""
        return [p for p in self.files.read_rows("problems.parquet", Problem) if p.split in splits and not p.shift]

    def shifted(self) -> tuple[Problem, ...]:
        """The problems away from those of training; none where no probe asks for them."""
        if "shift" not in self.study.probes:
            return ()
        return tuple(p for p in self.files.read_rows("problems.parquet", Problem) if p.shift)

    def grade(self, attempts: Sequence[Attempt], problems: dict[str, Problem]) -> list[Graded]:
        """Attempts with their verdicts."""
        from counterform.verify.steps import grade

        verdicts = grade(attempts, problems, outcome=self.outcome, steps=self.steps)
        return [Graded(attempt=a, verdict=v) for a, v in zip(attempts, verdicts, strict=True)]

    def grade_training(self, attempts: Sequence[Attempt]) -> list[Graded]:
        """Attempts at training problems with their verdicts: for a recipe that must prove what it wrote."""
        return self.grade(attempts, self._training)

    @cached_property
    def _training(self) -> dict[str, Problem]:
        # Read once: a GRPO arm grades at every step.
        return {problem.id: problem for problem in self.problems("train")}

    def critic(self, name: str, options: dict[str, Any]) -> Critic:
        """The critic of a recipe. What one that `keeps` has said is kept in the run directory."""
        made_one: Critic = critic(name, options)
        folder = f"critiques/{key_of(self.verdicts_key, name, options)}"
        return Kept(made_one, self.files, folder) if made_one.keeps else made_one

    def ask(self, prompts: Sequence[str], *, n: int) -> list[list[Completion]]:
        """What the sampled model answers to prompts of a recipe's own: each asked once, and kept in a file."""
        spec, known = self.study.attempts, self._asked.setdefault(n, {})
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in known]
        if new:
            name = f"arms/asked-{key_of(_model_key(self.sampled), spec, n, new)[:16]}.parquet"
            if not (self.files / name).exists():
                self.say(f"arms      {n} answers to each of {len(new)} prompts of a recipe's own")
                model, seed = part("model", self.sampled.kind).open(self.sampled), derived_seed("asked", name)
                rows = model.generate(new, n=n, seed=seed, temperature=spec.temperature, max_tokens=spec.max_tokens)
                model.close()
                self.files.write_rows(name, [completion for row in rows for completion in row], Completion)
            found = self.files.read_rows(name, Completion)
            known.update(zip(new, [found[at : at + n] for at in range(0, len(found), n)], strict=True))
        return [known[prompt] for prompt in prompts]

    def graded(self, column: str, wanted: set[str]) -> list[Graded]:
        """Attempts of the pool with their verdicts: those whose `column` (id, problem_id) is among `wanted`."""
        found: list[Graded] = []
        # Part by part, so that a pool of a million attempts never stands in memory whole. `verify` writes the
        # verdicts of a part in the order of its attempts.
        for path in sorted((self.files / "attempts").glob("part-*.parquet")):
            attempts = self.files.read_table(f"attempts/{path.name}")
            chosen = pa.array([value in wanted for value in attempts[column].to_pylist()], pa.bool_())
            if not pc.any(chosen).as_py():
                continue
            verdicts = self.files.read_table(f"verdicts/{path.name}")
            rows = rows_of(attempts.filter(chosen), Attempt)
            marks = rows_of(verdicts.filter(chosen), Verdict)
            found += [Graded(attempt=a, verdict=v) for a, v in zip(rows, marks, strict=True)]
        return found

    def verdict_parts(self, problems: set[str]) -> Iterator[tuple[list[Verdict], list[str]]]:
        """All verdicts on attempts at these problems, part by part, and of each its problem."""
        for path in sorted((self.files / "verdicts").glob("part-*.parquet")):
            verdicts = self.files.read_table(f"verdicts/{path.name}")
            of = verdicts["problem_id"].to_pylist()
            chosen = pa.array([problem in problems for problem in of], pa.bool_())
            yield rows_of(verdicts.filter(chosen), Verdict), [problem for problem in of if problem in problems]

    def count(self, name: str, n: int) -> None:
        """Record how many rows something happened to; the report shows it."""
        self.files.note("counts", {**self.files.facts.get("counts", {}), name: n})


class Kept(Critic):
    """A critic that is asked about an attempt only once in a run: it costs, and would not say the same again.

    Criticisms appear in parts, so that a kill -9 costs one part, and two arms with one critic share them.
    """

    def __init__(self, critic: Critic, files: RunDir, folder: str) -> None:
        self.name, self._critic, self._files, self._folder = critic.name, critic, files, folder

    def __call__(self, shown: Sequence[tuple[Problem, Graded]], *, seed: int) -> list[Criticism]:
        parts = len(list((self._files / self._folder).glob("part-*.parquet")))
        kept = self._files.read_rows(self._folder, Criticism) if parts else []
        said = {one.attempt_id: one for one in kept}
        missing = [pair for pair in shown if pair[1].attempt.id not in said]
        for number, at in enumerate(range(0, len(missing), CRITIQUES_A_PART), parts):
            found = self._critic(missing[at : at + CRITIQUES_A_PART], seed=seed + number)
            self._files.write_rows(f"{self._folder}/part-{number:05d}.parquet", found, Criticism)
            said |= {one.attempt_id: one for one in found}
        return [said[graded.attempt.id] for _, graded in shown]


def _compiled(spec: ArmSpec) -> dict[str, Any]:
    """What decides an arm's examples: not how it is trained."""
    return {name: value for name, value in msgspec.to_builtins(spec).items() if name != "train"}


def _file_key(path: Path | None) -> str:
    if path is None:
        return ""
    if not path.is_file():
        raise StudyError(f"there is no file {str(path)!r}. Name it in the study file, or give --data DIR.")
    return key_of_path(path)


def dtype_read(spec: ModelSpec) -> str:
    """That of the base's weights, so that no arm is read at a finer grain than the base it is compared with."""
    if spec.kind != "hf" or spec.dtype != "auto":
        return spec.dtype
    from counterform.models.hf import own_dtype

    return own_dtype(spec)


def _model_key(spec: ModelSpec) -> str:
    """What a model is: its bytes where they lie here, else its name and commit."""
    if spec.kind != "hf":
        return key_of(spec)
    path = Path(source_of(spec.path))
    named = msgspec.structs.replace(spec, path="", revision="")
    return key_of(named, key_of_path(path) if path.exists() else spec.path, commits(spec))


def versions() -> dict[str, str]:
    """Of everything that decides numbers."""
    found = {"counterform": __version__, "python": platform.python_version()}
    for package in ("torch", "transformers", "trl", "peft", "math-verify", "numpy", "scipy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """What a study runs on. Without torch that is the CPU."""
    try:
        from counterform.models.hf import best_device

        device = str(best_device())
    except MissingExtra:
        device = "cpu"
    return {"device": device, "cores": os.cpu_count() or 0, "platform": platform.platform(terse=True)}
