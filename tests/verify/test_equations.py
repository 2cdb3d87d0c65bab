"""What is read of equations, and what is not called wrong: by kinds, each with siblings of what was found on public data."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.types import Mark, Problem
from counterform.verify.equations import claims, read
from counterform.verify.steps import Arithmetic, grade_steps

PROBLEM = Problem(id="p", prompt="?", answer="0")


def mark_of(text: str, problem: Problem = PROBLEM) -> Mark:
    """WRONG if a step is, RIGHT if one was read, else UNKNOWN."""
    marks = {step.mark for step in grade_steps(Arithmetic(), problem, text)}
    return next(mark for mark in (Mark.WRONG, Mark.RIGHT, Mark.UNKNOWN) if mark in marks)


# A part of an expression read as the whole is the fault behind nearly all false alarms: what stands to its left and right
# makes an equation UNKNOWN, or is read too. None of these is wrong.
NOT_WRONG: dict[str, list[str]] = {}
for line in Path(__file__).with_name("not_wrong.txt").read_text(encoding="utf-8").splitlines()[1:]:
    if line.startswith("# "):
        siblings = NOT_WRONG.setdefault(line[2:], [])
    else:
        siblings.append(line)

WRONG = [
    "7 + 5 = 13",
    "$7 + 5 = 13$",
    "She has 5 apples * 2 = 11 apples",
    r"$\frac{1}{2} + \frac{1}{4} = \frac{2}{3}$",
    r"$\frac12 \cdot 10 = 6$",
    "$2^{10} = 1000$",
    r"$12,\!000 + 500 = 12,\!600$",
    "4! = 25",
    "half of 30 is 16",
    "20% of 50 is 11",
    r"$\sqrt{16} = 5$",
    "2 hours + 30 minutes = 160 minutes",
    "5 times 3 is 16",
    "x = 3, so 2x = 7",
    "5 + 3 = 9, so we go on.",
    r"\[ 7 + 5 = 13 \]",
    "The total is 3 * 5 = 16.",
    r"Thus, $3 \cdot 5 = 16$ ways.",
    "(7 + 5 = 13)",
    "**Total:** 7 + 5 = 13",
    "1. 7 + 5 = 13",
    "$2(3+4) = 15$",
    "2 + 3 * 4 = 5 * 4 = 20",
    "$100 - 10 = 80",
    "3/4 of 20 = 16",
    r"\(15 \times 4 = 50\)",
    "$5 + 3$ = 9",
    "**5 + 3** = 9",
    "3 kg * 2 hours = 7",
]
RIGHT = [
    "half of 30 is 15",
    "x = 3, so 2x = 6",
    "$x = 3$, so $2x + 1 = 7$",
    "$(x+1)^2 = x^2 + 2x + 1$",
    r"$\sqrt{12} = 2\sqrt{3}$",
    "2 hours + 30 minutes = 150 minutes",
    "20% of 50 is 10",
    "5 times 3 is 15",
    "a third of 30 is 10",
    "twice 5 is 10",
    "3/4 of 20 is 15",
    r"$\frac{1}{2} + \frac{1}{3} = \frac{5}{6}$",
    "2 + 3 = 5 = 10 / 2",
    "50 cents * 4 = $2",
    "1 + 1/2 = 1.5",
    "5 plus 3 equals 8",
    "12 divided by 4 is 3",
    "so half of 30 is 15",
    r"$180^\circ - 30^\circ = 150^\circ$",
    "2.5 million + 1.5 million = 4 million",
    "7 plus 5 makes 12",
    "**7 + 5 = 12**",
    "$5 + 3$ = 8",
    "**5 + 3** = 8",
    "7 + 5 = 12!",
    "7 + 5 = 12!, of course",
    "2 hours * 60 minutes/hour = 120 minutes",
    "3 hours * 60 = 180 minutes",
    "5 + 3 hours = 8 hours",
    "3 kg * 2 hours = 6",
    r"$\sqrt{2} = 1.4$",
    r"$\sqrt{2} = 1.414$",
    r"$2\sqrt{3} = 3.46$",
]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in NOT_WRONG.items() for text in texts])
def test_what_is_only_half_understood_is_not_wrong(kind, text):
    assert mark_of(text) is not Mark.WRONG
    assert mark_of(f"So we have {text}") is not Mark.WRONG


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wholly_read_and_does_not_hold_is_wrong(text):
    assert mark_of(text) is Mark.WRONG


@pytest.mark.parametrize("text", RIGHT)
def test_what_holds_is_read(text):
    assert mark_of(text) is Mark.RIGHT


@pytest.mark.parametrize(
    "text",
    [
        "2 hours + 30 minutes = 32 minutes",
        "80 minutes + 3 hours = 83 minutes",
        "1 kg + 500 g = 501 kg",
        "sqrt(9 + 16) = 25",
        "f(2 + 3) = 5",
        "50 - 10% = 40",
        "one and a half of 30 is 15",
        r"$2 + \sqrt{9+16} = 25$",
        "$3x = 5 * 2$",
        "2 + 3 + ... + 5 = 5",
        "2 + 2 = 4!5",
        "2 + 2 = 4! + 1",
        "xy = 6, so 2x = 12",
        "2x = 6, so 3x = 18",
    ],
)
def test_a_part_of_an_expression_does_not_make_the_whole_right(text):
    assert mark_of(text) is not Mark.RIGHT


@pytest.mark.parametrize(
    "text",
    [
        "2 hours * 60 minutes/hour = 130 minutes",
        "2 hours * 50 minutes per hour = 120 minutes",
        "3 hours * 60 = 190 minutes",
        "5 + 3 hours = 9 hours",
        "5 hours + 3 = 9 hours",
        r"$\sqrt{2} = 1.45$",
        r"$\sqrt{2} = 1.42$",
        r"$\sqrt{2} = 1.415$",
        "7 + 5 = 13!",
        "xy = 6, so 2x = 4",
    ],
)
def test_what_may_be_meant_otherwise_is_neither_right_nor_wrong(text):
    """A rate, a rounded root, an exclamation mark, a product of letters: none is proof for either side."""
    assert mark_of(text) is Mark.UNKNOWN


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("For real numbers define a * b = ab + a + b. What is 2 * 3?", "2 * 3 = 11"),
        ("The operation # is defined by a # b = a^2 - b. Find 3 # 2.", "3 # 2 = 7"),
        (r"Let the operation $\star$ be defined as $a \star b = 2a + b$.", r"$1 \star 2 = 4$"),
        ("Define x + y = xy for all x and y.", "So 5 + 3 = 15."),
        ("The operation - is defined so that a - b = a + 2b.", "Then 7 - 1 = 9."),
    ],
)
def test_signs_that_the_problem_defines_are_not_read(prompt, text):
    assert mark_of(text, Problem(id="p", prompt=prompt, answer="0")) is Mark.UNKNOWN


def test_letters_keep_what_they_are_said_to_be_worth():
    watch = Arithmetic().start(PROBLEM)
    steps = ["Let $x = 3$.", "Then $2x + 1 = 7$.", "So $2x + 1 = 8$.", "Now x = 4, so 2x = 8.", "x = 4, so 2x = 6."]
    marks = [watch.feed(step).mark for step in steps]
    assert marks == [Mark.UNKNOWN, Mark.RIGHT, Mark.UNKNOWN, Mark.RIGHT, Mark.WRONG]


def test_an_equation_goes_on_in_the_next_step():
    watch = Arithmetic().start(PROBLEM)
    marks = [watch.feed(step) for step in ("Total = 3 * 5 + 1", "= 15 + 1", "= 17", "So be it.", "= 18")]
    assert [step.mark for step in marks] == [Mark.UNKNOWN, Mark.RIGHT, Mark.WRONG, Mark.UNKNOWN, Mark.UNKNOWN]
    assert marks[2].hint == "15 + 1 = 16."


def test_a_hint_that_restates_the_step_is_no_error():
    for text in ("2 * 30 = 6 0", r"$15^4 = \boxed{50}{625}$", "5 * 200 = 1 , 000"):
        assert mark_of(text) is not Mark.WRONG


def test_what_may_have_been_cut_off_is_not_wrong():
    long = "a" * 1_990 + " "
    assert mark_of(long + "7 + 5 = 1") is not Mark.WRONG
    assert mark_of("a" * 1_000 + " 7 + 5 = 13") is Mark.WRONG


def test_a_sum_of_units_says_what_is_right_in_the_unit_asked_for():
    [claim] = claims("2 hours + 30 minutes = 160 minutes")
    assert claim.hint == "2 hours + 30 minutes = 150 minutes."


SCRAPS = st.lists(
    st.sampled_from(
        [
            *"0123456789+-*/^=().,%$<>!?_{}[]xyaf",
            " ",
            "\\",
            "\\frac",
            "\\sqrt",
            "\\cdot",
            "\\!",
            "\\text{ hours}",
            " hours",
            "≈",
            "√",
            "half of ",
            " is ",
            "<<",
            ">>",
            "\\[",
            "\\]",
            "\\begin{align}",
            "&",
            "\\binom",
            "!",
            "π",
            "\\pi",
            " so ",
            "\n",
            "x = 3",
        ]
    ),
    max_size=60,
).map("".join)


@given(SCRAPS, SCRAPS)
def test_any_text_is_read_without_an_error(one, other):
    watch = Arithmetic().start(Problem(id="p", prompt=other, answer=""))
    assert {watch.feed(text).mark for text in (one, other, one)} <= set(Mark)


@pytest.mark.parametrize(
    "scrap",
    [
        "(=",
        ")=)",
        "1=",
        "x=",
        "x+",
        r"\frac1",
        r"\sqrt{",
        "{",
        "^{2",
        "1 a ",
        "a 1 =",
        "2!",
        "9^9^",
        "(x+y+z)^8*",
        "$1=",
        "half of ",
        "1+1=3 if ",
        "2 hours + ",
        r"\text{",
        r"\begin{align}",
        "- 1",
        ", so ",
        "is 1 ",
        "<<1=1>>",
    ],
)
def test_reading_is_bounded_in_time(scrap):
    started = time.process_time()
    read(scrap * (20_000 // len(scrap)) + "=1")
    read("7+" + scrap * 900 + "=1")
    assert time.process_time() - started < 1
