from __future__ import annotations

import json
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterform.types import Mark, Problem
from counterform.verify import answer, symbolic
from counterform.verify.answer import Answers, grade_answer, say_the_same
from counterform.verify.symbolic import SymbolicPool

R, W, U = Mark.RIGHT, Mark.WRONG, Mark.UNKNOWN


@pytest.fixture(scope="module")
def answers():
    with Answers(5.0, workers=1) as verifier:
        yield verifier


def grade(answers: Answers, key: str, text: str) -> tuple[Mark, Mark]:
    (verdict,) = answers([(Problem(id="p", prompt="?", answer=key), text)])
    assert U not in (verdict.strict, verdict.lenient) or verdict.reason
    return verdict.strict, verdict.lenient


KINDS = [json.loads(line) for line in Path(__file__).with_name("answers.jsonl").read_text("utf-8").splitlines()]
"""Kinds of answers that graders get wrong, those of `source` on public data; `right`: the marks that are allowed."""


@pytest.mark.parametrize("kind", sorted({row["kind"] for row in KINDS}))
def test_no_kind_of_answer_is_graded_wrongly(answers, kind):
    rows = [row for row in KINDS if row["kind"] == kind]
    verdicts = answers([(Problem(id="p", prompt="?", answer=row["key"]), row["text"]) for row in rows])
    misses = [(row, verdict) for row, verdict in zip(rows, verdicts, strict=True) if verdict.strict not in row["right"]]
    assert len(rows) >= 9
    assert not misses
    assert all(verdict.reason for verdict in verdicts if verdict.strict is U)
    assert not any("failed" in verdict.reason for verdict in verdicts)


@pytest.mark.parametrize(
    ("key", "text", "marks"),
    [
        ("18", "The answer is 18.", (R, R)),
        ("18", "The answer is 19.", (W, W)),
        ("18", "so it must be 18", (U, R)),
        ("18", "first 18, then 19", (U, W)),
        ("18", "no idea", (U, U)),
        ("18", "", (U, U)),
        ("", "The answer is 18.", (U, U)),
        ("1,200", "The answer is $1200.00.", (R, R)),
        ("18", "A: 018", (R, R)),
        ("18", "The answer is 18 dollars per day.", (R, R)),
        ("18", "The answer is x = 18.", (R, R)),
        ("18", "The answer is 18 or 19.", (U, U)),
        ("18", "The answer is not 18.", (U, U)),
        ("5", "The answer is 5 million.", (W, W)),
        ("18 cm", "The answer is 18 m.", (W, W)),
        ("0.5", "#### 1/2", (R, R)),
        ("0.5", "The answer is 50%.", (R, R)),
        ("50", "The answer is 50%.", (U, U)),
        ("-7", "The answer is −7.", (R, R)),
        ("-7", "5 - 12 = -7", (U, R)),
        ("7", "12-7", (U, R)),
        ("0.1", "The answer is 0.1000000000000000055511151231257827.", (W, W)),
        ("135", "The answer is 1,3,5.", (W, W)),
        ("9" * 80, f"the number {'9' * 80}", (U, R)),
        ("Paris", "The answer is paris.", (R, R)),
        ("Paris", "The answer is London.", (W, W)),
        ("Paris", "The answer is Paris, Texas.", (U, U)),
        ("Dr. Lee", "The answer is Dr. Lee.", (R, R)),
        ("positive", "Positive", (U, R)),
        ("positive", "it is hard to say", (U, U)),
        ("B", "The answer is (B) 12 apples", (R, R)),
        ("(B)", "The answer is C.", (W, W)),
    ],
)
def test_without_math_verify(key, text, marks, monkeypatch):
    monkeypatch.setattr(SymbolicPool, "check", lambda self, pairs: [(U, "asked")] * len(pairs))
    with Answers(1.0) as answers:
        assert grade(answers, key, text) == marks


