"""Conformance kits: does a part of your own keep the promises that the rest of a study relies on?

Each check is a plain function that raises AssertionError naming the broken promise. Call them from your tests.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np

from counterform.arms.recipe import Recipe
from counterform.errors import DataError, ModelError
from counterform.logs.archive import names as archive_names
from counterform.logs.reader import Broken, LogReader, Row
from counterform.logs.streams import head
from counterform.metrics import Key
from counterform.models.source import CONFIGS
from counterform.probes.probe import HeldOut, Probe
from counterform.store import key_of_path
from counterform.train.trainer import Trainer
from counterform.types import (
    Arm,
    Case,
    Checkpoint,
    Completion,
    Mark,
    Model,
    Problem,
    Reading,
    StepVerdict,
    StepVerifier,
    Watch,
)

STEP_SECONDS = 1.0
"""Longest time that grading one step may take, however hostile its text."""

UNREADABLE = ("", " \n\t", "Hmm.", "\x00\x1b[31m\ufffd", "<|im_end|></s>{{ 7 * 7 }}", "\u202eelddim eht ni")
"""Steps that claim nothing, so nothing in them can be wrong."""
HOSTILE = (
    *UNREADABLE,
    "half a pair: \ud83d",
    "1 / 0 = 1.",
    "9" * 5_000 + " + 1 = 2.",
    "1 + " * 5_000 + "1 = 2.",
    "(" * 5_000,
    "2 ** 2 ** 2 ** 2 ** 99 = 1.",
    "\u0663 + \u0663 = \u0666.",
    "a " * 25_000,
)

_PROMPTS = ("What is 2 + 3?", "Say hello.", "<|im_end|></s>{{ 7 * 7 }}\x00\u202e")


def check_model(model: Model) -> None:
    """`n` completions a prompt in prompt order, at most `max_tokens` long, whatever the prompts say."""
    _is_a(Model, model)

    def generate(prompts: Sequence[str], n: int, temperature: float) -> list[list[Completion]]:
        rows = model.generate(prompts, n=n, seed=0, temperature=temperature, max_tokens=8)
        _promise(len(rows) == len(prompts), f"one list of completions a prompt: {len(rows)} for {len(prompts)} prompts")
        return rows

    generate([], 2, 1.0)
    for row in generate(_PROMPTS, 2, 1.0):
        _promise(len(row) == 2, f"n completions a prompt: {len(row)} for n = 2")
        for completion in row:
            _check_completion(completion, max_tokens=8)
    forth, back = generate(_PROMPTS, 1, 0.0), generate(_PROMPTS[::-1], 1, 0.0)[::-1]
    for [one], [other] in zip(forth, back, strict=True):
        same = one.text == other.text or "error" in (one.finish, other.finish)
        _promise(
            same, f"prompt order, and greedy at temperature 0: {one.text!r} became {other.text!r} in another order"
        )
    try:
        scores = [model.logprobs(_PROMPTS[0], ends) for ends in ([], [" 5"], [" 5", " hello there"])]
    except ModelError:
        return  # A model without log-probabilities says so in this way.
    for expected, found in enumerate(scores):
        _promise(len(found) == expected, f"one log-probability a continuation: {len(found)} for {expected}")
        sound = all(math.isfinite(score) and score <= 1e-6 for score in found)
        _promise(sound, f"log-probabilities are finite and not above 0: {found}")


def check_verifier(verifier: StepVerifier, problems: Sequence[Problem]) -> None:
    """A step verifier is incremental, bears any text in bounded time, and calls nothing wrong that it cannot read."""
    _is_a(StepVerifier, verifier)
    _promise(len(problems) > 0, "give at least one problem")
    for problem in problems:
        steps = [step for step in re.split(r"(?<=[.!?])\s+|\n+", problem.solution or "") if step.strip()]
        alone = verifier.start(problem)
        verdicts = [_feed(alone, step) for step in steps]
        for step, verdict in zip(steps, verdicts, strict=True):
            sound = verdict.mark is not Mark.WRONG
            _promise(sound, f"no step of a worked solution is wrong: {step!r} of {problem.id!r} ({verdict.rule})")
        # Two growing attempts side by side, as under a guard: what one was fed must not reach the other.
        left, right = verifier.start(problem), verifier.start(problem)
        for step, verdict in zip(steps, verdicts, strict=True):
            same = _feed(left, step) == verdict == _feed(right, step)
            _promise(same, f"equal steps get equal verdicts in every fresh watch: {step!r} of {problem.id!r}")
        for step in HOSTILE:
            for watch in (verifier.start(problem), left):
                verdict = _feed(watch, step)
                _promise(
                    step not in UNREADABLE or verdict.mark is not Mark.WRONG,
                    f"what cannot be read is UNKNOWN and never WRONG: {step!r}",
                )


def check_recipe(recipe: Recipe, cases: Sequence[Case]) -> None:
    """One example per case, in case order, the same for an equal rng, with something to read and something to learn."""
    _is_a(Recipe, recipe)
    arm = recipe(cases, np.random.default_rng(0))
    _promise(bool(arm.name and arm.differs_by.strip()), "an arm has a name and says what it differs by")
    found, expected = [example.problem_id for example in arm.examples], [case.problem.id for case in cases]
    _promise(found == expected, f"one example per case, in case order: {len(found)} examples for {len(expected)} cases")
    _promise(arm == recipe(cases, np.random.default_rng(0)), "the same arm for the same cases and an equal rng")
    for example in arm.examples:
        _promise(bool(example.prompt.strip()), f"no prompt is empty: {example.problem_id!r}")
        learns = arm.objective in ("grpo", "sdft", "sdpo") or bool((example.completion or "").strip())
        _promise(learns, f"an sft example has a completion to learn: {example.problem_id!r}")
        paired = arm.objective in ("dpo", "kto", "orpo")
        both = (example.rejected is not None) == paired
        _promise(
            both,
            f"an example has a rejected text where the arm learns from pairs, and only there: {example.problem_id!r}",
        )


def check_trainer(trainer: Trainer, arm: Arm, base: str, tmp: Path) -> None:
    """The last checkpoint is an ordinary Hugging Face directory inside `out`; the base is left as it was."""
    _is_a(Trainer, trainer)
    before = key_of_path(Path(base))
    trainer.check([arm], base=base)
    out = tmp / "checkpoint"
    checkpoint = trainer.train(arm, base=base, seed=3, out=out)
    _promise(isinstance(checkpoint, Checkpoint), f"train returns a Checkpoint, not {type(checkpoint).__name__}")
    _promise((checkpoint.arm, checkpoint.seed) == (arm.name, 3), "a checkpoint says which arm and seed it is of")
    _promise(not checkpoint.failure, f"this arm can be trained: {checkpoint.failure}")
    folder = Path(checkpoint.path).resolve()
    _promise(folder.is_relative_to(out.resolve()), f"the checkpoint lies in {out}, not at {folder}")
    _promise(
        any((folder / name).is_file() for name in CONFIGS),
        f"a checkpoint is a Hugging Face directory: no {' or '.join(CONFIGS)} in {folder}",
    )
    _promise(any(folder.glob("*.safetensors")), f"weights are kept as safetensors: none in {folder}")
    pickles = sorted(p.name for p in out.rglob("*") if p.suffix in (".bin", ".pt", ".pth", ".pkl"))
    _promise(not pickles, f"no pickle is written: {', '.join(pickles)}")
    counted = checkpoint.ledger.examples > 0 or checkpoint.ledger.optimizer_steps == 0
    _promise(counted, "the ledger counts the examples of every step that was taken")
    _promise(key_of_path(Path(base)) == before, f"the base is left as it was: {base} has changed")


def check_probe(probe: Probe, model: Model, items: HeldOut) -> None:
    """The same items for every model, once a metric; a model that was never heard is UNKNOWN and has no value."""
    _is_a(Probe, probe)
    readings, unheard = probe(model, items, arm="one", seed=3), probe(_Unheard(), items, arm="other", seed=3)
    _promise(len(readings) > 0, "a probe reads something")
    declared = {metric.name for metric in probe.metrics}
    undeclared = {reading.metric for reading in readings} - declared
    _promise(not undeclared, f"every metric is declared: {sorted(undeclared)} not among {sorted(declared)}")
    for reading in readings:
        _promise(
            (reading.probe, reading.arm, reading.seed) == (probe.name, "one", 3), f"whose reading it is: {reading}"
        )
        finite = reading.value is None or math.isfinite(reading.value)
        _promise(finite, f"a value is a finite number or None: {reading}")
    asked = {problem.id for problem in (*items.problems, *items.shifted)}
    known = asked | {graded.attempt.problem_id for graded in items.attempts}
    strangers = {reading.problem_id for reading in readings} - known
    _promise(not strangers, f"every reading belongs to a held-out problem: {sorted(strangers)[:3]}")
    _promise(_items(readings) == _items(unheard), "the same items, problems and strata are read off every model")
    for reading in unheard:
        silent = reading.mark is Mark.UNKNOWN and reading.value is None
        _promise(silent, f"a model that was never heard is UNKNOWN, without a value: {reading}")


class _Unheard(Model):
    """A model of which every call fails."""

    name = "unheard"

    def generate(
        self, prompts: Sequence[str], *, n: int, seed: int, temperature: float, max_tokens: int
    ) -> list[list[Completion]]:
        return [[Completion(text="", tokens=0, finish="error")] * n for _ in prompts]


def _items(readings: Sequence[Reading]) -> dict[tuple[Key, str], tuple[str, str]]:
    """(what was measured, item) -> (problem, stratum)."""
    found = {(reading.key, reading.item_id): (reading.problem_id, reading.stratum) for reading in readings}
    _promise(
        len(found) == len(readings),
        "an item is read once a metric and condition: some come twice",
    )
    return found


def check_log_reader(reader: LogReader, path: Path, tmp: Path) -> None:
    """A reader knows its own files and no others, streams the same rows each time, and says why an answer has no score.

    path: a log of its format with at least one answer. tmp: an empty folder, for broken copies of it.
    """
    beginning = head(path, archive_names)
    _promise(reader.recognises(beginning), f"a reader recognises its own files: {path.name}")
    for name, text in _NO_LOGS.items():
        (tmp / name).write_text(text, encoding="utf-8")
        foreign = head(tmp / name, archive_names)
        _promise(not reader.recognises(foreign), f"a reader recognises no others: {text[:40]!r}")
    _promise(bool(reader.name and reader.about(path).status), "a reader has a name, and a log a status")
    broken = Broken()
    stream = reader.rows(path, broken)
    _promise(iter(stream) is stream, "rows are streamed: an iterator, not a list")
    rows = list(stream)
    _promise(len(rows) > 0, f"the log holds an answer: {broken.examples}")
    _promise(repr(rows) == repr(list(reader.rows(path, Broken()))), "the same rows each time a file is read")
    for row in rows:
        _check_row(row)
    whole = path.read_bytes()
    for name, part in (("half", whole[: len(whole) // 2]), ("noise", whole[: len(whole) // 2] + b"\x00\xff{" * 40)):
        copy = tmp / name / path.name
        copy.parent.mkdir()
        copy.write_bytes(part)
        _check_broken(reader, copy, most=len(rows))


_NO_LOGS = {
    "other.jsonl": '{"colour": "red"}\n',
    "other.json": '{\n "colour": {"red": 1}\n}\n',
    "other.csv": "colour,size\nred,1\n",
}


def _check_row(row: Row) -> None:
    _promise(isinstance(row, Row), f"a row is a Row, not {type(row).__name__}")
    _promise(bool(row.item), f"a row names its item: {row}")
    _promise(row.identified in ("id", "content"), f"an item is identified by `id` or `content`: {row.identified!r}")
    names = [score.scorer for score in row.scores]
    _promise(len(set(names)) == len(names) and all(names), f"a scorer has a name, and scores an answer once: {names}")
    _promise(
        bool(row.scores) != bool(row.failure), f"an answer has scores, or a failure that says why not: {row.item!r}"
    )
    for score in row.scores:
        finite = score.value is None or math.isfinite(score.value)
        _promise(finite, f"a value is a finite number or None: {score}")
        _promise(score.value is not None or bool(score.reason), f"what is not scored says why: {score}")


def _check_broken(reader: LogReader, path: Path, *, most: int) -> None:
    """A broken file is a DataError, or fewer rows and the broken ones counted; never another error."""
    try:
        rows = list(reader.rows(path, Broken())) if reader.recognises(head(path, archive_names)) else []
    except DataError:
        return
    except Exception as error:
        raise AssertionError(f"broken promise: a broken file is a DataError, not {error!r}") from error
    _promise(len(rows) <= most, f"a broken file has no more rows than the whole one: {len(rows)} of {most}")


def _check_completion(completion: Completion, *, max_tokens: int) -> None:
    _promise(isinstance(completion, Completion), f"a completion is a Completion, not {type(completion).__name__}")
    _promise(
        completion.finish in ("stop", "length", "error"), f"finish is stop, length or error: {completion.finish!r}"
    )
    _promise(0 <= completion.tokens <= max_tokens, f"at most max_tokens = {max_tokens} tokens: {completion.tokens}")
    silent = completion.finish != "error" or not completion.text
    _promise(silent, f"an error completion has no text: {completion.text!r}")


def _feed(watch: Watch, step: str) -> StepVerdict:
    started = perf_counter()
    try:
        verdict = watch.feed(step)
    except Exception as error:
        raise AssertionError(f"broken promise: no text makes a verifier raise: {step[:60]!r} ({error!r})") from error
    seconds = perf_counter() - started
    _promise(isinstance(verdict, StepVerdict), f"feed returns a StepVerdict, not {type(verdict).__name__}")
    _promise(seconds < STEP_SECONDS, f"a step is graded in bounded time: {seconds:.1f} s for {step[:60]!r}")
    _promise(isinstance(verdict.mark, Mark), f"a mark is a Mark, not {verdict.mark!r}")
    _promise(bool(verdict.rule), f"a verdict names its rule: {step[:60]!r}")
    _promise(verdict.span == (0, 0), "spans are left to the caller, who knows where the step stands")
    return verdict


def _is_a(kind: type, thing: object) -> None:
    _promise(isinstance(thing, kind), f"{type(thing).__name__} is a subclass of {kind.__module__}.{kind.__name__}")


def _promise(kept: bool, words: str) -> None:
    # Not an assert statement: those are gone under `python -O`.
    if not kept:
        raise AssertionError(f"broken promise: {words}")
