"""Requests that fail: which are made again and when, and what each failure is called."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from time import time
from typing import TypeVar

from counterform.errors import extra
from counterform.types import is_transient

with extra("api"):
    import openai
    import stamina

REQUEST_SECONDS = 180.0
"""Time-out of one attempt at a request, from the first byte sent to the last one read."""
ATTEMPTS = 5
RETRY_SECONDS = 300.0
"""No further attempt at a request begins after this long."""
WAIT_INITIAL, WAIT_JITTER, WAIT_MAX = 0.5, 1.0, 30.0
"""Seconds between attempts: doubled each time, with jitter."""
RETRY_AFTER_MAX = 120.0
"""Seconds for which a server's Retry-After is believed."""

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
SERVER_FIX = "Wait until the server is well again"
"""Of any other failure."""
AT_ONCE = ("connection", "401", "403", "404")
"""Of them, those that never concern one prompt alone: a few 400s can be a few prompts that are too long."""

_Result = TypeVar("_Result")

# stamina warns of every retry; without a handler of their own those warnings would break into a progress bar.
logging.getLogger("stamina").addHandler(logging.NullHandler())


class Broken(Exception):
    """A server answered 200, and says in its answer that it failed. kind: an HTTP status, or `garbage`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


async def with_retries(send: Callable[[], Awaitable[_Result]], *, require_alive: Callable[[], None]) -> _Result:
    """What `send` returns, tried again where it failed in a way that may pass. Raises what the last attempt did.

    require_alive: asked after every failure; what it raises ends the attempts.
    """

    async def attempt() -> _Result:
        try:
            # The client's own time-out is one of silence: a server that drips a byte a minute would never meet it.
            async with asyncio.timeout(REQUEST_SECONDS):
                return await send()
        except Exception:
            require_alive()
            raise

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
    kind = kind_of(error)
    if not is_transient(kind):
        return False
    headers = error.response.headers if isinstance(error, openai.APIStatusError) else {}
    seconds = _seconds(headers.get("retry-after", ""))
    milliseconds = _seconds(headers.get("retry-after-ms", ""))
    seconds = seconds if milliseconds is None else milliseconds / 1000
    return True if seconds is None else min(max(seconds, 0.0), RETRY_AFTER_MAX) + random.uniform(0.0, WAIT_JITTER)


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


def kind_of(error: BaseException) -> str:
    """What a failure is called: an HTTP status, timeout, connection, unsendable or garbage."""
    if isinstance(error, Broken):
        return error.kind
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
