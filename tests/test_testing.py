import math
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from counterform import testing
from counterform.arms.recipe import Recipe
from counterform.bench import Bench
from counterform.errors import ModelError
from counterform.metrics import Metric
from counterform.models.scripted import ScriptedModel
from counterform.probes.probe import HeldOut, Probe
from counterform.problems.ledger import Ledger
from counterform.study import TrainSpec
from counterform.testing import check_model, check_probe, check_recipe, check_trainer, check_verifier
from counterform.train.trainer import Trainer
from counterform.types import (
    Arm,
    Attempt,
    Case,
    Checkpoint,
    Completion,
    Example,
    Graded,
    Mark,
    Reading,
    StepVerdict,
    StepVerifier,
    Verdict,
    Watch,
)
from counterform.types import (
    Ledger as Cost,
)

change = msgspec.structs.replace
PROBLEMS = Ledger().generate(4, rng=np.random.default_rng(0))


def caught(promise):
    return pytest.raises(AssertionError, match=f"broken promise: .*{promise}")


def graded(problem, name):
    completion = Completion(text=problem.solution, tokens=9, finish="stop")
    attempt = Attempt(id=f"{problem.id}-{name}", problem_id=problem.id, model="m", seed=0, completion=completion)
    verdict = Verdict(attempt_id=attempt.id, outcome=Mark.RIGHT, lenient=Mark.RIGHT, verifier="test")
    return Graded(attempt=attempt, verdict=verdict)


CASES = [Case(problem=p, right=graded(p, "right"), wrong=graded(p, "wrong")) for p in PROBLEMS]
ITEMS = HeldOut(problems=tuple(PROBLEMS), attempts=tuple(case.right for case in CASES))