def test_lenient_reads_the_last_formula(answers):
    assert grade(answers, r"\frac{3}{4}", "it is $\\frac{6}{8}$") == (U, R)


SUM = r"\sum_{k=1}^{n} k"


def test_math_verify_is_asked_only_of_formulas_that_cannot_be_evaluated_and_each_pair_once(monkeypatch):
    asked = []
    monkeypatch.setattr(SymbolicPool, "check", lambda self, pairs: asked.extend(pairs) or [(R, "")] * len(pairs))
    problem, plain = Problem(id="p", prompt="?", answer=SUM), Problem(id="q", prompt="?", answer=r"\pi")
    stated = r"\boxed{\frac{n(n+1)}{2}}"
    prose = "The answer is the sum of all k."
    verdicts = Answers(1.0)([(problem, stated), (plain, r"\boxed{2\pi/2}"), (problem, stated), (problem, prose)])
    assert asked == [(SUM, r"\frac{n(n+1)}{2}")]
    assert [v.strict for v in verdicts] == [R, R, R, U]


@pytest.mark.parametrize("mark", [W, U])
def test_that_math_verify_finds_two_different_proves_nothing(monkeypatch, mark):
    monkeypatch.setattr(SymbolicPool, "check", lambda self, pairs: [(mark, "")] * len(pairs))
    assert grade(Answers(1.0), SUM, r"\boxed{n^2}") == (U, U)


def test_math_verify_sums(answers):
    pytest.importorskip("math_verify")
    assert grade(answers, r"\sum_{k=1}^{4} k", r"\boxed{10}") == (R, R)


@given(st.integers(-(10**12), 10**12), st.integers(0, 6), st.booleans())
def test_numbers_are_compared_exactly(digits, decimals, off):
    value = Fraction(digits, 10**decimals)
    printed = f"{'-' * (digits < 0)}{abs(digits) // 10**decimals:,}.{abs(digits) % 10**decimals:0{decimals}d}"
    other = value + Fraction(off, 10**12)
    key = f"{other.numerator}/{other.denominator}"
    (verdict,) = Answers(1.0)([(Problem(id="p", prompt="?", answer=key), f"The answer is {printed}.")])
    assert verdict.strict is (W if off else R)


@given(
    st.text(max_size=200),
    st.text(alphabet=st.sampled_from(list("Aanswer is:#\\boxed{}$0123456789.,/%-\n ")), max_size=200),
)
def test_hostile_texts_never_raise(key, text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SymbolicPool, "check", lambda self, pairs: [(U, "asked")] * len(pairs))
        Answers(1.0)([(Problem(id="p", prompt="?", answer=key), text)])


@pytest.mark.parametrize(
    "piece",
    [
        "9",
        "1,",
        "\\boxed{",
        "The answer is ",
        "answer is\n",
        "- ",
        "A: ",
        "####",
        "$",
        "1/",
        ".",
        " ",
        "\\text{",
        "a",
        "(",
        "\n",
    ],
)
def test_a_megabyte_of_anything_is_read_quickly(piece, monkeypatch):
    monkeypatch.setattr(SymbolicPool, "check", lambda self, pairs: [(U, "asked")] * len(pairs))
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()
    for key in ("18", "x^2", "Paris"):
        Answers(1.0)([(Problem(id="p", prompt="?", answer=key), text)])
    Answers(1.0)([(Problem(id="p", prompt="?", answer=text), "The answer is 3.")])
    assert time.process_time() - started < 1


def test_missing_math_verify_is_the_reason_of_an_unknown_only_where_it_is_needed(monkeypatch):
    monkeypatch.setattr(symbolic, "find_spec", lambda name: None)
    with Answers(1.0) as answers:
        assert grade(answers, "18", "The answer is 18.") == (R, R)
        assert grade(answers, r"\pi", r"\boxed{2\pi/2}") == (R, R)
        (verdict,) = answers([(Problem(id="p", prompt="?", answer=SUM), r"\boxed{n}")])
    assert verdict.strict is U
    assert "counterform[math]" in verdict.reason


