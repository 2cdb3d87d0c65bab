"""The tables of a study file, each with its defaults. study.py puts them together."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, structs

Positive = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Seed = Annotated[int, Meta(ge=0, lt=2**32)]
BASE_ARM = "base"
"""The name under which the base model stands beside the arms."""
FILES = (".jsonl", ".json", ".csv", ".parquet", ".eval")
"""Suffixes of files of rows, and of logs."""
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"
Name = Annotated[str, Meta(pattern=NAME)]
"""What becomes a file's name: of a study, of an arm."""


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a study file: what is left out has its default, and what nobody knows is refused."""


class EngineSpec(Options, frozen=True):
    """A server that is started for the base and for every checkpoint, and ended with it."""

    serve: Annotated[tuple[str, ...], Meta(min_length=1)]
    """The command; `{path}` stands for the model's directory, `{port}` for a free port. It is no line of a shell.
    `{adapter}`: the directory of a LoRA over `{path}`, which is served under this name; what has no LoRA is started without the words
    that contain it. In a command without `{adapter}` a LoRA is merged into a `{path}` of its own."""
    seconds: Annotated[float, Meta(gt=0.0)] = 900.0
    """Until it must be healthy."""

    @property
    def takes_adapters(self) -> bool:
        """Whether the server is given a LoRA beside its base."""
        return any("{adapter}" in part for part in self.serve)


class ChatSpec(Options, frozen=True):
    """What stands around every prompt of a chat model, when it is asked and when it is trained."""

    system: str = ""
    """The system turn; empty: none is given."""
    template: dict[str, Any] = {}
    """Arguments of the chat template, e.g. { enable_thinking = false }; an endpoint is sent them as `chat_template_kwargs`."""

    def messages(self, prompt: str, completion: str | None = None) -> list[dict[str, str]]:
        """The turns of one prompt, with the answer to it where there is one."""
        said = (("system", self.system or None), ("user", prompt), ("assistant", completion))
        return [{"role": role, "content": text} for role, text in said if text is not None]


NO_CHAT = ChatSpec()
"""Nothing stands around a prompt but what the chat template puts there itself."""


class LoadSpec(Options, frozen=True):
    """How transformers loads a model; passed through to its `from_pretrained`."""

    device_map: str = ""
    """auto, balanced, sequential, or a device; empty: the accelerator if there is one, else the CPU."""
    quantization_config: dict[str, Any] = {}
    """e.g. { quant_method = "bitsandbytes", load_in_4bit = true }; only a LoRA can be trained over quantised weights."""


class ModelSpec(Options, frozen=True):
    """What answers prompts; the base of every arm when it stands at `[model]`."""

    kind: str = "hf"
    """hf, openai, scripted, or module:object."""
    path: str = "world"
    """hf: `world`, a hub id, a directory, a .gguf file, PACKAGE:FILE.gguf of an installed package, or parts of one .gguf by a range,
    PACKAGE_{1..6}:FILE_{1..6} (models/joined.py). openai: the model's name at the endpoint. scripted: "module:function", marked as
    @ScriptedAnswer."""
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
    chat: ChatSpec = NO_CHAT
    """What stands around every prompt, when it is asked and when it is trained; for a model with a chat template."""
    load: LoadSpec = LoadSpec()
    """hf: how transformers loads it."""
    engine: EngineSpec | None = None
    """hf: what answers in place of transformers; only insides are still read with those. `concurrency` requests are under way at once."""
    tool: Literal["", "calc"] = ""
    """hf: what answers its calls while it is sampled and read: `calc` writes what comes after "="."""
    tool_failures: Share = 0.0
    """Share of sound calls that the tool answers by an error."""


class ProblemsSpec(Options, frozen=True):
    """Where problems come from: a family of the world, the user's file, or a dataset."""

    family: str = ""
    """A family of the embedded world, or module:object: its problems are made on the spot."""
    lengths: tuple[Positive, ...] = ()
    """Numbers of operations drawn for a family's problems; empty: those of the base's training."""
    options: dict[str, Any] = {}
    """What the family's class is called with."""
    file: str = ""
    """JSONL or Parquet; `{data}` stands for the study's data directory."""
    dataset: str = ""
    """A dataset's hub id, or a directory in the hub's layout; its rows are read as those of a file."""
    config: str = ""
    """dataset: its configuration, where it has several."""
    split: str = "train"
    """dataset: as `datasets` takes it, e.g. "test", "train[:1000]", "train+test"."""
    revision: str = ""
    """dataset: the commit, tag or branch of a hub id; empty: its main branch. The commit is recorded."""
    prompt: str = ""
    """The column with the question, dots for nested ones; empty: recognised (TRL, GSM8K, verl, MATH)."""
    answer: str = ""
    """The column with the answer key, or with a worked solution that ends in it; empty: recognised."""
    solution: str = ""
    """The column with the worked solution; empty: recognised."""
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
    train: Annotated[int, Meta(ge=0)] = 600
    """Problems from which cases are made; 0 where no arm is trained here."""
    held_out: Positive = 300
    """Problems that only probes see."""


