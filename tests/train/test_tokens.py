from counterform.models.hf import load_tokenizer
from counterform.train.tokens import token_counter, training_row


def test_rows_are_messages_where_there_is_a_chat_template(arm):
    tokenizer, example = load_tokenizer("world"), arm.examples[0]
    row = training_row(example, tokenizer)
    assert row["prompt"] == [{"role": "user", "content": example.prompt}]
    assert row["completion"] == [{"role": "assistant", "content": example.completion}]
    tokenizer.chat_template = None
    assert training_row(example, tokenizer) == {"prompt": example.prompt, "completion": f"\n{example.completion}"}


def test_the_loss_is_counted_on_the_completion_and_its_end(arm):
    tokenizer = load_tokenizer("world")
    prompt, loss = token_counter(tokenizer)(arm.examples)
    for example, tokens in zip(arm.examples, loss, strict=True):
        assert tokens == len(tokenizer(example.completion, add_special_tokens=False)["input_ids"]) + 1
    assert all(tokens > len(e.prompt.split()) for e, tokens in zip(arm.examples, prompt, strict=True))
    assert token_counter(tokenizer)([]) == ([], [])
