"""Fuzzes the guard in bounded runs that add up: growing texts, streams through the proxy, calls through the decorator.

    python bench/fuzz.py steps --seed 0 --count 2000 --record runs/fuzz.jsonl     # one line per run: seed, what was tried, what was found
    python bench/fuzz.py --sum runs/fuzz.jsonl                                    # the table of all runs

Every run is made again by its seed. `steps`: answers whose pieces are right, wrong, glued, odd or not read, watched in every way of guarding; an answer that is
not refused holds no step that a new verifier calls wrong, one without a violation is the writer's to the letter, and answers that grow side by side have nothing of
each other. `streams`: messages as providers send them and as nobody should, several clients at once; a call that keeps the rule arrives as it was sent, one that does not
never does, in whichever way a client reads keys. `calls`: arguments of a decorated tool, many of them hostile; the tool runs where and only where its rule holds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np

from counterform.errors import CallRefused
from counterform.guard import Guard
from counterform.guard.calls import Call, State
from counterform.guard.policy import Rule
from counterform.guard.proxy import Proxy
from counterform.guard.tools import Policy, Tools
from counterform.models.scripted import ScriptedModel
from counterform.problems.ledger import Ledger, facts, solution_steps
from counterform.types import Mark
from counterform.verify.steps import grade_steps

AT_ONCE = 16
ODD = (
    "Let me think.",
    "<think>",
    "</think>",
    "So 12\u200b = 12.",
    "１２ + 1 = 13.",
    "**",
    "\\[ 3 + 4 = 7 \\]",
    "n! of 5!",
    "\n\n",
    "…",
    "e.g. 3",
    "\u202e",
)


def steps(seed: int, count: int) -> Counter[str]:
    """`count` answers; steps are counted."""
    rng, found = random.Random(seed), Counter[str]()
    problems = Ledger().generate(AT_ONCE, rng=np.random.default_rng(seed), lengths=(2, 3, 4, 5))
    ways = [
        ("cut back", "each step"),
        ("retry", "each step"),
        ("retry", "the end"),
        ("stop", "each step"),
        ("report", "each step"),
    ]
    for _ in range(count // AT_ONCE):
        texts = {p.prompt: [_text(rng, p) for _ in range(4)] for p in problems}

        def say(asked: str, call: int, texts: dict[str, list[str]] = texts) -> str:
            prompt = next(prompt for prompt in texts if asked.startswith(prompt))
            return texts[prompt][call % 4]

        how, check = ways[rng.randrange(len(ways))]
        guard = Guard(Ledger(), how, check=check, interventions=3)  # type: ignore[arg-type]
        answers = guard.around(ScriptedModel(say), problems).answer(
            [p.prompt for p in problems], n=1, seed=0, temperature=1.0, max_tokens=200
        )
        for problem, (answer,) in zip(problems, answers, strict=True):
            text = answer.completion.text
            verdicts = grade_steps(Ledger(), problem, text)
            found["steps"] += answer.steps + len(answer.interventions)
            found["steps refused"] += len(answer.interventions) * (how != "report")
            found["answers"] += 1
            wrong = any(verdict.mark is Mark.WRONG for verdict in verdicts)
            found["VIOLATION PASSED"] += wrong and how != "report"
            whole = texts[problem.prompt][0]
            found["LOST"] += (
                not answer.interventions and not answer.refused and text != whole and len(whole.split()) <= 200
            )
            pieces = {piece for own in texts[problem.prompt] for piece in own.split()}
            found["MIXED"] += any(piece not in pieces for piece in text.split()[:-1]) and how != "cut back"
    return found


def _text(rng: random.Random, problem: Any) -> str:
    start, operations = facts(problem)
    pieces = []
    for step in solution_steps(start, operations):
        draw = rng.random()
        if draw < 0.12:
            step = step.replace("= ", "= 1")
        elif draw < 0.18:
            step = step.replace(" = ", "=")
        elif draw < 0.24:
            step = f"Wait, {step}"
        elif draw < 0.32:
            pieces.append(rng.choice(ODD))
        pieces.append(step + rng.choice((" ", " ", " ", "\n", "", ") ")))
    return "".join(pieces).rstrip()


def _rule(state: State, call: Call) -> str | None:
    return "No more than 50." if call.name == "pay" and call.arguments["amount"] > 50 else None


RULES = [Rule("small", "No more than 50.", _rule)]


class _Upstream(httpx.AsyncBaseTransport):
    """Answers each client with its own script, in pieces."""

    def __init__(self) -> None:
        self.scripts: dict[str, bytes] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        who = json.loads(await request.aread())["messages"][0]["content"]
        return httpx.Response(200, content=self.scripts[who])


def streams(seed: int, count: int) -> Counter[str]:
    """`count` messages; the calls in them are counted."""
    return asyncio.run(_streams(random.Random(seed), count))


async def _streams(rng: random.Random, count: int) -> Counter[str]:
    found, upstream = Counter[str](), _Upstream()
    app = Proxy("http://upstream/v1", Policy(RULES), transport=upstream).app()
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://proxy") as client,
    ):
        for batch in range(count // AT_ONCE):
            sent = {
                f"{batch}-{at}": [_call(rng, f"{batch}-{at}") for _ in range(rng.randint(1, 5))]
                for at in range(AT_ONCE)
            }
            for who, calls in sent.items():
                upstream.scripts[who] = _script(rng, calls)
            answers = await asyncio.gather(*(_asked(client, who) for who in sent))
            for (who, calls), text in zip(sent.items(), answers, strict=True):
                _look(who, calls, text, found)
            upstream.scripts.clear()
    return found


async def _asked(client: httpx.AsyncClient, who: str) -> str:
    tools = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("pay", "look")]
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": who}], "tools": tools}
    return (await client.post("/v1/chat/completions", json=body)).text


def _call(rng: random.Random, who: str) -> tuple[str, str, bool]:
    """Name, arguments, and whether it is a sound call that keeps the rule."""
    if rng.random() < 0.65:
        return "pay", json.dumps({"amount": rng.randint(1, 50), "who": who}), True
    hostile = (
        ("pay", json.dumps({"amount": rng.randint(51, 10**6), "who": who})),
        ("pay", f'{{"amount": 5, "amount": {rng.randint(51, 99)}, "who": "{who}"}}'),
        ("pay", f'{{"amount": 5, "AMOUNT": {rng.randint(51, 99)}, "who": "{who}"}}'),
        ("pay", f'{{"amount": 5, "am\\u200bount": 60, "who": "{who}"}}'),
        ("pay", f'{{"amount": NaN, "who": "{who}"}}'),
        ("pay", f'{{"amount": 1e999, "who": "{who}"}}'),
        ("pay", f'{{"amount": "60", "who": "{who}"}}'),
        ("pay", f'{{"amount": 9007199254740993, "who": "{who}"}}'),
        ("Pay", json.dumps({"amount": 5, "who": who})),
        ("pay\u200b", json.dumps({"amount": 5, "who": who})),
        ("transfer", json.dumps({"amount": 5, "who": who})),
        ("pay", f'{{"amount": 5, "who": "{who}"'),
        ("pay", f'[{{"amount": 60, "who": "{who}"}}]'),
    )
    return (*rng.choice(hostile), False)


def _script(rng: random.Random, calls: list[tuple[str, str, bool]]) -> bytes:
    """A message with these calls, in one of the shapes of providers."""
    shape = rng.choice(("pieces", "whole", "same index", "no index", "interleaved"))
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": rng.choice(("", "One moment. ", None))}]
    queues = []
    for at, (name, arguments, _) in enumerate(calls):
        place = {} if shape == "no index" else {"index": 0 if shape == "same index" else at}
        head = {**place, "id": f"c{at}", "type": "function", "function": {"name": name, "arguments": ""}}
        if shape in ("pieces", "interleaved"):
            cuts = sorted(rng.sample(range(1, len(arguments)), min(3, len(arguments) - 1)))
            parts = [arguments[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
            queues.append([head, *({**place, "function": {"arguments": part}} for part in parts)])
        else:
            queues.append([{**head, "function": {"name": name, "arguments": arguments}}])
    if shape == "interleaved":
        while any(queues):
            deltas.append({"tool_calls": [rng.choice([queue for queue in queues if queue]).pop(0)]})
    else:
        deltas += [{"tool_calls": [piece]} for queue in queues for piece in queue]
    chunks = [{"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({"id": "x", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks).encode() + b"data: [DONE]\n\n"


def _look(who: str, calls: list[tuple[str, str, bool]], text: str, found: Counter[str]) -> None:
    made: dict[int, list[str]] = {}
    for event in text.split("\n\n"):
        if not event.startswith("data: {"):
            continue
        for choice in json.loads(event[6:]).get("choices", []):
            for piece in choice["delta"].get("tool_calls") or ():
                had = made.setdefault(piece["index"], ["", ""])
                had[0] += piece["function"].get("name") or ""
                had[1] += piece["function"].get("arguments") or ""
    found["calls"] += len(calls)
    found["messages"] += 1
    sound = all(keeps for *_, keeps in calls)
    found["messages refused"] += not sound
    found["VIOLATION PASSED"] += bool(made) and not sound
    found["LOST"] += sound and [tuple(call) for call in made.values()] != [call[:2] for call in calls]
    found["MIXED"] += any(f'"who": "{who}"' not in arguments for _, arguments in made.values())


def calls(seed: int, count: int) -> Counter[str]:
    """`count` calls of a decorated tool."""
    rng, found, ran = random.Random(seed), Counter[str](), list[dict[str, Any]]()
    tools = Tools(Policy(RULES))

    @tools
    def pay(amount: Any, **more: Any) -> str:
        ran.append({"amount": amount, **more})
        return "paid"

    amounts: tuple[Callable[[], Any], ...] = (
        lambda: rng.randint(-5, 50),
        lambda: rng.randint(-5, 50),
        lambda: rng.randint(51, 10**12),
        lambda: float("nan"),
        lambda: float("inf"),
        lambda: "60",
        lambda: [60],
        lambda: None,
        lambda: True,
    )
    for at in range(count):
        if at % 2_000 == 0:  # a conversation's state grows; a new one now and then
            tools = Tools(tools.policy)
            pay = tools(pay.__wrapped__)
        amount = rng.choice(amounts)()
        more = rng.choice(({}, {}, {"note": f"{at}"}, {"Amount": 60}, {"am\u200bount": 60}, {"note": "\ud800"}))
        keeps = isinstance(amount, int) and amount <= 50 and (not more or more.get("note") == f"{at}")
        ran.clear()
        try:
            pay(amount, **more)
        except CallRefused:
            found["calls refused"] += 1
        found["calls"] += 1
        found["VIOLATION PASSED"] += bool(ran) and not keeps
        found["LOST"] += keeps and not ran
        found["MIXED"] += bool(ran) and ran[0] != {"amount": amount, **more}
    return found


KINDS = {"steps": steps, "streams": streams, "calls": calls}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", nargs="?", choices=KINDS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=int, default=1, help="runs, with seeds one after the other")
    parser.add_argument("--count", type=int, default=2_000, help="of one run: answers, messages or calls")
    parser.add_argument("--record", type=Path)
    parser.add_argument("--sum", type=Path)
    args = parser.parse_args()
    if args.sum:
        print(summed(args.sum))
        return
    if args.kind is None:
        parser.error(f"name a kind: {', '.join(KINDS)}; or --sum FILE")
    for seed in range(args.seed, args.seed + args.runs):
        started = time.perf_counter()
        found = KINDS[args.kind](seed, args.count)
        line = {
            "kind": args.kind,
            "seed": seed,
            "count": args.count,
            "seconds": round(time.perf_counter() - started, 1),
            "found": found,
        }
        print(json.dumps(line), flush=True)
        if args.record:
            with args.record.open("a") as file:
                file.write(f"{json.dumps(line)}\n")


def summed(path: Path) -> str:
    """What all runs of a record tried and found; a seed that stands twice counts once."""
    runs = {
        (line["kind"], line["seed"], line["count"]): line["found"]
        for line in map(json.loads, path.read_text().splitlines())
    }
    rows = []
    for kind in dict.fromkeys(kind for kind, *_ in runs):
        found = sum((Counter(one) for (of, *_), one in runs.items() if of == kind), Counter[str]())
        seeds = sorted(seed for of, seed, _ in runs if of == kind)
        words = ", ".join(f"{n:,} {what}" for what, n in found.items() if what.islower() and n)
        wrong = ", ".join(f"{what.lower()} {found[what]}" for what in ("VIOLATION PASSED", "LOST", "MIXED"))
        rows.append(f"{kind}: {len(seeds)} runs, seeds {seeds[0]} to {seeds[-1]}: {words}; {wrong}")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
