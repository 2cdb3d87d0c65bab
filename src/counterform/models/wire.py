"""What an OpenAI-compatible endpoint is asked, and what its answers say. Endpoints differ, and none says beforehand in what."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from counterform.models.retrying import Broken
from counterform.types import Completion

MAX_CHARS = 100_000
"""Characters kept of one completion."""

_LENGTH = ("length", "max_tokens", "model_length", "max_output_tokens", "max_completion_tokens")
_FILTERED = ("content_filter", "safety", "recitation", "blocklist", "prohibited_content", "spii")
_FAILED = ("error", "abort", "aborted", "cancelled", "failed")
"""Reasons for which a text ends, in the words of vLLM, SGLang, llama.cpp, Mistral, Gemini, OpenRouter; any other is a stop."""

_MAY_BE_LEFT_OUT = ("seed", "top_p", "temperature")
_REFUSAL = re.compile(
    r"unsupported|not support|n.t support|not permitted|not allowed|unrecognized|unknown|unexpected|extra.?(forbidden|input|field)|"
    r"deprecated|only the default|instead|must be (exactly )?1\b|invalid (parameter|argument|field)",
    re.IGNORECASE,
)


class Dialect:
    """Which of our parameters an endpoint takes; learnt from what it refuses."""

    def __init__(self) -> None:
        self._limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
        self._left_out: dict[str, float] = {}

    def fields(self, *, seed: int, temperature: float, max_tokens: int) -> dict[str, Any]:
        """The parameters of a request, as far as the endpoint takes them."""
        ours = {"seed": seed, "temperature": temperature, "top_p": 1.0, self._limit: max_tokens}
        return {name: value for name, value in ours.items() if name not in self._left_out}

    def learn(self, said: str, sent: dict[str, Any]) -> bool:
        """Whether a refusal is of parameters of ours, so that the request is to be sent again without them."""
        said = said[:4000]
        if not _REFUSAL.search(said):
            return False
        if "max_tokens" in sent and "max_completion_tokens" in said:
            self._limit = "max_completion_tokens"
            return True
        named = [name for name in _MAY_BE_LEFT_OUT if name in sent and re.search(rf"\b{name}\b", said)]
        self._left_out |= {name: sent[name] for name in named}
        return bool(named)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the answers were not asked with, where that changes what they are."""
        said = {
            "seed": "takes no seed: its answers are not the same when they are asked for again",
            "temperature": f"takes no temperature: it answered at its own, and not at {self._left_out.get('temperature')}",
        }
        asked = {name for name, value in self._left_out.items() if name != "temperature" or value != 1.0}
        return tuple(f"The endpoint {words}." for name, words in said.items() if name in asked)


class _Part(Struct):
    type: str = "text"
    text: str = ""


class _Message(Struct):
    content: str | list[_Part] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Error(Struct):
    code: int | str | None = None
    message: str | None = None


class _ChatChoice(Struct):
    message: _Message
    finish_reason: str | None = None


class _Usage(Struct):
    completion_tokens: Annotated[int, Meta(ge=0, lt=2**31)] | None = None
    prompt_tokens: Annotated[int, Meta(ge=0, lt=2**31)] | None = None


class _Chat(Struct):
    choices: Annotated[list[_ChatChoice], Meta(min_length=1)]
    usage: _Usage | None = None


class _Failure(Struct):
    error: _Error


def heard(raw: bytes) -> Completion:
    """The completion that an answer to a chat request holds. Raises msgspec.MsgspecError for none.

    A model that thinks to the end of its tokens says nothing: an empty text that was cut.
    """
    answer = msgspec.json.decode(raw, type=_Chat)
    choice = answer.choices[0]
    text, reason = _text(choice.message), (choice.finish_reason or "stop").lower()
    if reason in _FILTERED:
        return unheard("content_filter")
    if reason in _FAILED:
        return unheard("broken")
    counted = answer.usage.completion_tokens if answer.usage else None
    thought = choice.message.reasoning_content or choice.message.reasoning or ""
    return Completion(
        text=text[:MAX_CHARS],
        tokens=len(text.split()) + len(thought.split()) if counted is None else counted,
        finish="length" if reason in _LENGTH or len(text) > MAX_CHARS else "stop",
    )


def without_error(raw: bytes) -> bytes:
    """The same answer. Raises Broken for one that is a server's error: some send it with status 200."""
    if b'"error"' in raw:
        try:
            error = msgspec.json.decode(raw, type=_Failure).error
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return raw
        code = str(error.code)
        raise Broken(code if re.fullmatch("[45][0-9][0-9]", code) else "broken", error.message or code)
    return raw


def unheard(failure: str) -> Completion:
    """The completion of a call that failed."""
    return Completion(text="", tokens=0, finish="error", failure=failure)


def _text(message: _Message) -> str:
    """What was answered; what was thought before is no part of it."""
    if isinstance(message.content, list):
        return "".join(part.text for part in message.content if part.type == "text")
    return message.content if message.content is not None else message.refusal or ""


class _Logprobs(Struct):
    tokens: list[str]
    token_logprobs: list[float | None]
    text_offset: list[int] = []


class _TextChoice(Struct):
    logprobs: _Logprobs


class Echo(Struct):
    """A text that was sent, with the log-probability of each of its tokens; and, behind them, one token that was asked for with it."""

    choices: Annotated[list[_TextChoice], Meta(min_length=1)]
    usage: _Usage | None = None

    @property
    def tokens(self) -> list[str]:
        """Of the text that was sent. As some servers say them they lack their spaces, and are not the text."""
        found = self.choices[0].logprobs
        whole = len(found.tokens) == len(found.token_logprobs)
        counted = self.usage.prompt_tokens if self.usage else None
        n = max(0, len(found.tokens) - 1) if counted is None else counted
        return found.tokens[:n] if whole and n <= len(found.tokens) else []

    def sum_from(self, first: int) -> float | None:
        """The sum over the tokens of the text from the `first` on; None where there are none, or one has no number."""
        values = self.choices[0].logprobs.token_logprobs[first : len(self.tokens)]
        numbers = [value for value in values if value is not None and math.isfinite(value)]
        return math.fsum(numbers) if numbers and len(numbers) == len(values) else None


def sum_by_text(echo: Echo, prompt: str, continuation: str) -> float | None:
    """The sum over the tokens that hold the continuation, where the server says at which character each stands; else None.

    A token that begins in the prompt and ends in the continuation counts whole.
    """
    found, text = echo.choices[0].logprobs, prompt + continuation
    if not found.tokens or not len(found.tokens) == len(found.token_logprobs) == len(found.text_offset):
        return None
    # vLLM counts the begin token, which is not in the text, into the offsets of all that follow.
    shift = 0 if text.startswith(found.tokens[0]) else len(found.tokens[0])
    first, end = len(prompt) + shift, len(text) + shift
    rows = [
        (token, logprob)
        for token, logprob, at in zip(found.tokens, found.token_logprobs, found.text_offset, strict=True)
        if at < end and at + len(token) > first
    ]
    values = [logprob for _, logprob in rows if logprob is not None and math.isfinite(logprob)]
    if len(values) < len(rows) or not "".join(token for token, _ in rows).endswith(continuation):
        return None
    return math.fsum(values)


def sum_by_count(whole: Echo, prompt: Echo) -> float | None:
    """The sum over the tokens that the whole text has and its prompt alone has not: from the first that differs."""
    before, after = prompt.tokens, whole.tokens
    same = next(
        (at for at, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    return whole.sum_from(same)
