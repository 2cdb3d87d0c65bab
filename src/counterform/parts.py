"""The parts that a study file names: one table of short names, and how any other is found."""

from __future__ import annotations

import re
from abc import ABCMeta
from importlib import import_module
from inspect import signature
from typing import Any

from counterform.errors import MissingExtra, StudyError, unknown_name

# The one table of short names. Anything else that a study file names is "module:object".
PARTS: dict[str, dict[str, str]] = {
    "family": {
        "ledger": "counterform.problems.ledger:Ledger",
        "route": "counterform.problems.route:Route",
        "desk": "counterform.problems.desk:Desk",
        "sorting-out": "counterform.problems.sorting_out:SortingOut",
        "several": "counterform.problems.several:Several",
    },
    "model": {
        "hf": "counterform.models.hf:HFModel",
        "openai": "counterform.models.openai_api:OpenAIModel",
        "scripted": "counterform.models.scripted:ScriptedModel",
    },
    "step verifier": {
        "ledger": "counterform.problems.ledger:Ledger",
        "route": "counterform.problems.route:Route",
        "desk": "counterform.problems.desk:Desk",
        "sorting-out": "counterform.problems.sorting_out:SortingOut",
        "several": "counterform.problems.several:Several",
        "arithmetic": "counterform.verify.steps:Arithmetic",
        "bb-arithmetic": "counterform.verify.bb_arithmetic:MultistepArithmetic",
        "bb-dyck": "counterform.verify.bb_dyck:Dyck",
        "bb-sorting": "counterform.verify.bb_sorting:WordSorting",
        "bb-tracking": "counterform.verify.bb_tracking:Tracking",
    },
    "arm": {
        "sft": "counterform.arms.imitation:Imitation",
        "rft": "counterform.arms.imitation:Rejection",
        "cft": "counterform.arms.critique:Critique",
        "cft_then_answer": "counterform.arms.critique:CftThenAnswer",
        "mixed": "counterform.arms.critique:Mixed",
        "correction": "counterform.arms.correction:Correction",
        "own_samples": "counterform.arms.own:OwnSamples",
        "own_wrong": "counterform.arms.own:OwnWrong",
        "verdict_only": "counterform.arms.critique_controls:VerdictOnly",
        "critique_format": "counterform.arms.critique_controls:CritiqueFormat",
        "shuffled_critique": "counterform.arms.critique_controls:ShuffledCritique",
        "shuffled_target": "counterform.arms.controls:ShuffledTarget",
        "answer_only": "counterform.arms.controls:AnswerOnly",
        "instructions": "counterform.arms.instructions:Instructions",
        "invalid_rationale": "counterform.arms.rationales:InvalidRationale",
        "shuffled_rationale": "counterform.arms.rationales:ShuffledRationale",
        "irrelevant_rationale": "counterform.arms.rationales:IrrelevantRationale",
        "grpo": "counterform.arms.policy:Grpo",
        "grpo_2g": "counterform.arms.policy:Grpo2G",
        "grpo_random": "counterform.arms.policy:GrpoRandom",
        "grpo_penalty": "counterform.arms.policy:GrpoPenalty",
        "roc": "counterform.arms.policy:RoC",
        "roc_waves": "counterform.arms.policy:RoCWaves",
        "roc_no_failures": "counterform.arms.policy:RoCNoFailures",
        "roc_both": "counterform.arms.policy:RoCBoth",
        "psr": "counterform.arms.policy:Psr",
        "nsr": "counterform.arms.policy:Nsr",
        "random_reward": "counterform.arms.policy:RandomReward",
        "format_reward": "counterform.arms.policy:FormatReward",
        "majority_reward": "counterform.arms.policy:MajorityReward",
        "dpo": "counterform.arms.preference:Dpo",
        "ipo": "counterform.arms.preference:Ipo",
        "kto": "counterform.arms.preference:Kto",
        "orpo": "counterform.arms.preference:Orpo",
        "sdft": "counterform.arms.self_distillation:Sdft",
        "sdpo": "counterform.arms.self_distillation:Sdpo",
        "calc_traces": "counterform.arms.calc:CalcTraces",
        "guided": "counterform.arms.distillation:Guided",
        "short_unguided": "counterform.arms.distillation:ShortUnguided",
        "stripped_unguided": "counterform.arms.distillation:StrippedUnguided",
        "marked_guided": "counterform.arms.distillation:MarkedGuided",
        "format": "counterform.arms.formats:Format",
    },
    "trainer": {
        "sft": "counterform.train.sft:SFT",
        "grpo": "counterform.train.policy:GRPO",
        "dpo": "counterform.train.preference:DPO",
        "kto": "counterform.train.preference:KTO",
        "orpo": "counterform.train.preference:ORPO",
        "sdft": "counterform.train.self_distillation:SDFT",
        "sdpo": "counterform.train.self_distillation:SDPO",
        "dry": "counterform.train.dry:Dry",
    },
    "penalty": {
        "tool_errors": "counterform.train.penalties:ToolErrors",
        "format": "counterform.train.penalties:FormatViolations",
        "process": "counterform.train.penalties:ProcessViolations",
    },
    "critic": {
        "steps": "counterform.verify.critics:Steps",
        "reference": "counterform.verify.critics:Reference",
        "model": "counterform.verify.judge:Judge",
    },
    "outcome verifier": {"answer": "counterform.verify.answer:Answers"},
    "probe": {
        "accuracy": "counterform.probes.accuracy:Accuracy",
        "find_error": "counterform.probes.find_error:FindError",
        "agreement": "counterform.probes.agreement:Agreement",
        "repair": "counterform.probes.repair:Repair",
        "drafts": "counterform.probes.drafts:Drafts",
        "process": "counterform.probes.process:Process",
        "instructions": "counterform.probes.instructions:Instructions",
        "validity": "counterform.probes.validity:Validity",
        "shift": "counterform.probes.shift:Shift",
        "internals": "counterform.probes.internals:Internals",
        "guard": "counterform.probes.guard:GuardProbe",
        "wrong_guard": "counterform.probes.wrong_guard:WrongGuard",
        "traits": "counterform.probes.traits:Traits",
        "trust": "counterform.probes.trust:Trust",
        "strategy": "counterform.probes.strategy:Strategy",
        "tool_errors": "counterform.probes.tool_errors:ToolErrors",
    },
    "section": {
        "shift": "counterform.report.sections.shift:Shifts",
        "traits": "counterform.report.sections.traits:TraitsKept",
        "trust": "counterform.report.sections.trust:Confidence",
        "guard": "counterform.report.sections.guard:Guarding",
        "wrong_guard": "counterform.report.sections.wrong_guard:GuardedWrongly",
        "strategy": "counterform.report.sections.strategy:OrderOfSearch",
        "inside": "counterform.report.sections.inside:WhatChangedInside",
    },
    "log": {
        "counterform": "counterform.logs.answers:Answers",
        "inspect": "counterform.logs.inspect:Inspect",
        "lm-eval": "counterform.logs.lm_eval:LmEval",
        "lighteval": "counterform.logs.lighteval:Lighteval",
        "trl": "counterform.logs.trl:Trl",
        "verl": "counterform.logs.verl:Verl",
        "skyrl": "counterform.logs.skyrl:SkyRL",
        "prime-rl": "counterform.logs.prime_rl:PrimeRL",
        "tinker": "counterform.logs.tinker:Tinker",
        "opencompass": "counterform.logs.opencompass:OpenCompass",
        "plain": "counterform.logs.plain:Plain",
    },
}