class ResponseColumns(Options, frozen=True):
    """One response in a row of the user's attempts, by column name (dots for nested columns)."""

    text: str
    """The column with the response."""
    correct: str = ""
    """The column that says whether it is right, if there is one."""
    model: str = ""
    """A label for who wrote it; empty: the name of the text column."""


class AttemptsSpec(Options, frozen=True):
    """Where attempts come from: sampled from a model, or the user's file."""

    samples: Positive = 4
    """Attempts at each training problem."""
    temperature: Annotated[float, Meta(ge=0.0)] = 1.0
    """At which they are sampled."""
    max_tokens: Positive = 160
    """Of one attempt; one that is cut is mostly UNKNOWN."""
    model: ModelSpec | None = None
    """Who is sampled; left out: the base model."""
    file: str = ""
    """JSONL or Parquet of recorded attempts; nothing is sampled then for training."""
    problem: str = "problem"
    """The column that holds the problem's prompt or id."""
    responses: tuple[ResponseColumns, ...] = (ResponseColumns(text="response", correct="correct"),)
    """The columns of `file` that hold responses, one table for each."""


class VerifySpec(Options, frozen=True):
    """How attempts are graded."""

    steps: str = ""
    """The step verifier; empty: the family's own, or `arithmetic` for a user's file."""
    seconds: Annotated[float, Meta(gt=0)] = 5.0
    """Time-out of one symbolic outcome check."""


class MatchSpec(Options, frozen=True):
    """What is held equal between arms."""

    by: Literal["examples", "loss_tokens"] = "examples"
    """Numbers of examples, or of tokens with a loss."""
    cases: Positive = 400
    """Training problems with a right and a wrong attempt, at most; every arm is made of the same ones."""
    pairs: Positive = 1
    """Pairs of a right and a wrong attempt that are taken of one problem, each a case of its own, at most."""


class ResponsesSpec(Options, frozen=True):
    """Recorded answers to the study's problems, and the columns that hold them, as in [attempts]."""

    file: str | tuple[str, ...] = ()
    """JSONL, a JSON list, CSV, Parquet, or a log that `counterform compare` reads; several: seeds of one arm. Left out: the file of
    $.problems, whose rows hold answers beside the problems."""
    problem: str = "problem"
    """The column that holds the problem's prompt or id."""
    text: str | tuple[str, ...] = ""
    """The column with the answers; several: seeds of one arm. Empty: recognised (response, completion, output, ...)."""
    correct: str = "correct"
    """The column that says whether an answer is right, if there is one."""


