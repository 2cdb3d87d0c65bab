import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from counterform.errors import ControlError
from counterform.problems.ledger import Ledger
from counterform.text.rationales import CONDITIONS, exemplars, invalid, irrelevant, other_answers, shuffled
from counterform.text.steps import split_steps
from counterform.types import Graded, Mark, Problem, StepVerdict, StepVerifier, Watch
from counterform.verify.answer import Answers
from counterform.verify.steps import Arithmetic
from counterform.verify.steps import grade as verdicts_of

LEDGER = tuple(Ledger().generate(60, rng=np.random.default_rng(0)))
SHOP = Problem(
    id="shop",
    prompt="How much is it?",
    answer="2600",
    solution="Ann sells 10 * 120 = $<<10*120=1200>>1,200 of tea.\nThat is a lot of tea, 1,200 dollars.\n"
    "With cakes it is 1,200 + 1,400 = $<<1200+1400=2600>>2,600.\nA: 2600",
)


def grader(problems, steps):
    """The study's own grading with this step verifier."""
    answers, known = Answers(5.0), {problem.id: problem for problem in problems}

    def grade(attempts):
        verdicts = verdicts_of(attempts, known, outcome=answers, steps=steps)
        return [Graded(attempt=a, verdict=v) for a, v in zip(attempts, verdicts, strict=True)]

    return grade


def steps_of(text):
    return [text[start:end] for start, end in split_steps(text)]


def marks(problem, text, steps):
    watch = steps.start(problem)
    return [watch.feed(step).mark for step in steps_of(text)]


def shape(text):
    return re.sub(r"\d", "0", text)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_invalid_every_result_is_wrong_in_the_same_shape_and_the_answer_right(seed):
    for problem, made in zip(
        LEDGER, invalid(LEDGER, grader(LEDGER, Ledger()), np.random.default_rng(seed)), strict=True
    ):
        *rationale, _ = marks(problem, made.text, Ledger())
        assert set(rationale) == {Mark.WRONG}
        assert shape(made.text) == shape(problem.solution)
        assert made.text.endswith(f" The answer is {problem.answer}.")
        assert (made.why, made.sound, made.unread) == ("", False, 0)


def test_an_invalid_rationale_goes_on_from_its_own_wrong_results():
    for made in invalid(LEDGER, grader(LEDGER, Ledger()), np.random.default_rng(0)):
        *rationale, _ = steps_of(made.text)
        for before, after in pairwise(rationale):
            result = before.removesuffix(".").split(" = ")[1]
            assert result in after.split(" = ")[0].split()


def test_numbers_are_the_same_however_they_are_written_and_unread_steps_carry_them_on():
    (made,) = invalid([SHOP], grader([SHOP], Arithmetic()), np.random.default_rng(0))
    first, second, third, answer = steps_of(made.text)
    marked, printed = re.search(r"=(\d{4})>>(\d,\d{3})", first).groups()
    assert marked == printed.replace(",", "") != "1200"
    assert second == f"That is a lot of tea, {printed} dollars."
    assert third.startswith(f"With cakes it is {printed} + 1,400 = $<<{marked}+1400=")
    assert (answer, made.unread) == ("A: 2600", 1)


def test_shuffled_has_the_same_steps_in_an_order_that_the_verifier_does_not_accept():
    for problem, made in zip(LEDGER, shuffled(LEDGER, grader(LEDGER, Ledger()), np.random.default_rng(0)), strict=True):
        *before, answer = steps_of(problem.solution)
        *after, last = steps_of(made.text)
        assert after != before
        assert Counter(after) == Counter(before)
        assert last == answer
        assert Mark.WRONG in marks(problem, made.text, Ledger())
        assert not made.sound


def test_an_order_that_no_verifier_rejects_is_called_sound():
    (made,) = shuffled([SHOP], grader([SHOP], Arithmetic()), np.random.default_rng(0))
    assert made.sound
    assert steps_of(made.text)[:-1] != steps_of(SHOP.solution)[:-1]


def test_irrelevant_is_the_whole_rationale_of_a_problem_with_another_answer():
    of_rationale = {problem.solution.rpartition(" The answer")[0]: problem for problem in LEDGER}
    for problem, made in zip(
        LEDGER, irrelevant(LEDGER, grader(LEDGER, Ledger()), np.random.default_rng(0)), strict=True
    ):
        rationale, _, _ = made.text.rpartition(f" The answer is {problem.answer}.")
        assert of_rationale[rationale].answer != problem.answer
        assert Mark.WRONG in marks(problem, made.text, Ledger())


