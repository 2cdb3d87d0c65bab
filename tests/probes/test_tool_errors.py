import pytest

from counterform.bench import Bench
from counterform.models.calc import failed_calls
from counterform.models.scripted import ScriptedModel
from counterform.probes.tool_errors import ALL, RIGHT, ToolErrors
from counterform.study import ProbeSpec
from counterform.testing import check_probe
from counterform.types import Mark

SPEC = ProbeSpec(samples=2, k=2)


def read(problems, grade, items, answer):
    """{metric: set of (value, mark)} of a model whose answers are given by (problem, sample)."""
    by_prompt = {problem.prompt: problem for problem in problems}
    model = ScriptedModel(lambda prompt, sample: answer(by_prompt[prompt], sample))
    found = {}
    for reading in ToolErrors(Bench(spec=SPEC, grade=grade))(model, items, arm="one", seed=3):
        found.setdefault(reading.metric, set()).add((reading.value, reading.mark))
    return found


def failed_once(problem, _):
    """As many failed calls before the solution as it has sound ones."""
    return "7 + = error. " * problem.solution.count("=") + problem.solution


def test_promises(problems, grade, items):
    by_prompt = {problem.prompt: problem for problem in problems}
    check_probe(
        ToolErrors(Bench(spec=SPEC, grade=grade)), ScriptedModel(lambda prompt, _: by_prompt[prompt].solution), items
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("7 + = error. 7 + 5 = 12. The answer is 12.", (2, 1)),
        ("7 + 5 =error. errors = 3", (2, 1)),
        ("The answer is 12, an error.", (0, 0)),
        ("7 + 5 =", (1, 0)),
        ("= error" * 3, (3, 3)),
        ("", (0, 0)),
    ],
)
def test_calls_are_counted_by_what_the_tool_says(text, found):
    assert failed_calls(text) == found


@pytest.mark.parametrize(
    ("answer", "of_all", "of_right"),
    [
        (lambda p, _: p.solution, (0.0, Mark.RIGHT), (0.0, Mark.RIGHT)),
        (failed_once, (0.5, Mark.WRONG), (0.5, Mark.WRONG)),
        (lambda p, s: failed_once(p, s) if s else p.solution, (0.25, Mark.WRONG), (0.25, Mark.WRONG)),
        (lambda *_: "7 + = error. The answer is 98.", (1.0, Mark.WRONG), (None, Mark.UNKNOWN)),
        (lambda p, _: f"The answer is {p.answer}.", (None, Mark.UNKNOWN), (None, Mark.UNKNOWN)),
        (lambda *_: None, (None, Mark.UNKNOWN), (None, Mark.UNKNOWN)),
    ],
    ids=["clean", "half failed", "one of two", "wrong", "no call", "unheard"],
)
def test_readings(problems, grade, items, answer, of_all, of_right):
    assert "98" not in {problem.answer for problem in problems}
    assert read(problems, grade, items, answer) == {ALL: {of_all}, RIGHT: {of_right}}