class ArmSpec(Options, frozen=True):
    """An arm under a name of its own: a recipe with which it is trained here, or anything else that answers."""

    name: Name
    """As contrasts, form shares and the report call it."""
    recipe: str = ""
    """What it is compiled by: a short name, or module:object."""
    options: dict[str, Any] = {}
    """What the recipe's class is called with."""
    train: dict[str, Any] = {}
    """Options of its trainer for this arm alone, over those of its table: [train.sft], [train.grpo], [train.dpo], ..."""
    checkpoint: str | tuple[str, ...] = ()
    """A directory (LoRA too) or a hub id, read as the base is; several: seeds of one arm."""
    model: ModelSpec | None = None
    """A model of any kind, as in [model]: an endpoint, or a local one with a revision."""
    responses: str | tuple[str, ...] | ResponsesSpec | None = None
    """Recorded answers: a file, or a column of the file of $.problems; several: seeds of one arm; or a table that names both."""

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """The checkpoints, one for each seed."""
        return several(self.checkpoint)

    @property
    def sources(self) -> tuple[str, ...]:
        """In which of `recipe`, `checkpoint`, `model`, `responses` it is said who answers; one, in a study that was checked."""
        given = {
            "recipe": bool(self.recipe),
            "checkpoint": bool(self.checkpoint),
            "model": self.model is not None,
            "responses": self.responses is not None,
        }
        return tuple(name for name, there in given.items() if there)

    @property
    def answers(self) -> tuple[tuple[str, ResponsesSpec], ...]:
        """Recorded answers, one file (empty: that of the problems) with its columns for each seed."""
        given = self.responses
        if given is None:
            return ()
        if isinstance(given, ResponsesSpec):
            files, texts = several(given.file) or ("",), several(given.text) or ("",)
            return tuple((file, structs.replace(given, file=file, text=text)) for file in files for text in texts)
        return tuple(
            (name, ResponsesSpec(file=name)) if is_file(name) else ("", ResponsesSpec(text=name))
            for name in several(given)
        )


def several(given: str | tuple[str, ...]) -> tuple[str, ...]:
    """What may be given alone, as several; none of an empty text."""
    return given if isinstance(given, tuple) else (given,) if given else ()


def is_file(name: str) -> bool:
    """Whether a text that may name a file or a column names a file: it has a folder, or a suffix that files of rows have."""
    return "/" in name or "{data}" in name or name.lower().endswith(FILES)


PartOf = Annotated[float, Meta(gt=0.0, lt=1.0)]


class SweepSpec(Options, frozen=True):
    """Every arm that is trained here at several learning rates, all of them read and reported; and which of them stands for it."""

    learning_rate: Annotated[tuple[Annotated[float, Meta(gt=0.0)], ...], Meta(min_length=2)]
    """Each of them trains every arm; all are reported."""
    choose: Literal["best in validation"]
    """Which rate is meant where a contrast names the arm: the one with most right answers, over all seeds, to training problems of which
    no case was made. Held-out problems play no part in it."""

    def variants(self, arm: ArmSpec) -> tuple[ArmSpec, ...]:
        """The arm at each rate; itself where it is not trained here, or says its own rate."""
        if not arm.recipe or "learning_rate" in arm.train:
            return (arm,)
        return tuple(
            structs.replace(arm, name=f"{arm.name}-lr{rate:g}", train=arm.train | {"learning_rate": rate})
            for rate in self.learning_rate
        )


def part_dir(part: float) -> str:
    """Where in a checkpoint's directory lies what the arm was after this share of its training."""
    return f"at-{100 * part:g}"


class TrainSpec(Options, frozen=True):
    """How every arm is trained; the same for all but for what an arm says of its own (`ArmSpec.train`)."""

    trainer: str = "sft"
    """sft: TRL's trainer for what each arm is trained for (SFT, GRPO, DPO, KTO, ORPO, SDFT, SDPO). Any other trains all arms."""
    sft: dict[str, Any] = {}
    """Options of TRL's SFTConfig, passed through."""
    grpo: dict[str, Any] = {}
    """Options of TRL's GRPOConfig, passed through; `num_generations` is G, the rollouts a prompt to learn from."""
    dpo: dict[str, Any] = {}
    """Options of TRL's DPOConfig (arms `dpo` and `ipo`), passed through."""
    kto: dict[str, Any] = {}
    """Options of TRL's KTOConfig, passed through."""
    orpo: dict[str, Any] = {}
    """Options of TRL's ORPOConfig, passed through."""
    sdft: dict[str, Any] = {}
    """Options of TRL's SDFTConfig, passed through."""
    sdpo: dict[str, Any] = {}
    """Options of TRL's SDPOConfig, passed through."""
    lora: dict[str, Any] | None = None
    """Options of peft's LoraConfig; left out: all weights are trained."""
    readings: tuple[PartOf, ...] = ()
    """Shares of its steps after which every arm is read besides its end, e.g. [0.25, 0.5], as `ARM-at-25`: a curve over the budget."""
    sweep: SweepSpec | None = None
    """Several learning rates for every arm, as `ARM-lr0.0001`; left out: the one of its own options."""
    keep: Literal["last", "none"] = "last"
    """last: the checkpoint of every training stays. none: it goes once all that is read of it stands; what needs it later trains it again."""
    launch: tuple[str, ...] = ()
    """Arguments of `accelerate launch`, e.g. ["--num_processes", "4"]; empty: training runs in the study's own process."""


