"""The hash of each unit's inputs: what changes a result is in it, and nothing else.

Batch sizes, time limits, names of files and where a thing ran change no result. What a study names as `module:object` is known by
the source of its module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import msgspec

from counterform import __version__
from counterform.arms.recipe import Recipe
from counterform.errors import StudyError
from counterform.models.source import commits, source_of
from counterform.parts import part
from counterform.problems.hub import dataset_key
from counterform.store import RunDir, key_of, key_of_path
from counterform.study import NO_CHAT, ArmSpec, ModelSpec, Study, TrainSpec
from counterform.types import Objective

_NAMED_OBJECT = re.compile(r"(\w+(?:\.\w+)*):\w+")
_OF_HOW_IT_RUNS = ("batch_size", "concurrency", "api_key_env")
"""Keys of a [model] table that change no answer's odds."""


class Keys:
    """The keys of one study's units, each made of those before it."""

    def __init__(self, study: Study, recipes: Mapping[str, Recipe], files: RunDir) -> None:
        self._study, self._recipes, self._files = study, recipes, files

    @cached_property
    def problems(self) -> str:
        """Of the problems to train on and to hold out."""
        spec = self._study.problems
        rows = msgspec.structs.replace(spec, file="", shift_file="", dataset="", revision="")
        return key_of(__version__, rows, self._file(spec.file), dataset_key(spec), sources(spec))

    @cached_property
    def shifted(self) -> str:
        """Of the problems away from those of training. A file of them gives its name to its shift."""
        away = self._study.problems.shift_file
        return key_of(self.problems, self._study.probe.shifted, Path(away).stem, self._file(away))

    @cached_property
    def attempts(self) -> str:
        """Of the pool of attempts."""
        spec = self._study.attempts
        if not self.splits:
            return ""
        # A pool of training problems too is the usual one.
        some = [self.splits] if "train" not in self.splits else []
        if spec.file:
            return key_of(self.problems, self._file(spec.file), spec.problem, spec.responses)
        sampled = self.model(spec.model) if spec.model else self.base
        return key_of(self.problems, spec.samples, spec.temperature, spec.max_tokens, sampled, *some)

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """The splits whose problems are attempted: for cases, and for probes that ask a model about held-out attempts."""
        if self._recipes:
            return ("train", "held_out")
        study = self._study
        asks = study.base or any(arm.checkpoints or arm.model for arm in study.existing)
        return ("held_out",) if asks and any("attempts" in part("probe", name).reads for name in study.probes) else ()

    @cached_property
    def verifiers(self) -> str:
        """Of what grades; a family that does is in the key of its problems."""
        return key_of(self._study.verify.steps, sources(self._study.verify))

    @property
    def audit(self) -> str:
        """Of the grades of the graders; those that came with recorded attempts are looked at too."""
        return key_of(self.problems, self.verifiers, self.attempts if self._study.attempts.file else "")

    def verdicts(self, part_name: str) -> str:
        """Of the verdicts on one part of the pool."""
        return key_of(self.attempts, self.verifiers, part_name, self._edition(f"sample/{part_name}"))

    @property
    def pool(self) -> str:
        """Of the whole graded pool."""
        editions = [record.edition for record in self._files.records.of_kind("sample") if record.edition]
        return key_of(self.attempts, self.verifiers, editions)

    @cached_property
    def base(self) -> str:
        """Of the model that every arm is trained from."""
        return self.model(self._study.model)

    @cached_property
    def lexicon(self) -> str:
        """Of the study's own markers, if it has any."""
        return self._file(self._study.probe.lexicon)

    def arm(self, name: str) -> str:
        """Of an arm's examples, and of what is counted of them."""
        study, recipe = self._study, self._recipes[name]
        spec = {spec.name: spec for spec in study.trained}[name]
        # One arm may leave cases out for all, or set the measure of loss tokens.
        bound = study.match.by == "loss_tokens" or any(recipe.leaves_out for recipe in self._recipes.values())
        return key_of(
            self.pool,
            self.base,
            study.match,
            _compiled(spec),
            [_compiled(other) for other in study.trained] if bound else [],
            self.lexicon if recipe.uses_lexicon else "",
            *([recipe.lacks] if recipe.lacks else []),
        )

    @property
    def match(self) -> str:
        """Of the match card."""
        return key_of([(name, self.arm(name), self._edition(f"arm/{name}")) for name in self._recipes])

    def checkpoint(self, name: str, seed: int, spec: TrainSpec) -> str:
        """Of everything that decides what one training run becomes. spec: with the arm's own options in it."""
        # An arm is not trained again because the options of another objective have changed.
        others = set(get_args(Objective)) - {self._recipes[name].objective}
        spec = msgspec.structs.replace(spec, keep="last", **{other: {} for other in others})
        return key_of(self.arm(name), self._edition(f"arm/{name}"), self.base, spec, sources(spec), seed)

    def reading(self, probe: str, model: str, arm: str, seed: int) -> str:
        """Of everything that decides what one probe reads off one model (its key)."""
        reads = part("probe", probe).reads
        spec = self._study.probe
        key = key_of(
            model,
            self.problems,
            self.verifiers,
            (probe, sources(probe), arm, seed),
            {name: getattr(spec, name) for name in reads if name != "lexicon"},
            self.lexicon if "lexicon" in reads else "",
            self.pool if "attempts" in reads else "",
            self.shifted if "shifted" in reads else "",
        )
        # The answers of a study that decides are drawn batch by batch.
        decides = arm in self._study.decide.arms and "problems" in reads
        return key_of(key, "decide", self._study.decide.batch) if decides else key

    def findings(self, readings: Iterable[str]) -> str:
        """Of what is found in these units' readings."""
        study = self._study
        asked = (study.question, study.contrasts, study.doses, study.form_shares, study.seeds, study.probes)
        read = [(name, r.key, r.edition) for name in readings if (r := self._files.records.get(name))]
        arms = [(spec.name, spec.train, self._described(spec)) for spec in study.arm_specs]
        # Notes and baselines look at the items once more.
        used = {
            name: getattr(study.probe, name)
            for probe in study.probes
            for name in (*part("probe", probe).reads, "attempts")
        }
        return key_of(self.problems, self.pool, self.match, asked, arms, study.base, used, self.lexicon, read)

    def model(self, spec: ModelSpec) -> str:
        """What a model is: its bytes where they lie here, else its name and where it is served."""
        plain = model_table(msgspec.to_builtins(spec))
        if not spec.engine:
            plain.pop("engine")
        if spec.chat == NO_CHAT:
            plain.pop("chat")
        if spec.load.quantization_config == {}:
            plain.pop("load")
        if not spec.tool:
            plain.pop("tool_failures")
        if spec.kind != "hf":
            return key_of(plain, sources(plain))
        path = Path(source_of(spec.path)).expanduser()
        plain.pop("base_url")
        return key_of(
            plain | {"path": "", "revision": ""}, key_of_path(path) if path.exists() else spec.path, commits(spec)
        )

    def _described(self, arm: ArmSpec) -> str:
        """What the report says of an arm that is not trained here: names, whose content is in the keys of its readings."""
        return "" if arm.recipe else key_of(arm)

    def _edition(self, unit: str) -> str:
        record = self._files.records.get(unit)
        return record.edition if record else ""

    def _file(self, name: str) -> str:
        if not name:
            return ""
        path = self._study.file(name)
        if not path.is_file():
            raise StudyError(f"there is no file {str(path)!r}. Name it in the study file, or give --data DIR.")
        return key_of_path(path)


