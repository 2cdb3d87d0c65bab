import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.errors import DataError
from counterform.parts import PARTS, part
from counterform.train.penalties import FormatViolations, Penalty, ProcessViolations, Rollout, ToolErrors, penalise
from counterform.types import Mark, StepVerdict, Verdict

R, W, U = Mark.RIGHT, Mark.WRONG, Mark.UNKNOWN


def judged(*steps):
    """A rollout whose steps have these marks; a mark in a tuple mends the step before."""
    steps = [
        StepVerdict(mark=step[0], rule="", mends=True) if isinstance(step, tuple) else StepVerdict(mark=step, rule="")
        for step in steps
    ]
    return Rollout(
        text="", verdict=Verdict(attempt_id="", outcome=R, lenient=R, steps=tuple(steps), verifier="scripted")
    )


class TestToolErrors:
    @pytest.mark.parametrize(("calls", "errors", "penalty"), [(0, 0, 0.5), (4, 0, 0), (4, 1, 0.25), (2, 2, 1)])
    def test_is_the_share_of_calls_that_failed(self, calls, errors, penalty):
        assert ToolErrors()(Rollout(text="", tool_calls=calls, tool_errors=errors)) == penalty


class TestFormat:
    @pytest.mark.parametrize(
        ("text", "calls", "penalty"),
        [
            ("7 + 5 = 12.", 0, 1),
            ("", 0, 1),
            ("7 + 5 = 12. The answer is 12.", 0, 0),
            (r"So the answer is \boxed{12}.", 0, 0),
            ("#### 12", 0, 0),
            ("The answer is 11. Wait. The answer is 12.", 0, 1),
            ("The answer is 11. Wait. The answer is 12.", 3, 0.25),
            ("Answer: 1\nAnswer: 2\nAnswer: 3", 0, 1),
            ("<answer>The answer is 12</answer>", 0, 0),
            ("<answer>11</answer> <answer>12</answer>", 1, 0.5),
            ("<answer>12", 0, 1),
            ("12</answer> The answer is 12", 0, 1),
        ],
    )
    def test_one_statement_of_the_answer_is_clean(self, text, calls, penalty):
        assert FormatViolations()(Rollout(text=text, tool_calls=calls)) == penalty

    @pytest.mark.parametrize(
        "text", ["answer is " * 200_000, "#" * 2_000_000, "<answer>" * 200_000, "\\boxed" * 200_000]
    )
    def test_hostile_text_takes_no_time(self, text):
        started = time.perf_counter()
        assert 0 <= FormatViolations()(Rollout(text=text)) <= 1
        assert time.perf_counter() - started < 1


class TestProcess:
    @pytest.mark.parametrize(
        ("rollout", "penalty"),
        [
            (judged(R, R), 0),
            (judged(R, W, R, W), 0.5),
            (judged(W, (R,)), 0),
            (judged(W, (W,), (R,)), 0),
            (judged(W, (W,)), 1),
            (judged(U, W, R), 0.5),
            (judged(U, U), 0.5),
            (judged(), 0.5),
            (Rollout(text=""), 0.5),
        ],
    )
    def test_is_the_share_of_read_steps_that_stay_wrong(self, rollout, penalty):
        assert ProcessViolations()(rollout) == penalty

    @given(st.lists(st.sampled_from([R, W, U, (R,), (W,), (U,)]), max_size=12))
    def test_is_clean_exactly_where_the_process_is_not_wrong(self, steps):
        rollout = judged(*steps)
        penalty = ProcessViolations()(rollout)
        assert 0 <= penalty <= 1
        read = any(step not in (U, (U,)) for step in steps)
        if read:
            assert (penalty > 0) == (rollout.verdict.process is W)
            assert (penalty > 0) == (rollout.verdict.first_error is not None)


class TestPenalise:
    def test_is_the_mean_of_the_penalties(self):
        rollouts = [Rollout(text="The answer is 1.", tool_calls=2, tool_errors=1), Rollout(text="")]
        assert penalise([ToolErrors(), FormatViolations()], rollouts).tolist() == [0.25, 0.75]

    def test_without_a_penalty_all_are_clean(self):
        assert penalise([], [Rollout(text="")] * 3).tolist() == [0, 0, 0]
        assert penalise([ToolErrors()], []).tolist() == []

    @pytest.mark.parametrize("value", [-1.0, 1.5, float("nan")])
    def test_a_penalty_outside_is_named(self, value):
        class Lengthy(Penalty):
            name = "lengthy"

            def __call__(self, rollout):
                return value

        with pytest.raises(DataError, match=r"penalty 'lengthy' gave .* for rollout 0"):
            penalise([Lengthy()], [Rollout(text="")])

    @pytest.mark.parametrize("name", sorted(PARTS["penalty"]))
    def test_the_names_of_a_study_file(self, name):
        assert penalise([part("penalty", name)()], [Rollout(text="The answer is 1.")]).dtype == np.float64
