"""What stands around a prompt that is put to a chat model: a system turn, and arguments of the chat template."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from counterform.errors import ModelError, extra
from counterform.specs import NO_CHAT, ChatSpec

with extra("train"):
    from jinja2 import TemplateError
    from transformers import PreTrainedTokenizerBase

_PROBE = "What is 1 + 1?"


def prompt_ids(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], chat: ChatSpec) -> list[int]:
    """The tokens of these turns, up to where the model begins to write."""
    written = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True, **chat.template)
    return list(written["input_ids"])


def prompt_text(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], chat: ChatSpec) -> str:
    """The same as a text, for what puts the begin token before every text by itself."""
    written = str(tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False, **chat.template))
    begins = bool(tokenizer.bos_token) and tokenizer("")["input_ids"][:1] == [tokenizer.bos_token_id]
    return written.removeprefix(tokenizer.bos_token) if begins else written


def plain_text(tokenizer: PreTrainedTokenizerBase) -> Callable[[str], str]:
    """A function after which nothing in a text is read as a special token: "<|im_end|>" becomes "< |im_end|>".

    Attempts are anybody's text; an attempt that is shown in a critique's prompt must not end the user's turn.
    """
    special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    special |= set(tokenizer.all_special_tokens)
    tokens = sorted((token for token in special if len(token) > 1), key=len, reverse=True)

    def plain(text: str) -> str:
        for token in tokens:
            if token in text:
                text = text.replace(token, f"{token[0]} {token[1:]}")
        return text

    return plain


def require_chat(tokenizer: PreTrainedTokenizerBase, chat: ChatSpec, name: str) -> None:
    """Raises ModelError where a chat template would refuse, or silently leave out, what the study file says of the chat."""
    if chat == NO_CHAT:
        return
    if tokenizer.chat_template is None:
        raise ModelError(
            f"{name!r} has no chat template, so $.model.chat would do nothing. Leave it out; what every prompt is to say belongs into "
            "$.problems.template."
        )
    template = str(tokenizer.get_chat_template())
    for argument in chat.template:
        if not re.search(rf"\b{re.escape(argument)}\b", template):
            raise ModelError(
                f"the chat template of {name!r} does not read {argument!r} ($.model.chat.template), which would do nothing. Leave it "
                "out, or name what the template reads."
            )
    try:
        shown = _shown(tokenizer, chat)
    except TemplateError as error:
        raise ModelError(
            f"the chat template of {name!r} refuses $.model.chat: {error}. Put the words into $.problems.template."
        ) from error
    if chat.system.strip() not in shown:
        raise ModelError(
            f"the chat template of {name!r} leaves a system turn out. Put the words of $.model.chat.system into $.problems.template."
        )


def _shown(tokenizer: PreTrainedTokenizerBase, chat: ChatSpec) -> str:
    text: Any = tokenizer.apply_chat_template(
        chat.messages(_PROBE), tokenize=False, add_generation_prompt=True, **chat.template
    )
    return str(text)
