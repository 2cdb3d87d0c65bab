from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
    Qwen3NextConfig,
)

from counterform.guard import HINT_AS_STEP, Guard, Note
from counterform.models import decoding
from counterform.models.decoding import decode
from counterform.models.growing import Change, Reader
from counterform.models.hf import HFModel
from counterform.models.rows import ReadAlong, tokens_with
from counterform.problems.ledger import Ledger
from counterform.study import ModelSpec
from counterform.types import Mark
from counterform.verify.steps import grade_steps

PROBLEMS = Ledger().generate(10, rng=np.random.default_rng(0), lengths=(3, 5))
PROMPTS = [problem.prompt for problem in PROBLEMS]
ASK = {"seed": 0, "temperature": 1.0, "max_tokens": 64}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def world():
    return HFModel.open(ModelSpec(path="world", batch_size=6))


class Scissors(Reader):
    """Changes a text as it is told, each time it has so many sentences."""

    ends = "."

    def __init__(self, *changes):
        self.changes, self.seen = list(changes), []

    def read(self, text, finish):
        self.seen.append((text, finish))
        if self.changes and (text.count(".") >= self.changes[0][0] or finish):
            _, sentences, add = self.changes.pop(0)
            return Change(keep=len(".".join(text.split(".")[:sentences])) + (sentences > 0), add=add)
        return None


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_what_is_only_read_is_what_generate_writes(world, temperature):
    ask = {**ASK, "temperature": temperature}
    readers = [Scissors() for _ in PROMPTS]
    grown = world.write(PROMPTS, readers, **ask, budget=64)
    alone = world.generate(PROMPTS, n=1, **ask)
    assert [(g.text, g.sampled, g.finish) for g in grown] == [(c.text, c.tokens, c.finish) for [c] in alone]
    assert all((g.calls, g.told) == (1, 0) for g in grown)
    for reader, text in zip(readers, grown, strict=True):
        assert reader.seen[-1] == (text.text, text.finish)
        assert all(text.text.startswith(seen) for seen, _ in reader.seen)
        # One look a sentence: when the token behind it is there.
        assert len(reader.seen) <= text.text.count(".") + 1


@pytest.mark.parametrize("change", [(3, 1, ""), (2, 0, ""), (2, 1, " 12 + 5 = 17.")])
def test_a_changed_text_goes_on_as_if_it_had_been_written_so(world, change):
    """Greedy, in a batch whose other rows are cut elsewhere or not at all: the cache forgets what was cut."""
    readers = [Scissors(change) if at % 2 else Scissors() for at in range(len(PROMPTS))]
    grown = world.write(PROMPTS, readers, **{**ASK, "temperature": 0.0}, budget=200)
    plain, tokenizer = world.model, world.tokenizer
    for prompt, reader, text in list(zip(PROMPTS, readers, grown, strict=True))[:4]:
        start, kept = world._prompt_ids(prompt), ""
        if text.calls > 1:
            before = next(seen for seen, finish in reader.seen if seen.count(".") >= change[0] or finish)
            kept = "".join(f"{sentence}." for sentence in before.split(".")[: change[1]]) + change[2]
        ids = torch.tensor([start + (tokenizer(kept, add_special_tokens=False)["input_ids"] if kept else [])])
        out = plain.generate(ids, max_new_tokens=64, do_sample=False)[0, len(start) :]
        assert text.text == tokenizer.decode(out, skip_special_tokens=True)
        assert text.text.startswith(kept)
        assert (text.told > 0) == bool(change[2] and text.calls > 1)


@pytest.mark.parametrize("cut", [0, 5])
def test_rows_that_have_ended_leave_the_batch_and_the_others_go_on_alike(world, cut):
    ask, sizes = {**ASK, "temperature": 0.0}, []
    readers = [Scissors(*[(3, 1, "")] * 6) if at == cut else Scissors() for at in range(6)]
    hook = world.model.register_forward_pre_hook(
        lambda model, args, given: sizes.append(len(given["input_ids"])), with_kwargs=True
    )
    grown = world.write(PROMPTS[:6], readers, **ask, budget=400)
    hook.remove()
    assert sizes[0] == 6
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1
    assert sorted(text.calls for text in grown) == [1] * 5 + [7]
    assert [text.text for text in grown] == [one.text for [one] in world.generate(PROMPTS[:6], n=1, **ask)]


