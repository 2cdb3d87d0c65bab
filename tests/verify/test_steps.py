from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.errors import ModelError
from counterform.types import (
    Attempt,
    Completion,
    Mark,
    OutcomeVerdict,
    OutcomeVerifier,
    Problem,
    StepVerdict,
    StepVerifier,
    Watch,
)
from counterform.verify.steps import Arithmetic, grade, grade_steps

PROBLEM = Problem(id="p", prompt="?", answer="24")


def marked(text: str) -> StepVerdict:
    return Arithmetic().start(PROBLEM).feed(text)


RIGHT = [
    "7 + 5 = 12.",
    "She has 5 apples * 2 = 10 apples",
    "2×3=6",
    "2x3 = 6",
    "6 people * 2 slices/person = 12 slices",
    "10/3 = 3.33",
    "2/3 = 0.66",
    "0.1 + 0.2 = 0.30000000000000004",
    "1,000 * 3 = $3,000.00",
    "(5 + 3) * 2 = 16",
    "2(3+4) = 14",
    "-5 + 3 = -2",
    "- 5 + 3 = 8",
    "6 − 2 = 4",
    "2 1/2 * 4 = 10",
    "5/2 = 2 1/2",
    "2^10 = 1024",
    "15 = 5 * 3",
    "x = 5 * 3 = 15",
    "5 + 3 = 8 + 4 = 12",
    "20% of 50 = 10",
    "25% * $40.00 = $10.00",
    "5 / 20 * 100 = 25%",
    "3/4 of the 20 = 15",
    r"$5 \times 3 = 15$",
    r"$\frac{1}{2} + \frac{1}{4} = \frac{3}{4}$",
    "9 * 2 = $<<9*2=18>>18 a day",
    "He pays <<1.5*4=6.0>>6 for it",
    "1500/month * 12 months/year = $<<1500*12=18000>>18,000/year",
    "4.71 * 1 = 4.7",
    r"2\frac{1}{2} = 2 + \frac{1}{2} = \frac{5}{2}",
    r"69{,}999 \div 7 = 9{,}999.857142857143",
    r"\[ L = d_1 + d_2 = 13 + 15 = 28 \]",
    "30 minutes * 4 = 2 hours",
]
UNKNOWN = [
    "The answer is 24.",
    "2x + 3 = 7",
    "y + 3 = 7",
    "3y = 5 * 2",
    "2 + 3 = 6x",
    "half of 20 + 5 = 15",
    "the sum of 5 and 3 * 2 = 16",
    "8 packs of 5 bags * 4 = 160",
    "There are 24 eggs in 1 tray * 2 trays = 48",
    "7 / 2 = 3",
    "7 / 2 = 4",
    "7 / 2 = 3 remainder 1",
    "10 / 3 = 3.4",
    "200/60 = 3 hours and 20 minutes",
    "60 miles / 2 miles/hour * 2 hours = 15",
    "20 - 48 = 28",
    "3.33 * 3 = 10",
    "1/4 as much money as a manicure = $400/4",
    "11 < 30 / 11 = 11",
    "50 + 20% = 60",
    "350 000 x 5/100 = 17 500",
    "1Dachshund+1/4Papillon=3/4Papillon",
    "5 + 3 = ",
    "1 / 0 = 3",
    "9^9^9^9 = 4",
    "3² + 1 = 11",
    "12 inches = 1 foot",
    "5^2 = 3^2 + x^2",
    r"\[ S_4 = 83 + 96 + 81 + 82 \]",
    r"\[ L = d_1 + d_{12} = x_1 \]",
    r"\text{Area}_2 = 5 + 3",
    r"M_0 \times \frac{2}{3} = \frac{4}{3}",
    r"\pi (6)^2 - \pi (4)^2 = 36\pi - 16\pi",
]
WRONG = [
    ("7 + 5 = 13.", "7 + 5 = 12."),
    ("She has 5 apples * 2 = 11 apples", "5 * 2 = 10."),
    ("So, she has $32 - $20 = $300 left.", "$32 - $20 = 12."),
    ("$3.99 * 2 = $7.99", "$3.99 * 2 = 7.98."),
    ("20% of 50 = 11", "20% of 50 = 10."),
    ("x = 5 * 3 = 16", "5 * 3 = 15."),
    ("10 / 3 = 3.5", "10 / 3 = 3.3333."),
    ("9 * 2 = $<<9*2=19>>19", "9 * 2 = 18."),
    ("9 * 2 = $<<9*2=18>>19 a day", "9 * 2 = 18."),
    ("He pays <<9*2=18>>81", "9 * 2 = 18."),
    ("1.6*400 = <<60*.01*400=240.0>>240", "1.6 * 400 = 640."),
    ("<<5+5=10>>10 and <<3*3=10>>10", "3 * 3 = 9."),
    ("他有 5 * 3 = 16", "5 * 3 = 15."),
    (r"\text{Area}_Q = \frac{1}{2} \times 24 \times 26 = 156", r"\frac{1}{2} * 24 * 26 = 312."),
]