class TestModel:
    def test_good_ones(self):
        check_model(ScriptedModel(lambda prompt, _: prompt))
        check_model(ScriptedModel(lambda prompt, _: prompt, logprob=lambda *_: -1.0))
        check_model(ScriptedModel(lambda *_: None))

    @pytest.mark.parametrize(
        ("spoil", "promise"),
        [
            (lambda rows: rows[:-1], "one list of completions a prompt"),
            (lambda rows: [row[:1] * (len(row) // 2) for row in rows], "n completions a prompt"),
            (lambda rows: sorted(rows, key=lambda row: row[0].text), "prompt order"),
            (lambda rows: [[change(c, tokens=9) for c in row] for row in rows], "at most max_tokens"),
            (lambda rows: [[change(c, finish="eos") for c in row] for row in rows], "finish is"),
            (lambda rows: [[change(c, finish="error") for c in row] for row in rows], "has no text"),
            (lambda rows: [[c.text for c in row] for row in rows], "is a Completion"),
        ],
    )
    def test_broken_rows(self, spoil, promise):
        class Broken(ScriptedModel):
            def generate(self, prompts, **options):
                return spoil(super().generate(prompts, **options))

        with caught(promise):
            check_model(Broken(lambda prompt, _: prompt))

    @pytest.mark.parametrize("score", [1.0, math.nan, -math.inf])
    def test_impossible_log_probabilities(self, score):
        with caught("finite and not above 0"):
            check_model(ScriptedModel(lambda *_: "4", logprob=lambda *_: score))

    def test_a_missing_log_probability(self):
        class Short(ScriptedModel):
            def logprobs(self, prompt, continuations):
                return [-1.0]

        with caught("one log-probability a continuation"):
            check_model(Short(lambda *_: "4"))


class Watched(StepVerifier):
    """The ledger verifier with one fault put between it and the study."""

    name = "watched"

    def __init__(self, spoil):
        self.spoil = spoil

    def start(self, problem):
        watch, spoil = Ledger().start(problem), self.spoil

        class Broken(Watch):
            def feed(self, step):
                return spoil(watch.feed(step), step)

        return Broken()


def raising(verdict, step):
    return StepVerdict(mark=Mark.UNKNOWN, rule=str(float(step.split()[0])))


def slow(verdict, step):
    time.sleep(0.02)
    return verdict


class Shared(StepVerifier):
    """Every attempt is fed to the same watch."""

    name = "shared"

    def __init__(self):
        self.watch = None

    def start(self, problem):
        self.watch = self.watch or Ledger().start(problem)
        return self.watch


class TestVerifier:
    def test_a_good_one(self):
        check_verifier(Ledger(), PROBLEMS)

    @pytest.mark.parametrize(
        ("spoil", "promise"),
        [
            (raising, "makes a verifier raise"),
            (lambda v, s: change(v, mark=Mark.WRONG) if v.mark is Mark.UNKNOWN else v, "UNKNOWN and never WRONG"),
            (lambda v, s: change(v, mark=Mark.WRONG), "worked solution"),
            (lambda v, s: change(v, span=(0, len(s) + 1)), "spans"),
            (lambda v, s: change(v, mark=True), "is a Mark"),
            (lambda v, s: change(v, rule=""), "names its rule"),
            (lambda v, s: v.mark, "returns a StepVerdict"),
            (lambda v, s: change(v, hint=str(time.perf_counter_ns())), "equal verdicts"),
        ],
    )
    def test_faults(self, spoil, promise):
        with caught(promise):
            check_verifier(Watched(spoil), PROBLEMS)

    def test_attempts_that_leak_into_each_other(self):
        with caught("equal verdicts"):
            check_verifier(Shared(), PROBLEMS[:1])

    def test_too_slow(self, monkeypatch):
        monkeypatch.setattr(testing, "STEP_SECONDS", 0.01)
        with caught("bounded time"):
            check_verifier(Watched(slow), PROBLEMS)

    def test_nothing_to_check(self):
        with caught("at least one problem"):
            check_verifier(Ledger(), [])


class Shuffled(Recipe):
    name, differs_by = "shuffled", "solutions in another order"

    def __call__(self, cases, rng):
        order = rng.permutation(len(cases))
        examples = tuple(
            Example(problem_id=c.problem.id, prompt=c.problem.prompt, completion=cases[i].problem.solution)
            for c, i in zip(cases, order, strict=True)
        )
        return Arm(name=self.name, differs_by=self.differs_by, examples=examples)


class TestRecipe:
    def test_a_good_one(self):
        check_recipe(Shuffled(), CASES)

    @pytest.mark.parametrize(
        ("spoil", "promise"),
        [
            (lambda arm: change(arm, differs_by=" "), "differs by"),
            (lambda arm: change(arm, examples=arm.examples[1:]), "one example per case"),
            (lambda arm: change(arm, examples=arm.examples[::-1]), "in case order"),
            (lambda arm: change(arm, examples=tuple(change(e, prompt=" ") for e in arm.examples)), "prompt is empty"),
            (lambda arm: change(arm, examples=tuple(change(e, completion=None) for e in arm.examples)), "to learn"),
            (lambda arm: change(arm, differs_by=str(time.perf_counter_ns())), "equal rng"),
        ],
    )
    def test_faults(self, spoil, promise):
        class Broken(Shuffled):
            def __call__(self, cases, rng):
                return spoil(super().__call__(cases, rng))

        with caught(promise):
            check_recipe(Broken(), CASES)

    def test_rollouts_need_no_completion(self):
        class Rollouts(Shuffled):
            def __call__(self, cases, rng):
                arm = super().__call__(cases, rng)
                return change(arm, objective="grpo", examples=tuple(change(e, completion=None) for e in arm.examples))

        check_recipe(Rollouts(), CASES)


class Copies(Trainer):
    """Writes what a Hugging Face directory must have, and then does one thing more."""

    def __init__(self, fault=lambda base, out: None, **fields):
        super().__init__(TrainSpec())
        self.fault, self.fields = fault, fields

    def train(self, arm, *, base, seed, out):
        out.mkdir(parents=True)
        (out / "config.json").write_text("{}")
        (out / "model.safetensors").write_bytes(b"weights")
        self.fault(Path(base), out)
        found = Checkpoint(arm=arm.name, seed=seed, path=str(out), ledger=Cost(examples=4, optimizer_steps=1))
        return change(found, **self.fields)


class TestTrainer:
    @pytest.fixture
    def check(self, tmp_path):
        base = tmp_path / "base"
        base.mkdir()
        (base / "config.json").write_text("{}")
        arm = Shuffled()(CASES, np.random.default_rng(0))
        return lambda trainer: check_trainer(trainer, arm, str(base), tmp_path)

    def test_a_good_one(self, check):
        check(Copies())

    @pytest.mark.parametrize(
        ("trainer", "promise"),
        [
            (Copies(arm="another"), "which arm and seed"),
            (Copies(seed=4), "which arm and seed"),
            (Copies(failure="the loss is not a number"), "the loss is not a number"),
            (Copies(path="/"), "lies in"),
            (Copies(ledger=Cost(optimizer_steps=7)), "ledger counts"),
            (Copies(lambda base, out: (out / "config.json").unlink()), "no config.json"),
            (Copies(lambda base, out: (out / "model.safetensors").unlink()), "safetensors"),
            (Copies(lambda base, out: (out / "optimizer.pt").touch()), "no pickle is written: optimizer.pt"),
            (Copies(lambda base, out: (base / "config.json").write_text("{1}")), "base is left as it was"),
        ],
    )
    def test_faults(self, check, trainer, promise):
        with caught(promise):
            check(trainer)


class OneWord(Probe):
    """Is every problem answered with the one word that it should be?"""

    name = "probe"
    metrics = (Metric(name="share right", title="Share right"),)

    def __call__(self, model, items, *, arm, seed):
        rows = model.generate([p.prompt for p in items.problems], n=1, seed=seed, temperature=0.0, max_tokens=8)
        return [self.read(p, row[0], arm, seed) for p, row in zip(items.problems, rows, strict=True)]

    def read(self, problem, completion, arm, seed):
        heard, right = completion.finish != "error", completion.text == problem.answer
        return Reading(
            probe=self.name,
            metric="share right",
            arm=arm,
            seed=seed,
            item_id=problem.id,
            problem_id=problem.id,
            mark=(Mark.RIGHT if right else Mark.WRONG) if heard else Mark.UNKNOWN,
            value=float(right) if heard else None,
        )


class TestProbe:
    model = ScriptedModel(lambda *_: "12")

    def test_a_good_one(self):
        check_probe(OneWord(Bench()), self.model, ITEMS)

    @pytest.mark.parametrize(
        ("spoil", "promise"),
        [
            (lambda rows: [], "reads something"),
            (lambda rows: [change(row, arm="base") for row in rows], "whose reading"),
            (lambda rows: [change(row, value=math.nan) for row in rows], "finite number"),
            (lambda rows: [change(row, problem_id="?") for row in rows], "held-out problem"),
            (lambda rows: rows + rows[:1], "once a metric"),
            (lambda rows: [change(row, metric="words") for row in rows], "every metric is declared"),
            (lambda rows: [row for row in rows if row.mark is not Mark.UNKNOWN] or rows[1:], "same items"),
            (lambda rows: [change(row, stratum=row.mark.value) for row in rows], "same items"),
            (lambda rows: [change(row, value=row.value or 0.0) for row in rows], "never heard"),
            (
                lambda rows: [change(row, mark=Mark.WRONG if row.value is None else row.mark) for row in rows],
                "never heard",
            ),
        ],
    )
    def test_faults(self, spoil, promise):
        class Broken(OneWord):
            def __call__(self, *asked, **options):
                return spoil(super().__call__(*asked, **options))

        with caught(promise):
            check_probe(Broken(Bench()), self.model, ITEMS)

    def test_a_probe_may_meet_a_model_without_log_probabilities(self):
        class Asking(OneWord):
            def __call__(self, model, items, **options):
                with pytest.raises(ModelError):
                    model.logprobs("a", ["b"])
                return super().__call__(model, items, **options)

        check_probe(Asking(Bench()), self.model, ITEMS)
