"""What CONTRIBUTING.md shows must work as it stands there."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from counterform.bench import Bench
from counterform.models.scripted import ScriptedModel
from counterform.parts import part
from counterform.probes.probe import HeldOut
from counterform.study import load_study
from counterform.types import Attempt, Case, Completion, Graded, Mark, StepVerdict, Verdict

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


*PARTS_SHOWN, CHECKS_SHOWN = blocks("python")


@pytest.fixture
def my_parts(tmp_path, monkeypatch):
    """The parts that are shown, as a module that a study file can name."""
    (tmp_path / "my_parts.py").write_text("\n\n".join(PARTS_SHOWN), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import my_parts

    yield my_parts
    del sys.modules["my_parts"]


def graded(problem, text, name):
    """An attempt with the verdicts of the family's own watch."""
    watch = sys.modules["my_parts"].CountUp().start(problem)
    spans = [match.span() for match in re.finditer(r"\S[^.]*\.", text)]
    steps = [watch.feed(text[start:end]) for start, end in spans]
    attempt = Attempt(
        id=f"{problem.id}/{name}/0",
        problem_id=problem.id,
        model=name,
        seed=0,
        completion=Completion(text=text, tokens=len(text.split()), finish="stop"),
    )
    placed = tuple(
        StepVerdict(mark=step.mark, rule=step.rule, hint=step.hint, span=span)
        for step, span in zip(steps, spans, strict=True)
    )
    outcome = Mark.RIGHT if name == "right" else Mark.WRONG
    return Graded(
        attempt=attempt,
        verdict=Verdict(attempt_id=attempt.id, outcome=outcome, lenient=outcome, steps=placed, verifier="count_up"),
    )


@pytest.fixture
def shown(my_parts):
    """What the checks are called with."""
    family = my_parts.CountUp()
    problems = family.generate(10, rng=np.random.default_rng(0), lengths=(1, 2, 5))
    planted = [family.plant_errors(problem, rng=np.random.default_rng(0))[0] for problem in problems]
    cases = [
        Case(problem=p, right=graded(p, p.solution, "right"), wrong=graded(p, error.text, "wrong"))
        for p, error in zip(problems, planted, strict=True)
    ]
    items = HeldOut(problems=tuple(problems), attempts=tuple(case.wrong for case in cases))
    model = ScriptedModel(lambda prompt, _: "10. The answer is 10.")
    return {**vars(my_parts), "problems": problems, "cases": cases, "items": items, "model": model}


def test_the_parts_keep_every_promise(shown):
    exec(CHECKS_SHOWN, shown)


def test_the_planted_errors_of_the_family_are_caught(shown):
    for case in shown["cases"]:
        assert case.right.verdict.process is Mark.RIGHT
        assert case.wrong.verdict.first_error == 0


def test_the_arm_shows_the_attempt_and_not_the_step(shown):
    example = shown["VerdictOnly"]()(shown["cases"], np.random.default_rng(0)).examples[0]
    assert "Step 1: " in example.prompt
    assert "Step" not in example.completion


def test_the_probe_reads_the_form(shown):
    (reading, *_) = shown["Form"](Bench())(shown["model"], shown["items"], arm="base", seed=0)
    assert (reading.value, reading.mark) == (1.0, Mark.RIGHT)


def test_the_study_file_names_the_parts(my_parts, tmp_path):
    (shown,) = blocks("toml")
    (tmp_path / "study.toml").write_text(shown)
    study = load_study(tmp_path / "study.toml")
    assert part("family", study.problems.family) is my_parts.CountUp
    assert part("arm", study.arm_specs[1].recipe) is my_parts.VerdictOnly
    assert part("probe", study.probes[1]) is my_parts.Form
