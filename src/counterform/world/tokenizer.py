"""The world's tokenizer: a few hundred whole words, lossless on every document of the world."""

from __future__ import annotations

from collections.abc import Iterable

from counterform.errors import extra

with extra("train"):
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast


PAD, BOS, EOS, UNKNOWN, USER, MODEL = "<pad>", "<s>", "</s>", "<unk>", "<user>", "<model>"

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<model>{{ message['content'] }}{{ eos_token }}"
    "{% else %}<user>{{ message['content'] }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<model>{% endif %}"
)


def build_tokenizer(texts: Iterable[str], numbers: Iterable[int]) -> PreTrainedTokenizerFast:
    """A word-level tokenizer that knows every word of `texts` and every one of `numbers`."""
    tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    # A word carries the space before it, so joining tokens gives the text back; the added first space makes the
    # first word of a text the same token as any other.
    tokenizer.normalizer = normalizers.Prepend(" ")
    # "Ash-Bay" is "Ash" and "-Bay", so that what a road leads to stands next to where it starts: with a token between
    # them, a model of this size does not learn to look a road up.
    words = Regex(r"\n|[ -]?[A-Za-z]+| ?\d+| ?[^\sA-Za-z\d]")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(words, behavior="isolated")
    tokenizer.decoder = decoders.Sequence([decoders.Fuse(), decoders.Strip(" ", 1, 0)])

    seen = {word for text in texts for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(f" {text}")}
    seen |= {f" {number}" for number in numbers}
    special = [PAD, BOS, EOS, UNKNOWN, USER, MODEL]
    vocabulary = {word: index for index, word in enumerate([*special, *sorted(seen)])}
    tokenizer.model = models.WordLevel(vocabulary, unk_token=UNKNOWN)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNKNOWN,
        additional_special_tokens=[USER, MODEL],
        chat_template=CHAT_TEMPLATE,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
