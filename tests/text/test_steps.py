from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from counterform.text.steps import MAX_STEP, MAX_STEPS, Splitter, split_steps

TAG = re.compile(r"</?(?:think|thinking|answer|tool_call|tool_response)>")


def steps_of(text: str) -> list[str]:
    return [text[start:end] for start, end in split_steps(text)]


def streamed(text: str, sizes: list[int]) -> list[tuple[str, int, int]]:
    splitter, found, at = Splitter(), [], 0
    for size in sizes:
        found += splitter.feed(text[at : at + size])
        at += size
    found += splitter.feed(text[at:])
    return found + splitter.close()


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("7 + 5 = 12. 12 * 2 = 24. The answer is 24.", ["7 + 5 = 12.", "12 * 2 = 24.", "The answer is 24."]),
        ("It costs 3.50 now.\n\n  Dr. Lee pays! Why? ", ["It costs 3.50 now.", "Dr. Lee pays!", "Why?"]),
        ("1. Add 5. Done\n2. Stop", ["1. Add 5.", "Done", "2. Stop"]),
        ("### Step 1. Add 5.\n- **2.** Stop. Go", ["### Step 1. Add 5.", "- **2.** Stop.", "Go"]),
        ("1.\nAdd 5", ["1.", "Add 5"]),
        ("How many? 5. Then 6.", ["How many?", "5.", "Then 6."]),
        ('He said "no." Then left.', ['He said "no."', "Then left."]),
        ("**Done.** Next. (Or so.)* Yes", ["**Done.**", "Next.", "(Or so.)*", "Yes"]),
        ("some, e.g. two apples\r\nend", ["some, e.g. two apples", "end"]),
        ("7+5=13。12*2=24。他说“好。”然后", ["7+5=13。", "12*2=24。", "他说“好。”", "然后"]),
        ("<think>7 + 5 = 12.</think>The answer is 12.", ["7 + 5 = 12.", "The answer is 12."]),
        ("<think>\n1. Add 5. Go</think> <answer>12</answer>", ["1. Add 5.", "Go", "12"]),
        ("<think><think>a</think> b < c</thinks> d", ["a", "b < c</thinks> d"]),
        (
            'I call. <tool_call>\n{"q": "Hi. Yes"}\n</tool_call> It is 5. <tool_response>5\n6</tool_response>',
            [
                "I call.",
                '<tool_call>\n{"q": "Hi. Yes"}\n</tool_call>',
                "It is 5.",
                "<tool_response>5\n6</tool_response>",
            ],
        ),
        ("So\n\\[\n7 + 5\n= 12. \n\\]\nThen 6.", ["So", "\\[\n7 + 5\n= 12. \n\\]", "Then 6."]),
        ("$$ 7 + 5 = 12 $$, so. Then\n$$ a\n\nb. c", ["$$ 7 + 5 = 12 $$, so.", "Then", "$$ a", "b.", "c"]),
        ("\\begin{align*}\na &= 1. \\\\\n\\end{align*}\nb", ["\\begin{align*}\na &= 1. \\\\\n\\end{align*}", "b"]),
        ('Sort ["a" ? "b"] now. Why?  So.', ['Sort ["a" ? "b"] now.', "Why?", "So."]),
        ("So\\[\n7 + 5. \n= 12. \n\\] Then. b", ["So\\[\n7 + 5. \n= 12. \n\\] Then.", "b"]),
        (
            "We get \\begin{align*}\na &= 1. \\\\\n\\end{align*}So. b",
            ["We get \\begin{align*}\na &= 1. \\\\\n\\end{align*}So.", "b"],
        ),
        ("So \\[ 7 + 5. Then\n\nb. c", ["So \\[ 7 + 5. Then", "b.", "c"]),
        ("$2! \\cdot 5 = 10$ ways. So", ["$2! \\cdot 5 = 10$ ways.", "So"]),
        ("There are 5! ways. n! of them, (n - 1)! here.", ["There are 5! ways.", "n! of them, (n - 1)! here."]),
        ("It is 120! Then stop! and go. 4!\n= 24", ["It is 120!", "Then stop!", "and go.", "4!", "= 24"]),
        ("Take 4! * 2 = 48 and {3}! / 2! = 3.", ["Take 4! * 2 = 48 and {3}! / 2! = 3."]),
        ("It is $12,\\! 000$ now! So", ["It is $12,\\! 000$ now!", "So"]),
        ("$$$5 + 3 = 8. So 8.$$ Done. Yes", ["$$$5 + 3 = 8. So 8.$$ Done.", "Yes"]),
        (" \n\t ", []),
        ("", []),
    ],
)
def test_splits_into_steps(text, steps):
    assert steps_of(text) == steps


