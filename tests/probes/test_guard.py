import pytest
from msgspec.structs import replace

from counterform.bench import Bench
from counterform.models.scripted import ScriptedModel
from counterform.probes.guard import GAINS, GuardProbe
from counterform.problems.ledger import Ledger
from counterform.study import ProbeSpec
from counterform.testing import check_probe
from counterform.types import Mark, Model

SPEC = ProbeSpec(samples=4, k=4, calls=3, tokens=60)
CONDITIONS = ("none", "check and retry", "stop and retry", "cut back", "rule told", "hint told", "hint alone")


def read(items, grade, answer, spec=SPEC):
    """{(metric, condition, budget or against): its readings} of a model whose answers are given by (problem, text so far, call)."""
    by_prompt = {problem.prompt: problem for problem in items.problems}

    def say(asked, call):
        prompt = next(prompt for prompt in by_prompt if asked.startswith(prompt))
        return answer(by_prompt[prompt], asked[len(prompt) :], call)

    found = {}
    for reading in GuardProbe(Bench(spec=spec, grade=grade, steps=Ledger()))(
        ScriptedModel(say), items, arm="one", seed=3
    ):
        of = (reading.metric, reading.condition, *(part for part in (reading.against, reading.budget) if part))
        found.setdefault(of, []).append(reading)
    return found


def values(found, *of):
    return {reading.value for reading in found[of]}


def test_promises(items, grade):
    by_prompt = {problem.prompt: problem for problem in items.problems}
    check_probe(
        GuardProbe(Bench(spec=SPEC, grade=grade, steps=Ledger())),
        ScriptedModel(lambda prompt, _: by_prompt[prompt].solution),
        items,
    )


def test_who_makes_no_error_needs_no_guard(items, grade):
    found = read(items, grade, lambda problem, text, call: problem.solution)
    for condition in CONDITIONS:
        for budget in ("equal tokens", "equal calls"):
            assert values(found, "pass^1", condition, budget) == {1.0}
            assert values(found, "pass^4", condition, budget) == {1.0}
            assert values(found, "violated", condition, budget) == {0.0}
            assert values(found, "refused", condition, budget) == {0.0}
        assert all(reading.value == pytest.approx(1, abs=0.5) for reading in found["tokens", condition])
        assert len(found["seconds", condition]) == 1  # one group, timed once
    for a, b in GAINS:
        assert values(found, "gain", a, b, "equal calls") == {0.0}
    assert values(found, "steps told", "hint told") == {0.0}


def stubborn(problem, text, call):
    """The first step is always wrong; behind it all is well."""
    first, rest = problem.solution.split(". ", 1)
    done = text.rpartition("]\n")[2].count(".")  # behind a note that is told, it begins anew
    steps = [f" {step}." for step in problem.solution.rstrip(".").split(". ")]
    return f"{first.rpartition(' ')[0]} 98. {rest}" if done == 0 else "".join(steps[done:])


def test_what_is_refused_is_not_right_and_not_violated(items, grade):
    found = read(items, grade, stubborn)
    assert values(found, "violated", "none", "equal calls") == {1.0}
    for condition in ("check and retry", "stop and retry", "cut back", "rule told"):
        for budget in ("equal tokens", "equal calls"):
            assert values(found, "refused", condition, budget) == {1.0}
            assert values(found, "violated", condition, budget) == {0.0}
            assert values(found, "pass^1", condition, budget) == {0.0}
    # The hint's information solves it, and what of the answer is the guard's own stands beside it.
    assert values(found, "pass^1", "hint told", "equal calls") == {1.0}
    assert values(found, "gain", "hint told", "cut back", "equal calls") == {1.0}
    assert all(0 < reading.value < 0.5 for reading in found["steps told", "hint told"])


def test_budgets_are_counted_apart(items, grade):
    """Right at the fifth call, each of which costs a few words: within the tokens, beyond the calls."""

    def fifth(problem, text, call):
        return stubborn(problem, text, call) if call < 4 else problem.solution

    found = read(items, grade, fifth, replace(SPEC, tokens=110))
    assert values(found, "pass^1", "stop and retry", "equal tokens") == {1.0}
    assert values(found, "pass^1", "stop and retry", "equal calls") == {0.0}
    assert values(found, "refused", "stop and retry", "equal calls") == {1.0}
    found = read(items, grade, fifth, replace(SPEC, tokens=20, calls=5))
    assert values(found, "pass^1", "stop and retry", "equal tokens") == {0.0}
    assert values(found, "pass^1", "stop and retry", "equal calls") == {1.0}


def test_nobody_can_read_along_or_there_is_no_verifier(items, grade):
    class Deaf(Model):
        name = "deaf"

        def generate(self, prompts, **options):
            raise AssertionError("it is asked nothing")

    readings = GuardProbe(Bench(spec=SPEC, grade=grade, steps=Ledger()))(Deaf(), items, arm="one", seed=0)
    assert {(reading.mark, reading.value) for reading in readings} == {(Mark.UNKNOWN, None)}
    assert GuardProbe(Bench(spec=SPEC, grade=grade))(Deaf(), items, arm="one", seed=0) == []