def test_a_crash_of_the_verifier_is_unknown_with_its_reason(monkeypatch):
    def crash(*_: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(answer, "compare", crash)
    (verdict,) = Answers(1.0)([(Problem(id="p", prompt="?", answer="a+b"), r"\boxed{b+a}")])
    assert verdict.strict is U
    assert "ZeroDivisionError: by nothing" in verdict.reason


@pytest.mark.parametrize(
    ("prompt", "key", "text", "mark"),
    [
        ("What percentage of them?", "50", "The answer is 50%.", R),
        ("What share of them?", "50", "The answer is 50%.", U),
        ("How many cents does it cost?", "18", "The answer is 18 cents.", R),
        ("How many dollars does it cost?", "18", "The answer is 18 cents.", U),
        ("How long is it in meters?", "18", "The answer is 18 cm.", U),
        ("How long is it in centimeters?", "18", "The answer is 18 cm.", R),
        ("Write it in base 8.", "52_8", r"\boxed{52}", R),
        ("Find all the solutions, separated by commas.", "1,-2", r"\boxed{-2, 1}", R),
        ("List them in increasing order, separated by commas.", "-2,1", r"\boxed{1, -2}", U),
    ],
)
def test_the_question_settles_units_bases_and_order(answers, prompt, key, text, mark):
    (verdict,) = answers([(Problem(id="p", prompt=prompt, answer=key), text)])
    assert verdict.strict is mark


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("The answer is entailed.", W),
        ("The answer is not entailed.", R),
        ("The answer is: it is not entailed.", R),
        ("The answer is neutral.", W),
        ("The answer is entailed or neutral.", U),
        ("The answer is hard to say.", U),
        ("The answer is not neutral.", U),
    ],
)
def test_an_answer_space_decides(answers, text, mark):
    facts = {"space": ["entailed", "not entailed", "neutral"]}
    (verdict,) = answers([(Problem(id="p", prompt="?", answer="not entailed", facts=facts), text)])
    assert verdict.strict is mark


@given(st.fractions(max_denominator=10_000), st.fractions(max_denominator=10_000))
def test_numbers_in_any_notation_are_equal_or_different(one, other):
    notations = [str(one), rf"\frac{{{one.numerator}}}{{{one.denominator}}}", f"({one.numerator}) / {one.denominator}"]
    notations += [f"x = {one}", f"${one}$", f"{one} dollars", f"{3 * one.numerator}/{3 * one.denominator}"]
    for notation in notations:
        assert grade_answer(str(one), notation)[0] is R
        assert grade_answer(notation, str(one))[0] is R
        assert (grade_answer(str(other), notation)[0] is R) is (one == other)


_LEAVES = st.sampled_from(["x", "y", "2", "3", r"\pi", r"\frac{1}{2}", "10"])
_FORMULAS = st.recursive(
    _LEAVES,
    lambda inner: st.tuples(
        st.sampled_from(["({} + {})", r"({} \cdot {})", r"\frac{{{}}}{{1 + {}^2}}", "({} - {})"]), inner, inner
    ).map(lambda made: made[0].format(made[1], made[2])),
    max_leaves=6,
)


@settings(deadline=None, max_examples=60)
@given(_FORMULAS, _FORMULAS)
def test_formulas_are_compared_alike_from_both_sides(one, other):
    assert grade_answer(one, f"{one} + 0")[0] is R
    assert grade_answer(one, f"{one} + 1")[0] is W
    mine, theirs = grade_answer(one, other)[0], grade_answer(other, one)[0]
    assert {mine, theirs} != {R, W}


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(KINDS), st.sampled_from(KINDS))
def test_no_answer_is_right_for_a_key_and_wrong_the_other_way_round(one, other):
    mine, theirs = grade_answer(one["key"], other["key"])[0], grade_answer(other["key"], one["key"])[0]
    assert {mine, theirs} != {R, W}