SIGNS = [
    *"ab1.!? \n\r\t\"'\u2028\xa0=<>/$\\{”。*",
    "Dr. ",
    "1. ",
    ". ",
    "\n\n",
    "5! ",
    "\\[",
    "\\]",
    "$$",
    "\\begin{",
    "\\end{",
]
TAGS = ["<think>", "</think>", "<answer>", "<tool_call>", "</tool_call>", "</tool_response>"]
PIECES = st.sampled_from([*SIGNS, *TAGS, "a" * (MAX_STEP - 3)])
TEXTS = st.lists(PIECES, max_size=60).map("".join)


@given(TEXTS)
def test_spans_are_ordered_disjoint_and_lose_nothing_but_space_and_tags(text):
    spans = split_steps(text)
    at, between = 0, ""
    for start, end in spans:
        assert at <= start < end <= len(text)
        assert text[start:end].strip() == text[start:end]
        between += text[at:start] + "\n"
        at = end
    assert not TAG.sub("", between + text[at:]).strip()


@given(TEXTS, st.lists(st.integers(1, 40), max_size=80))
@example("a" * (MAX_STEP - 1) + "Dr. Lee <think>", [1] * (MAX_STEP + 20))
@example("<tool_call>" + "a" * (MAX_STEP - 20) + "</tool_call> b.", [1] * (MAX_STEP + 20))
@example("a" * (MAX_STEP - 1) + "</tool_response> b. c", [1] * (MAX_STEP + 20))
@example("a" * (MAX_STEP - 1) + '."" b. c', [1] * (MAX_STEP + 20))
def test_a_growing_text_is_cut_as_the_finished_one(text, sizes):
    found = streamed(text, sizes)
    assert [(start, end) for _, start, end in found] == split_steps(text)
    assert all(text[start:end] == step for step, start, end in found)


def test_a_step_is_known_at_the_first_space_after_it():
    splitter = Splitter()
    assert splitter.feed("7 + 5 = 12.") == []
    assert [step.text for step in splitter.feed(" 12")] == ["7 + 5 = 12."]
    assert [step.text for step in splitter.feed(" * 2 = 24</thi")] == []
    assert [step.text for step in splitter.feed("nk>")] == ["12 * 2 = 24"]
    assert splitter.close() == []


@pytest.mark.parametrize("endless", ["a", " ", "$$ ", "<tool_call>", "<think>", "\\[", ".", "1. ", "。"])
def test_memory_is_bounded(endless):
    splitter = Splitter()
    for _ in range(3_000):
        splitter.feed(endless * 10)
        assert len(splitter._text) < MAX_STEP + 500


def test_steps_are_bounded():
    assert [len(step) for step in steps_of("a" * (2 * MAX_STEP + 1))] == [MAX_STEP, MAX_STEP, 1]
    many = steps_of("a\n" * (MAX_STEPS + 50))
    assert len(many) == MAX_STEPS
    assert many[-1].count("a") == 51


@pytest.mark.parametrize(
    "hostile",
    [
        *(". " * 500_000, "." * 1_000_000, " " * 1_000_000, "1.\n" * 300_000, '."' * 500_000, "。”" * 500_000),
        *("<tool_call>" * 90_000, "\\[ " * 300_000, "<thin" * 200_000, "<think>" * 150_000, "> " * 500_000),
    ],
)
def test_splitting_is_linear(hostile):
    started = time.process_time()
    split_steps(hostile)
    assert time.process_time() - started < 3