@pytest.mark.parametrize("text", RIGHT)
def test_arithmetic_reads(text):
    assert marked(text).mark is Mark.RIGHT


@pytest.mark.parametrize("text", UNKNOWN)
def test_arithmetic_says_nothing_of_what_it_half_understands(text):
    assert marked(text).mark is Mark.UNKNOWN


@pytest.mark.parametrize(("text", "hint"), WRONG)
def test_arithmetic_finds_errors_and_says_what_is_right(text, hint):
    verdict = marked(text)
    assert (verdict.mark, verdict.rule, verdict.hint) == (Mark.WRONG, "arithmetic", hint)


@given(st.integers(0, 10**6), st.sampled_from("+-*"), st.integers(0, 10**6), st.integers(-3, 3))
def test_text_and_calculator_mark_are_judged_alike(left, sign, right, off):
    result = {"+": left + right, "-": left - right, "*": left * right}[sign] + off
    plain = marked(f"so {left} {sign} {right} = {result} eggs")
    mark = marked(f"so {left} {sign} {right} = <<{left}{sign}{right}={result}>>{result} eggs")
    assert (plain.mark, plain.hint) == (mark.mark, mark.hint)
    assert (plain.mark is Mark.RIGHT) == (off == 0)


@given(st.text(alphabet=st.sampled_from(list("0123456789+-*/^=().,%$<> xaf\\{}½²٣")), max_size=80))
def test_arithmetic_never_raises(text):
    marked(text)


@pytest.mark.parametrize(
    "hostile",
    [
        "(" * 10**6 + "=",
        "9^" * 10**5 + "=1",
        "1+" * 10**5 + "1=2",
        "<<" * 10**5 + "=",
        "$" * 10**6 + "=",
        "a " * 10**6 + "=",
    ],
)
def test_arithmetic_is_bounded(hostile):
    assert Arithmetic.bounded  # or a guard would ask it in a thread
    started = time.process_time()
    marked(hostile)
    assert time.process_time() - started < 1


def test_working_it_out_again_mends():
    watch = Arithmetic().start(PROBLEM)
    marks = [watch.feed(step) for step in ("7 + 5 = 13.", "Wait, 7 + 5 = 12.", "7 + 5 = 12.")]
    assert [(step.mark, step.mends) for step in marks] == [(Mark.WRONG, False), (Mark.RIGHT, True), (Mark.RIGHT, False)]


class Breaks(StepVerifier, Watch):
    """A step verifier with a bug."""

    name = "breaks"

    def start(self, problem):
        return self

    def feed(self, step):
        if "boom" in step:
            raise ValueError("no such step")
        return StepVerdict(mark=Mark.RIGHT, rule="fine")


