"""vLLM, started for a model as `[model.engine]` starts it: what it answers is what transformers answers. `make test-vllm` installs its CPU build."""

import math
import os

import pytest
import torch

from counterform.models.engine import Served
from counterform.models.hf import HFModel
from counterform.study import BASE, EngineSpec, ModelSpec
from counterform.text import wording
from counterform.trust import Judge

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800)]
ANSWER = "The answer is 24."
PROMPTS = [
    "Start with 7. Add 5. Double it. What is the total?",
    "Start with 3. Triple it. What is the total?",
    "Start with 12. Subtract 4. Add 9. Double it. What is the total?",
]


@pytest.fixture(scope="module")
def served():
    python = os.environ.get("VLLM_PYTHON")
    if python is None:
        pytest.skip("VLLM_PYTHON names no Python that has vLLM: `make test-vllm` installs one")
    # `vllm serve PATH` by another name: the command of the rebuilt package looks for its version under `vllm`, and ends.
    module = ("-m", "vllm.entrypoints.openai.api_server")
    how = (
        *module,
        "--model",
        "{path}",
        "--port",
        "{port}",
        "--dtype",
        "float32",
        "--enforce-eager",
        "--max-model-len",
        "512",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        patch.setenv("VLLM_NO_USAGE_STATS", "1")
        engine = EngineSpec(serve=(os.path.abspath(python), *how), seconds=1500.0)
        model = Served.open(ModelSpec(path=str(BASE), engine=engine, concurrency=4))
    yield model
    model.close()


@pytest.fixture(scope="module")
def own():
    return HFModel.open(ModelSpec(path=str(BASE)))


def test_greedy_text_is_ours_and_so_are_its_lengths_and_ends(served, own):
    for most in (8, 64):
        asked = {"n": 1, "seed": 0, "temperature": 0.0, "max_tokens": most}
        (theirs, ours) = (model.generate(PROMPTS, **asked) for model in (served, own))
        assert [row[0].text.strip() for row in theirs] == [row[0].text.strip() for row in ours]
        assert [(row[0].tokens, row[0].finish) for row in theirs] == [(row[0].tokens, row[0].finish) for row in ours]


def test_samples_of_one_seed_are_drawn_anew_for_each_number(served):
    asked = {"n": 8, "seed": 3, "temperature": 1.0, "max_tokens": 48}
    rows = served.generate(PROMPTS, **asked)
    assert all(len({completion.text for completion in row}) > 1 for row in rows)
    assert not served.failures


def score(own, prompt, end):
    """The log-probability of the tokens that a text has and its prompt alone has not; raw text, as an endpoint reads it."""
    before, whole = (own.tokenizer(text)["input_ids"] for text in (prompt, prompt + end))
    same = next((at for at, (a, b) in enumerate(zip(before, whole, strict=False)) if a != b), len(before))
    with torch.inference_mode():
        scores = own.model(torch.tensor([whole])).logits[0, :-1].log_softmax(-1)
    return float(scores[range(same - 1, len(whole) - 1), whole[same:]].sum())


@pytest.mark.parametrize("ends", [[" 7", " 12"], [" 7 + 5 = 12.", " 7 + 5 = 13."], [" right", " wrong"]])
def test_log_probabilities_are_ours_though_tokens_come_without_their_spaces(served, own, ends):
    expected = [score(own, PROMPTS[0], end) for end in ends]
    assert served.logprobs(PROMPTS[0], ends) == pytest.approx(expected, abs=2e-3)


def test_confidence_in_an_answer_is_read_from_log_probabilities(served, own):
    judge = Judge(served, seed=0)
    assert judge.from_logprobs
    for prompt, found in zip(PROMPTS, judge.alone([(prompt, ANSWER, "") for prompt in PROMPTS]), strict=True):
        shown = wording.attempt_prompt(prompt, ANSWER, "")
        right, wrong = (score(own, shown, wording.step_is(right=mark)) for mark in (True, False))
        assert found == pytest.approx(1 / (1 + math.exp(wrong - right)), abs=2e-3)
    assert not served.notes  # nothing was read with transformers in its place
