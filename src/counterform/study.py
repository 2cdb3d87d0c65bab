"""The study: one frozen struct tree, read from one TOML file, every bad value named by its path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from counterform.errors import StudyError
from counterform.field_hints import hint
from counterform.settings import changed
from counterform.specs import BASE_ARM as BASE_ARM
from counterform.specs import NAME as NAME
from counterform.specs import NO_CHAT as NO_CHAT
from counterform.specs import ArmSpec as ArmSpec
from counterform.specs import AttemptsSpec as AttemptsSpec
from counterform.specs import ChatSpec as ChatSpec
from counterform.specs import DecideSpec as DecideSpec
from counterform.specs import EngineSpec as EngineSpec
from counterform.specs import LoadSpec as LoadSpec
from counterform.specs import MatchSpec as MatchSpec
from counterform.specs import ModelSpec as ModelSpec
from counterform.specs import Name as Name
from counterform.specs import Options, Seed, is_file, part_dir
from counterform.specs import Positive as Positive
from counterform.specs import ProbeSpec as ProbeSpec
from counterform.specs import ProblemsSpec as ProblemsSpec
from counterform.specs import ResponseColumns as ResponseColumns
from counterform.specs import ResponsesSpec as ResponsesSpec
from counterform.specs import RunSpec as RunSpec
from counterform.specs import TrainSpec as TrainSpec
from counterform.specs import VerifierErrors as VerifierErrors
from counterform.specs import VerifySpec as VerifySpec
from counterform.specs import several as several
from counterform.study_checks import wrong_in_study

BASE = Path(str(files("counterform"))) / "world" / "base"
"""What `path = "world"` names: the embedded world's tiny base model, an ordinary Hugging Face directory."""


class Study(Options, frozen=True):
    """A whole study."""

    name: Name
    """Of the study, and of its run directory runs/NAME."""
    question: str = "What does each kind of training signal teach this model?"
    """What it asks, in words that stand over the report."""
    seeds: Annotated[tuple[Seed, ...], Meta(min_length=1)] = (0, 1)
    """One training of every arm, and one reading of every model, for each seed."""
    data: str = "."
    """What `{data}` stands for in file names; `--data DIR` replaces it."""
    model: ModelSpec = ModelSpec()
    problems: ProblemsSpec = ProblemsSpec(family="ledger")
    attempts: AttemptsSpec = AttemptsSpec()
    verify: VerifySpec = VerifySpec()
    match: MatchSpec = MatchSpec()
    arms: tuple[str | ArmSpec, ...] = ("sft", "rft", "cft")
    """Recipes by name, and tables: of a recipe under a name of its own, or of an arm that exists already."""
    base: bool = True
    """Whether the model of [model] is probed beside the arms; it may be left out where no arm is trained from it."""
    train: TrainSpec = TrainSpec()
    probes: tuple[str, ...] = ("accuracy", "find_error", "process")
    """What every model is asked on held-out items: short names, or module:object."""
    probe: ProbeSpec = ProbeSpec()
    run: RunSpec = RunSpec()
    contrasts: tuple[tuple[str, str], ...] = ()
    """Pairs of arms [a, b] compared with each other: a - b."""
    doses: tuple[tuple[str, str], ...] = ()
    """Pairs of arms [a, b]: `strategy` is also read of models a quarter, a half and three quarters of the way from a's weights to b's."""
    form_shares: tuple[tuple[str, str], ...] = ()
    """Pairs of arms [control, full]: how much of the full arm's gain the control has too."""
    decide: DecideSpec = DecideSpec()

    @property
    def trained(self) -> tuple[ArmSpec, ...]:
        """The arms that are compiled of cases and trained here."""
        return tuple(arm for arm in self.arm_specs if arm.recipe)

    @property
    def existing(self) -> tuple[ArmSpec, ...]:
        """The arms that answer already, and are not trained here."""
        return tuple(arm for arm in self.arm_specs if not arm.recipe)

    @property
    def keyless(self) -> bool:
        """Whether problems may do without keys, since somebody has recorded what is right."""
        return bool(self.attempts.file) or any(arm.answers for arm in self.existing)

    @property
    def arms_in_file(self) -> tuple[ArmSpec, ...]:
        """Every arm with its name and recipe, as the file has them; `module:object` is named by its object."""
        return tuple(
            ArmSpec(name=arm.rpartition(":")[2], recipe=arm) if isinstance(arm, str) else arm for arm in self.arms
        )

    @property
    def variants(self) -> dict[str, tuple[ArmSpec, ...]]:
        """By the name of each arm in the file, what stands for it: itself, or where rates are swept itself at each."""
        sweep = self.train.sweep
        return {arm.name: sweep.variants(arm) if sweep else (arm,) for arm in self.arms_in_file}

    @property
    def arm_specs(self) -> tuple[ArmSpec, ...]:
        """Every arm that is read at the end of its training, or answers already."""
        return tuple(one for several_of in self.variants.values() for one in several_of)

    @property
    def partway(self) -> dict[str, tuple[str, float]]:
        """By their names, the readings on the way of a training: of which arm, after which share of its steps."""
        return {
            f"{arm.name}-{part_dir(part)}": (arm.name, part) for arm in self.trained for part in self.train.readings
        }

    def file(self, name: str) -> Path:
        """The path of a file the study names."""
        return Path(name.replace("{data}", self.data)).expanduser()


