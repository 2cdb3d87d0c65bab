"""One request of a client: asked of the upstream until the model's calls keep the rules, or its tries have ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from counterform.guard.calls import Call, Conversation, calls_of, text_of
from counterform.guard.message import Message
from counterform.guard.offered import Offered
from counterform.guard.patience import in_a_thread
from counterform.guard.speakers import Speakers
from counterform.guard.tools import Policy
from counterform.guard.upstream import Upstream, UpstreamError

TRIES = 4
"""Messages of the model to one request, the first included; then the answer is a refusal."""


class Exchange:
    """One request and what comes back. It is asked as the client asked it, and nothing is added."""

    def __init__(
        self,
        body: Mapping[str, Any],
        headers: Mapping[str, str],
        *,
        path: str,
        upstream: Upstream,
        policy: Policy,
        speakers: Speakers,
    ) -> None:
        self.streams = bool(body.get("stream"))
        self.headers: dict[str, str] = {}
        """What the upstream's first answer says in its headers, once a chunk is there."""
        self._body, self._asking, self._path = body, dict(headers), path
        self._upstream, self._policy, self._speakers = upstream, policy, speakers
        self._offered = Offered(body)
        self._messages: list[Any] = list(body["messages"])
        self._conversation: Conversation | None = None
        self._spent: dict[str, Any] = {}
        self._text: list[str] = []

    async def chunks(self) -> AsyncGenerator[dict[str, Any], None]:
        """The chunks for the client: text as it comes, calls once they are known to keep the rules.

        Raises UpstreamError (RefusedError) and BrokenMessageError.
        """
        for tries in range(TRIES):
            message = Message(self._offered.names, self._offered.known)
            async with aclosing(self._asked(message)) as passing:
                async for chunk in passing:
                    if not tries or _says(chunk):  # the client's message has begun already
                        yield self._counted(chunk)
            if message.finish is None:
                raise UpstreamError("the upstream's stream ended before its message did")
            self._text.append(message.text())
            whole = message.whole()
            calls, refusals = await self._judged(whole)
            if not any(refusals) or self._policy.dry:
                self._speakers.answered(self._body["messages"], "".join(self._text), calls)
                for chunk in message.rest():
                    yield self._counted(chunk)
                return
            self._send_back(whole, refusals)
            last = message
            refusal = "\n".join(words for words in refusals if words)
            if tries < TRIES - 1:
                self._spent = _sum(self._spent, message.usage or {})
        self._speakers.answered(self._body["messages"], "".join([*self._text, refusal]), ())
        said = {"index": 0, "delta": {"role": "assistant", "content": refusal}, "finish_reason": None}
        yield {**last.envelope, "choices": [said]}
        for chunk in last.rest_of_refused():
            yield self._counted(chunk)

    async def _asked(self, message: Message) -> AsyncGenerator[dict[str, Any], None]:
        """Ask once; what may pass of the message as it comes."""
        body = msgspec.json.encode({**self._body, "messages": self._messages})
        async with self._upstream.asked(self._path, body, self._asking, stream=self.streams) as answer:
            self.headers = self.headers or answer.headers
            async with aclosing(answer.chunks()) as chunks:
                async for chunk in chunks:
                    if (passed := message.add(chunk)) is not None:
                        yield passed

    async def _judged(self, whole: Mapping[str, Any]) -> tuple[list[Call], list[str]]:
        """The message's calls, and of each why it must not run; empty where it may. In a thread: rules are anybody's code."""
        written = self._offered.known and not {"{", "<"}.isdisjoint(text_of(whole.get("content")))
        if not written and not calls_of(whole):
            return [], []

        def judged() -> tuple[list[Call], list[str]]:
            if self._conversation is None:
                self._conversation = Conversation(self._offered)
                self._speakers.read(self._conversation, self._messages, self._offered.known)
            calls, refusals = [], []
            for state, call in self._conversation.feed(whole):
                found = self._policy.objections(state, call)
                calls.append(call)
                refusals.append(self._policy.refusal(call, found) if found else "")
            if any(refusals):
                self._conversation.take_back()
            return calls, refusals

        return await in_a_thread(judged)

    def _send_back(self, whole: Mapping[str, Any], refusals: Sequence[str]) -> None:
        """The refused message goes back as it came, with what the model is told in the place of its tools."""
        beside = "Not run, since another call of the same message was refused. Make it again if it is still right."
        turn = {key: value for key, value in whole.items() if value is not None or key == "content"}
        answers: list[dict[str, Any]] = []
        if calls := turn.get("tool_calls"):
            # Not every provider gives ids, and every one wants them back.
            turn["tool_calls"] = [{**call, "id": call.get("id") or f"call_{at}"} for at, call in enumerate(calls)]
            answers += [{"role": "tool", "tool_call_id": call["id"]} for call in turn["tool_calls"]]
        if legacy := turn.get("function_call"):
            answers.append({"role": "function", "name": legacy.get("name")})
        if not answers:  # what was called in the text has no answer of a tool
            answers, refusals = [{"role": "user"}], ["\n".join(words for words in refusals if words)]
        told = [{**answer, "content": words or beside} for answer, words in zip(answers, refusals, strict=True)]
        self._messages += [turn, *told]
        self._asking.pop("idempotency-key", None)  # what is asked next is another request

    def _counted(self, chunk: dict[str, Any]) -> dict[str, Any]:
        """The chunk, with what the tries before this one took too."""
        used = chunk.get("usage")
        return {**chunk, "usage": _sum(self._spent, used)} if self._spent and isinstance(used, dict) else chunk


def _says(chunk: Mapping[str, Any]) -> bool:
    """Whether a chunk says anything to the client."""
    deltas = [choice.get("delta") or {} for choice in chunk.get("choices") or ()]
    return any(value for delta in deltas for key, value in delta.items() if key != "role")


def _sum(had: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Counts added, the details of counts too; of anything else, the newer."""
    total = dict(had)
    for key, value in more.items():
        before = total.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            total[key] = _sum(before, value)
        elif isinstance(value, int | float) and isinstance(before, int | float) and not isinstance(value, bool):
            total[key] = before + value
        elif value is not None or key not in total:
            total[key] = value
    return total
