"""A system turn and arguments of the chat template: they are read when the model is asked and trained, or refused."""

import shutil

import datasets
import pytest
from msgspec.structs import replace
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

from counterform.errors import ModelError
from counterform.models.hf import HFModel
from counterform.models.loading import load, load_tokenizer
from counterform.study import BASE, ChatSpec, ModelSpec
from counterform.train.rollouts import Rollouts
from counterform.train.tokens import preference_rows, token_counter, training_rows
from counterform.types import Example

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}<model>{{ message['content'] }}{{ eos_token }}"
    "{% else %}<user>{{ message['content'] }}{% endif %}"
    "{% if message['role'] == 'user' and enable_thinking is defined and not enable_thinking %} So.{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<model>{% endif %}"
)
CHAT = ChatSpec(system="Add 1.", template={"enable_thinking": False})
PAIR = Example(problem_id="p", prompt="Add 2.", completion="7 + 2 = 9.", rejected="7 + 2 = 8.")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("chat") / "model"
    shutil.copytree(BASE, found)
    (found / "chat_template.jinja").write_text(TEMPLATE)
    return str(found)


@pytest.fixture(scope="module")
def seen(folder):
    """The tokens that stand before an answer to the pair's prompt."""
    tokenizer = load_tokenizer(folder)
    return tokenizer("<s><user>Add 1.<user>Add 2. So.<model>", add_special_tokens=False)["input_ids"]


def test_it_stands_around_every_prompt(folder, seen):
    model = HFModel.open(ModelSpec(path=folder, chat=CHAT))
    assert model._prompt_ids("Add 2.") == seen
    assert HFModel.open(ModelSpec(path=folder))._prompt_ids("Add 2.") != seen


def test_it_is_counted_and_trained_on_as_it_is_asked(folder, seen, tmp_path):
    """Contract: what each of TRL's trainers reads before an answer is what the model is asked with."""
    model, tokenizer = load(ModelSpec(path=folder, chat=CHAT))
    prompts, losses = token_counter(tokenizer, CHAT)([replace(PAIR, rejected=None)])
    usual = {"output_dir": str(tmp_path), "report_to": [], "use_cpu": True, "bf16": False}

    rows = datasets.Dataset.from_list(training_rows([PAIR], tokenizer, CHAT))
    sft = SFTTrainer(model=model, args=SFTConfig(**usual), train_dataset=rows, processing_class=tokenizer)
    [row] = sft.train_dataset
    assert row["input_ids"][: len(seen)] == seen
    assert (prompts, losses) == ([len(seen)], [len(row["input_ids"]) - len(seen)])

    rows = datasets.Dataset.from_list(preference_rows([PAIR], tokenizer, CHAT))
    dpo = DPOTrainer(model=model, args=DPOConfig(**usual), train_dataset=rows, processing_class=tokenizer)
    assert dpo.train_dataset[0]["prompt_ids"] == seen

    config = GRPOConfig(
        **usual,
        num_generations=2,
        per_device_train_batch_size=2,
        max_completion_length=1,
        chat_template_kwargs=CHAT.template,
    )
    rollouts = Rollouts(0)
    grpo = GRPOTrainer(
        model=model,
        reward_funcs=[lambda completions, **_: [0.0] * len(completions)],
        args=config,
        train_dataset=rows.select_columns(["prompt"]),
        processing_class=tokenizer,
        rollout_func=rollouts,
    )
    assert rollouts([rows[0]["prompt"]], grpo)["prompt_ids"] == [seen]


@pytest.mark.parametrize(
    ("template", "chat", "message"),
    [
        (None, CHAT, r"has no chat template, so \$\.model\.chat would do nothing.*problems\.template"),
        (TEMPLATE, ChatSpec(template={"enable_thinkin": True}), "does not read 'enable_thinkin'"),
        ("{{ messages[-1]['content'] }}", ChatSpec(system="Think."), "leaves a system turn out"),
        (
            "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}",
            ChatSpec(system="Think."),
            "refuses .*: no system role",
        ),
    ],
)
def test_what_would_do_nothing_is_refused(folder, tmp_path, template, chat, message):
    shutil.copytree(folder, tmp_path / "model")
    path = tmp_path / "model" / "chat_template.jinja"
    path.unlink() if template is None else path.write_text(template)
    with pytest.raises(ModelError, match=f"(?s){message}"):
        load_tokenizer(ModelSpec(path=str(tmp_path / "model"), chat=chat))
