import pytest

from counterform.bench import Bench
from counterform.models.scripted import ScriptedModel
from counterform.probes.process import Process
from counterform.study import ProbeSpec
from counterform.testing import check_probe
from counterform.types import Mark

SPEC = ProbeSpec(samples=2, k=2)


def read(problems, grade, items, answer):
    """{metric: set of (value, mark)} of a model whose answers are given by (problem, sample)."""
    by_prompt = {problem.prompt: problem for problem in problems}
    model = ScriptedModel(lambda prompt, sample: answer(by_prompt[prompt], sample))
    found = {}
    for reading in Process(Bench(spec=SPEC, grade=grade))(model, items, arm="one", seed=3):
        found.setdefault(reading.metric, set()).add((reading.value, reading.mark))
    return found


def lucky(problem, _):
    """A wrong first step and the right answer."""
    first, *_, last = problem.solution.split(". ")
    return f"{first.rpartition(' ')[0]} 98. {last}"


def test_promises(problems, grade, items):
    by_prompt = {problem.prompt: problem for problem in problems}
    check_probe(
        Process(Bench(spec=SPEC, grade=grade)), ScriptedModel(lambda prompt, _: by_prompt[prompt].solution), items
    )


@pytest.mark.parametrize(
    ("answer", "violated", "lucky_ones"),
    [
        (lambda p, _: p.solution, (0.0, Mark.RIGHT), (0.0, Mark.RIGHT)),
        (lucky, (1.0, Mark.WRONG), (1.0, Mark.WRONG)),
        (lambda p, s: lucky(p, s) if s else p.solution, (0.5, Mark.WRONG), (0.5, Mark.WRONG)),
        (lambda p, _: "The answer is 98.", (None, Mark.UNKNOWN), (None, Mark.UNKNOWN)),
        (lambda p, _: "Hmm, who knows.", (None, Mark.UNKNOWN), (None, Mark.UNKNOWN)),
        (lambda p, s: "Hmm, who knows." if s else p.solution, (0.0, Mark.RIGHT), (0.0, Mark.RIGHT)),
        (lambda p, s: lucky(p, s) if s else f"Hmm. {p.solution}", (0.5, Mark.WRONG), (0.5, Mark.WRONG)),
        (lambda *_: None, (None, Mark.UNKNOWN), (None, Mark.UNKNOWN)),
    ],
    ids=[
        "clean",
        "lucky",
        "half lucky",
        "a bare answer",
        "unreadable",
        "half unreadable",
        "a remark before",
        "unheard",
    ],
)
def test_readings(problems, grade, items, answer, violated, lucky_ones):
    assert "98" not in {problem.answer for problem in problems}
    assert read(problems, grade, items, answer) == {"violated": {violated}, "right by wrong steps": {lucky_ones}}
