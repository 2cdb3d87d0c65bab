"""The study: one frozen struct tree, read from one TOML file, every bad value named by its path."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from counterform.errors import StudyError, unknown_name
from counterform.field_hints import hint
from counterform.parts import require_known

BASE_ARM = "base"
"""The name under which the base model stands beside the arms."""

BASE = Path(str(files("counterform"))) / "world" / "base"
"""What `path = "world"` names: the embedded world's tiny base model, an ordinary Hugging Face directory."""

Positive = Annotated[int, Meta(ge=1)]
Seed = Annotated[int, Meta(ge=0, lt=2**32)]
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"
Name = Annotated[str, Meta(pattern=NAME)]
"""What becomes a file's name: of a study, of an arm."""


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class EngineSpec(_Table, frozen=True):
    """A server that is started for the base and for every checkpoint, and ended with it."""

    serve: Annotated[tuple[str, ...], Meta(min_length=1)]
    """The command; `{path}` stands for the model's directory, `{port}` for a free port. It is no line of a shell."""
    seconds: Annotated[float, Meta(gt=0.0)] = 900.0
    """Until it must be healthy."""


class ModelSpec(_Table, frozen=True):
    """What answers prompts; the base of every arm when it stands at `[model]`."""

    kind: str = "hf"
    """hf, openai, scripted, or module:object."""
    path: str = "world"
    """hf: `world`, a hub id, a directory or a .gguf file. openai: the model's name at the endpoint.
    scripted: "module:function", marked as @ScriptedAnswer."""
    revision: str = ""
    """hf: the commit, tag or branch of a hub id; empty: its main branch. The commit is recorded."""
    trust_remote_code: bool = False
    """hf: run the Python code that lies beside the weights, as some models need."""
    base_url: str = ""
    """openai: the endpoint, e.g. http://127.0.0.1:8000/v1."""
    api_key_env: str = "OPENAI_API_KEY"
    """openai: the environment variable that holds the key."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """hf: of the weights while the model answers; auto: the base's own, for every arm too."""
    batch_size: Positive = 256
    """hf: prompts generated at once."""
    concurrency: Positive = 16
    """openai: requests under way at once."""
    engine: EngineSpec | None = None
    """hf: what answers in place of transformers; only insides are still read with those. `concurrency` requests are under way at once."""
    tool: Literal["", "calc"] = ""
    """hf: what answers its calls while it is sampled and read: `calc` writes what comes after "="."""
    tool_failures: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0
    """Share of sound calls that the tool answers by an error."""


class ProblemsSpec(_Table, frozen=True):
    """Where problems come from: a family of the world, or the user's file."""

    family: str = ""
    lengths: tuple[Positive, ...] = ()
    """Numbers of operations drawn for a family's problems; empty: those of the base's training."""
    options: dict[str, Any] = {}
    """What the family's class is called with."""
    file: str = ""
    """JSONL or Parquet; `{data}` stands for the study's data directory."""
    prompt: str = ""
    answer: str = ""
    solution: str = ""
    """Column names, dots for nested ones; empty: recognised (TRL, GSM8K, verl)."""
    instruction: str = ""
    """The column with the instruction of a row's task; empty: the prompt says all."""
    space: str = ""
    """The column with the labels that can be answered (a list, or text with ; or , between); empty: inferred."""
    template: str = "{prompt}"
    """How a problem is put to the model."""
    shift: str = ""
    """Column of a row's shift: empty for one as in training, else a label ("hard", "length 7"); such a row is for the
    `shift` probe alone."""
    shift_file: str = ""
    """A second file with the same columns, all of it one shift, named after the file."""
    train: Positive = 600
    """Problems from which cases are made."""
    held_out: Positive = 300
    """Problems that only probes see."""


class ResponseColumns(_Table, frozen=True):
    """One response in a row of the user's attempts, by column name (dots for nested columns)."""

    text: str
    correct: str = ""
    model: str = ""
    """A label for who wrote it; empty: the name of the text column."""