def test_a_text_and_its_tokens_stay_together_over_many_changes(world):
    changes = [(2, 1, ""), (3, 1, " Wait, 12 + 5 = 17."), (4, 3, ""), (2, 2, " 1 + 1 = 2. unheardofword"), (5, 1, "")]
    for text in world.write(PROMPTS, [Scissors(*changes) for _ in PROMPTS], **ASK, budget=300):
        assert text.sampled <= 300
        assert text.calls <= len(changes) + 1
        assert text.text.count("  ") == 0


def test_budgets(world):
    readers = [Scissors(*[(1, 0, "")] * 99) for _ in PROMPTS]
    for text, reader in zip(world.write(PROMPTS, readers, **ASK, budget=30), readers, strict=True):
        assert text.sampled == 30
        assert text.finish == "length"
        assert reader.seen[-1][1] == "budget"
    for text in world.write(PROMPTS, [Scissors((1, 1, " 1" * 200)) for _ in PROMPTS], **ASK, budget=300):
        assert text.finish in ("length", "stop")


def test_a_guard_around_the_world(world):
    """Sampled attempts at lengths beyond training: wrong steps by the dozen, and none in what comes out."""
    verifier = Ledger()
    stepped_in = 0
    for note in (None, Note(" {step} Wait,"), HINT_AS_STEP):
        guard = Guard(verifier, note=note, interventions=6)
        found = [row[0] for row in guard.around(world, PROBLEMS).answer(PROMPTS, n=1, **ASK)]
        stepped_in += sum(len(g.interventions) for g in found)
        assert sum(g.refused for g in found) < len(found)
        for problem, answer in zip(PROBLEMS, found, strict=True):
            marks = [step.mark for step in grade_steps(verifier, problem, answer.completion.text)]
            assert Mark.WRONG not in marks, answer
            assert answer.completion.tokens <= 64 * 7
            assert answer.calls == min(len(answer.interventions), 6) + 1
    assert stepped_in > 3


def test_without_violation_nothing_is_asked_twice(world):
    guard = Guard(Ledger(), "report")
    answers = guard.around(world, PROBLEMS).answer(PROMPTS, n=2, **ASK)
    assert [[g.completion for g in row] for row in answers] == world.generate(PROMPTS, n=2, **ASK)
    assert all(g.calls == 1 for row in answers for g in row)


CONFIGS = {
    "llama": LlamaConfig,
    "qwen2": Qwen2Config,
    "qwen3": Qwen3Config,
    "mistral, a window": lambda **size: MistralConfig(**size, sliding_window=12),
    "gemma3, windows between": lambda **size: Gemma3TextConfig(
        **size,
        head_dim=8,
        sliding_window=12,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    ),
    "phi3": Phi3Config,
    "gpt2, learned positions": lambda **size: GPT2Config(vocab_size=size["vocab_size"], n_embd=32, n_layer=3, n_head=4),
    "qwen3-next, a recurrent state": lambda **size: Qwen3NextConfig(
        **size,
        head_dim=8,
        num_experts=4,
        num_experts_per_tok=2,
        moe_intermediate_size=16,
        shared_expert_intermediate_size=16,
        decoder_sparse_step=1,
        linear_num_key_heads=2,
        linear_num_value_heads=4,
        linear_key_head_dim=8,
        linear_value_head_dim=8,
        layer_types=["linear_attention", "linear_attention", "full_attention"],
    ),
}


class Choppy(Reader):
    """Cuts back and adds, and puts a note behind all that stands, at every look in turn."""

    ends = "."

    def __init__(self, at):
        self.left = [(0.5, " 7 + 5"), (1.0, " 12."), (0.3, ""), (0.8, " 3 .")][at % 4 :] if at % 5 else []

    def read(self, text, finish):
        if len(text) < 12 or not self.left:
            return None
        share, add = self.left.pop(0)
        return Change(keep=int(share * len(text)), add=add)