@pytest.mark.parametrize(
    "key", ["9**9**9", "9^{9^{9}}", "1000000!", r"\frac{1", "9" * 100_000, "x^{x^{x}}", "(" * 500, r"\sqrt[1000]{x}"]
)
@pytest.mark.parametrize(
    "given_answer", ["5", "x", "9^{9^{8}}", r"\tan(10^{50})", "(" * 500, "1e99999", r"\frac{1}{0}"]
)
def test_a_hostile_formula_takes_no_time(key, given_answer):
    if key == given_answer:
        return
    started = time.process_time()
    assert grade_answer(key, given_answer)[0] in (U, W)
    assert grade_answer(given_answer, key)[0] in (U, W)
    assert time.process_time() - started < 1


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """A worker program that sleeps, hangs, dies or echoes, by what it is asked."""
    program = tmp_path / "symbolic_worker.py"
    program.write_text(
        "import json, os, signal, sys, time\n"
        "for line in sys.stdin:\n"
        "    key, answer = json.loads(line)\n"
        "    if answer == 'die': os._exit(9)\n"
        "    if answer == 'hang': signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32)); time.sleep(60)\n"
        "    print(json.dumps(['right' if key == answer else 'wrong', str(os.getpid())]), flush=True)\n"
    )
    monkeypatch.setattr(symbolic, "__file__", str(tmp_path / "symbolic.py"))
    monkeypatch.setattr(symbolic, "START_SECONDS", 10.0)
    monkeypatch.setattr(symbolic, "GRACE_SECONDS", 0.5)


@pytest.mark.usefixtures("worker")
def test_a_dead_or_hanging_process_costs_one_answer():
    pytest.importorskip("math_verify")
    pool = SymbolicPool(1.5, workers=2)
    started = time.perf_counter()
    grades = pool.check([("a", "a"), ("a", "die"), ("a", "b"), ("a", "hang"), ("a", "a"), ("a", "die"), ("b", "b")])
    assert [mark for mark, _ in grades] == [R, U, W, U, R, U, R]
    assert "died" in grades[1][1]
    assert "did not stop" in grades[3][1]
    assert time.perf_counter() - started < 50  # of the 60 that it would hang
    pool.close()
    assert pool.check([("a", "a")])[0][0] is R  # it starts again
    pool.close()


def test_the_main_module_is_not_imported_again(tmp_path):
    pytest.importorskip("math_verify")
    import subprocess

    script = tmp_path / "unguarded.py"
    script.write_text(
        "from counterform.types import Problem\n"
        "from counterform.verify.answer import Answers\n"
        "print('once')\n"
        "print(Answers(5.0)([(Problem(id='p', prompt='?', answer='\\\\sum_{k=1}^{1} 2'), r'\\boxed{2}')])[0].strict.value)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["once", "right"]


@pytest.mark.parametrize(
    ("key", "text", "lenient"),
    [
        ("3000000", "So she earned 3 million", R),
        ("3", "So she earned 3 million", W),
        ("3", "So she earned 3 apples", R),
        ("36", "so it is 3 dozen", R),
        ("3", "so it is 3 dozen", W),
    ],
)
def test_a_word_of_scale_after_the_last_number_belongs_to_it(answers, key, text, lenient):
    (verdict,) = answers([(Problem(id="p", prompt="?", answer=key), text)])
    assert (verdict.strict, verdict.lenient) == (U, lenient)
    assert "failed" not in verdict.reason


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("0.5", "1/2", True), ("0.5", "0.6", False), ("red", "blue", False), ("", "5", False), ("1,000", "1000", True)],
)
def test_two_answers_that_say_the_same(one, other, same):
    assert say_the_same(one, other) is say_the_same(other, one) is same
