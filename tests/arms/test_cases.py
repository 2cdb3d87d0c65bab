import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from counterform.arms.cases import choose_pairs, make_cases, match, match_card, require_uncut
from counterform.errors import DataError
from counterform.report.tables import card_sentence
from counterform.text.answers import NO_ANSWER
from counterform.types import Arm, Attempt, Case, Completion, Example, Graded, Mark, Problem, StepVerdict, Verdict

RIGHT, WRONG, UNKNOWN = Mark.RIGHT, Mark.WRONG, Mark.UNKNOWN


def table(rows):
    """Verdicts of attempts named PROBLEM/NUMBER: (problem, outcome, located)."""
    return pa.table(
        {
            "attempt_id": [f"{problem}/{number}" for number, (problem, _, _) in enumerate(rows)],
            "problem_id": [problem for problem, _, _ in rows],
            "outcome": [outcome.value for _, outcome, _ in rows],
            "located": [located for _, _, located in rows],
        }
    )


POOL = table(
    [
        row
        for number in range(20)
        for row in [
            (f"p{number}", WRONG, False),
            (f"p{number}", RIGHT, False),
            (f"p{number}", WRONG, number % 2 == 0),
            (f"p{number}", UNKNOWN, False),
            (f"p{number}", RIGHT, False),
        ]
    ]
    + [("all right", RIGHT, False), ("all right", RIGHT, False), ("all wrong", WRONG, True), ("silent", UNKNOWN, False)]
)
OUTCOME = dict(zip(POOL["attempt_id"].to_pylist(), POOL["outcome"].to_pylist(), strict=True))
LOCATED = dict(zip(POOL["attempt_id"].to_pylist(), POOL["located"].to_pylist(), strict=True))


class TestChoosePairs:
    def test_one_right_and_one_wrong_attempt_of_every_problem_that_has_both(self):
        pairs, counts = choose_pairs(POOL, cases=100, seed=0)
        rows = pairs.to_pylist()
        assert sorted(row["problem_id"] for row in rows) == sorted(f"p{number}" for number in range(20))
        for row in rows:
            assert (OUTCOME[row["right"]], OUTCOME[row["wrong"]]) == ("right", "wrong")
            assert {row["right"].split("/")[0], row["wrong"].split("/")[0]} == {row["problem_id"]}
        assert counts == {"right_only": 1, "wrong_only": 1}

    def test_a_wrong_attempt_with_a_nameable_step_comes_first(self):
        for seed in range(5):
            for row in choose_pairs(POOL, cases=100, seed=seed)[0].to_pylist():
                assert LOCATED[row["wrong"]] == (int(row["problem_id"][1:]) % 2 == 0)

    def test_several_pairs_of_one_problem_share_no_attempt(self):
        twice, counts = choose_pairs(POOL, cases=100, seed=0, pairs=3)
        rows = twice.to_pylist()
        assert len(rows) == 40  # two right and two wrong ones a problem, and no third
        assert len({row["right"] for row in rows}) == len({row["wrong"] for row in rows}) == 40
        assert {row["right"].split("/")[0] == row["wrong"].split("/")[0] for row in rows} == {True}
        assert counts == {"right_only": 1, "wrong_only": 1}
        assert len(choose_pairs(POOL, cases=25, seed=0, pairs=3)[0]) == 25

    def test_one_problem_alone_makes_many_cases(self):
        rows = [("p", RIGHT, False), ("p", WRONG, True)] * 30
        pairs, counts = choose_pairs(table(rows), cases=100, seed=0, pairs=20)
        assert len(pairs) == 20  # of the 30 that there could be
        assert counts == {"right_only": 0, "wrong_only": 0}

    def test_at_most_so_many_and_the_same_for_a_seed(self):
        few, again, other = (choose_pairs(POOL, cases=7, seed=seed)[0] for seed in (0, 0, 1))
        assert len(few) == 7
        assert few == again
        assert few != other

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ([("a", WRONG, True), ("b", UNKNOWN, False)], "no right attempts .*0 right, 1 wrong, 1 unknown.*easier"),
            ([("a", RIGHT, False), ("b", RIGHT, False)], "no wrong attempts .*2 right, 0 wrong, 0 unknown.*harder"),
            ([("a", RIGHT, False), ("b", WRONG, False)], r"no problem has both .*1 problems have a right one.*samples"),
            ([], "no right attempts .of 0 attempts"),
        ],
    )
    def test_what_is_missing_is_named(self, rows, message):
        verdicts = table(rows) if rows else POOL.slice(0, 0)
        with pytest.raises(DataError, match=message):
            choose_pairs(verdicts, cases=5, seed=0)


