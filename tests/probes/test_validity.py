import numpy as np
import pytest
from msgspec.structs import replace

from counterform.bench import Bench
from counterform.models.scripted import ScriptedModel
from counterform.probes.validity import Validity
from counterform.problems.ledger import Ledger
from counterform.study import ProbeSpec
from counterform.testing import check_probe
from counterform.text.rationales import CONDITIONS, exemplars
from counterform.types import Graded, Mark
from counterform.verify.answer import Answers
from counterform.verify.steps import grade as verdicts_of

SPEC = ProbeSpec(exemplars=2)


@pytest.fixture(scope="session")
def few_shot(items):
    """The held-out items with exemplars from other problems."""
    train = [p for p in Ledger().generate(40, rng=np.random.default_rng(9)) if p not in items.problems]
    answers, known = Answers(5.0), {problem.id: problem for problem in train}

    def grade(attempts):
        verdicts = verdicts_of(attempts, known, outcome=answers, steps=Ledger())
        return [Graded(attempt=a, verdict=v) for a, v in zip(attempts, verdicts, strict=True)]

    return replace(items, exemplars=exemplars(train, grade, np.random.default_rng(0), n=8))


def asked(prompt):
    return prompt.rpartition("\n\n")[2]


def read(few_shot, grade, answer, condition="valid"):
    """{metric: set of (value, mark)} in one condition, of a model whose answers are given by (problem, prompt)."""
    by_prompt = {problem.prompt: problem for problem in few_shot.problems}
    model = ScriptedModel(lambda prompt, _: answer(by_prompt[asked(prompt)], prompt))
    found = {}
    for reading in Validity(Bench(spec=SPEC, grade=grade))(model, few_shot, arm="one", seed=3):
        if reading.condition == condition:
            assert reading.against == ("valid" if reading.metric == "answer lost" else "")
            found.setdefault(reading.metric, set()).add((reading.value, reading.mark))
    return found


def lucky(problem, _):
    """A wrong first step and the right answer."""
    first, *_, last = problem.solution.split(". ")
    return f"{first.rpartition(' ')[0]} 98. {last}"


def test_promises(few_shot, grade):
    by_prompt = {problem.prompt: problem for problem in few_shot.problems}
    check_probe(
        Validity(Bench(spec=SPEC, grade=grade)),
        ScriptedModel(lambda prompt, _: by_prompt[asked(prompt)].solution),
        few_shot,
    )


YES, NO, NOT_READ = (1.0, Mark.RIGHT), (0.0, Mark.WRONG), (None, Mark.UNKNOWN)


@pytest.mark.parametrize(
    ("answer", "right", "clean", "by_luck"),
    [
        (lambda p, _: p.solution, YES, YES, (0.0, Mark.RIGHT)),
        (lucky, YES, NO, (1.0, Mark.WRONG)),
        (lambda p, _: "The answer is 98.", NO, NOT_READ, NOT_READ),
        (lambda p, _: "Hmm, who knows.", (0.0, Mark.UNKNOWN), NOT_READ, NOT_READ),
        (lambda *_: None, NOT_READ, NOT_READ, NOT_READ),
        (lambda p, _: f"{p.solution}\n\nStart with 7. The answer is 98.", YES, YES, (0.0, Mark.RIGHT)),
        (lambda p, _: f"{p.solution.replace(' The', chr(10) * 2 + 'The')}", YES, YES, (0.0, Mark.RIGHT)),
    ],
    ids=["clean", "lucky", "a bare answer", "unreadable", "unheard", "goes on with another problem", "in paragraphs"],
)
@pytest.mark.parametrize("condition", ["valid", "answer only"])
def test_readings(few_shot, grade, answer, right, clean, by_luck, condition):
    found = read(few_shot, grade, answer, condition)
    found.pop("answer lost", None)
    assert found == {"answer": {right}, "clean steps": {clean}, "right by wrong steps": {by_luck}}


@pytest.mark.parametrize(
    ("bare", "lost"),
    [
        (lambda p: "The answer is 98.", (1.0, Mark.WRONG)),
        (lambda p: p.solution, (0.0, Mark.RIGHT)),
        (lambda p: "Hmm, who knows.", (1.0, Mark.UNKNOWN)),
        (lambda p: None, NOT_READ),
    ],
    ids=["lost", "kept", "unreadable", "unheard"],
)
def test_what_a_condition_costs_within_one_model(few_shot, grade, bare, lost):
    worked = " = "  # stands in every rationale and in no bare answer

    def answer(problem, prompt):
        return problem.solution if worked in prompt else bare(problem)

    assert read(few_shot, grade, answer, "answer only")["answer lost"] == {lost}
    assert "answer lost" not in read(few_shot, grade, answer, "valid")


def test_conditions_differ_in_the_rationales_alone(few_shot, grade):
    model = ScriptedModel(lambda prompt, _: "The answer is 98.")
    Validity(Bench(spec=SPEC, grade=grade))(model, few_shot, arm="one", seed=3)
    prompts = [prompt for prompt, _ in model.calls]
    n = len(few_shot.problems)
    assert len(prompts) == n * len(CONDITIONS)
    for at, problem in enumerate(few_shot.problems):
        conditions = [prompts[at + n * number].split("\n\n") for number in range(len(CONDITIONS))]
        assert all(len(blocks) == 3 and blocks[-1] == problem.prompt for blocks in conditions)
        for number in range(2):
            questions, texts = zip(*(blocks[number].split("\n") for blocks in conditions), strict=True)
            assert len(set(questions)) == 1
            assert len(set(texts)) == len(CONDITIONS)
            assert len({text.rpartition("The answer")[2] for text in texts}) == 1


def test_exemplars_are_drawn_for_each_problem_and_are_the_same_for_every_model(few_shot, grade):
    calls = []
    for arm in ("one", "other"):
        model = ScriptedModel(lambda prompt, _: "")
        Validity(Bench(spec=SPEC, grade=grade))(model, few_shot, arm=arm, seed=len(calls))
        calls.append(model.calls)
    assert calls[0] == calls[1]
    assert len({prompt.partition("\n")[0] for prompt, _ in calls[0]}) > 2


def test_without_exemplars_nothing_is_read(items, grade):
    assert Validity(Bench(spec=SPEC, grade=grade))(ScriptedModel(lambda prompt, _: ""), items, arm="one", seed=3) == []
