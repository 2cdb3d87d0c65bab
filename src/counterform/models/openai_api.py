"""Any OpenAI-compatible endpoint: vLLM, a llama.cpp server, `transformers serve`, a hosted service."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import math
import os
import random
import threading
from collections import Counter
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Container,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from queue import SimpleQueue
from time import time
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from counterform.errors import ModelError, extra
from counterform.models.growing import Grown, Reader, Writer
from counterform.models.streaming import StreamBroken, read_along
from counterform.study import ModelSpec
from counterform.types import Completion, is_transient

with extra("api"):
    import openai
    import stamina

CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 180.0
"""Time-out of one attempt at a request, from the first byte sent to the last one read."""
ATTEMPTS = 5
RETRY_SECONDS = 300.0
"""No further attempt at a request begins after this long."""
WAIT_INITIAL, WAIT_JITTER, WAIT_MAX = 0.5, 1.0, 30.0
"""Seconds between attempts: doubled each time, with jitter; WAIT_MAX also caps the server's Retry-After."""
DEAD_AFTER = 16
"""Requests in a row that found no usable endpoint, after which it is given up; all requests of a smaller call."""
MAX_CHARS = 100_000
"""Characters kept of one completion."""

FIXES = {
    "connection": "Start the server, or correct `base_url`",
    "400": "Correct `path` (the model's name at the endpoint), or what the server says",
    "401": "Put a valid key into the environment variable that `api_key_env` names",
    "403": "Use a key that may use this model (`api_key_env`), or another model (`path`)",
    "404": "Correct `base_url` (most end in /v1) or `path` (the model's name at the endpoint)",
    "408": "Wait until the endpoint answers in time, or ask less at once (`concurrency`)",
    "409": "Wait until the endpoint is free",
    "429": "Wait, raise the quota, or ask less at once (`concurrency`)",
    "timeout": "Wait until the endpoint answers in time, or ask less at once (`concurrency`)",
}
"""Failures that may concern the endpoint and not one prompt, and what to do about each."""
_SERVER = "Wait until the server is well again"
_AT_ONCE = ("connection", "401", "403", "404")
"""Of them, those that never concern one prompt alone: a few 400s can be a few prompts that are too long."""

_SCORERS = "Use a server that scores a given text (vLLM, llama-cpp-python's server), or a local model (kind = 'hf')"
_FAILURES = (openai.OpenAIError, TimeoutError, msgspec.MsgspecError, UnicodeError, RecursionError)

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")

# stamina warns of every retry; without a handler of their own those warnings would break into a progress bar.
logging.getLogger("stamina").addHandler(logging.NullHandler())


class _Message(Struct):
    content: str


class _ChatChoice(Struct):
    message: _Message
    finish_reason: str | None = None


class _Usage(Struct):
    completion_tokens: Annotated[int, Meta(ge=0, lt=2**31)] | None = None


class _Chat(Struct):
    choices: Annotated[list[_ChatChoice], Meta(min_length=1)]
    usage: _Usage | None = None


class _Logprobs(Struct):
    tokens: list[str]
    token_logprobs: list[float | None]
    text_offset: list[int]


class _TextChoice(Struct):
    logprobs: _Logprobs


class _Echo(Struct):
    choices: Annotated[list[_TextChoice], Meta(min_length=1)]


