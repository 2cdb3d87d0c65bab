"""Who answers under the name of an arm that is not trained here: a model that exists already, or a record of answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from counterform.errors import StudyError
from counterform.models.growing import Writer
from counterform.models.inside import Inspectable
from counterform.models.recorded import RecordedModel
from counterform.models.source import CONFIGS, dtype_read, is_hub_id, source_of
from counterform.parts import part
from counterform.probes.probe import Need
from counterform.problems.hub import problems_file
from counterform.stages.keys import Keys
from counterform.store import RunDir, key_of, key_of_path
from counterform.study import ArmSpec, ModelSpec, ProbeSpec, ResponsesSpec, Study, short
from counterform.types import Attempt, Completion, Mark, Model, Problem

NEEDS: dict[Need, str] = {
    "model": "answers to prompts of its own",
    "logprobs": "log-probabilities",
    "hidden": "hidden states",
    "growing": "to read along while a text is written",
}
"""What a probe may need besides answers to the problems, in words."""


class Answering(ABC):
    """Who answers under the name of one arm, with each of its seeds."""

    what: str = ""
    """What it is, for a reader, where it is not trained here."""
    alone: str | None = None
    """Where the arm is one thing, and no sample of trainings: of what alone its numbers speak, in words (may be empty)."""

    def __init__(self, name: str, seeds: Sequence[int]) -> None:
        self.name, self.seeds = name, tuple(seeds)

    @abstractmethod
    def key(self, seed: int) -> str:
        """Of all that decides what it answers."""

    @abstractmethod
    def open(self, seed: int) -> Model:
        """The model, to be closed. Raises ModelError."""

    def needs(self, seed: int) -> tuple[str, ...]:
        """Units that must stand before it can be asked."""
        return ()

    def check(self) -> None:
        """Raises StudyError for what is not there, and for two seeds that are one thing: they would hide how lucky a training is."""
        known: dict[str, int] = {}
        for seed in self.seeds:
            same = known.setdefault(self.key(seed), seed)
            if same != seed and self.alone is None:
                raise StudyError(
                    f"the arm {self.name!r}: numbers {same + 1} and {seed + 1} of its seeds hold the same ({self.what}). Seeds of one "
                    "arm are different trainings, or different answers; name each once."
                )

    def failure(self, seed: int) -> str:
        """Why it cannot be asked; empty where it can."""
        return ""

    def missing(self, needs: frozenset[Need]) -> frozenset[Need]:
        """What of these it does not have."""
        return frozenset()

    def spec(self, seed: int, spec: ProbeSpec) -> ProbeSpec:
        """The study's [probe] table as far as it can be asked for."""
        return spec

    def has_other_tokens(self, model: Model) -> bool:
        """Whether the model that it has opened does not count in the base's tokens. Raises ModelError."""
        return False

    def marked(self, seed: int, attempts: Sequence[Attempt]) -> Sequence[Attempt]:
        """Its attempts with the grades that came with them."""
        return attempts


