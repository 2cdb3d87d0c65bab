"""One study at work: its parts, and its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from counterform.arms.recipe import Recipe
from counterform.bench import Bench, Grading
from counterform.errors import MissingExtra, RunDirError, StudyError
from counterform.models.sampling import derived_seed
from counterform.models.source import commits
from counterform.parts import critic, made, part
from counterform.problems.hub import dataset_commit
from counterform.stages.answering import Answering, existing_arms, models_of, opened
from counterform.stages.kept import Kept, completions
from counterform.stages.keys import Keys, critic_key
from counterform.store import ASKED, CRITIQUES, KEPT, RunDir, key_of, rows_of
from counterform.study import ModelSpec, ProbeSpec, Study, TrainSpec
from counterform.text.lexicon import load_lexicon
from counterform.train.trainer import Trainer
from counterform.types import (
    Attempt,
    Checkpoint,
    Completion,
    Critic,
    Grade,
    Graded,
    Model,
    Problem,
    StepVerifier,
    Verdict,
)

Say = Callable[[str], None]


class Making:
    """What the unit that is being made has to say for itself, beside its files (store/records.py: Record)."""

    def __init__(self) -> None:
        self.counts: dict[str, float] = {}
        self.notes: list[str] = []
        self.facts: dict[str, Any] = {}
        self.lost: list[str] = []
        """Names of calls that failed and may not fail again."""
        self.tokens = 0
        """That were generated, or trained on."""


class Work:
    """One study at work: its parts, its files, and the keys of its units."""

    def __init__(self, study: Study, files: RunDir, say: Say) -> None:
        self.study, self.files, self.say = study, files, say
        self.making = Making()
        self.done: set[str] = set()
        """Units that were done by this process."""
        self.sampled = study.attempts.model or study.model
        self.own_options = {spec.name: spec.train for spec in study.arm_specs}
        self.asked: dict[int, dict[str, list[Completion]]] = {}
        """What the sampled model answered to prompts of a recipe's own, by the number of answers to each."""
        self._asked_in: dict[tuple[int, str], str] = {}
        """Where each of these is kept."""
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
        bench = self.bench()
        self.places = {one.name: at for at, of in enumerate(study.variants.values()) for one in of}
        """Of every arm the number of its table in the study file."""
        self.recipes: dict[str, Recipe] = {
            spec.name: made("arm", spec.recipe, spec.options, f"$.arms[{self.places[spec.name]}].options", bench=bench)
            for spec in study.trained
        }
        self.keys = Keys(study, self.recipes, files)
        self.existing: dict[str, Answering] = existing_arms(study, self.keys, files)

    def check(self) -> None:
        """Make or find everything that the study names, before anything runs: not after an hour of sampling."""
        taken: dict[str, str] = {}
        for name in self.study.probes:
            own = part("probe", name).name
            if own in taken:
                raise StudyError(
                    f"$.probes: {taken[own]!r} and {name!r} are both called {own!r}. Leave one of them out."
                )
            taken[own] = name
        for key in ("problems", "attempts", "shifted", "lexicon", *(["base"] if self.study.base else [])):
            getattr(self.keys, key)
        for arm in self.existing.values():
            arm.check()

    def check_trainers(self, *, needed: bool) -> None:
        """Raises StudyError for options that no trainer takes, and MissingExtra where packages are missing that are needed."""
        try:
            for name in self.recipes:
                self.trainer(name)
        except MissingExtra:
            if needed and not self.trained:
                raise

    @property
    def trained(self) -> bool:
        """Whether every arm was trained with every seed, so that no trainer is needed any more."""
        return all(
            self.files.records.stands(f"train/{arm}/{seed}", self.checkpoint_key(arm, seed))
            for arm in self.arms
            for seed in self.study.seeds
        )

    @cached_property
    def hub_commits(self) -> dict[str, str]:
        """The commit at which each hub id of the study is loaded."""
        specs = [self.study.model] if self.study.base else []
        specs += [self.sampled] if self.keys.splits else []
        specs += [spec for arm in self.study.existing for spec in models_of(arm, self.study)]
        models = {name: commit for spec in specs if spec.kind == "hf" for name, commit in commits(spec).items()}
        return models | dataset_commit(self.study.problems)

    def bench(self, grade: Grade | None = None, spec: ProbeSpec | None = None) -> Bench:
        """What a part may use of this study, with an empty memory of what a model answered."""
        return Bench(
            spec=spec or self.study.probe,
            grade=grade or self.grade_training,
            grading=self._grading,
            ask=self.ask,
            critic=self.critic,
            lexicon=self._lexicon,
            steps=self.steps,
        )

    @cached_property
    def _lexicon(self) -> Any:
        named = self.study.probe.lexicon
        return load_lexicon(self.study.file(named) if named else "")

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms trained here that were not refused when they were compiled."""
        return tuple(name for name in self.recipes if name not in self.refused)

    @property
    def refused(self) -> dict[str, str]:
        """The arms that cannot be made of these cases, and why."""
        found = {name: self.files.fact(f"arm/{name}", "refused") for name in self.recipes}
        return {name: why for name, why in found.items() if why}

    def checkpoint_key(self, arm: str, seed: int) -> str:
        """Of everything that decides what one training run becomes."""
        return self.keys.checkpoint(arm, seed, self._train_spec(arm))

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
                own = f"$.arms[{self.places[arm]}].train"
                raise StudyError(str(error).replace(f"$.train.{objective}", own)) from error
            if spec.readings and not self._trainers[key].keeps_part_way:
                raise StudyError(
                    f"$.train.readings: the trainer {name!r} keeps nothing of its way. Leave it out, or take another."
                )
        return self._trainers[key]

    def _objective(self, arm: str) -> str:
        return self.recipes[arm].objective

    def _train_spec(self, arm: str) -> TrainSpec:
        """The study's [train], with the arm's own options over it."""
        spec, objective = self.study.train, self._objective(arm)
        own = {objective: getattr(spec, objective) | self.own_options[arm]}
        return msgspec.structs.replace(spec, sweep=None, **own)

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

    def checkpoint(self, arm: str, seed: int) -> Checkpoint:
        """What became of one training. Raises RunDirError where there was none yet."""
        path = self.files / f"checkpoints/{arm}/{seed}/checkpoint.json"
        if not path.exists():
            raise RunDirError(f"{path} is missing. Run `counterform train` first, or `counterform run`.")
        return msgspec.json.decode(path.read_bytes(), type=Checkpoint)

    def failure(self, arm: str, seed: int) -> str:
        """Why a training stopped early; empty where it did not, or was not made yet."""
        there = (self.files / f"checkpoints/{arm}/{seed}/checkpoint.json").exists()
        return self.checkpoint(arm, seed).failure if there else ""

    def problems(self, *splits: str) -> list[Problem]:
        """The problems of these splits, without the shifted ones."""
        return [p for p in self.files.read_rows("problems.parquet", Problem) if p.split in splits]

    def shifted(self) -> tuple[Problem, ...]:
        """The problems away from those of training; none where no probe asks for them."""
        return tuple(self.files.read_rows("shifted.parquet", Problem)) if "shift" in self.study.probes else ()

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

    def _grading(self) -> Grading:
        spec = self.study.problems
        return Grading(
            problems=tuple(self._training.values()), family=spec.family, options=spec.options, verify=self.study.verify
        )

    def critic(self, name: str, options: dict[str, Any]) -> Critic:
        """The critic of a recipe. What one that `keeps` has said is kept in the run directory."""
        made_one: Critic = critic(name, options)
        if not made_one.keeps:
            return made_one
        # A recipe makes its critic before there are problems, and asks it long after.

        def folder() -> str:
            return self._used(f"{CRITIQUES}/{key_of(self.keys.pool, critic_key(name, options))}")

        return Kept(made_one, self.files, folder, self.lose)

    def ask(self, prompts: Sequence[str], *, n: int) -> list[list[Completion]]:
        """What the sampled model answers to prompts of a recipe's own: each asked once, and kept."""
        spec, known = self.study.attempts, self.asked.setdefault(n, {})
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in known]
        for folder in {self._asked_in[n, prompt] for prompt in prompts if prompt in known}:
            self._used(folder)
        if not new:
            return [known[prompt] for prompt in prompts]
        asked = key_of(new, n, spec.temperature, spec.max_tokens)
        folder = self._used(f"{ASKED}/{key_of(asked, self.keys.model(self.sampled))}")
        with OpenLater(self.sampled) as model:
            rows = completions(
                self.files,
                folder,
                model,
                new,
                n=n,
                seed=derived_seed("asked", asked),
                temperature=spec.temperature,
                max_tokens=spec.max_tokens,
                before=lambda: self.say(f"arms      {n} answers to each of {len(new)} prompts of a recipe's own"),
            )
        self.lose(f"{folder}/{at}" for at, row in enumerate(rows) if any(one.transient for one in row))
        known.update(zip(new, rows, strict=True))
        self._asked_in |= dict.fromkeys(((n, prompt) for prompt in new), folder)
        return [known[prompt] for prompt in prompts]

    def _used(self, folder: str) -> str:
        """A folder of answers that are kept, recorded as one that this unit used: it goes when all such units have left."""
        used = self.making.facts.setdefault(KEPT, [])
        if folder not in used:
            used.append(folder)
        return folder

    def graded(self, column: str, wanted: set[str]) -> list[Graded]:
        """Attempts of the pool with their verdicts: those whose `column` (id, problem_id) is among `wanted`."""
        found: list[Graded] = []
        # Part by part, so that a pool of a million attempts never stands in memory whole. `verify` writes the
        # verdicts of a part in the order of its attempts.
        for name in self.parts():
            attempts = self.files.read_table(f"attempts/{name}.parquet")
            chosen = pa.array([value in wanted for value in attempts[column].to_pylist()], pa.bool_())
            if not pc.any(chosen).as_py():
                continue
            verdicts = self.files.read_table(f"verdicts/{name}.parquet")
            rows = rows_of(attempts.filter(chosen), Attempt)
            marks = rows_of(verdicts.filter(chosen), Verdict)
            found += [Graded(attempt=a, verdict=v) for a, v in zip(rows, marks, strict=True)]
        return found

    def parts(self) -> list[str]:
        """Names of the parts of the pool."""
        spec, splits = self.study, self.keys.splits
        sizes = {"train": spec.problems.train, "held_out": spec.problems.held_out}
        problems = min(len(splits), 1) if spec.attempts.file else sum(sizes[split] for split in splits)
        return [f"part-{number:05d}" for number in range(-(-problems // PROBLEMS_A_PART))]

    def pool_table(self, folder: str, columns: Sequence[str]) -> pa.Table:
        """Columns of all attempts, or of all verdicts, of the pool."""
        return pa.concat_tables([self.files.read_table(f"{folder}/{name}.parquet", columns) for name in self.parts()])

    def verdict_parts(self, problems: set[str]) -> Iterator[tuple[list[Verdict], list[str]]]:
        """All verdicts on attempts at these problems, part by part, and of each its problem."""
        for name in self.parts():
            verdicts = self.files.read_table(f"verdicts/{name}.parquet")
            of = verdicts["problem_id"].to_pylist()
            chosen = pa.array([problem in problems for problem in of], pa.bool_())
            yield rows_of(verdicts.filter(chosen), Verdict), [problem for problem in of if problem in problems]

    def count(self, name: str, n: int) -> None:
        """Record how many rows something happened to in this unit; the report shows it."""
        self.making.counts[name] = self.making.counts.get(name, 0) + n

    def lose(self, calls: Iterator[str]) -> None:
        """Record calls of this unit that failed and may not fail again: the next run makes them again."""
        self.making.lost += calls


PROBLEMS_A_PART = 250
"""Problems whose attempts are sampled as one unit, with a seed of its own."""


class OpenLater(AbstractContextManager["OpenLater"]):
    """A model that is opened when it is first needed, and closed in the end."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._model: Model | None = None

    def __call__(self) -> Model:
        """The model."""
        if self._model is None:
            self._model = opened(self._spec)
        return self._model

    @property
    def is_open(self) -> bool:
        """Whether it was needed yet."""
        return self._model is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._model is not None:
            self._model.close()
            self._model = None