def load_study(path: str | Path, *, data: str | Path | None = None, settings: Sequence[str] = ()) -> Study:
    """Read a study file. Relative `data` and file names are taken from the study file's own directory.

    settings: `PATH=VALUE` each, as if it stood in the file. Raises StudyError naming the path of the bad value, what was expected, and the options.
    """
    path = Path(path)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise StudyError(
            f"cannot read the study file {str(path)!r}: {error.strerror}. `counterform init` writes one."
        ) from error
    study = changed(_decode(text, str(path)), settings, str(path))
    here = path.resolve().parent
    root = Path(data).expanduser().resolve() if data else (here / Path(study.data).expanduser()).resolve()
    if not root.is_dir():
        raise StudyError(f"{path}: $.data is {str(root)!r}, which is not a directory. Give one with --data DIR.")
    problems = msgspec.structs.replace(
        study.problems,
        file=_anchored(study.problems.file, here),
        shift_file=_anchored(study.problems.shift_file, here),
        dataset=_beside(study.problems.dataset, here),
    )
    attempts = msgspec.structs.replace(study.attempts, file=_anchored(study.attempts.file, here))
    probe = msgspec.structs.replace(study.probe, lexicon=_anchored(study.probe.lexicon, here))
    arms = tuple(
        arm
        if isinstance(arm, str)
        else moved(arm, lambda name: _anchored(name, here), lambda name: _beside(name, here))
        for arm in study.arms
    )
    study = msgspec.structs.replace(study, data=str(root), problems=problems, attempts=attempts, probe=probe, arms=arms)
    return checked(study, str(path))


def embedded_study(*, quick: bool = False, settings: Sequence[str] = ()) -> Study:
    """The study that needs no download: the ledger family and the tiny base model. quick: a minute of it. Raises StudyError for bad settings."""
    study = _decode(embedded_text().encode(), "embedded.toml")
    study = changed(_quick(study) if quick else study, settings, "embedded.toml")
    return checked(study, "embedded.toml")


def _quick(study: Study) -> Study:
    return msgspec.structs.replace(
        study,
        name="embedded-quick",
        seeds=study.seeds[:1],
        arms=study.arms[:3],
        contrasts=study.contrasts[:1],
        form_shares=study.form_shares[:1],
        problems=msgspec.structs.replace(study.problems, train=280, held_out=100),
        match=msgspec.structs.replace(study.match, cases=200),
        probe=msgspec.structs.replace(study.probe, samples=2, k=2, attempts=80, shifted=5, trusted=8),
    )


def embedded_text() -> str:
    """The embedded study's commented TOML."""
    return files("counterform").joinpath("embedded.toml").read_text(encoding="utf-8")