class AttemptsSpec(_Table, frozen=True):
    """Where attempts come from: sampled from a model, or the user's file."""

    samples: Positive = 4
    temperature: Annotated[float, Meta(ge=0.0)] = 1.0
    max_tokens: Positive = 160
    model: ModelSpec | None = None
    """Who is sampled; left out: the base model."""
    file: str = ""
    """JSONL or Parquet of recorded attempts; nothing is sampled then for training."""
    problem: str = "problem"
    """The column that holds the problem's prompt or id."""
    responses: tuple[ResponseColumns, ...] = (ResponseColumns(text="response", correct="correct"),)


class VerifySpec(_Table, frozen=True):
    """How attempts are graded."""

    steps: str = ""
    """The step verifier; empty: the family's own, or `arithmetic` for a user's file."""
    seconds: Annotated[float, Meta(gt=0)] = 5.0
    """Time-out of one symbolic outcome check."""


class MatchSpec(_Table, frozen=True):
    """What is held equal between arms."""

    by: Literal["examples", "loss_tokens"] = "examples"
    cases: Positive = 400
    pairs: Positive = 1
    """Pairs of a right and a wrong attempt that are taken of one problem, each a case of its own, at most."""


class ArmSpec(_Table, frozen=True):
    """An arm under a name of its own, so that one recipe can stand twice (an A/A test)."""

    name: Name
    recipe: str
    options: dict[str, Any] = {}
    """What the recipe's class is called with."""
    train: dict[str, Any] = {}
    """Options of its trainer for this arm alone, over those of [train.sft], or of [train.grpo] where it samples for itself."""


class TrainSpec(_Table, frozen=True):
    """How every arm is trained; the same for all but for what an arm says of its own (`ArmSpec.train`)."""

    trainer: str = "sft"
    """sft: TRL's, and TRL's GRPO for the arms that sample for themselves. Any other trains all arms."""
    sft: dict[str, Any] = {}
    """Options of TRL's SFTConfig, passed through."""
    grpo: dict[str, Any] = {}
    """Options of TRL's GRPOConfig, passed through; `num_generations` is G, the rollouts a prompt to learn from."""
    lora: dict[str, Any] | None = None
    """Options of peft's LoraConfig; left out: all weights are trained."""
    launch: tuple[str, ...] = ()
    """Arguments of `accelerate launch`, e.g. ["--num_processes", "4"]; empty: training runs in the study's own process."""


class ProbeSpec(_Table, frozen=True):
    """How every probe reads; the same for all arms."""

    samples: Positive = 4
    k: Positive = 4
    """For pass@k; at most `samples`."""
    temperature: Annotated[float, Meta(ge=0.0)] = 1.0
    max_tokens: Positive = 160
    problems: Positive = 300
    """Held-out problems that are solved (accuracy, process), at most."""
    attempts: Positive = 300
    """Held-out attempts in which find_error looks for the first wrong step."""
    exemplars: Positive = 3
    """Worked exemplars in a prompt of validity."""
    shifted: Positive = 40
    """Problems at each level of each axis of the `shift` probe, at most."""
    trusted: Positive = 100
    """Held-out problems at which `trust` asks how sure the model is of its answers, at most."""
    calls: Positive = 4
    """guard, at equal calls: how often the model may be set to write for one answer."""
    tokens: Positive = 192
    """guard, at equal tokens: how many may be sampled for one answer."""
    rule_note: str = ""
    """guard: how the model is told of a broken rule ({step}, {rule}); empty: in plain English."""
    lexicon: str = ""
    """JSON file of epistemic markers by kind, for `traits`, `internals` and the arms that strip them; empty: our own."""


class RunSpec(_Table, frozen=True):
    """Where a study is run; it changes no result, and is in no key."""

    executor: Literal["local", "ray", "slurm"] = "local"
    """local: processes of this machine. ray: tasks of a Ray cluster. slurm: array jobs. All see the run directory at one path."""
    workers: Annotated[int, Meta(ge=0, le=10_000)] = 0
    """Units that are done at once; 0: as many as pays (docs/workers.md)."""
    gpus: dict[Literal["sample", "arm", "train", "probe", "dose", "weights"], Annotated[float, Meta(ge=0.0)]] = {}
    """GPUs that a unit of this kind needs; left out: none is asked for."""
    slurm: dict[str, Any] = {}
    """slurm: options of submitit's executor, passed through (`slurm_partition`, `timeout_min`, `mem_gb`)."""