class VerifierErrors(Options, frozen=True):
    """At what rate a step verifier is made wrong, in what it can read."""

    false_alarms: Share = 0.0
    """Places of an attempt at which it takes another step for the right one."""
    misses: Share = 0.0
    """Wrong steps that it passes."""
    fresh: bool = False
    """Drawn anew at each look, as by a judge that is sampled; else equal texts get equal verdicts, as by rules."""

    @property
    def kind(self) -> str:
        """What it does wrong, in words; empty for one that is never wrong."""
        return self._said(" and ", "false alarms", "misses")

    @property
    def words(self) -> str:
        """The same with its rates."""
        alarms, misses = f"false alarms {100 * self.false_alarms:g} %", f"misses {100 * self.misses:g} %"
        return self._said(", ", alarms, misses) or "never wrong"

    @property
    def rate(self) -> float:
        """The larger of both."""
        return max(self.false_alarms, self.misses)

    def _said(self, between: str, alarms: str, misses: str) -> str:
        said = between.join([*[alarms] * (self.false_alarms > 0), *[misses] * (self.misses > 0)])
        return f"{said}, drawn anew" if said and self.fresh else said


WRONG_RATES = (0.05, 0.1, 0.2)
_WRONG_VERIFIERS = (
    *(VerifierErrors(false_alarms=rate) for rate in WRONG_RATES),
    *(VerifierErrors(misses=rate) for rate in WRONG_RATES),
    *(VerifierErrors(false_alarms=rate, misses=rate) for rate in WRONG_RATES),
    *(VerifierErrors(false_alarms=rate, misses=rate, fresh=True) for rate in WRONG_RATES),
)


class ProbeSpec(Options, frozen=True):
    """How every probe reads; the same for all arms."""

    samples: Positive = 4
    """Answers to each held-out problem, with each seed."""
    k: Positive = 4
    """For pass@k; at most `samples`."""
    temperature: Annotated[float, Meta(ge=0.0)] = 1.0
    """At which they are sampled; 0: greedy."""
    max_tokens: Positive = 160
    """Of one answer."""
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
    wrong_verifiers: tuple[VerifierErrors, ...] = _WRONG_VERIFIERS
    """wrong_guard: at what rates the verifier is made wrong, beside the one that is not."""
    lexicon: str = ""
    """JSON file of epistemic markers by kind, for `traits`, `internals` and the arms that strip them; empty: our own."""


class DecideSpec(Options, frozen=True):
    """When the contrasts of a study are clear enough to stop: how they are looked at while problems and seeds are read."""

    contrasts: tuple[tuple[str, str], ...] = ()
    """Pairs of arms [a, b]: a - b in pass@1. None: everything is read at once."""
    margin: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.0
    """A difference of less than this share does not matter; 0: two arms are never called equivalent."""
    alpha: Annotated[float, Meta(gt=0.0, le=0.5)] = 0.05
    """The chance that any of these contrasts of equal arms is called better or worse, over all looks."""
    batch: Positive = 25
    """Held-out problems that are read between two looks."""

    @property
    def arms(self) -> tuple[str, ...]:
        """Those of the contrasts."""
        return tuple(dict.fromkeys(arm for contrast in self.contrasts for arm in contrast))


class RunSpec(Options, frozen=True):
    """Where a study is run; it changes no result, and is in no key."""

    executor: Literal["local", "ray", "slurm"] = "local"
    """local: processes of this machine. ray: tasks of a Ray cluster. slurm: array jobs. All see the run directory at one path."""
    workers: Annotated[int, Meta(ge=0, le=10_000)] = 0
    """Units that are done at once; 0: as many as pays (docs/workers.md)."""
    gpus: dict[
        Literal["sample", "arm", "train", "probe", "dose", "validation", "weights"], Annotated[float, Meta(ge=0.0)]
    ] = {}
    """GPUs that a unit of this kind needs; left out: none is asked for."""
    slurm: dict[str, Any] = {}
    """slurm: options of submitit's executor, passed through (`slurm_partition`, `timeout_min`, `mem_gb`)."""
