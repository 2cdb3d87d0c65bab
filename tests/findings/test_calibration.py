import numpy as np
import pytest

from counterform.bench import Bench
from counterform.findings import gains
from counterform.findings.calibration import CONFIDENCE, TOLD, derived, self_trust
from counterform.probes.trust import Trust
from counterform.types import Mark, Reading


def reading(method, problem, at, mark, value, arm="base", seed=0, metric=CONFIDENCE):
    return Reading(
        probe="trust",
        metric=metric,
        condition=method,
        arm=arm,
        seed=seed,
        item_id=problem if at is None else f"{problem}/{at}",
        problem_id=problem,
        mark=mark,
        value=value,
    )


def find(rows):
    return gains.find(rows, Trust(Bench()).declared)


def model(rng, *, skill=0.0, gap=0.0, joint_gap=0.0, arm="base", seed=0, problems=150):
    """Two candidates a problem; P(True) is higher by `skill` where right; the wrong one is trusted more by `gap` as own."""
    rows = []
    for number in range(problems):
        problem = f"p{number}"
        for at, mark in enumerate((Mark.RIGHT, Mark.WRONG) if rng.random() < 0.5 else (Mark.WRONG, Mark.WRONG)):
            confidence = 0.4 + 0.2 * rng.random() + skill * (mark is Mark.RIGHT)
            values = {"self-consistency": 0.5, "P(True)": confidence, "joint": confidence}
            rows += [reading(m, problem, at, mark, v, arm, seed) for m, v in values.items()]
        for method, more in (("P(True)", gap), ("joint", joint_gap)):
            other = 0.4 + 0.1 * rng.random()
            own = other + more + 0.05 * rng.standard_normal()
            for whose, value in (("own", own), ("another's", other)):
                rows.append(reading(method, problem, None, Mark.WRONG, value, arm, seed, TOLD[whose]))
    return rows


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def levels(rows):
    return {(level.metric, level.condition): level for level in find(derived(rows)).levels}


def test_confidence_that_says_nothing_and_confidence_that_tells(rng):
    blind, sharp = levels(model(rng)), levels(model(rng, skill=0.3))
    assert blind["AUROC", "P(True)"].low < 0.5 < blind["AUROC", "P(True)"].high
    assert sharp["AUROC", "P(True)"].estimate == pytest.approx(1.0)
    assert sharp["PR-AUC", "P(True)"].estimate == pytest.approx(1.0)
    assert blind["AUROC", "self-consistency"].estimate == pytest.approx(0.5)
    assert blind["ECE", "self-consistency"].estimate == pytest.approx(0.25, abs=0.06)


def test_a_method_that_only_counts_candidates_tells_nothing_within_a_problem():
    rows = []
    for number in range(40):
        marks = [Mark.RIGHT] if number % 2 else [Mark.RIGHT, Mark.WRONG, Mark.WRONG]
        for at, mark in enumerate(marks):
            for method, value in (("self-consistency", 0.5), ("P(True)", 0.5), ("joint", 1 / (len(marks) + 1))):
                rows.append(reading(method, f"p{number}", at, mark, value))
    found = levels(rows)
    assert found["AUROC", "joint"].low > 0.5
    assert found["AUROC within a problem", "joint"].estimate == 0.5
    assert found["AUROC within a problem", "joint"].n_items == 20


def test_the_gap_and_how_far_the_joint_comparison_closes_it(rng):
    found = levels(model(rng, gap=0.2, joint_gap=0.05))
    gap, joint = found["self-trust gap", "P(True)"], found["self-trust gap", "joint"]
    closed = found["self-trust gap closed", "joint"]
    assert gap.low < 0.2 < gap.high
    assert joint.estimate == pytest.approx(0.05, abs=0.02)
    assert closed.estimate == pytest.approx(gap.estimate - joint.estimate)
    assert closed.low > 0


