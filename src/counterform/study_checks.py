"""What is wrong in a study beyond what its types say: by the path of the bad value, what was expected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from counterform.errors import unknown_name
from counterform.parts import require_known
from counterform.specs import (
    BASE_ARM,
    FILES,
    NO_CHAT,
    ArmSpec,
    EngineSpec,
    LoadSpec,
    ModelSpec,
    ProblemsSpec,
    ResponsesSpec,
)

if TYPE_CHECKING:
    from counterform.study import Study

Wrong = tuple[str, str]
"""The path of a value in the study file, and what is wrong with it."""


def wrong_in_study(study: Study, source: str) -> Iterator[Wrong]:
    """All that is wrong, in the order of a reader. Raises StudyError for a part that nobody knows, naming `source` and the path."""
    yield from _wrong_in_arms(study)
    yield from _wrong_in_pairs(study)
    yield from _wrong_in_problems(study)
    if study.probe.k > study.probe.samples:
        yield "$.probe.k", f"is {study.probe.k}, more than the {study.probe.samples} samples pass@k is made of"
    for index, arm in enumerate(study.arms_in_file):
        for key, wrong in _wrong_in_arm(arm, study, f"{source}: $.arms[{index}]"):
            yield f"$.arms[{index}]{key}", wrong
    yield from _wrong_without_base(study)
    for index, probe in enumerate(study.probes):
        require_known("probe", probe, f"{source}: $.probes[{index}]")
    for table, model in (("model", study.model), ("attempts.model", study.attempts.model)):
        for key, wrong in _wrong_in_model(model) if model is not None else ():
            yield f"$.{table}.{key}", wrong
    if "tool_errors" in study.probes and not study.model.tool:
        yield (
            "$.probes",
            "'tool_errors' reads the calls of a model with a tool: give `tool` in $.model, or leave it out",
        )
    _require_known_parts(study, source)


def _require_known_parts(study: Study, source: str) -> None:
    require_known("model", study.model.kind, f"{source}: $.model.kind")
    if study.attempts.model is not None:
        require_known("model", study.attempts.model.kind, f"{source}: $.attempts.model.kind")
    require_known("trainer", study.train.trainer, f"{source}: $.train.trainer")
    if study.problems.family:
        require_known("family", study.problems.family, f"{source}: $.problems.family")
    if study.verify.steps:
        require_known("step verifier", study.verify.steps, f"{source}: $.verify.steps")


def _wrong_in_arms(study: Study) -> Iterator[Wrong]:
    """Names, seeds and probes that do not differ; options of training without training."""
    arms = study.arms_in_file
    read = [*(arm.name for arm in study.arm_specs), *study.partway]
    rates = study.train.sweep.learning_rate if study.train.sweep else ()
    if len({f"{rate:g}" for rate in rates}) != len(rates):
        yield (
            "$.train.sweep.learning_rate",
            f"rates must differ (in six digits, which name their arms); got {list(rates)}",
        )
    elif len(study.variants) != len(arms) or len(set(read)) != len(read) or BASE_ARM in _names(study):
        yield (
            "$.arms",
            f"names must differ, and {BASE_ARM!r} is taken by the base model; got {[arm.name for arm in arms]}",
        )
    if len(set(study.seeds)) != len(study.seeds):
        yield "$.seeds", f"seeds must differ; got {list(study.seeds)}"
    for option, given in (("readings", study.train.readings), ("sweep", study.train.sweep)):
        if given and not study.trained:
            yield f"$.train.{option}", "is of arms that are trained here, and there is none"
    if study.train.readings and study.train.launch:
        yield "$.train.readings", "are kept by a training in the study's own process. Leave `launch` out"
    if len(set(study.probes)) != len(study.probes):
        yield "$.probes", f"probes must differ; got {list(study.probes)}"


def _names(study: Study) -> list[str]:
    """Of the arms as the file has them, of what stands for each, and of readings on the way."""
    read = [*(arm.name for arm in study.arm_specs), *study.partway]
    return list(dict.fromkeys([*(arm.name for arm in study.arms_in_file), *read]))


def _unknown_in(pairs: Sequence[tuple[str, str]], where: str, what: str, names: Sequence[str]) -> Iterator[Wrong]:
    for index, pair in enumerate(pairs):
        yield from ((f"{where}[{index}]", unknown_name(what, name, names)) for name in pair if name not in names)


def _wrong_in_pairs(study: Study) -> Iterator[Wrong]:
    """Comparisons of arms that are not there, or cannot be made."""
    names, trained = _names(study), [arm.name for arm in study.trained]
    yield from _unknown_in(study.contrasts, "$.contrasts", "arm", [*names, BASE_ARM])
    in_rounds = [*trained, *([BASE_ARM] if study.base else [])]
    decided = study.decide.contrasts
    yield from _unknown_in(decided, "$.decide.contrasts", "arm that is trained here", in_rounds)
    for index, pair in enumerate(decided):
        if pair[0] == pair[1] or decided.count(pair) + decided.count(pair[::-1]) > 1:
            yield f"$.decide.contrasts[{index}]", f"names an arm twice, or stands twice: {list(pair)}"
    if decided and "accuracy" not in study.probes:
        yield "$.decide", f"decides by what 'accuracy' reads, which is not among $.probes: {list(study.probes)}"
    yield from _unknown_in(study.form_shares, "$.form_shares", "arm", names)
    yield from _unknown_in(study.doses, "$.doses", "arm", names)
    for index, pair in enumerate(study.doses):
        for name in pair:
            if name not in trained:
                yield (
                    f"$.doses[{index}]",
                    f"{name!r} is not trained here, and the models between need weights that are",
                )
        if study.model.kind != "hf" or "strategy" not in study.probes or study.train.trainer == "dry":
            yield f"$.doses[{index}]", "needs a model of kind 'hf' that is trained, and 'strategy' among $.probes"


def _wrong_in_problems(study: Study) -> Iterator[Wrong]:
    problems = study.problems
    if [bool(problems.family), bool(problems.file), bool(problems.dataset)].count(True) != 1:
        yield "$.problems", "give exactly one of `family`, `file`, `dataset`"
    plain = ProblemsSpec()
    of_hub = {
        "config": problems.config != plain.config,
        "split": problems.split != plain.split,
        "revision": problems.revision != plain.revision,
    }
    for key, given in of_hub.items():
        if given and not problems.dataset:
            yield f"$.problems.{key}", "is of a `dataset`, and none is given"
    if problems.revision and Path(problems.dataset).is_dir():
        yield "$.problems.revision", f"is of a hub id, and {problems.dataset!r} lies on this machine"
    for key, value in (("shift", problems.shift), ("shift_file", problems.shift_file)):
        if problems.family and value:
            yield (
                f"$.problems.{key}",
                "is for problems from a `file` or `dataset`; a family makes its own shifted ones",
            )
    if problems.shift_file and "shift" not in study.probes:
        yield "$.problems.shift_file", f"is for the probe 'shift', which is not among $.probes: {list(study.probes)}"
    if "{prompt}" not in problems.template:
        yield "$.problems.template", f"must contain {{prompt}}; got {problems.template!r}"
    if problems.space and not problems.instruction:
        yield "$.problems.space", "is the answer space of an instruction: name `instruction` too"


def _wrong_without_base(study: Study) -> Iterator[Wrong]:
    """A base, and problems to train on, where an arm is trained; something to compare where there is no base."""
    trained = ", ".join(repr(arm.name) for arm in study.trained)
    if trained and not study.problems.train:
        yield "$.problems.train", f"is 0, and these arms are made of training problems: {trained}"
    if not study.arms and not study.base:
        yield "$.base", "is false, and there is no arm: nothing would be probed"
    if study.base:
        return
    if trained:
        yield "$.base", f"is false, and these arms are trained from the base and compared with it: {trained}"
    if study.form_shares:
        yield "$.base", "is false, and a form share is a share of a gain over the base. Leave $.form_shares out"
    if len(study.arms) > 1 and not study.contrasts:
        first, second = (arm.name for arm in study.arm_specs[:2])
        yield "$.base", f'is false, so say what is compared: contrasts = [["{second}", "{first}"]]'
    for index, pair in enumerate(study.contrasts):
        if BASE_ARM in pair:
            yield f"$.contrasts[{index}]", "names the base, and $.base is false"


def _wrong_in_arm(arm: ArmSpec, study: Study, where: str) -> Iterator[Wrong]:
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


def _wrong_in_model(model: ModelSpec) -> Iterator[Wrong]:
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


def _wrong_in_engine(model: ModelSpec, engine: EngineSpec) -> Iterator[Wrong]:
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