class Served(Answering):
    """Models of any kind that exist already: one, or one for each seed."""

    def __init__(self, arm: ArmSpec, study: Study, keys: Keys) -> None:
        self._base, self._keys, self._specs = study.model, keys, models_of(arm, study)
        several = len(self._specs) > 1
        super().__init__(arm.name, range(len(self._specs)) if several else study.seeds)
        self._hashes: dict[str, str] = {}
        """By path, in which alone its models differ."""
        kind = "checkpoint" if arm.checkpoints else f"model of kind {self._specs[0].kind}"
        self.what = f"{kind} {', '.join(short(spec.path) for spec in self._specs)}"
        local = self._specs[0].kind == "hf"
        self.alone = None if several else "this checkpoint" if local else ""
        self._as_base = bool(arm.checkpoints) and study.model.kind == "hf"

    def _spec(self, seed: int) -> ModelSpec:
        return self._specs[self.seeds.index(seed) if len(self._specs) > 1 else 0]

    def key(self, seed: int) -> str:
        """Its bytes, or its hub id at a commit, or where it is served. Raises StudyError for a directory that is not there."""
        spec = self._spec(seed)
        if spec.kind == "hf" and not _may_be_loaded(source_of(spec.path)):
            raise StudyError(
                f"the arm {self.name!r}: there is no checkpoint {spec.path!r}. Give a directory with {' or '.join(CONFIGS)} and "
                "safetensors, a .gguf file, or a hub id."
            )
        # One that is read as the base is has the base's precision.
        known = self._hashes.get(spec.path)
        if known is None:
            known = self._hashes[spec.path] = self._keys.model(spec)
        return known if not self._as_base else key_of(known, self._keys.base)

    def open(self, seed: int) -> Model:
        """The model; a checkpoint as finely as the base is read."""
        spec = self._spec(seed)
        if self._as_base:
            spec = msgspec.structs.replace(spec, dtype=dtype_read(self._base))
        return opened(spec)

    def has_other_tokens(self, model: Model) -> bool:
        """Whether its vocabulary is another than the base's; an endpoint's is nobody's to see."""
        if self._specs[0].kind != "hf" or self._base.kind != "hf":
            return self._specs[0].kind != self._base.kind
        from counterform.models.hf import HFModel
        from counterform.models.loading import load_tokenizer

        known = model.tokenizer.get_vocab() if isinstance(model, HFModel) else None
        return bool(known != load_tokenizer(self._base).get_vocab())

    def missing(self, needs: frozenset[Need]) -> frozenset[Need]:
        """What its kind of model does not show."""
        return shown_by(self._specs[0].kind, needs)


class Recorded(Answering):
    """Answers that were recorded: one file or column, or one for each seed."""

    def __init__(self, arm: ArmSpec, study: Study, keys: Keys, files: RunDir) -> None:
        super().__init__(arm.name, range(len(arm.answers)))
        self._study, self._keys, self._files, self._answers = study, keys, files, arm.answers
        self.what = "recorded answers: " + ", ".join(
            f"{Path(file).name}{f', column {columns.text}' if columns.text else ''}"
            if file
            else f"column {columns.text}"
            for file, columns in arm.answers
        )
        self.alone = "these answers" if len(arm.answers) == 1 else None
        self._hashes: dict[Path, str] = {}
        self._read: dict[int, list[Attempt]] = {}

    def source(self, seed: int) -> tuple[Path, ResponsesSpec]:
        """The file with the answers, and its columns. Raises StudyError where it is not there."""
        name, columns = self._answers[seed]
        path = self._file(name)
        if not path.exists():
            raise StudyError(
                f"the arm {self.name!r}: there is no file {str(path)!r} with answers. Name it in the study file, or give --data DIR."
            )
        return path, columns

    def shares_grades(self, seed: int) -> str:
        """Two columns of answers, in words, that are graded by one column of one file: whose the grades are is not said; empty where it is."""
        file, mine = self.source(seed)
        for arm in self._study.existing:
            for name, other in arm.answers:
                same = self._file(name) == file
                if same and other.correct == mine.correct and other.text != mine.text:
                    return f"{mine.text!r} and {other.text!r}"
        return ""

    def _file(self, name: str) -> Path:
        return self._study.file(name) if name else problems_file(self._study)

    @property
    def counts_tokens(self) -> bool:
        """Whether lengths are counted in the base's tokens, beside which they are to stand; else in words."""
        return self._study.base and self._study.model.kind == "hf"

    def key(self, seed: int) -> str:
        """The bytes of the file, the columns, and what decides to which problem a row belongs."""
        path, columns = self.source(seed)
        if path not in self._hashes:
            self._hashes[path] = key_of_path(path)
        shifted = self._keys.shifted if "shift" in self._study.probes else ""
        tokens = self._keys.base if self.counts_tokens else ""
        named = msgspec.structs.replace(columns, file="")
        return key_of(self._keys.problems, shifted, self._hashes[path], path.suffix, named, tokens)

    def unit(self, seed: int) -> str:
        """The name of the unit that reads them (stages/recorded.py)."""
        return f"answers/{self.name}/{seed}"

    def needs(self, seed: int) -> tuple[str, ...]:
        """That unit."""
        return (self.unit(seed),)

    def missing(self, needs: frozenset[Need]) -> frozenset[Need]:
        """All but answers to the problems."""
        return needs - {"text"}

    def spec(self, seed: int, spec: ProbeSpec) -> ProbeSpec:
        """With no more samples of a problem than were recorded of any; what is made of more is then not read."""
        most = max(Counter(attempt.problem_id for attempt in self._attempts(seed)).values())
        samples = min(spec.samples, most)
        return msgspec.structs.replace(spec, samples=samples, k=spec.k if spec.k <= samples else 1)

    def open(self, seed: int) -> Model:
        """A model that gives the recorded answers."""
        problems = {
            problem.id: problem.prompt
            for unit in ("problems", "shifted")
            for name in self._files.files_of(unit)
            for problem in self._files.read_rows(name, Problem)
        }
        answers: dict[str, list[Completion]] = {}
        for attempt in self._attempts(seed):
            answers.setdefault(problems[attempt.problem_id], []).append(attempt.completion)
        return RecordedModel(self.name, answers)

    def marked(self, seed: int, attempts: Sequence[Attempt]) -> Sequence[Attempt]:
        """With the recorded grade of the same text; two grades of one text are none."""
        marks: dict[tuple[str, str], set[Mark]] = {}
        for known in self._attempts(seed):
            marks.setdefault((known.problem_id, known.completion.text), set()).add(known.recorded)
        found = []
        for attempt in attempts:
            given = marks.get((attempt.problem_id, attempt.completion.text), set())
            recorded = next(iter(given)) if len(given) == 1 else Mark.UNKNOWN
            found.append(msgspec.structs.replace(attempt, recorded=recorded))
        return found

    def _attempts(self, seed: int) -> list[Attempt]:
        if seed not in self._read:
            self._read[seed] = self._files.read_rows(answers_file(self.name, seed), Attempt)
        return self._read[seed]