def test_a_gap_below_zero_keeps_its_interval(rng):
    gap = levels(model(rng, gap=-0.2))["self-trust gap", "P(True)"]
    assert gap.low < -0.2 < gap.high < 0


def test_before_and_after_an_arm(rng):
    rows = [*model(rng, gap=0.2), *model(rng, gap=0.05, skill=0.1, arm="cft")]
    results = find(derived(rows))
    found = {(f.metric, f.condition): f for f in results.findings}
    assert found["AUROC", "P(True)"].verdict == "better"
    assert found["self-trust gap", "P(True)"].verdict == "better"  # smaller is better
    assert found["self-trust gap", "P(True)"].low < -0.15 < found["self-trust gap", "P(True)"].high
    assert found["self-trust gap closed", "joint"].estimate < 0


def test_two_equal_models_are_undecided(rng):
    verdicts = {}
    for _ in range(60):
        results = find(derived([*model(rng, problems=40), *model(rng, problems=40, arm="one")]))
        for finding in results.findings:
            verdicts.setdefault((finding.metric, finding.condition), []).append(finding.verdict != "undecided")
    # 5 % each; the chance of more than 10 of 60 is under 0.1 %.
    assert all(sum(found) <= 10 for found in verdicts.values()), {m: sum(v) for m, v in verdicts.items()}


def test_methods_are_compared_on_the_same_graded_answers(rng):
    rows = model(rng, problems=20)
    rows = [r for r in rows if r.problem_id != "p0" or (r.metric, r.condition) != (CONFIDENCE, "joint")]
    rows += [reading(m, "p99", 0, Mark.UNKNOWN, 0.5) for m in ("self-consistency", "P(True)", "joint")]
    rows += [reading("verbalised", "p1", 0, Mark.UNKNOWN, None)]
    read = {}
    for r in derived(rows):
        if r.metric == "AUROC":
            read.setdefault(r.condition, set()).add(r.problem_id)
    assert set(read) == {"self-consistency", "P(True)", "joint"}
    assert all(ids == {f"p{n}" for n in range(1, 20)} for ids in read.values())
    assert any("1 answers whose grade is UNKNOWN" in note for note in self_trust(rows)[1])


def test_only_right_answers_have_no_auroc_and_raise_nothing():
    rows = [reading("self-consistency", f"p{n}", 0, Mark.RIGHT, 1.0) for n in range(5)]
    values = {(r.metric, r.condition): r.value for r in derived(rows)}
    assert values["AUROC", "self-consistency"] is None
    assert values["ECE", "self-consistency"] == pytest.approx(0.0)
    assert "trust read no confidence" in self_trust(rows)[1][0]


def test_nothing_read_is_nothing_found():
    assert derived([]) == []
    assert self_trust([])[0].reliability == ()
    unread = [reading("self-consistency", "p0", 0, Mark.UNKNOWN, None)]
    assert derived(unread) == []


def test_the_bins_of_a_reliability_plot(rng):
    rows = [*model(rng, skill=0.3), *model(rng, skill=0.3, seed=1)]
    bins = [one for one in self_trust(rows)[0].reliability if one.method == "P(True)"]
    assert [one.confidence for one in bins] == sorted(one.confidence for one in bins)
    assert {one.right for one in bins} == {0.0, 1.0}
    assert sum(one.n_answers for one in bins) == 2 * 2 * 150
    assert all(0 <= one.low <= one.right <= one.high <= 1 for one in bins)
    assert max(one.n_problems for one in bins) <= 150


def test_a_model_asked_in_words_is_said_so(rng):
    rows = [reading("verbalised", "p0", 0, Mark.RIGHT, 0.5), reading("self-consistency", "p0", 0, Mark.RIGHT, 1.0)]
    assert any("no log-probabilities" in note for note in self_trust(rows)[1])


def test_of_one_problem_nothing_is_known(rng):
    bins = self_trust(model(rng, skill=0.3, problems=1))[0].reliability
    assert bins
    assert {(one.low, one.high) for one in bins} == {(0.0, 1.0)}