class Topics(StepVerifier):
    """A family whose steps are sound where they speak of the problem's own topic."""

    name = "topics"

    def start(self, problem):
        return TopicWatch(problem.facts["topic"])


class TopicWatch(Watch):
    def __init__(self, topic):
        self.topic = topic

    def feed(self, step):
        sound = self.topic in step or step.startswith("The answer is ") or "makes" in step
        return StepVerdict(mark=Mark.RIGHT if sound else Mark.WRONG, rule="topic")


def each_on_its_own(*answers):
    """Problems whose rationales are sound for nobody else."""
    return [replace(p, facts={"topic": f"case {at}."}) for at, p in enumerate(on_topics(*answers, topics=("tea",)))]


def on_topics(*answers, topics=("tea", "rice")):
    return [
        Problem(
            id=f"{topic}{at}",
            prompt=f"{topic}?",
            answer=answer,
            solution=f"This is about {topic}, case {at}. The answer is {answer}.",
            facts={"topic": topic},
        )
        for at, answer in enumerate(answers)
        for topic in topics
    ]


@pytest.mark.parametrize("seed", range(3))
class TestAnIrrelevantRationaleThatFits:
    """Another answer as it is written does not make another rationale irrelevant: the verifiers say what fits."""

    def rewritten(self, problems, steps, seed):
        made = irrelevant(problems, grader(problems, steps), np.random.default_rng(seed))
        by_solution = {problem.solution.partition(" The answer")[0]: problem for problem in problems}
        return [
            (p, by_solution[one.text.partition(" The answer")[0]], one) for p, one in zip(problems, made, strict=True)
        ]

    def test_one_that_is_a_sound_attempt_at_this_problem(self, seed):
        """Rationales of the own topic are sound here, whoever's they are."""
        for problem, giver, one in self.rewritten(on_topics("1", "2", "3", "4"), Topics(), seed):
            assert giver.facts["topic"] != problem.facts["topic"]
            assert one.text.endswith(f" The answer is {problem.answer}.")

    def test_one_that_comes_to_this_problems_answer_in_other_words(self, seed):
        """Sorted, each stands next to its like, which is the first that is tried."""
        same = [{"0.5", "0.50", "00.5"}, {"1,000", "1000"}]
        problems = each_on_its_own("0.5", "0.50", "00.5", "1,000", "1000", "7", "8", "9")
        for problem, giver, _ in self.rewritten(problems, Topics(), seed):
            assert not any({problem.answer, giver.answer} <= group for group in same)

    def test_one_that_states_an_answer_where_the_own_is_not_stated(self, seed):
        """The text would then end in somebody else's answer."""
        problems = each_on_its_own("11", "12", "13", "14", "15", "16")
        stating = [replace(p, solution=f"The answer is {p.answer}. {p.solution}") for p in problems[:3]]
        bare = [replace(p, solution=p.solution.replace("The answer is", "It makes")) for p in problems[3:]]
        every = [*stating, *bare]
        for problem, one in zip(
            every, irrelevant(every, grader(every, Topics()), np.random.default_rng(seed)), strict=True
        ):
            assert one.text.endswith(f" {problem.answer}.")
            if problem in bare:
                assert "The answer is 1" not in one.text

    def test_where_every_other_fits_none_is_made(self, seed):
        problems = on_topics("1", "2", "3", "4", topics=("tea",))
        for one in irrelevant(problems, grader(problems, Topics()), np.random.default_rng(seed)):
            assert (one.text, one.why) == ("", "finds no other rationale that does not fit it as well")


class Colours(StepVerifier):
    """A family without numbers: colours in turn, red after blue after green after red."""

    name = "colours"
    after = {"red": "green", "green": "blue", "blue": "red"}  # noqa: RUF012

    def start(self, problem):
        return ColourWatch(problem.facts["start"])


class ColourWatch(Watch):
    def __init__(self, at):
        self.at = at

    def feed(self, step):
        if said := re.fullmatch(r"Then comes (\w+)\.", step):
            due, self.at = Colours.after[self.at], said[1]
            return StepVerdict(mark=Mark.RIGHT if said[1] == due else Mark.WRONG, rule="turn")
        return StepVerdict(mark=Mark.UNKNOWN, rule="unread")


def test_a_result_may_be_a_word():
    solution = "Then comes green. Then comes blue. Then comes red. The answer is red."
    problem = Problem(id="c", prompt="After red?", answer="red", solution=solution, facts={"start": "red"})
    (made,) = invalid([problem], grader([problem], Colours()), np.random.default_rng(0))
    assert marks(problem, made.text, Colours()) == [Mark.WRONG] * 3 + [Mark.UNKNOWN]
    assert made.text.endswith("The answer is red.")