def _may_be_loaded(source: str) -> bool:
    path = Path(source).expanduser()
    return is_hub_id(source) or path.is_file() or any((path / name).is_file() for name in CONFIGS)


def answers_file(arm: str, seed: int) -> str:
    """Where the recorded answers of an arm lie in the run directory."""
    return f"answers/{arm}-{seed}.parquet"


def existing_arms(study: Study, keys: Keys, files: RunDir) -> dict[str, Answering]:
    """The arms of a study that are not trained here, by name."""
    return {
        arm.name: Recorded(arm, study, keys, files) if arm.answers else Served(arm, study, keys)
        for arm in study.existing
    }


def models_of(arm: ArmSpec, study: Study) -> tuple[ModelSpec, ...]:
    """The models of an existing arm. Checkpoints are read as the base is; the code beside the base's weights says nothing of theirs."""
    if arm.model is not None:
        return (arm.model,)
    like = study.model if study.model.kind == "hf" else ModelSpec()
    return tuple(
        msgspec.structs.replace(like, path=path, revision="", trust_remote_code=False) for path in arm.checkpoints
    )


def shown_by(kind: str, needs: frozenset[Need]) -> frozenset[Need]:
    """What of these needs a kind of model does not serve. Raises ModelError or MissingExtra for a kind that cannot be made."""
    missing: set[Need] = set()
    if "hidden" in needs and not issubclass(part("model", kind), Inspectable):
        missing.add("hidden")
    if "growing" in needs and not issubclass(part("model", kind), Writer):
        missing.add("growing")
    return frozenset(missing)


def opened(spec: ModelSpec) -> Model:
    """A model, asked by transformers or by the engine that its table names."""
    if spec.engine is None:
        model: Model = part("model", spec.kind).open(spec)
        return model
    from counterform.models.engine import Served

    return Served.open(spec)
