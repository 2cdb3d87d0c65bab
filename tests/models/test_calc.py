import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.models.calc import Calculator, answer
from counterform.models.hf import HFModel
from counterform.models.loading import load_tokenizer
from counterform.models.rows import Sample
from counterform.problems.ledger import Ledger
from counterform.study import ModelSpec
from counterform.types import Mark
from counterform.verify.steps import grade_steps


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("7 + 5 =", "12"),
        ("Start. 7 + 5 = 12. 12 * 2 =", "24"),
        ("Wait, 7 - 9 =", "-2"),
        ("7 / 2 =", "3"),
        ("7 / 0 =", None),
        ("7 + =", None),
        ("The total =", None),
        ("7 + 5 + 1 =", None),
        ("1234567 + 1 =", None),
        ("", None),
    ],
)
def test_what_it_says(text, said):
    assert answer(text) == said


@given(st.text())
def test_any_text_is_borne(text):
    assert answer(text + "=") is None or "=" not in text


def written(*wanted, failures=0.0):
    """Rows that want to write these tokens, and the calculator between them; their texts, and the rows."""
    tokenizer = load_tokenizer("world")
    calculator = Calculator(tokenizer, failures=failures)
    rows = []
    for number, text in enumerate(wanted):
        row = Sample([1], ends={tokenizer.eos_token_id}, max_tokens=40, stream=number, calculator=calculator)
        for token in tokenizer(text, add_special_tokens=False)["input_ids"]:
            row.due.clear()
            row.take(token)
        row.due.clear()
        row.take(tokenizer.eos_token_id)
        rows.append(row)
    return [tokenizer.decode(row.ids, skip_special_tokens=True) for row in rows], rows


def test_the_tool_answers_between_the_models_words():
    texts, rows = written("7 + 5 =. 12 * 2 =. The answer is 24.", "The answer is 3.")
    assert texts == ["7 + 5 = 12. 12 * 2 = 24. The answer is 24.", "The answer is 3."]
    assert [(row.calls, row.errors) for row in rows] == [(2, 0), (0, 0)]
    assert [row.given for row in rows] == [{4, 10}, set()]


def test_a_malformed_call_and_a_failed_one_are_errors():
    _, [malformed] = written("7 + =. 7 + 5 =.")
    assert (malformed.calls, malformed.errors) == (2, 1)
    [text], [failed] = written("7 + 5 =.", failures=1.0)
    assert (failed.calls, failed.errors) == (1, 1)
    assert text == "7 + 5 = error."


def test_failures_come_at_their_rate():
    _, rows = written(*["7 + 5 ="] * 400, failures=0.2)
    assert sum(row.calls for row in rows) == 400
    assert 50 < sum(row.errors for row in rows) < 110


def test_an_answer_is_cut_where_the_text_may_be_no_longer():
    tokenizer = load_tokenizer("world")
    row = Sample([1], ends=set(), max_tokens=4, stream=0, calculator=Calculator(tokenizer, failures=0.0))
    for token in tokenizer("7 + 5 =", add_special_tokens=False)["input_ids"]:
        row.take(token)
    assert (len(row.ids), row.finish, row.given) == (4, "length", set())


@pytest.mark.parametrize("failures", [0.0, 1.0])
def test_a_model_is_sampled_with_the_tool(failures):
    problems = Ledger().generate(4, rng=np.random.default_rng(0), lengths=(2,))
    model = HFModel.open(ModelSpec(tool="calc", tool_failures=failures))
    prompts = [problem.prompt for problem in problems]
    first, again = (model.generate(prompts, n=2, seed=5, temperature=1.0, max_tokens=24) for _ in range(2))
    assert first == again
    texts = [(problem, completion.text) for problem, row in zip(problems, first, strict=True) for completion in row]
    steps = [step for problem, text in texts for step in grade_steps(Ledger(), problem, text)]
    wrong = {step.rule for step in steps if step.mark is Mark.WRONG}
    if failures:
        assert all("= error" in text for _, text in texts if "=" in text)
    else:
        assert any("=" in text for _, text in texts)
        assert "arithmetic" not in wrong
