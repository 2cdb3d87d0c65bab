import pytest

from counterform.bench import Bench
from counterform.findings.wrong_guard import CORRECTED, LEFT, REMOVED, REPLACED, find_harm
from counterform.models.scripted import ScriptedModel
from counterform.probes.probe import Context
from counterform.probes.wrong_guard import WrongGuard, _first_steps
from counterform.problems.ledger import Ledger
from counterform.specs import VerifierErrors
from counterform.study import ProbeSpec
from counterform.testing import check_probe

ALWAYS = (VerifierErrors(false_alarms=1.0), VerifierErrors(misses=1.0))
SPEC = ProbeSpec(samples=1, k=1, calls=12, max_tokens=60, tokens=500, wrong_verifiers=ALWAYS)


def solves(items):
    """A model that writes the solution, whatever it is told."""
    solutions = {problem.prompt: problem.solution for problem in items.problems}
    return ScriptedModel(lambda asked, _: next(text for prompt, text in solutions.items() if asked.startswith(prompt)))


def probe(grade, spec=SPEC):
    return WrongGuard(Bench(spec=spec, grade=grade, steps=Ledger()))


@pytest.fixture(scope="module")
def read(items, grade):
    """{(metric, condition, against): values at equal tokens} of a model that writes every problem's planted error."""
    texts = {p.prompt: a.attempt.completion.text for p, a in zip(items.problems, items.attempts[1::2], strict=True)}

    def say(asked, call):
        prompt = next(prompt for prompt in texts if asked.startswith(prompt))
        done = asked[len(prompt) :].count(".")
        steps = f"{items.problems[[*texts].index(prompt)].solution} ".split(". ")[done:-1]
        return texts[prompt] if call == 0 else "".join(f" {step}." for step in steps)

    found = {}
    for one in probe(grade)(ScriptedModel(say), items, arm="base", seed=0):
        if one.budget in ("", "equal tokens") and one.value is not None:
            found.setdefault((one.metric, one.condition, one.against), []).append(one.value)
    return found


def test_promises(items, grade):
    check_probe(probe(grade), solves(items), items)


def test_a_verifier_that_passes_all_is_no_guard_and_one_that_refuses_all_leaves_nothing(read):
    found = read
    for draft in (REMOVED, LEFT, REPLACED, CORRECTED):
        misses, alarms = f"{draft}; misses 100 %", f"{draft}; false alarms 100 %"
        assert found["violated", misses, ""] == found["violated", "none", ""] == [1.0] * 8
        assert set(found["gain", misses, "none"]) == {0.0}
        assert sum(found["pass^1", alarms, ""]) <= 2  # by chance, where the answer is a wrong step's too
        assert set(found["violated", f"{draft}; never wrong", ""]) == {0.0}
    # What it wrongly believes is written, accepted, and wrong by the verifier that does not err.
    assert sum(found["violated", "corrected; false alarms 100 %", ""]) > 0


def test_the_draft_is_left_removed_or_another_problems(items, grade):
    guards = probe(grade, ProbeSpec(rule_note=" {step} Wait,", wrong_verifiers=())).guards(Ledger(), items.problems)
    assert list(guards) == ["none", *(f"{draft}; never wrong" for draft in (REMOVED, LEFT, REPLACED, CORRECTED))]
    told = {}
    for problem in items.problems[:2]:
        for name, guard in guards.items():
            steps = [a for a in items.attempts if a.attempt.problem_id == problem.id][1].attempt.completion.text
            change = guard.watch(problem).read(f"{steps} ", "stop")
            told[name.partition(";")[0], problem.id] = change.add.strip() if change else None
    elsewhere = _first_steps(items.problems)
    for problem in items.problems[:2]:
        assert told[REMOVED, problem.id] == ""
        assert told[LEFT, problem.id].endswith("Wait,")
        assert elsewhere[problem.id] not in told[LEFT, problem.id]
        assert told[REPLACED, problem.id] == f"{elsewhere[problem.id]} Wait,"
        assert elsewhere[problem.id] not in problem.solution


def test_without_a_verifier_nothing_is_asked(items):
    assert WrongGuard(Bench(spec=SPEC))(ScriptedModel(lambda *_: ""), items, arm="base", seed=0) == []


def test_findings_stand_apart(items, grade):
    one = probe(grade)
    readings = one(solves(items), items, arm="base", seed=0)
    found = one.find(readings, Context())
    assert not found.readings
    assert found.own == find_harm(
        [r for r in readings if r.metric not in ("seconds", "steps told")], one.declared, one.ways
    )
    alarms = next(h for h in found.own.harm if h.errors == "false alarms" and h.draft == REMOVED)
    assert alarms.hurts_from == 1.0
    assert alarms.helps_up_to is None