def graded(name, outcome, step):
    verdict = Verdict(
        attempt_id=name,
        outcome=outcome,
        lenient=outcome,
        steps=(StepVerdict(mark=step, rule="rule", span=(0, 4)),),
        verifier="test",
    )
    completion = Completion(text="text", tokens=1, finish="stop")
    return Graded(
        attempt=Attempt(id=name, problem_id=name[0], model="m", seed=0, completion=completion), verdict=verdict
    )


def test_cases_keep_the_order_of_the_pairs():
    pairs = pa.table({"problem_id": ["b", "a"], "right": ["b1", "a1"], "wrong": ["b2", "a2"]})
    problems = {name: Problem(id=name, prompt=name, answer="1") for name in "ab"}
    attempts = {name: graded(name, RIGHT if name[1] == "1" else WRONG, RIGHT) for name in ("a1", "a2", "b1", "b2")}
    first, second = make_cases(pairs, problems, attempts)
    assert first == Case(problem=problems["b"], right=attempts["b1"], wrong=attempts["b2"])
    assert second.problem.id == "a"


def count(examples):
    """A word is a token."""
    return [len(e.prompt.split()) for e in examples], [len(e.completion.split()) for e in examples]


def arm(name, *completions):
    examples = [Example(problem_id=f"p{at}", prompt="what is it", completion=c) for at, c in enumerate(completions)]
    return Arm(name=name, differs_by=f"it is {name}", examples=tuple(examples))


LONG, SHORT = arm("long", "a b c d e f", "a b c d e", "a b c d"), arm("short", "a", "a b", "a b c")