BEGINNING = "Start with 9. Double it. Take away 4. 9 * 2 = 18. 18 - 4 = 14. "


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        *((name, "") for name in CONFIGS),
        *((name, BEGINNING) for name in ("qwen2", "mistral, a window", "gpt2, learned positions")),
    ],
)
def test_every_token_is_drawn_from_what_a_fresh_reading_of_the_text_says(world, monkeypatch, name, beginning):
    """The kind: something cut away, padded or of another row that is still seen. On random weights all of it moves the logits."""
    torch.manual_seed(0)
    size = {
        "vocab_size": 409,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    }
    config = CONFIGS[name](**size, pad_token_id=0, bos_token_id=1, eos_token_id=2)
    model = AutoModelForCausalLM.from_config(config).eval()
    looked = tokens_with(world.tokenizer, 409, ".")
    seen = []
    chosen = decoding._chosen

    def noted(scores, rows, temperature):
        seen.extend((row.so_far, row.due, scores[at].clone()) for at, row in enumerate(rows) if not row.due)
        return chosen(scores, rows, temperature)

    monkeypatch.setattr(decoding, "_chosen", noted)
    prompts = [world._prompt_ids(beginning + prompt) for prompt in (*PROMPTS[:5], PROMPTS[0], PROMPTS[0])]
    options = {"ends": {2}, "looked": looked, "max_tokens": 30, "budget": 60}
    rows = [ReadAlong(world.tokenizer, prompt, Choppy(at), **options, stream=at) for at, prompt in enumerate(prompts)]
    with torch.inference_mode():
        decode(model, rows, pad=0, temperature=1.0)
        assert sum(row.grown().calls > 1 for row in rows) >= 3
        for so_far, _, scores in seen[:: max(1, len(seen) // 60)]:
            fresh = model(input_ids=torch.tensor([so_far])).logits[0, -1]
            assert torch.allclose(scores, fresh, atol=2e-4), (name, (scores - fresh).abs().max())


def test_a_text_does_not_depend_on_its_batch(world):
    """Which other prompts are asked, in which order, and how many stand side by side."""
    small, ask = HFModel.open(ModelSpec(path="world", batch_size=3)), {**ASK, "max_tokens": 40}
    asked = PROMPTS[:5]
    whole = world.generate(asked, n=3, **ask)
    assert small.generate(asked[::-1], n=3, **ask)[::-1] == whole
    assert [small.generate([prompt], n=3, **ask)[0] for prompt in asked] == whole
    assert len({completion.text for row in whole for completion in row}) > 5
    twice = world.generate([PROMPTS[0], PROMPTS[0]], n=1, **ask)
    assert [row[0] for row in twice] == whole[0][:2]
    assert world.generate(asked, n=3, **{**ask, "seed": 1}) != whole


def test_samples_follow_the_models_distribution():
    """Chi-squared over the first token of 4,000 samples, at two temperatures."""
    model = HFModel.open(ModelSpec(path="world", batch_size=500))
    prompt = PROMPTS[0]
    with torch.inference_mode():
        scores = model.model(input_ids=torch.tensor([model._prompt_ids(prompt)])).logits[0, -1].double()
    for temperature in (1.0, 2.5):
        drawn = model.generate([prompt], n=4000, seed=1, temperature=temperature, max_tokens=1)[0]
        law = (scores / temperature).softmax(-1)
        texts = [model.tokenizer.decode([token], skip_special_tokens=True) for token in range(len(law))]
        expected = Counter()
        for text, p in zip(texts, law.tolist(), strict=True):
            expected[text] += 4000 * p
        common = [text for text, n in expected.items() if n >= 5]
        found = Counter(completion.text for completion in drawn)
        observed = [found[text] for text in common] + [4000 - sum(found[text] for text in common)]
        wanted = [expected[text] for text in common] + [4000 - sum(expected[text] for text in common)]
        assert chisquare(observed, wanted).pvalue > 1e-3


def test_a_prompt_is_read_once_for_all_its_samples(world):
    read = []
    hook = world.model.register_forward_pre_hook(
        lambda model, args, given: read.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    many = HFModel(world.model, world.tokenizer, name="world", batch_size=64)
    many.generate(PROMPTS[:4], n=8, **ASK)
    hook.remove()
    assert read[0][0] == 4
    assert read[1] == (32, 1)
    assert [size for size, _ in read[1:]] == sorted((size for size, _ in read[1:]), reverse=True)
    assert read[-1][0] < 32


def test_what_all_prompts_begin_with_is_read_once(world):
    """Worth it from some length on; each prompt keeps a token of its own, and one that is another's beginning is whole."""
    read = []
    hook = world.model.register_forward_pre_hook(
        lambda model, args, given: read.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    many = HFModel(world.model, world.tokenizer, name="world", batch_size=64)
    start = "Start with 9. Double it. Take away 4. 9 * 2 = 18. 18 - 4 = 14. The answer is 14."
    for prompts in ([f"{start} {prompt}" for prompt in PROMPTS[:4]], [start, f"{start} {PROMPTS[0]}"]):
        ids = [world._prompt_ids(prompt) for prompt in prompts]
        shortest = min(map(len, ids))
        alike = next(at for at in range(shortest) if at == shortest - 1 or len({row[at] for row in ids}) > 1)
        read.clear()
        many.generate(prompts, n=2, **ASK)
        assert read[:2] == [(1, alike), (len(ids), max(map(len, ids)) - alike)]
    hook.remove()