class Study(_Table, frozen=True):
    """A whole study."""

    name: Name
    question: str = "What does each kind of training signal teach this model?"
    seeds: Annotated[tuple[Seed, ...], Meta(min_length=1)] = (0, 1)
    data: str = "."
    """What `{data}` stands for in file names; `--data DIR` replaces it."""
    model: ModelSpec = ModelSpec()
    problems: ProblemsSpec = ProblemsSpec(family="ledger")
    attempts: AttemptsSpec = AttemptsSpec()
    verify: VerifySpec = VerifySpec()
    match: MatchSpec = MatchSpec()
    arms: tuple[str | ArmSpec, ...] = ("sft", "rft", "cft")
    train: TrainSpec = TrainSpec()
    probes: tuple[str, ...] = ("accuracy", "find_error", "process")
    probe: ProbeSpec = ProbeSpec()
    run: RunSpec = RunSpec()
    contrasts: tuple[tuple[str, str], ...] = ()
    """Pairs of arms [a, b] compared with each other: a - b."""
    doses: tuple[tuple[str, str], ...] = ()
    """Pairs of arms [a, b]: `strategy` is also read of models a quarter, a half and three quarters of the way from a's weights to b's."""
    form_shares: tuple[tuple[str, str], ...] = ()
    """Pairs of arms [control, full]: how much of the full arm's gain the control has too."""

    @property
    def arm_specs(self) -> tuple[ArmSpec, ...]:
        """Every arm with its name and recipe; `module:object` is named by its object."""
        return tuple(
            ArmSpec(name=arm.rpartition(":")[2], recipe=arm) if isinstance(arm, str) else arm for arm in self.arms
        )

    def file(self, name: str) -> Path:
        """The path of a file the study names."""
        return Path(name.replace("{data}", self.data)).expanduser()


def load_study(path: str | Path, *, data: str | Path | None = None) -> Study:
    """Read a study file. Relative `data` and file names are taken from the study file's own directory.

    Raises StudyError naming the path of the bad value, what was expected, and the options.
    """
    path = Path(path)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise StudyError(
            f"cannot read the study file {str(path)!r}: {error.strerror}. `counterform init` writes one."
        ) from error
    study = _decode(text, str(path))
    here = path.resolve().parent
    root = Path(data).expanduser().resolve() if data else (here / Path(study.data).expanduser()).resolve()
    if not root.is_dir():
        raise StudyError(f"{path}: $.data is {str(root)!r}, which is not a directory. Give one with --data DIR.")
    problems = msgspec.structs.replace(
        study.problems,
        file=_anchored(study.problems.file, here),
        shift_file=_anchored(study.problems.shift_file, here),
    )
    attempts = msgspec.structs.replace(study.attempts, file=_anchored(study.attempts.file, here))
    probe = msgspec.structs.replace(study.probe, lexicon=_anchored(study.probe.lexicon, here))
    study = msgspec.structs.replace(study, data=str(root), problems=problems, attempts=attempts, probe=probe)
    return checked(study, str(path))