class OpenAIModel(Writer):
    """A model behind an endpoint. What it cannot answer is an error row and a count, never an exception."""

    def __init__(self, spec: ModelSpec) -> None:
        host = _host(spec.base_url)
        self.name, self._url, self._concurrency = spec.path, spec.base_url, spec.concurrency
        self._key = _key(spec, host)
        self._failures: Counter[str] = Counter()
        self._unreached = 0  # requests in a row that found no usable endpoint
        self._client = openai.AsyncOpenAI(
            base_url=spec.base_url,
            api_key=self._key,
            max_retries=0,
            timeout=openai.Timeout(REQUEST_SECONDS, connect=CONNECT_SECONDS),
            # A proxy set for the outside world must not swallow what is meant for this machine.
            http_client=openai.DefaultAsyncHttpxClient(trust_env=not _is_loopback(host)),
        )
        # A loop of its own: connections outlive a call, and a notebook, whose loop already runs, can call too.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"endpoint {self.name}", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, spec: ModelSpec) -> OpenAIModel:
        """The model `spec.path` at `spec.base_url`; nothing is sent yet. Raises ModelError for an unusable spec."""
        return cls(spec)

    @property
    def failures(self) -> Mapping[str, int]:
        """Requests that failed for good, by kind: an HTTP status, timeout, connection, garbage, content_filter, unsendable (text
        that is not valid Unicode).
        """
        return self._failures

    def generate(
        self, prompts: Sequence[str], *, n: int, seed: int, temperature: float, max_tokens: int
    ) -> list[list[Completion]]:
        """`n` completions for each prompt, in prompt order; temperature 0 is greedy.

        One request a completion, its seed made of (seed, prompt index, sample index) only. Raises ModelError when
        the endpoint itself, not a prompt, is what fails.
        """
        found = self.completions(prompts, n=n, seed=seed, temperature=temperature, max_tokens=max_tokens)
        texts = {(index, sample): completion for index, sample, completion in found}
        return [[texts[index, sample] for sample in range(n)] for index in range(len(prompts))]

    def completions(
        self,
        prompts: Sequence[str],
        *,
        n: int,
        seed: int,
        temperature: float,
        max_tokens: int,
        known: Container[tuple[int, int]] = (),
    ) -> Iterator[tuple[int, int, Completion]]:
        """As they are heard; what is known is not asked again."""
        # All prompts once, then all again: one refused prompt must not look like an endpoint that refuses all.
        jobs = [(index, sample) for sample in range(n) for index in range(len(prompts)) if (index, sample) not in known]
        heard: SimpleQueue[tuple[int, int, Completion] | None] = SimpleQueue()

        async def complete(job: tuple[int, int]) -> None:
            index, sample = job
            try:
                completion = await self._complete(
                    prompts[index], seed=_seed(seed, index, sample), temperature=temperature, max_tokens=max_tokens
                )
                self._unreached = 0
            except _FAILURES as error:
                completion = _unheard(self._failed(error, len(jobs)))
            heard.put((index, sample, completion))

        asking = asyncio.run_coroutine_threadsafe(self._side_by_side(jobs, complete), self._loop)
        asking.add_done_callback(lambda _: heard.put(None))
        try:
            while (one := heard.get()) is not None:
                yield one
            asking.result()
        finally:
            asking.cancel()  # Ctrl-C must also stop what is under way in the other thread.

    def write(
        self,
        prompts: Sequence[str],
        readers: Sequence[Reader],
        *,
        seed: int,
        temperature: float,
        max_tokens: int,
        budget: int,
    ) -> list[Grown]:
        """One text per prompt, streamed and read along by its own reader (models/growing.py: Writer; models/streaming.py)."""
        found = [Grown(text="", sampled=0, told=0, calls=1, finish="error")] * len(prompts)

        async def grow(index: int) -> None:
            async def open_stream(text: str, tokens: int, call: int) -> AsyncIterator[Any]:
                ours = [{"role": "assistant", "content": text}] if text else []
                go_on = {"continue_final_message": True, "add_generation_prompt": False}
                create: Any = self._client.chat.completions.create
                return await _with_retries(
                    lambda: create(
                        model=self.name,
                        messages=[{"role": "user", "content": prompts[index]}, *ours],
                        seed=_seed(seed, index, call),
                        temperature=temperature,
                        top_p=1.0,
                        max_tokens=tokens,
                        stream=True,
                        extra_body=go_on if text else None,
                    )
                )

            try:
                found[index] = await read_along(open_stream, readers[index], max_tokens=max_tokens, budget=budget)
                self._unreached = 0
            except StreamBroken as error:
                self._failures[str(error)] += 1
            except _FAILURES as error:
                self._failed(error, len(prompts))

        self._wait_for(self._side_by_side(range(len(prompts)), grow))
        return found

    def logprobs(self, prompt: str, continuations: Sequence[str]) -> list[float]:
        """The summed log-probability (nats) of each continuation after the prompt, as raw text: no chat template.

        Raises ModelError where the server does not return log-probabilities (llama.cpp's and vLLM's do).
        """
        scores = [0.0] * len(continuations)

        async def score(index: int) -> None:
            if not continuations[index]:
                return
            try:
                scores[index] = await self._score(prompt, continuations[index])
            except _FAILURES as error:
                kind = _kind(error)
                # Here a 400 says that scoring is not offered, more often than that the model's name is wrong.
                fix = FIXES[kind] if kind in FIXES and kind != "400" else _SCORERS
                raise self._unusable(error, fix) from error

        self._wait_for(self._side_by_side(range(len(continuations)), score))
        return scores

    def close(self) -> None:
        """Close the connections."""
        if self._loop.is_closed():
            return
        self._wait_for(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _complete(self, prompt: str, *, seed: int, temperature: float, max_tokens: int) -> Completion:
        async def send() -> bytes:
            answer = await self._client.chat.completions.with_raw_response.create(
                model=self.name,
                messages=[{"role": "user", "content": prompt}],
                seed=seed,
                temperature=temperature,
                top_p=1.0,
                max_tokens=max_tokens,
            )
            return answer.content

        answer = msgspec.json.decode(await _with_retries(send), type=_Chat)
        choice, text = answer.choices[0], answer.choices[0].message.content
        if choice.finish_reason == "content_filter":
            self._failures["content_filter"] += 1
            return _unheard("content_filter")
        counted = answer.usage.completion_tokens if answer.usage else None
        return Completion(
            text=text[:MAX_CHARS],
            tokens=len(text.split()) if counted is None else counted,
            finish="length" if choice.finish_reason == "length" or len(text) > MAX_CHARS else "stop",
        )

    async def _score(self, prompt: str, continuation: str) -> float:
        async def send() -> bytes:
            # One token is asked for and thrown away: llama.cpp takes 0 for "no limit".
            answer = await self._client.completions.with_raw_response.create(
                model=self.name, prompt=prompt + continuation, echo=True, logprobs=1, max_tokens=1, temperature=0.0
            )
            return answer.content

        raw = await _with_retries(send)
        score = None
        with contextlib.suppress(msgspec.ValidationError):
            score = _sum_logprobs(msgspec.json.decode(raw, type=_Echo).choices[0].logprobs, prompt, continuation)
        if score is None:
            raise ModelError(
                f"the server at {self._url} does not return the log-probabilities of a text it is given "
                f"(/completions with echo and logprobs). {_SCORERS}."
            )
        return score

    async def _side_by_side(self, jobs: Iterable[_Job], work: Callable[[_Job], Awaitable[None]]) -> None:
        """Do all jobs, at most `concurrency` at once; the first exception stops the rest."""
        left = iter(jobs)

        async def worker() -> None:
            for job in left:
                await work(job)

        workers = [asyncio.create_task(worker()) for _ in range(self._concurrency)]
        try:
            await asyncio.gather(*workers)
        finally:
            for task in workers:
                task.cancel()

    def _wait_for(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C must also stop what is under way in the other thread.
            raise

    def _failed(self, error: BaseException, jobs: int) -> str:
        """Count a failure; its kind. Raises ModelError where too many in a row have found no usable endpoint."""
        kind = _kind(error)
        self._failures[kind] += 1
        concerns_all = kind in FIXES or is_transient(kind)
        self._unreached = self._unreached + 1 if concerns_all else 0
        if concerns_all and self._unreached >= (min(jobs, DEAD_AFTER) if kind in _AT_ONCE else DEAD_AFTER):
            raise self._unusable(error, FIXES.get(kind, _SERVER)) from error
        return kind

    def _unusable(self, error: BaseException, fix: str) -> ModelError:
        if isinstance(error, openai.APIStatusError):
            said = f"{error.status_code} {error.response.text}"
        else:
            said = f"{error} {error.__cause__ or type(error).__name__}"
        said = said.replace(self._key, "***")[:300]
        shown = "".join(char if char.isprintable() else " " for char in said).strip()
        return ModelError(
            f"no usable answer from {self._url} for the model {self.name!r}: {shown}. {fix}, and run the same command "
            "again: what was finished is kept."
        )


def _unheard(failure: str) -> Completion:
    return Completion(text="", tokens=0, finish="error", failure=failure)


async def _with_retries(send: Callable[[], Awaitable[_Result]]) -> _Result:
    async def attempt() -> _Result:
        # The client's own time-out is one of silence: a server that drips a byte a minute would never meet it.
        async with asyncio.timeout(REQUEST_SECONDS):
            return await send()

    retry = stamina.AsyncRetryingCaller(
        attempts=ATTEMPTS,
        timeout=RETRY_SECONDS,
        wait_initial=WAIT_INITIAL,
        wait_jitter=WAIT_JITTER,
        wait_max=WAIT_MAX,
    )
    return await retry(_backoff, attempt)


def _backoff(error: Exception) -> bool | float:
    """Whether to try again, or after how many seconds where the server said so."""
    kind = _kind(error)
    if not is_transient(kind):
        return False
    asked = error.response.headers.get("retry-after", "") if isinstance(error, openai.APIStatusError) else ""
    seconds = _seconds(asked)
    return True if seconds is None else min(max(seconds, 0.0), WAIT_MAX) + random.uniform(0.0, WAIT_JITTER)


def _seconds(retry_after: str) -> float | None:
    """A Retry-After header in seconds from now (RFC 9110, 10.2.3: a number or a date); None if unreadable."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time()
        except (ValueError, OverflowError):
            return None
    return None if math.isnan(seconds) else seconds


def _kind(error: BaseException) -> str:
    if isinstance(error, openai.APIStatusError):
        return str(error.status_code)
    if isinstance(error, openai.APITimeoutError):
        # Told apart by name, because the client may stand on httpx or on httpx2.
        return "connection" if type(error.__cause__).__name__ == "ConnectTimeout" else "timeout"
    if isinstance(error, openai.APIConnectionError):
        return "connection"
    if isinstance(error, UnicodeEncodeError):
        return "unsendable"
    return "timeout" if isinstance(error, TimeoutError) else "garbage"


def _seed(seed: int, index: int, sample: int) -> int:
    """31 bits, which every server takes."""
    return int.from_bytes(blake2b(f"{seed} {index} {sample}".encode(), digest_size=4).digest()) >> 1


def _sum_logprobs(found: _Logprobs, prompt: str, continuation: str) -> float | None:
    """The sum over the tokens that hold the continuation; None if they are not all there.

    A token that begins in the prompt and ends in the continuation counts whole.
    """
    text = prompt + continuation
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


def _host(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        host = parts.hostname or ""
        usable = parts.scheme in ("http", "https") and bool(host) and "@" not in parts.netloc
    except ValueError:
        usable = False
    if not usable:
        # The value is not shown: it may hold a password.
        raise ModelError(
            "`base_url` is missing or is not an http(s) address without a password in it. "
            "Give the endpoint, e.g. base_url = 'http://127.0.0.1:8000/v1'."
        )
    return host


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _key(spec: ModelSpec, host: str) -> str:
    key = os.environ.get(spec.api_key_env, "").strip()
    if not key and not _is_loopback(host):
        raise ModelError(
            f"no key for {spec.base_url}: the environment variable {spec.api_key_env!r} is not set. Set it, or name "
            "another one with `api_key_env`."
        )
    return key or "no-key"