def to_toml(study: Study) -> str:
    """The study as a TOML text that says only what differs from the defaults; `{data}` stays unresolved.

    Directories of this machine, and how it was used, are left out, so that the text can be published and run elsewhere with --data.
    """
    told: dict[str, Any] = {"name": study.name}
    for field in msgspec.structs.fields(Study)[1:]:
        value = getattr(study, field.name)
        if isinstance(value, RunSpec):
            continue
        if isinstance(value, Struct):
            # Against the table's own defaults: a table that stands in a file starts from those.
            default = msgspec.to_builtins(type(value)())
            plain = {k: v for k, v in msgspec.to_builtins(value).items() if v is not None and v != default[k]}
            told |= {field.name: plain} if plain else {}
        elif field.name == "arms":
            told["arms"] = [arm if isinstance(arm, str) else _brief(moved(arm, short, short)) for arm in study.arms]
        elif field.name != "data":
            told[field.name] = msgspec.to_builtins(value)
    files = (("problems", "file"), ("problems", "shift_file"), ("problems", "dataset"))
    for table, key in (*files, ("attempts", "file"), ("probe", "lexicon")):
        if key in told.get(table, {}):
            told[table][key] = _bare(told[table][key])
    return msgspec.toml.encode(_without_none(told)).decode()


def _without_none(value: Any) -> Any:
    """The same, without keys that say nothing: TOML has no word for it."""
    if isinstance(value, dict):
        return {name: _without_none(inner) for name, inner in value.items() if inner is not None}
    return [_without_none(inner) for inner in value] if isinstance(value, list | tuple) else value


def moved(arm: ArmSpec, file: Callable[[str], str], model: Callable[[str], str]) -> ArmSpec:
    """An existing arm with the names of its files and of its models changed; of a model that is none of this machine's nothing is."""
    responses = arm.responses
    if isinstance(responses, ResponsesSpec):
        responses = msgspec.structs.replace(responses, file=tuple(map(file, several(responses.file))))
    elif responses is not None:
        responses = tuple(file(name) if is_file(name) else name for name in several(responses))
    own = arm.model
    if own is not None and own.kind == "hf":
        own = msgspec.structs.replace(own, path=model(own.path))
    return msgspec.structs.replace(arm, checkpoint=tuple(map(model, arm.checkpoints)), responses=responses, model=own)


def _brief(table: Struct) -> dict[str, Any]:
    """A table as plain values, without what nobody said."""
    fields = {field.name: field.default for field in msgspec.structs.fields(table)}
    values = {name: getattr(table, name) for name in fields}
    return {
        name: _brief(value) if isinstance(value, Struct) else msgspec.to_builtins(value)
        for name, value in values.items()
        if value is not None and value != fields[name] and value != {}
    }


def short(name: str) -> str:
    """A path as it may be published: its end, where it is one of this machine. Seeds of an arm are often called alike in folders of their own."""
    return "/".join(Path(name).parts[-3:]) if Path(name).is_absolute() else name


def _bare(name: str) -> str:
    return Path(name).name if Path(name).is_absolute() else name


def _beside(name: str, here: Path) -> str:
    """A model beside the study file, where there is one of that name; else a hub id, or a path from where the command is run."""
    return str(here / name) if name not in ("", "world") and (here / Path(name).expanduser()).exists() else name


def checked(study: Study, source: str) -> Study:
    """The same study, once everything that types cannot say has been checked. Raises StudyError for the first that is wrong."""
    for path, message in wrong_in_study(study, source):
        raise StudyError(f"{source}: {path}: {message}")
    return study


def _anchored(name: str, here: Path) -> str:
    if not name or name.startswith("{data}"):
        return name
    return str(here / Path(name).expanduser())


def _decode(text: bytes, source: str) -> Study:
    try:
        return msgspec.toml.decode(text, type=Study)
    except msgspec.ValidationError as error:
        raise StudyError(f"{source}: {error}{hint(str(error), Study)}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StudyError(f"{source}: not a TOML file: {error}") from error