@pytest.mark.parametrize(
    ("solution", "why"),
    [
        (None, "has no worked solution"),
        ("The answer is 12.", "has no step before its answer"),
        ("7 + 5 = 12. The answer is 13.", "does not end in its right answer"),
        ("7 + 5 = 13. The answer is 12.", "has a step that the step verifier calls wrong"),
        ("Seven and five. The answer is 12.", "has no step that the step verifier could read"),
        ("Half of 12 x 100% = 1200%. 3 / 6 = 50%. The answer is 12.", "has a result that no draw makes wrong"),
    ],
)
def test_what_cannot_be_proven_is_not_made_and_says_why(solution, why):
    problem = Problem(id="p", prompt="7 and 5?", answer="12", solution=solution)
    (made,) = invalid([problem], grader([problem], Arithmetic()), np.random.default_rng(0))
    assert made.text == ""
    assert made.why.startswith(why)


def test_one_step_has_no_order():
    problem = Problem(id="p", prompt="7 and 5?", answer="12", solution="7 + 5 = 12. The answer is 12.")
    (made,) = shuffled([problem], grader([problem], Arithmetic()), np.random.default_rng(0))
    assert made.why == "has one step alone, which has no order"


class Broken(StepVerifier):
    name = "broken"

    def start(self, problem):
        raise RuntimeError("down")


@pytest.mark.parametrize("rewrite", [invalid, shuffled, irrelevant])
def test_a_verifier_that_fails_proves_nothing(rewrite):
    for made in rewrite(LEDGER[:3], grader(LEDGER, Broken()), np.random.default_rng(0)):
        assert (made.text, made.why) == ("", "has no step that the step verifier could read")


@given(st.text(max_size=300), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_any_text_is_rewritten_or_refused(text, seed):
    problem = Problem(id="p", prompt="?", answer="4", solution=f"{text} 2 + 2 = 4.\nA: 4")
    grade = grader([problem], Arithmetic())
    for rewrite in (invalid, shuffled, irrelevant):
        try:
            (made,) = rewrite([problem], grade, np.random.default_rng(seed))
        except ControlError:
            assert rewrite is irrelevant
        else:
            assert bool(made.text) != bool(made.why)


@given(st.lists(st.sampled_from("abcd"), max_size=30), st.integers(0, 99), st.booleans())
def test_another_answer_for_every_row_or_an_error(answers, seed, anew):
    if answers and 2 * max(Counter(answers).values()) > len(answers):
        with pytest.raises(ControlError, match=f"of {len(answers)} cases share one answer"):
            other_answers(answers, np.random.default_rng(seed), anew=anew)
        return
    givers = other_answers(answers, np.random.default_rng(seed), anew=anew)
    assert sorted(givers) == list(range(len(answers)))
    assert all(answers[giver] != answer for giver, answer in zip(givers, answers, strict=True))


class TestExemplars:
    def test_the_same_problems_in_every_condition(self):
        found = exemplars(LEDGER, grader(LEDGER, Ledger()), np.random.default_rng(0), n=12)
        assert tuple(found) == CONDITIONS
        by_id = {problem.id: problem for problem in LEDGER}
        for rows in zip(*found.values(), strict=True):
            assert len({(row.problem_id, row.prompt) for row in rows}) == 1
            problem, texts = by_id[rows[0].problem_id], [row.completion for row in rows]
            assert texts[0] == problem.solution
            assert len(set(texts)) == len(CONDITIONS)
            assert all(text.endswith(f"The answer is {problem.answer}.") for text in texts)
        assert len(found["valid"]) == 12

    def test_a_common_answer_is_thinned_out(self):
        same = [replace(p, answer="7", solution=f"{p.solution[: p.solution.rindex(' ')]} 7.") for p in LEDGER[:20]]
        problems = [*same, *LEDGER[20:30]]
        answers = {problem.id: problem.answer for problem in problems}
        found = exemplars(problems, grader(problems, Arithmetic()), np.random.default_rng(0), n=30)["irrelevant"]
        count = Counter(answers[e.problem_id] == "7" for e in found)
        assert count[True] == count[False] >= 8

    def test_there_may_be_none(self):
        found = exemplars(LEDGER, grader(LEDGER, Broken()), np.random.default_rng(0), n=12)
        assert found == dict.fromkeys(CONDITIONS, ())
