import pytest

from counterform.bench import Bench
from counterform.models.scripted import ScriptedModel
from counterform.probes.accuracy import Accuracy, commonest
from counterform.probes.probe import HeldOut
from counterform.study import ProbeSpec
from counterform.testing import check_probe
from counterform.types import Mark, Problem

RIGHT, WRONG, UNKNOWN = Mark.RIGHT, Mark.WRONG, Mark.UNKNOWN
SPEC = ProbeSpec(samples=4, k=2)


def read(problems, grade, items, answer, spec=SPEC):
    """{metric: {problem's place: reading}} of a model whose answers are given by (problem, sample)."""
    place = {problem.prompt: at for at, problem in enumerate(problems)}
    model = ScriptedModel(lambda prompt, sample: answer(problems[place[prompt]], sample))
    found = {}
    for reading in Accuracy(Bench(spec=spec, grade=grade))(model, items, arm="one", seed=3):
        at = [problem.id for problem in problems].index(reading.problem_id)
        found.setdefault(reading.metric, {})[at] = reading
    return found


def test_promises(problems, grade, items):
    check_probe(
        Accuracy(Bench(spec=SPEC, grade=grade)), ScriptedModel(lambda _, sample: f"The answer is {sample}."), items
    )


def test_pass_at_1_and_at_k(problems, grade, items):
    readings = read(problems, grade, items, lambda p, sample: p.solution if sample == 0 else "The answer is -1.")
    assert set(readings) == {"pass@1", "pass@1 lenient", "pass@2"}
    for at in range(len(problems)):
        assert readings["pass@1"][at].value == readings["pass@1 lenient"][at].value == 0.25
        assert readings["pass@2"][at].value == pytest.approx(0.5)
        assert readings["pass@1"][at].mark is WRONG


def test_an_answer_in_no_known_form_counts_for_lenient_alone(problems, grade, items):
    readings = read(problems, grade, items, lambda p, _: f"so that makes {p.answer}")
    assert {(r.value, r.mark) for r in readings["pass@1"].values()} == {(0.0, UNKNOWN)}
    assert {(r.value, r.mark) for r in readings["pass@1 lenient"].values()} == {(1.0, RIGHT)}


def test_a_failed_call_is_no_sample(problems, grade, items):
    readings = read(problems, grade, items, lambda p, sample: p.solution if sample == 3 else None)
    assert {r.value for r in readings["pass@1"].values()} == {1.0}
    assert {r.value for r in readings["pass@2"].values()} == {None}


def test_at_most_so_many_problems_each_once_for_k_of_1(problems, grade, items):
    readings = read(problems, grade, items, lambda p, _: p.solution, ProbeSpec(samples=1, k=1, problems=3))
    assert {metric: sorted(rows) for metric, rows in readings.items()} == {
        "pass@1": [0, 1, 2],
        "pass@1 lenient": [0, 1, 2],
    }


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([], UNKNOWN),
        ([RIGHT, RIGHT, WRONG], RIGHT),
        ([RIGHT, WRONG], RIGHT),
        ([WRONG, UNKNOWN], WRONG),
        ([WRONG, UNKNOWN, WRONG], WRONG),
    ],
)
def test_commonest(marks, expected):
    assert commonest(marks) is expected


def test_baselines_know_only_the_answers_of_training():
    train = [Problem(id=str(at), prompt="?", answer=answer) for at, answer in enumerate(["7", "7", "8", "9"])]
    held_out = [Problem(id=str(at), prompt="?", answer=answer) for at, answer in enumerate(["7", "9", "9", "5"])]
    items, nothing = HeldOut(problems=tuple(held_out), attempts=()), HeldOut(problems=(), attempts=())
    lines = {(line.metric, line.name): line.value for line in Accuracy(Bench()).baselines(train, items)}
    for metric in ("pass@1", "pass@1 lenient"):
        assert lines[metric, "random"] == pytest.approx(3 / 4 / 3)
        assert lines[metric, "majority"] == 0.25
    assert Accuracy(Bench()).baselines([], items) == Accuracy(Bench()).baselines(train, nothing) == []
