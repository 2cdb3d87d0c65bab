"""The step verifiers for BIG-Bench's written-out procedures."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.testing import check_verifier
from counterform.types import Mark, Problem
from counterform.verify.bb_arithmetic import MultistepArithmetic
from counterform.verify.bb_dyck import Dyck
from counterform.verify.bb_sorting import WordSorting
from counterform.verify.bb_tracking import Tracking
from counterform.verify.steps import grade_steps

SOLVED = {
    Dyck: (
        "< [ ( )",
        [
            "We should process each input one by one and keep track of the stack configuration.",
            "stack: empty",
            "< ; stack: <",
            "[ ; stack: < [",
            "( ; stack: < [ (",
            ") ; stack: < [",
            'Now, we have reached the end. The final stack is "< [".',
            'We will need to pop out "[", "<" one by one in that order.',
            'So, we need "]" and ">". So the answer is ] >',
        ],
    ),
    MultistepArithmetic: (
        "((5 + 2 * -1) * (3 - -2)) =",
        [
            'This equation can be written as "A * B", where A = (5 + 2 * -1) and B = (3 - -2).',
            "Let's calculate A = (5 + 2 * -1) = (5 + (-2)) = 3.",
            "Let's calculate B = (3 - -2) = 5.",
            "Then, the final equation is A * B = 3 * 5 = 15. So the answer is 15",
        ],
    ),
    Tracking: (
        "Alice, Bob, and Claire are dancers at a square dance. At the start of a song, they each have a partner: Alice is "
        "dancing with Jamie, Bob is dancing with Sam, and Claire is dancing with Izzi.\nThroughout the song, the dancers "
        "often trade partners. First, Bob and Alice switch partners. Then, Bob and Claire switch partners. Finally, Alice "
        "and Claire switch partners. At the end of the dance, Claire is dancing with\nOptions:\n(A) Jamie.\n(B) Sam.\n(C) Izzi.",
        [
            "At the start: Alice: Jamie, Bob: Sam, Claire: Izzi.",
            "Bob and Alice switch partners: Alice: Sam, Bob: Jamie, Claire: Izzi.",
            "B C: B: Izzi, C: Jamie.",
            "Alice and Claire switch partners: Alice: Jamie, Bob: Izzi, Claire: Sam.",
            "At the end of the dance, Claire is dancing with Sam. So the answer is (B)",
        ],
    ),
    WordSorting: (
        "cowl celerity quill celt",
        [
            "I should start by looking at the first letter of the words in the list. The first letter: "
            '"cowl": "c" (3). "celerity": "c" (3). "quill": "q" (17). "celt": "c" (3).',
            'We now have: (3) ["cowl" ? "celerity" ? "celt"] < (17) "quill".',
            'Now let\'s sort this subpart ["cowl" ? "celerity" ? "celt"] by looking at their second letters. '
            'The second letter: "cowl": "o" (15). "celerity": "e" (5). "celt": "e" (5).',
            'We now have: (5) ["celerity" ? "celt"] < (15) "cowl" for the subpart. '
            'Hence, we have ["celerity" ? "celt"] < "cowl" < "quill".',
            'Now let\'s sort this subpart ["celerity" ? "celt"] by looking at their third letters. '
            'The third letter: "celerity": "l" (12). "celt": "l" (12).',
            'We now have: (12) ["celerity" ? "celt"] for the subpart.',
            'Now let\'s sort this subpart ["celerity" ? "celt"] by looking at their fourth letters. '
            'The fourth letter: "celerity": "e" (5). "celt": "t" (20).',
            'We now have: (5) "celerity" < (20) "celt" for the subpart. '
            'Hence, we have "celerity" < "celt" < "cowl" < "quill".',
            "I have now sorted all the words. The answer is celerity celt cowl quill",
        ],
    ),
}
SPOILT = [
    (Dyck, 4, "( ; stack: < (", "stack", "( ; stack: < [ ("),
    (Dyck, 4, ") ; stack: < [", "next symbol", "( ; stack: < [ ("),
    (Dyck, 5, 'Now, we have reached the end. The final stack is "< [ (".', "end", ") ; stack: < ["),
    (Dyck, 6, 'Now, we have reached the end. The final stack is "<".', "final stack", 'The final stack is "< [".'),
    (Dyck, 7, 'We will need to pop out "<", "[" one by one in that order.', "pop", 'Pop out "[ <".'),
    (Dyck, 8, "So the answer is > ]", "answer", "So the answer is ] >"),
    (
        *(MultistepArithmetic, 0, 'This equation can be written as "A + B", where A = (5 + 2 * -1) and B = (3 - -2).'),
        *("rewriting", "((5 + 2 * -1) * (3 - -2)) is worth 15."),
    ),
    (MultistepArithmetic, 1, "Let's calculate A = (5 + 2 * 1) = 7.", "part", "A = 3."),
    (MultistepArithmetic, 1, "Let's calculate A = (5 + 2 * -1) = (7 * -1) = -7.", "part", "(5 + 2 * -1) = 3."),
    (MultistepArithmetic, 3, "Then, the final equation is A + B = 3 + 5 = 8.", "final equation", "A * B = 15."),
    (
        *(MultistepArithmetic, 3, "Then, the final equation is A * B = 3 * 5 = 15. So the answer is 51"),
        *("answer", "So the answer is 15"),
    ),
    (
        Tracking,
        0,
        "At the start: Alice: Sam, Bob: Jamie, Claire: Izzi.",
        "start",
        "Alice: Jamie, Bob: Sam, Claire: Izzi.",
    ),
    (Tracking, 1, "Alice: Sam, Bob: Sam, Claire: Izzi", "holds", "Alice: Sam, Bob: Jamie, Claire: Izzi."),
    (
        Tracking,
        1,
        "A and C swap: A: Izzi, C: Jamie",
        "swap",
        "Bob and Alice swap: Alice: Sam, Bob: Jamie, Claire: Izzi.",
    ),
    (Tracking, 3, "At the end of the dance, Claire is dancing with Jamie.", "end", "Alice and Claire swap."),
    (Tracking, 4, "At the end of the dance, Claire is dancing with Izzi.", "end", "Claire has Sam."),
    (Tracking, 4, "So the answer is (A)", "answer", "Claire has Sam. So the answer is (B)"),
    (WordSorting, 0, 'The first letter: "cowl": "c" (3). "quilt": "q" (17).', "word", 'There is no "quilt" in it.'),
    (WordSorting, 0, 'The first letter: "cowl": "c" (4).', "letter", '"cowl": "c" (3).'),
    (
        *(WordSorting, 1, 'We now have: (3) "cowl" < (3) ["celerity" ? "celt"] < (17) "quill".'),
        *("groups", 'We now have: ["celerity" ? "celt" ? "cowl"] < "quill".'),
    ),
    (
        *(WordSorting, 2, 'Now let\'s sort this subpart ["cowl" ? "celt"] by looking at their second letters.'),
        *("subpart", '["cowl" ? "celerity" ? "celt"] is still to be sorted.'),
    ),
    (
        *(WordSorting, 4, 'Now let\'s sort this subpart ["celerity" ? "celt"] by looking at their fourth letters.'),
        *("letter", "The third letters are to be looked at."),
    ),
    (WordSorting, 6, "I have now sorted all the words.", "end", '["celerity" ? "celt"] is still to be sorted.'),
    (WordSorting, 8, "The answer is celt celerity cowl quill", "answer", "The answer is celerity celt cowl quill"),
]


def problem(verifier) -> Problem:
    prompt, steps = SOLVED[verifier]
    return Problem(id="p", prompt=prompt, answer="?", solution="\n".join(steps))


@pytest.mark.parametrize("verifier", SOLVED)
def test_every_step_of_a_solution_is_right(verifier):
    watch = verifier().start(problem(verifier))
    assert [watch.feed(step).mark for step in SOLVED[verifier][1]] == [Mark.RIGHT] * len(SOLVED[verifier][1])


@pytest.mark.parametrize("verifier", SOLVED)
def test_sentences_are_read_as_well_as_whole_steps(verifier):
    whole = grade_steps(verifier(), problem(verifier), problem(verifier).solution)
    assert len(whole) > len(SOLVED[verifier][1])
    assert {step.mark for step in whole} == {Mark.RIGHT}


@pytest.mark.parametrize("verifier", SOLVED)
def test_keeps_the_promises_of_a_verifier(verifier):
    check_verifier(verifier(), [problem(verifier), Problem(id="no such puzzle", prompt="Hello (", answer="")])


@pytest.mark.parametrize(("verifier", "at", "step", "rule", "hint"), SPOILT)
def test_finds_a_broken_step_and_says_what_is_right(verifier, at, step, rule, hint):
    watch = verifier().start(problem(verifier))
    for before in SOLVED[verifier][1][:at]:
        assert watch.feed(before).mark is Mark.RIGHT
    verdict = watch.feed(step)
    assert (verdict.mark, verdict.rule, verdict.hint) == (Mark.WRONG, rule, hint)


def test_one_early_error_is_not_counted_again():
    watch = MultistepArithmetic().start(problem(MultistepArithmetic))
    steps = [
        "Let's calculate A = 3 + 1 = 5.",
        "Let's calculate B = (3 - -2) = 5.",
        "Then, the final equation is A * B = 25.",
    ]
    assert [watch.feed(step).mark for step in steps] == [Mark.WRONG, Mark.RIGHT, Mark.RIGHT]
    watch = Dyck().start(problem(Dyck))
    steps = ["< ; stack: < <", "[ ; stack: < < [", "( ; stack: < < [ (", ") ; stack: < < ["]
    assert [watch.feed(step).mark for step in steps] == [Mark.WRONG, Mark.RIGHT, Mark.RIGHT, Mark.RIGHT]


def test_what_follows_an_unread_claim_is_not_called_wrong():
    watch = Dyck().start(problem(Dyck))
    assert watch.feed("Let me think.").mark is Mark.UNKNOWN
    assert watch.feed("[ ; stack: [").mark is Mark.WRONG
    watch = Dyck().start(problem(Dyck))
    assert watch.feed("I push < now.").mark is Mark.UNKNOWN
    assert watch.feed("[ ; stack: < [").mark is Mark.UNKNOWN


def test_a_tie_is_not_passed_over():
    watch = WordSorting().start(Problem(id="p", prompt="ba bb ca cb", answer=""))
    watch.feed('The first letter: "ba": "b" (2). "bb": "b" (2). "ca": "c" (3). "cb": "c" (3).')
    watch.feed('We now have: (2) ["ba" ? "bb"] < (3) ["ca" ? "cb"].')
    verdict = watch.feed('Now let\'s sort this subpart ["ca" ? "cb"] by looking at their second letters.')
    assert (verdict.mark, verdict.rule, verdict.hint) == (Mark.WRONG, "skipped", '["ba" ? "bb"] comes first.')


SCRAPS = st.sampled_from(
    [step for _, steps in SOLVED.values() for step in steps]
    + [
        "Let's calculate A = ",
        "= 1 ",
        "(((",
        "So the answer is ",
        "[ ? ",
        '"a": "a" (1). ',
        "A: x, ",
        "; stack: ",
        "< ",
        "9" * 40,
    ]
)


@pytest.mark.parametrize("verifier", SOLVED)
@given(scraps=st.lists(SCRAPS, max_size=12), joined=st.booleans())
def test_never_raises_and_never_hangs(verifier, scraps, joined):
    watch = verifier().start(problem(verifier))
    started = time.process_time()
    for step in ["".join(scraps)] if joined else scraps:
        watch.feed(step)
    assert time.process_time() - started < 1


@pytest.mark.parametrize("verifier", SOLVED)
@pytest.mark.parametrize(
    "hostile",
    [
        "Let's calculate A = " + "1 = " * 900 + "@",
        "Let's calculate A = " + "1 " * 1900 + "@",
        'We now have: (1) ["a"' + ' ? "a"' * 600 + "@",
        "We will need to pop out " + '"<", ' * 700 + "@",
        "Alice: Sam, " * 300 + "@",
        "The first letter: " + '"cowl": "c" (3). ' * 220 + "@",
        "So the answer is " + "] " * 1900 + "@",
    ],
)
def test_reading_is_bounded(verifier, hostile):
    started = time.process_time()
    verifier().start(problem(verifier)).feed(hostile)
    assert time.process_time() - started < 0.5


def test_what_is_wrong_by_itself_is_wrong_after_a_step_that_cannot_be_read():
    watch = MultistepArithmetic().start(problem(MultistepArithmetic))
    assert watch.feed("So A is via 3.").mark is Mark.UNKNOWN
    verdict = watch.feed("Let's calculate B = (3 - -2) = 6.")
    assert (verdict.mark, verdict.hint) == (Mark.WRONG, "(3 - -2) = 5.")
    assert watch.feed("Let's calculate A = B + 2 = 9.").mark is Mark.UNKNOWN
    watch = WordSorting().start(problem(WordSorting))
    assert watch.feed('Look at "cowl" now.').mark is Mark.UNKNOWN
    assert watch.feed('The first letter: "cowl": "c" (4).').mark is Mark.WRONG


def test_after_an_unread_sentence_the_next_is_read():
    watch = Dyck().start(problem(Dyck))
    assert watch.feed("Let me think. stack: empty").mark is Mark.UNKNOWN
    assert watch.feed("Well. [ ; stack: [").mark is Mark.WRONG
