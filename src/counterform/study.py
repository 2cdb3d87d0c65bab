"""The study: one frozen struct tree, read from one TOML file, every bad value named by its path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from counterform.errors import StudyError, unknown_name
from counterform.field_hints import hint
from counterform.parts import require_known
from counterform.settings import changed
from counterform.specs import FILES, Options, Seed, is_file, part_dir
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

BASE_ARM = "base"
"""The name under which the base model stands beside the arms."""

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
    """The same study, once everything that types cannot say has been checked."""

    def refuse(path: str, message: str) -> None:
        raise StudyError(f"{source}: {path}: {message}")

    arms = study.arms_in_file
    read = [*(arm.name for arm in study.arm_specs), *study.partway]
    names = list(dict.fromkeys([*(arm.name for arm in arms), *read]))
    if len(study.variants) != len(arms) or len(set(read)) != len(read) or BASE_ARM in names:
        refuse(
            "$.arms",
            f"names must differ, and {BASE_ARM!r} is taken by the base model; got {[arm.name for arm in arms]}",
        )
    if len(set(study.seeds)) != len(study.seeds):
        refuse("$.seeds", f"seeds must differ; got {list(study.seeds)}")
    for option in ("readings", "sweep"):
        if getattr(study.train, option) and not study.trained:
            refuse(f"$.train.{option}", "is of arms that are trained here, and there is none")
    if study.train.readings and study.train.launch:
        refuse("$.train.readings", "are kept by a training in the study's own process. Leave `launch` out")
    if len(set(study.probes)) != len(study.probes):
        refuse("$.probes", f"probes must differ; got {list(study.probes)}")
    for index, pair in enumerate(study.contrasts):
        for name in pair:
            if name not in [*names, BASE_ARM]:
                refuse(f"$.contrasts[{index}]", unknown_name("arm", name, [*names, BASE_ARM]))
    in_rounds = [*(arm.name for arm in study.trained), *([BASE_ARM] if study.base else [])]
    for index, pair in enumerate(study.decide.contrasts):
        for name in pair:
            if name not in in_rounds:
                refuse(f"$.decide.contrasts[{index}]", unknown_name("arm that is trained here", name, in_rounds))
        if pair[0] == pair[1] or study.decide.contrasts.count(pair) + study.decide.contrasts.count(pair[::-1]) > 1:
            refuse(f"$.decide.contrasts[{index}]", f"names an arm twice, or stands twice: {list(pair)}")
    if study.decide.contrasts and "accuracy" not in study.probes:
        refuse("$.decide", f"decides by what 'accuracy' reads, which is not among $.probes: {list(study.probes)}")
    for index, pair in enumerate(study.form_shares):
        for name in pair:
            if name not in names:
                refuse(f"$.form_shares[{index}]", unknown_name("arm", name, names))
    trained = [arm.name for arm in study.trained]
    for index, pair in enumerate(study.doses):
        for name in pair:
            if name not in names:
                refuse(f"$.doses[{index}]", unknown_name("arm", name, names))
            if name not in trained:
                refuse(
                    f"$.doses[{index}]", f"{name!r} is not trained here, and the models between need weights that are"
                )
        if study.model.kind != "hf" or "strategy" not in study.probes or study.train.trainer == "dry":
            refuse(f"$.doses[{index}]", "needs a model of kind 'hf' that is trained, and 'strategy' among $.probes")
    if [bool(study.problems.family), bool(study.problems.file), bool(study.problems.dataset)].count(True) != 1:
        refuse("$.problems", "give exactly one of `family`, `file`, `dataset`")
    for key in ("config", "split", "revision"):
        if not study.problems.dataset and getattr(study.problems, key) != getattr(ProblemsSpec(), key):
            refuse(f"$.problems.{key}", "is of a `dataset`, and none is given")
    if study.problems.revision and Path(study.problems.dataset).is_dir():
        refuse("$.problems.revision", f"is of a hub id, and {study.problems.dataset!r} lies on this machine")
    for key in ("shift", "shift_file"):
        if study.problems.family and getattr(study.problems, key):
            refuse(
                f"$.problems.{key}", "is for problems from a `file` or `dataset`; a family makes its own shifted ones"
            )
    if study.problems.shift_file and "shift" not in study.probes:
        refuse("$.problems.shift_file", f"is for the probe 'shift', which is not among $.probes: {list(study.probes)}")
    if "{prompt}" not in study.problems.template:
        refuse("$.problems.template", f"must contain {{prompt}}; got {study.problems.template!r}")
    if study.problems.space and not study.problems.instruction:
        refuse("$.problems.space", "is the answer space of an instruction: name `instruction` too")
    if study.probe.k > study.probe.samples:
        refuse("$.probe.k", f"is {study.probe.k}, more than the {study.probe.samples} samples pass@k is made of")
    for index, arm in enumerate(arms):
        for key, wrong in _wrong_in_arm(arm, study, f"{source}: $.arms[{index}]"):
            refuse(f"$.arms[{index}]{key}", wrong)
    _require_base(study, refuse)
    for index, probe in enumerate(study.probes):
        require_known("probe", probe, f"{source}: $.probes[{index}]")
    for table, model in (("model", study.model), ("attempts.model", study.attempts.model)):
        for key, wrong in _wrong_in_model(model) if model is not None else ():
            refuse(f"$.{table}.{key}", wrong)
    if "tool_errors" in study.probes and not study.model.tool:
        refuse(
            "$.probes", "'tool_errors' reads the calls of a model with a tool: give `tool` in $.model, or leave it out"
        )
    require_known("model", study.model.kind, f"{source}: $.model.kind")
    if study.attempts.model is not None:
        require_known("model", study.attempts.model.kind, f"{source}: $.attempts.model.kind")
    require_known("trainer", study.train.trainer, f"{source}: $.train.trainer")
    if study.problems.family:
        require_known("family", study.problems.family, f"{source}: $.problems.family")
    if study.verify.steps:
        require_known("step verifier", study.verify.steps, f"{source}: $.verify.steps")
    return study


def _wrong_in_arm(arm: ArmSpec, study: Study, where: str) -> Iterator[tuple[str, str]]:
    """What cannot be of one arm, by the key of its table. Raises StudyError for a part that nobody knows."""
    if len(arm.sources) != 1:
        given = f"has {' and '.join(arm.sources)}" if arm.sources else "says nothing of who answers"
        yield "", f"the arm {arm.name!r} {given}. Give exactly one of recipe, checkpoint, model, responses"
        return
    if arm.recipe:
        require_known("arm", arm.recipe, where)
        return
    for key, options in (("options", arm.options), ("train", arm.train)):
        if options:
            yield f".{key}", f"is for an arm with a recipe, and {arm.name!r} is not made or trained here"
    if arm.model is not None:
        require_known("model", arm.model.kind, f"{where}.model.kind")
        yield from ((f".model.{key}", wrong) for key, wrong in _wrong_in_model(arm.model))
    named = [*arm.checkpoints, *(file or columns.text for file, columns in arm.answers)]
    if not all(named) or not (named or arm.model):
        yield f".{arm.sources[0]}", "names nothing"
    if len(set(named)) < len(named) and not isinstance(arm.responses, ResponsesSpec):
        yield f".{arm.sources[0]}", f"names the same one twice: {named}; seeds of one arm differ"
    for file, columns in arm.answers:
        if not file and study.problems.family:
            yield (
                ".responses",
                f"{columns.text!r} is a column of the file of problems, and this study has none. Give a file ({', '.join(FILES)}), "
                "or ./NAME for a folder of logs",
            )


def _wrong_in_model(model: ModelSpec) -> Iterator[tuple[str, str]]:
    """What cannot be of one model, by the key of its table."""
    if model.engine is not None:
        yield from _wrong_in_engine(model, model.engine)
    if model.kind == "hf":
        return
    if model.kind == "scripted" and model.chat != NO_CHAT:
        yield "chat", "is of a model of kind 'hf' or 'openai'; this one is 'scripted'"
    if model.tool:
        yield "tool", f"answers inside a model of kind 'hf'; this one is {model.kind!r}"
    of_files = {
        "revision": model.revision,
        "trust_remote_code": model.trust_remote_code,
        "load": model.load != LoadSpec(),
    }
    for key, given in of_files.items():
        if given:
            yield key, f"is of a model of kind 'hf'; this one is {model.kind!r}"


def _wrong_in_engine(model: ModelSpec, engine: EngineSpec) -> Iterator[tuple[str, str]]:
    if model.kind != "hf":
        yield "engine", f"serves a model of kind 'hf'; this one is {model.kind!r}"
    elif model.tool:
        yield "engine", "serves a model of kind 'hf'; one with a `tool` is asked by transformers"
    for word in ("{path}", "{port}"):
        if not any(word in part for part in engine.serve):
            yield "engine.serve", f"must contain {word}; got {list(engine.serve)}"
    if strange := _strange_braces(engine.serve):
        yield (
            "engine.serve",
            f"knows {{path}}, {{port}} and {{adapter}}, and not {strange}; write {{{{ and }}}} for braces",
        )


def _strange_braces(parts: tuple[str, ...]) -> str:
    """The first thing in braces that is none of {path}, {port} and {adapter}."""
    for part in parts:
        try:
            part.format(path="", port="", adapter="")
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            return f"{part!r} ({error})"
    return ""


def _require_base(study: Study, refuse: Callable[[str, str], None]) -> None:
    """A base, and problems to train on, where an arm is trained; something to compare where there is no base."""
    trained = ", ".join(repr(arm.name) for arm in study.trained)
    if trained and not study.problems.train:
        refuse("$.problems.train", f"is 0, and these arms are made of training problems: {trained}")
    if not study.arms and not study.base:
        refuse("$.base", "is false, and there is no arm: nothing would be probed")
    if study.base:
        return
    if trained:
        refuse("$.base", f"is false, and these arms are trained from the base and compared with it: {trained}")
    if study.form_shares:
        refuse("$.base", "is false, and a form share is a share of a gain over the base. Leave $.form_shares out")
    if len(study.arms) > 1 and not study.contrasts:
        first, second = (arm.name for arm in study.arm_specs[:2])
        refuse("$.base", f'is false, so say what is compared: contrasts = [["{second}", "{first}"]]')
    for index, pair in enumerate(study.contrasts):
        if BASE_ARM in pair:
            refuse(f"$.contrasts[{index}]", "names the base, and $.base is false")


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
