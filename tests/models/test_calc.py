import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterform.models.calc import Answering, answer
from counterform.models.hf import HFModel, load_tokenizer
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


class Growing:
    """What `generate` does with a processor: a row that wants to write these tokens, and the tool between them."""

    def __init__(self, *wanted, failures=0.0):
        self.tokenizer = load_tokenizer("world")
        self.wanted = [self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in wanted]
        self.tool = Answering(self.tokenizer, 1, len(wanted), failures=failures, rng=np.random.default_rng(0))

    def texts(self, steps):
        ids = torch.full((len(self.wanted), 1), self.tokenizer.bos_token_id)
        left = [list(row) for row in self.wanted]
        end = self.tokenizer.eos_token_id
        for _ in range(steps):
            scores = torch.zeros(len(left), len(self.tokenizer))
            scores[:, end] = 0.5
            for row, tokens in enumerate(left):
                if tokens:
                    scores[row, tokens[0]] = 1.0
            scores = self.tool(ids, scores)
            chosen = scores.argmax(dim=1)
            for row, tokens in enumerate(left):
                if tokens and ids.shape[1] - 1 not in self.tool.forced[row]:
                    tokens.pop(0)
            ids = torch.cat([ids, chosen[:, None]], dim=1)
        return self.tokenizer.batch_decode(ids[:, 1:], skip_special_tokens=True)


def test_the_tool_answers_between_the_models_words():
    growing = Growing("7 + 5 =. 12 * 2 =. The answer is 24.", "The answer is 3.")
    assert growing.texts(24) == ["7 + 5 = 12. 12 * 2 = 24. The answer is 24.", "The answer is 3."]
    assert (growing.tool.calls, growing.tool.errors) == ([2, 0], [0, 0])
    assert growing.tool.forced == [{4, 10}, set()]


def test_a_malformed_call_and_a_failed_one_are_errors():
    malformed = Growing("7 + =. 7 + 5 =.")
    malformed.texts(12)
    assert (malformed.tool.calls, malformed.tool.errors) == ([2], [1])
    failed = Growing("7 + 5 =.", failures=1.0)
    failed.texts(8)
    assert (failed.tool.calls, failed.tool.errors) == ([1], [1])


def test_failures_come_at_their_rate():
    growing = Growing(*["7 + 5 ="] * 400, failures=0.2)
    growing.texts(6)
    assert sum(growing.tool.calls) == 400
    assert 50 < sum(growing.tool.errors) < 110


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