OLD_NAMES = {"imitation": "sft", "rejection": "rft", "critique": "cft"}
"""What arms were called before 0.2: refused with the name they have now."""

BASES: dict[str, str] = {
    "family": "counterform.types:Family",
    "model": "counterform.types:Model",
    "step verifier": "counterform.types:StepVerifier",
    "arm": "counterform.arms.recipe:Recipe",
    "trainer": "counterform.train.trainer:Trainer",
    "penalty": "counterform.train.penalties:Penalty",
    "critic": "counterform.types:Critic",
    "outcome verifier": "counterform.types:OutcomeVerifier",
    "probe": "counterform.probes.probe:Probe",
    "section": "counterform.report.section:Section",
    "log": "counterform.logs.reader:LogReader",
}
"""What every part of a kind is a subclass of; looked at before anything that a study file names is called."""


def part(kind: str, name: str) -> Any:
    """The class that a study file names: a short name, or `module:object`.

    Raises StudyError with the options when there is no such thing, when it is no part of this kind, or only half of one.
    """
    target = PARTS[kind].get(name, name)
    require_known(kind, target, kind)
    module, _, attribute = target.partition(":")
    try:
        home = import_module(module)
    except MissingExtra:
        raise
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise StudyError(f"{kind} {name!r} needs the package {error.name!r}, which is not installed.") from error
        raise StudyError(
            f"{kind} {name!r}: no module {error.name!r}. {unknown_name(kind, name, PARTS[kind])}"
        ) from error
    except Exception as error:  # Whatever the user's module does while it is imported.
        raise StudyError(f"{kind} {name!r}: cannot import {module!r}: {type(error).__name__}: {error}") from error
    try:
        found = getattr(home, attribute)
    except AttributeError as error:
        raise StudyError(f"{kind} {name!r}: module {module!r} has no {attribute!r}") from error
    base_module, _, base = BASES[kind].partition(":")
    if not (isinstance(found, ABCMeta) and issubclass(found, getattr(import_module(base_module), base))):
        raise StudyError(f"{kind} {name!r} is no {kind}: it must be a subclass of {base_module}.{base}.")
    if found.__abstractmethods__:
        raise StudyError(
            f"{kind} {name!r} is not whole: it must define {', '.join(sorted(found.__abstractmethods__))}."
        )
    return found


def made(kind: str, name: str, options: dict[str, Any], where: str, **ours: Any) -> Any:
    """The part itself, called with the options of the study file at `where`, and with ours.

    Raises StudyError naming the options that there are when one is unknown or of no use.
    """
    maker = part(kind, name)
    try:
        return maker(**ours, **options)
    except (TypeError, ValueError) as error:
        names = ", ".join(option for option in signature(maker).parameters if option not in ours) or "none"
        raise StudyError(f"{where}: {kind} {name!r}: {error}. Its options: {names}") from error


def critic(name: str, options: dict[str, Any]) -> Any:
    """The critic that a recipe's option names. Raises StudyError as `made` does."""
    return made("critic", name, options, "critic_options")


def require_known(kind: str, name: str, where: str) -> None:
    """Raises StudyError at `where` for a name that is neither a short one nor `module:object`."""
    if kind == "arm" and name in OLD_NAMES:
        raise StudyError(f"{where}: the arm {name!r} is called {OLD_NAMES[name]!r} now. Write that.")
    if name not in PARTS[kind] and not re.fullmatch(r"\w+(\.\w+)*:\w+", name):
        raise StudyError(f"{where}: {unknown_name(kind, name, PARTS[kind])}, or module:object")