def test_a_verifier_that_fails_leaves_the_rest_unknown():
    text = "one\nboom\nthree"
    graded = grade_steps(Breaks(), PROBLEM, text)
    assert [step.mark for step in graded] == [Mark.RIGHT, Mark.UNKNOWN, Mark.UNKNOWN]
    assert graded[1].rule == "verifier failed"
    assert "no such step" in graded[1].hint
    assert [text[slice(*step.span)] for step in graded] == ["one", "boom", "three"]


def attempt(id: str, text: str, finish="stop", recorded=Mark.UNKNOWN) -> Attempt:
    completion = Completion(text=text, tokens=1, finish=finish)
    return Attempt(id=id, problem_id="p", model="m", seed=0, completion=completion, recorded=recorded)


def test_grade_keeps_order_recorded_grades_and_silence():
    class Says24(OutcomeVerifier):
        def __call__(self, pairs):
            return [OutcomeVerdict(Mark.RIGHT if "24" in text else Mark.WRONG, Mark.RIGHT, "why") for _, text in pairs]

    verdicts = grade(
        [
            attempt("a", "", finish="error", recorded=Mark.RIGHT),
            attempt("b", "7 + 5 = 13. It is 24."),
            attempt("c", "24", recorded=Mark.WRONG),
        ],
        {"p": PROBLEM},
        outcome=Says24(),
        steps=Arithmetic(),
    )
    assert [v.attempt_id for v in verdicts] == ["a", "b", "c"]
    assert [v.outcome for v in verdicts] == [Mark.UNKNOWN, Mark.RIGHT, Mark.WRONG]
    assert [v.lenient for v in verdicts] == [Mark.UNKNOWN, Mark.RIGHT, Mark.RIGHT]
    assert [v.verifier for v in verdicts] == ["answer + arithmetic", "answer + arithmetic", "recorded + arithmetic"]
    assert verdicts[0].reason == "the model was not heard"
    assert verdicts[0].steps == ()
    assert verdicts[1].first_error == 0


@pytest.mark.parametrize(
    "text",
    [
        "5 + 3 = 9 + 2 = 11",  # the second equation holds, and the first does not
        "40 + 2 = 41 + 2 = 43",
        "3! = 6!",
    ],
)
def test_a_step_with_an_equation_that_does_not_hold_as_read_is_not_right(text):
    assert marked(text).mark is not Mark.RIGHT


def test_a_sign_that_the_attempt_itself_defines_is_not_arithmetic_from_there_on():
    text = "Define a * b = a + 2b.\nThen 1 * 2 = 5.\n3 + 4 = 8."
    marks = [verdict.mark for verdict in grade_steps(Arithmetic(), PROBLEM, text)]
    assert marks == [Mark.UNKNOWN, Mark.UNKNOWN, Mark.WRONG]
    # A letter that its meaning does not name defines no sign: nobody turns the checks off by writing "define".
    text = "Define the cost a * b = 20.\nThen 3 * 4 = 13."
    assert [verdict.mark for verdict in grade_steps(Arithmetic(), PROBLEM, text)][-1] is Mark.WRONG


def test_points_between_thousands_are_a_doubt_only_where_they_make_the_step_right():
    assert marked("1.500 + 500 = 2.000").mark is Mark.UNKNOWN
    assert marked("1.500 + 500 = 2.100").mark is Mark.WRONG
    assert marked("1.500 + 0.5 = 2.000").mark is Mark.RIGHT


class OutOfQuota(StepVerifier, Watch):
    """A step verifier that asks an endpoint, which does not answer any more."""

    name = "endpoint"

    def start(self, problem):
        return self

    def feed(self, step):
        raise ModelError("429 insufficient_quota")


def test_a_verifier_whose_endpoint_does_not_answer_is_no_unknown():
    with pytest.raises(ModelError, match="429"):
        grade_steps(OutOfQuota(), PROBLEM, "7 + 5 = 12.")
