"""Any OpenAI-compatible endpoint: vLLM, a llama.cpp server, `transformers serve`, a hosted service."""

from __future__ import annotations

import asyncio
import ipaddress
import os
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
from functools import partial
from hashlib import blake2b
from queue import SimpleQueue
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from counterform.errors import ModelError, extra
from counterform.models.growing import Grown, Reader, Writer
from counterform.models.retrying import AT_ONCE, FIXES, REQUEST_SECONDS, SERVER_FIX, Broken, kind_of, with_retries
from counterform.models.streaming import StreamBroken, read_along
from counterform.models.wire import Dialect, Echo, heard, sum_by_count, sum_by_text, unheard, without_error
from counterform.study import ModelSpec
from counterform.types import Completion, is_transient

with extra("api"):
    import openai

CONNECT_SECONDS = 5.0
DEAD_AFTER = 16
"""Requests in a row that found no usable endpoint, after which it is given up; all requests of a smaller call."""

_SCORERS = "Use a server that scores a given text (vLLM, llama-cpp-python's server), or a local model (kind = 'hf')"
_FAILURES = (openai.OpenAIError, Broken, TimeoutError, msgspec.MsgspecError, UnicodeError, RecursionError)

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


class OpenAIModel(Writer):
    """A model behind an endpoint. What it cannot answer is an error row and a count, never an exception."""

    def __init__(self, spec: ModelSpec) -> None:
        host = _host(spec.base_url)
        self.name, self._url, self._concurrency = spec.path, spec.base_url, spec.concurrency
        self._chat = spec.chat
        self._key = _key(spec, host)
        self._failures: Counter[str] = Counter()
        self._unreached = 0  # requests in a row that found no usable endpoint
        self._dialect = Dialect()
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
    def _body(self) -> dict[str, Any]:
        """What a request says that is not OpenAI's own, in the words of vLLM and SGLang."""
        return {"chat_template_kwargs": self._chat.template} if self._chat.template else {}

    @property
    def notes(self) -> tuple[str, ...]:
        """Parameters that the endpoint refuses, where that changes what its answers are."""
        return self._dialect.notes

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
        answers: SimpleQueue[tuple[int, int, Completion] | None] = SimpleQueue()

        async def complete(job: tuple[int, int]) -> None:
            index, sample = job
            try:
                completion = await self._complete(
                    prompts[index], seed=_seed(seed, index, sample), temperature=temperature, max_tokens=max_tokens
                )
                self._unreached = 0
            except _FAILURES as error:
                completion = unheard(self._failed(error, len(jobs)))
            answers.put((index, sample, completion))

        asking = asyncio.run_coroutine_threadsafe(self._side_by_side(jobs, complete), self._loop)
        asking.add_done_callback(lambda _: answers.put(None))
        try:
            while (one := answers.get()) is not None:
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
                go_on = {"continue_final_message": True, "add_generation_prompt": False} if text else {}
                create: Any = self._client.chat.completions.create
                return await self._asked(
                    lambda fields: create(
                        model=self.name,
                        messages=self._chat.messages(prompts[index], text or None),
                        stream=True,
                        extra_body=self._body | go_on,
                        **fields,
                    ),
                    seed=_seed(seed, index, call),
                    temperature=temperature,
                    max_tokens=tokens,
                )

            try:
                found[index] = await read_along(open_stream, readers[index], max_tokens=max_tokens, budget=budget)
                self._unreached = 0
            except StreamBroken as error:
                self.require_alive()
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
                kind = kind_of(error)
                # Here a 400 says that scoring is not offered, more often than that the model's name is wrong.
                fix = FIXES[kind] if kind in FIXES and kind != "400" else _SCORERS
                raise self._unusable(error, fix) from error

        self._wait_for(self._side_by_side(range(len(continuations)), score))
        return scores

    def require_alive(self) -> None:
        """Raises ModelError where what answers has ended for good; of an endpoint that is somebody else's nobody knows."""
        return None

    def close(self) -> None:
        """Close the connections."""
        if self._loop.is_closed():
            return
        self._wait_for(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _complete(self, prompt: str, *, seed: int, temperature: float, max_tokens: int) -> Completion:
        async def send(fields: dict[str, Any]) -> bytes:
            create: Any = self._client.chat.completions.with_raw_response.create
            answer = await create(
                model=self.name, messages=self._chat.messages(prompt), extra_body=self._body, **fields
            )
            return without_error(answer.content)

        raw = await self._asked(send, seed=seed, temperature=temperature, max_tokens=max_tokens)
        completion = heard(raw)
        if completion.finish == "error":
            self._failures[completion.failure] += 1
        self.tokens += completion.tokens
        return completion

    async def _asked(
        self,
        send: Callable[[dict[str, Any]], Awaitable[_Result]],
        *,
        seed: int,
        temperature: float,
        max_tokens: int,
    ) -> _Result:
        """What `send` returns for our parameters, without those that the endpoint turns out to refuse."""
        while True:
            fields = self._dialect.fields(seed=seed, temperature=temperature, max_tokens=max_tokens)
            try:
                return await with_retries(partial(send, fields), require_alive=self.require_alive)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                # Each time it is a parameter less, or another name of one.
                if not self._dialect.learn(error.response.text, fields):
                    raise

    async def _score(self, prompt: str, continuation: str) -> float:
        whole = await self._echo(prompt + continuation)
        score = sum_by_text(whole, prompt, continuation)
        if score is None:
            score = sum_by_count(whole, await self._echo(prompt)) if prompt else None
        if score is None:
            raise self._unscored()
        return score

    async def _echo(self, text: str) -> Echo:
        async def send() -> bytes:
            # One token is asked for and thrown away: llama.cpp takes 0 for "no limit".
            answer = await self._client.completions.with_raw_response.create(
                model=self.name, prompt=text, echo=True, logprobs=1, max_tokens=1, temperature=0.0
            )
            return answer.content

        raw = await with_retries(send, require_alive=self.require_alive)
        try:
            return msgspec.json.decode(raw, type=Echo)
        except msgspec.ValidationError as error:
            raise self._unscored() from error

    def _unscored(self) -> ModelError:
        return ModelError(
            f"the server at {self._url} does not return the log-probabilities of a text it is given (/completions with echo and "
            f"logprobs). {_SCORERS}."
        )

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
        kind = kind_of(error)
        self._failures[kind] += 1
        concerns_all = kind in FIXES or is_transient(kind)
        self._unreached = self._unreached + 1 if concerns_all else 0
        if concerns_all and self._unreached >= (min(jobs, DEAD_AFTER) if kind in AT_ONCE else DEAD_AFTER):
            raise self._unusable(error, FIXES.get(kind, SERVER_FIX)) from error
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


def _seed(seed: int, index: int, sample: int) -> int:
    """31 bits, which every server takes."""
    return int.from_bytes(blake2b(f"{seed} {index} {sample}".encode(), digest_size=4).digest()) >> 1


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