def sources(spec: Any) -> dict[str, str]:
    """The hash of the module of every `module:object` that stands anywhere in a table of the study file."""
    return {
        name: key_of_path(Path(origin))
        for name in sorted(set(_named(msgspec.to_builtins(spec))))
        if (origin := _origin(name))
    }


def model_table(table: Mapping[str, Any]) -> dict[str, Any]:
    """A [model] table without what changes no answer's odds."""
    plain = {name: value for name, value in table.items() if name not in _OF_HOW_IT_RUNS}
    engine = plain.get("engine")
    if isinstance(engine, dict):  # the command, and not how long it may take to be ready
        plain["engine"] = engine.get("serve")
    load = plain.get("load")
    if isinstance(load, dict):  # not on which devices
        plain["load"] = load.get("quantization_config", {})
    return plain


def critic_key(name: str, options: Mapping[str, Any]) -> str:
    """What a recipe's critic is."""
    return key_of(name, _plain_options(options), sources([name, options]))


def _compiled(spec: ArmSpec) -> list[Any]:
    """What decides an arm's examples: not how it is trained."""
    return [spec.name, spec.recipe, _plain_options(spec.options), sources([spec.recipe, spec.options])]


def _plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options whose tables of a model say nothing of how it is run, however deep they stand."""
    return {
        name: model_table(_plain_options(value)) if isinstance(value, dict) else value
        for name, value in options.items()
    }


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        found = _NAMED_OBJECT.fullmatch(value)
        if found:
            yield found[1]
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _named(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _named(inner)


def _origin(module: str) -> str:
    """The file of a module; empty for what is no module, or one without a file."""
    try:
        spec = find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return ""
    return spec.origin if spec and spec.origin and Path(spec.origin).is_file() else ""