class TestMatch:
    def test_by_examples_nothing_changes(self):
        assert match([LONG, SHORT], by="examples", count=count) == [LONG, SHORT]
        assert match([], by="loss_tokens", count=count) == []

    def test_by_loss_tokens_the_short_arm_goes_over_its_cases_again(self):
        long, short = match([LONG, SHORT], by="loss_tokens", count=count)
        assert long == LONG
        wanted, reached = (sum(count(a.examples)[1]) for a in (long, short))
        left_out = short.examples[len(short.examples) % 3]
        assert reached <= wanted < reached + len(left_out.completion.split())
        assert short.examples == (SHORT.examples * 3)[: len(short.examples)]

    @given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=6), min_size=1, max_size=4))
    def test_no_arm_passes_the_largest_and_none_could_have_one_example_more(self, lengths):
        """Whatever lengths divide whatever budget: at most the budget, all that came is kept, and the next would not fit."""
        arms = [arm(str(at), *(" ".join("x" * n) for n in row)) for at, row in enumerate(lengths)]
        budget = max(map(sum, lengths))
        for before, row, after in zip(arms, lengths, match(arms, by="loss_tokens", count=count), strict=True):
            n = len(after.examples)
            spent = sum(count(after.examples)[1])
            assert spent <= budget < spent + row[n % len(row)]
            assert n >= len(row)
            assert after.examples == (before.examples * (n // len(row) + 1))[:n]
            assert (after.name, after.differs_by) == (before.name, before.differs_by)

    def test_an_arm_that_samples_for_itself_stays_as_it_is(self):
        """It has no loss tokens before it is trained."""
        rows = tuple(replace(example, completion=None) for example in LONG.examples)
        sampling = Arm(name="grpo", objective="grpo", differs_by="it samples", examples=rows)

        def known(examples):
            return [3] * len(examples), [0 if e.completion is None else len(e.completion.split()) for e in examples]

        assert match([sampling, LONG], by="loss_tokens", count=known) == [sampling, LONG]


def test_the_match_card_counts():
    wrong = [graded("a2", WRONG, WRONG), graded("b2", WRONG, UNKNOWN), graded("c2", WRONG, WRONG)]
    cases = [
        Case(problem=Problem(id=g.attempt.problem_id, prompt="", answer="1"), right=graded("a1", RIGHT, RIGHT), wrong=g)
        for g in wrong
    ]
    counts = {"right_only": 5, "wrong_only": 7}
    twice = match([LONG, SHORT], by="loss_tokens", count=count)
    card = match_card(twice, cases, by="loss_tokens", counts=counts, count=count)
    assert (card.by, card.cases, card.wrong_with_located_error) == ("loss_tokens", 3, 2)
    assert (card.problems_with_right_only, card.problems_with_wrong_only) == (5, 7)
    long, short = card.arms
    assert (long.arm, long.differs_by, long.examples, long.problems) == ("long", "it is long", 3, 3)
    assert (long.prompt_tokens, long.loss_tokens) == (9, 15)
    assert (short.examples, short.problems) == (len(twice[1].examples), 3)
    assert match_card([SHORT], cases, by="examples", counts=counts, count=count).by == "examples"


def recorded(verdict_reason, step=UNKNOWN, outcome=WRONG):
    one = graded("a2", outcome, step)
    return replace(one, verdict=replace(one.verdict, reason=verdict_reason))


def test_recorded_attempts_that_state_no_answer_may_have_been_cut():
    """The kind: a pool whose file does not say how an attempt ended. Where every wrong one breaks off, it teaches that and no error."""
    problem, right, cut = Problem(id="a", prompt="", answer="1"), graded("a1", RIGHT, RIGHT), recorded(NO_ANSWER)
    cases = [Case(problem=problem, right=right, wrong=cut)] * 3
    with pytest.raises(DataError, match="in all 3 cases the wrong attempt states no answer, and no wrong step is seen"):
        require_uncut(cases)
    for other in (recorded(NO_ANSWER, WRONG), recorded(""), recorded("no number can be read")):
        whole = [*cases, Case(problem=problem, right=right, wrong=other)]
        require_uncut(whole)
        card = match_card([SHORT], whole, by="examples", counts={"right_only": 0, "wrong_only": 0}, count=count)
        assert card.wrong_unanswered == 3 + (other.verdict.reason == NO_ANSWER)
        assert f"In {card.wrong_unanswered} the wrong attempt states no answer" in card_sentence(card)
    # Answers that nobody can read are graded by whoever recorded them; then a wrong one is no more cut than a right one.
    require_uncut([Case(problem=problem, right=recorded(NO_ANSWER, RIGHT, RIGHT), wrong=cut)])


def test_the_match_card_counts_cut_attempts_and_pairs_of_one_text():
    right, wrong = graded("a1", RIGHT, RIGHT), graded("a2", WRONG, WRONG)
    cut = replace(
        wrong, attempt=replace(wrong.attempt, completion=replace(wrong.attempt.completion, text="...", finish="length"))
    )
    problem = Problem(id="a", prompt="", answer="1")
    cases = [Case(problem=problem, right=right, wrong=one) for one in (cut, cut, wrong)]
    card = match_card([SHORT], cases, by="examples", counts={"right_only": 0, "wrong_only": 0}, count=count)
    same = right.attempt.completion.text == wrong.attempt.completion.text
    assert (card.wrong_cut, card.same_texts) == (2, int(same))
    said = card_sentence(card)
    assert "In 2 the wrong attempt was cut at max_tokens" in said
    assert ("are the same text" in said) == same
    assert "cut" not in card_sentence(replace(card, wrong_cut=0))
    require_uncut(cases)
    with pytest.raises(
        DataError, match=r"in all 2 cases the wrong attempt was cut at max_tokens.*\$\.attempts\.max_tokens"
    ):
        require_uncut(cases[:2])


def test_the_match_card_names_what_loss_tokens_cannot_hold():
    sampling = Arm(
        name="grpo", objective="grpo", differs_by="it samples", examples=(replace(SHORT.examples[0], completion=None),)
    )

    def known(examples):
        return [3] * len(examples), [0 if e.completion is None else len(e.completion.split()) for e in examples]

    counts = {"right_only": 0, "wrong_only": 0}
    for by, named in (("loss_tokens", True), ("examples", False)):
        said = card_sentence(match_card([LONG, sampling], [], by=by, counts=counts, count=known))
        assert ("not held for grpo" in said) is named