def embedded_study(*, quick: bool = False) -> Study:
    """The study that needs no download: the ledger family and the tiny base model."""
    study = checked(_decode(embedded_text().encode(), "embedded.toml"), "embedded.toml")
    if not quick:
        return study
    return msgspec.structs.replace(
        study,
        name="embedded-quick",
        seeds=study.seeds[:1],
        arms=study.arms[:3],
        contrasts=study.contrasts[:1],
        form_shares=study.form_shares[:1],
        probe=msgspec.structs.replace(study.probe, samples=2, k=2, problems=100, attempts=100, shifted=6, trusted=10),
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
        elif field.name != "data":
            told[field.name] = msgspec.to_builtins(value)
    for table, key in (("problems", "file"), ("problems", "shift_file"), ("attempts", "file"), ("probe", "lexicon")):
        file = told.get(table, {}).get(key, "")
        if Path(file).is_absolute():
            told[table][key] = Path(file).name
    return msgspec.toml.encode(_without_none(told)).decode()


def _without_none(value: Any) -> Any:
    """The same, without keys that say nothing: TOML has no word for it."""
    if isinstance(value, dict):
        return {name: _without_none(inner) for name, inner in value.items() if inner is not None}
    return [_without_none(inner) for inner in value] if isinstance(value, list | tuple) else value


def checked(study: Study, source: str) -> Study:
    """The same study, once everything that types cannot say has been checked."""

    def refuse(path: str, message: str) -> None:
        raise StudyError(f"{source}: {path}: {message}")

    names = [arm.name for arm in study.arm_specs]
    if len(set(names)) != len(names) or BASE_ARM in names:
        refuse("$.arms", f"names must differ, and {BASE_ARM!r} is taken by the base model; got {names}")
    if len(set(study.seeds)) != len(study.seeds):
        refuse("$.seeds", f"seeds must differ; got {list(study.seeds)}")
    if len(set(study.probes)) != len(study.probes):
        refuse("$.probes", f"probes must differ; got {list(study.probes)}")
    for index, pair in enumerate(study.contrasts):
        for name in pair:
            if name not in [*names, BASE_ARM]:
                refuse(f"$.contrasts[{index}]", unknown_name("arm", name, [*names, BASE_ARM]))
    for index, pair in enumerate(study.form_shares):
        for name in pair:
            if name not in names:
                refuse(f"$.form_shares[{index}]", unknown_name("arm", name, names))
    for index, pair in enumerate(study.doses):
        for name in pair:
            if name not in names:
                refuse(f"$.doses[{index}]", unknown_name("arm", name, names))
        if study.model.kind != "hf" or "strategy" not in study.probes or study.train.trainer == "dry":
            refuse(f"$.doses[{index}]", "needs a model of kind 'hf' that is trained, and 'strategy' among $.probes")
    if bool(study.problems.family) == bool(study.problems.file):
        refuse("$.problems", "give either `family` or `file`, and not both")
    for key in ("shift", "shift_file"):
        if study.problems.family and getattr(study.problems, key):
            refuse(f"$.problems.{key}", "is for problems from a `file`; a family makes its own shifted ones")
    if study.problems.shift_file and "shift" not in study.probes:
        refuse("$.problems.shift_file", f"is for the probe 'shift', which is not among $.probes: {list(study.probes)}")
    if "{prompt}" not in study.problems.template:
        refuse("$.problems.template", f"must contain {{prompt}}; got {study.problems.template!r}")
    if study.problems.space and not study.problems.instruction:
        refuse("$.problems.space", "is the answer space of an instruction: name `instruction` too")
    if study.probe.k > study.probe.samples:
        refuse("$.probe.k", f"is {study.probe.k}, more than the {study.probe.samples} samples pass@k is made of")
    for index, arm in enumerate(study.arm_specs):
        require_known("arm", arm.recipe, f"{source}: $.arms[{index}]")
    for index, probe in enumerate(study.probes):
        require_known("probe", probe, f"{source}: $.probes[{index}]")
    for table, model in (("model", study.model), ("attempts.model", study.attempts.model)):
        if model is not None and model.engine is not None:
            if model.kind != "hf" or model.tool:
                why = (
                    f"this one is {model.kind!r}"
                    if model.kind != "hf"
                    else "one with a `tool` is asked by transformers"
                )
                refuse(f"$.{table}.engine", f"serves a model of kind 'hf'; {why}")
            for word in ("{path}", "{port}"):
                if not any(word in part for part in model.engine.serve):
                    refuse(f"$.{table}.engine.serve", f"must contain {word}; got {list(model.engine.serve)}")
            if strange := _strange_braces(model.engine.serve):
                refuse(
                    f"$.{table}.engine.serve",
                    f"knows {{path}} and {{port}}, and not {strange}; write {{{{ and }}}} for braces",
                )
        if model is not None and model.tool and model.kind != "hf":
            refuse(f"$.{table}.tool", f"answers inside a model of kind 'hf'; this one is {model.kind!r}")
        if model is not None and (model.revision or model.trust_remote_code) and model.kind != "hf":
            key = "revision" if model.revision else "trust_remote_code"
            refuse(f"$.{table}.{key}", f"is of a model of kind 'hf'; this one is {model.kind!r}")
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


def _strange_braces(parts: tuple[str, ...]) -> str:
    """The first thing in braces that is neither {path} nor {port}."""
    for part in parts:
        try:
            part.format(path="", port="")
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            return f"{part!r} ({error})"
    return ""


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
