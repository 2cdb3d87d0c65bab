from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.text.answers import Form, answer_of, bare, stated, statements, times_stated, without_remark


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("7 + 5 = 12. The answer is 12.", "12"),
        ("The answer is 3.5. Bye.", "3.5"),
        ("the final answer is: **18**.", "18"),
        ("#### 1,200", "1,200"),
        (r"So \boxed{\frac{1}{2}} it is", r"\frac{1}{2}"),
        (r"The final answer is $\boxed{\text{a}_{1}}$. I hope it is correct.", r"\text{a}_{1}"),
        ("A: 18", "18"),
        ("Answer: Paris", "Paris"),
        ("ANSWER IS D. A is incorrect.", "D"),
        ("**Answer:**\n18 eggs", "18 eggs"),
        ("### Final Answer\n42", "42"),
        ("<answer>\n42\n</answer>", "42"),
        ("<answer>The answer is \\boxed{42}.</answer>", "42"),
        ("The answer is 5. No: the answer is 6.", "6"),
        ("The answer to the question is 42.", "42"),
        ("The solutions are $\\boxed{1}$ and $\\boxed{-2}$.", "1, -2"),
        ("\\boxed{42}, so \\boxed{42}", "42"),
        # A thought states nothing.
        ("<think>The answer is 41.</think>The answer is 42.", "42"),
        ("no opening tag: \\boxed{41}</think>\\boxed{42}", "42"),
        ("<reasoning>\\boxed{41}</reasoning><answer>42</answer>", "42"),
        # Nor does what is only weighed, what is said of an answer, or of another one.
        ("Suppose the answer is 41; no. The answer is 42.", "42"),
        ("The answer is 42. This answer is correct.", "42"),
        ("The answer is 42. My answer is based on the text.", "42"),
        ("The answer is 42.\n\nQuestion: 3 + 4?\nThe answer is 7.", "42"),
        # A remark ends the answer.
        ("The answer is 72, which is 48 + 24.", "72"),
        ("The answer is 72 because 48 + 24 = 72.", "72"),
        ("The answer is 72, so she earns it.", "72"),
    ],
)
def test_what_is_stated(text, answer):
    assert stated(text).answer == answer
    assert stated(text).reason == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no answer is stated"),
        ("it is 18", "no answer is stated"),
        ("Plan A: go", "no answer is stated"),
        ("Perhaps the answer is 41.", "no answer is stated"),
        ("Let me check whether the answer is 41. It is not.", "no answer is stated"),
        ("Is the answer 41? The answer is 41?", "no answer is stated"),
        ("Maybe \\boxed{41}?", "no answer is stated"),
        ("<think>The answer is 42.", "the thought does not end"),
        ("The answer is", "the last statement is empty"),
        ("\\boxed{42}. Again: \\boxed{}", "the last statement is empty"),
        ("The answer is 5. \\boxed{6", "the last statement breaks off"),
        ("<answer>42", "the last statement breaks off"),
        ("The answer is 41. Wait, that is wrong.", "what was stated is taken back"),
        ("\\boxed{41} Scratch that.", "what was stated is taken back"),
        ("#### Step 1\nso 4", "no answer is stated"),
    ],
)
def test_why_nothing_is_stated(text, reason):
    assert stated(text).answers == ()
    assert stated(text).reason == reason


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("x = \\boxed{3}\n\ny = \\boxed{5}", ("3", "5")),
        ("The answer is 42, so the answer to part (b) is 7.", ("42", "7")),
        ("<answer>A</answer><answer>B</answer>", ("A", "B")),
    ],
)
def test_different_answers_are_all_kept(text, answers):
    assert stated(text)[:2] == (answers, "different answers are stated")


def test_a_sign_whose_small_letter_is_longer_hides_no_statement():
    far = " We look at it once more from the other side, which takes a while, and all is well. "
    text = "The final answer is 42." + far + r"\boxed{7}"
    assert len("İ".lower()) > 1
    assert stated(f"İ {text}").answers == stated(text).answers == ("42", "7")


def test_where_it_is_stated():
    text = "7 + 5 = 12. The answer is 12. Bye."
    said = stated(text)
    assert text[said.head : said.rest] == "The answer is 12."
    assert text[said.start :].startswith("12.")
    assert text[: said.head].endswith("12. ")


def test_offsets_hold_in_a_long_text():
    text = "x " * 50_000 + "<think>no</think> The answer is 12."
    said = stated(text)
    assert text[said.head : said.rest] == "The answer is 12."


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        ("72, in total", "72"),
        ("72 altogether", "72"),
        ("x^2, where x > 0", "x^2"),
        ("Paris, because it is", "Paris"),
        ("red, blue", "red, blue"),
        (r"\text{as, so}", r"\text{as, so}"),
        ("so", "so"),
    ],
)
def test_a_remark_ends_an_answer(answer, left):
    assert without_remark(answer) == left


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("nothing", 0),
        ("The answer is 5.", 1),
        (r"The answer is \boxed{5}.", 1),
        ("The answer is 5. The answer is 6.", 2),
        ("<think>The answer is 4.</think><answer>5</answer>", 1),
        ("<answer>5</answer><answer>6</answer>", 2),
        ("<answer>5", 0),
        ("5</answer>", 0),
    ],
)
def test_how_often_it_is_stated(text, times):
    assert times_stated(text) == times


def test_every_form_of_a_text():
    text = "#### 1\n\\boxed{2} The answer is 3.\n<answer>4</answer>"
    assert [(one.form, text[one.start : one.end]) for one in statements(text)] == [
        (Form.HASHES, "1"),
        (Form.BOX, "2"),
        (Form.SENTENCE, "3"),
        (Form.TAGS, "4"),
    ]


def test_the_bare_answer_of_a_text_that_states_none_is_all_of_it():
    assert bare(" The  capital. ") == "the capital"
    assert bare("The answer is **Paris**.") == "paris"
    assert answer_of("The capital.") == ""


PIECES = [
    "The answer is ",
    "answer: ",
    "\\boxed{",
    "}",
    "<answer>",
    "</answer>",
    "<think>",
    "</think>",
    "#### ",
    "7",
    ". ",
    "?",
    "\n",
]
PIECES += ["Wait, ", "perhaps ", "not ", "which is ", "Question: ", "A: ", "é", "*", "$", "x"]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=25).map("".join))
def test_any_text_is_read(text):
    said = stated(text)
    assert 0 <= said.head <= said.rest <= len(text)
    assert (said.answer is None) == bool(said.reason)
    assert all(0 <= one.head <= one.start <= one.end <= one.tail <= len(text) for one in statements(text))
    assert times_stated(text) >= 0


@pytest.mark.parametrize("piece", [*PIECES, " ", "answer:", "final answer\n", "{", "or "])
def test_a_megabyte_of_anything_is_read_quickly(piece):
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()
    stated(text)
    times_stated(text)
    assert time.process_time() - started < 1
