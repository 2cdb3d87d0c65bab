"""The embedded study against the same study written by hand, as a good engineer would: TRL's SFTTrainer, batched `generate`, scoring.

    python bench/by_hand.py [--quick]

Two programs, one after the other, each in a process of its own with one thread. The first is `counterform.run`; what it asks its models
and what it trains them on is written down on the way. The second knows no counterform: it samples the same pool, trains the same arms
from the same rows with the same options, asks every checkpoint the same prompts as often, scores, and takes a bootstrap over
problems. It makes no step verdicts, no matched compilation, no report. What is compared: seconds of the processor, and wall time where the
machine is quiet (--threads 2 for the second, which has no workers).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ANSWER = re.compile(r"[Tt]he answer is (-?\d+)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the quick embedded study")
    parser.add_argument("--threads", type=int, default=1, help="of the study by hand")
    parser.add_argument("--part", choices=("ours", "hand"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="where what was asked is kept; default a temporary one")
    args = parser.parse_args()
    if args.part:
        return (ours if args.part == "ours" else by_hand)(args.folder, args.quick)
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        told = {part: told_by(part, folder, args) for part in ("ours", "hand")}
    print(f"{'embedded-quick' if args.quick else 'embedded'}, n = 1 run each, load {os.getloadavg()[0]:.1f} at the end")
    print(f"{'':<14}{'processor s':>12}{'wall s':>9}{'generated':>11}  where")
    for part, name in (("ours", "counterform"), ("hand", "by hand")):
        found = told[part]
        where = ", ".join(f"{stage} {seconds:.0f}" for stage, seconds in found["stages"].items())
        print(f"{name:<14}{found['processor']:>12.1f}{found['wall']:>9.1f}{found['tokens']:>11,}  {where}")
    print(f"ratio of processor seconds: {told['ours']['processor'] / told['hand']['processor']:.2f} (target <= 0.5)")


def told_by(part: str, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    threads = str(args.threads if part == "hand" else 1)
    command = [sys.executable, __file__, "--part", part, "--folder", str(folder), *(["--quick"] * args.quick)]
    env = {**os.environ, "OMP_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1"}
    subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL)
    told: dict[str, Any] = json.loads((folder / f"{part}.json").read_text())
    return told


class Clock:
    """Processor seconds by stage, of this process and those it has started."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self.stages: Counter[str] = Counter()
        self._at = 0.0

    def stage(self, name: str) -> None:
        """What was done since the last one."""
        now = sum(os.times()[:4])
        self.stages[name] += now - self._at
        self._at = now

    def write(self, path: Path, tokens: int) -> None:
        wall = time.perf_counter() - self._wall
        found = {"processor": sum(os.times()[:4]), "wall": wall, "tokens": tokens, "stages": self.stages}
        path.write_text(json.dumps(found))


def ours(folder: Path, quick: bool) -> None:
    """The study, as `counterform run` does it with one worker; `asked.json`: all that its models were asked and trained on."""
    clock = Clock()
    from counterform.models.hf import HFModel
    from counterform.pipeline import STAGES, run
    from counterform.study import BASE, embedded_study
    from counterform.train.sft import SFT
    from counterform.train.tokens import training_rows
    from counterform.types import Problem

    study = embedded_study(quick=quick)
    asked: dict[str, list[Any]] = {"arms": [], "generate": [], "logprobs": [], "trace": []}
    tokens = 0
    completions, logprobs, trace, train = HFModel.completions, HFModel.logprobs, HFModel.trace, SFT.train

    def whose(model: Any) -> str:
        return "/".join(Path(model.name).parts[-2:])

    def heard(model: Any, prompts: Any, **options: Any) -> Any:
        nonlocal tokens
        asked["generate"].append(
            (whose(model), list(prompts), options["n"], options["temperature"], options["max_tokens"])
        )
        for found in completions(model, prompts, **options):
            tokens += found[2].tokens
            yield found

    def scored(model: Any, prompt: str, continuations: Any) -> Any:
        asked["logprobs"].append((whose(model), prompt, list(continuations)))
        return logprobs(model, prompt, continuations)

    def traced(model: Any, prompt: str, text: str) -> Any:
        asked["trace"].append((whose(model), prompt, text))
        return trace(model, prompt, text)

    def trained(trainer: Any, arm: Any, *, base: Any, seed: int, out: Path) -> Any:
        from counterform.models.loading import load_tokenizer

        rows = training_rows(arm.examples, load_tokenizer(base))
        # The seed that trains is made of the study's own and of the arm.
        turn = sum(name == arm.name for name, *_ in asked["arms"])
        asked["arms"].append((arm.name, study.seeds[turn], seed, rows, dict(trainer.spec.sft)))
        return train(trainer, arm, base=base, seed=seed, out=out)

    HFModel.completions, HFModel.logprobs, HFModel.trace, SFT.train = heard, scored, traced, trained

    def say(line: str) -> None:
        words = line.split()
        if words[0] in STAGES and words[2:3] == ["s"]:
            clock.stage(words[0])

    finished = run(study, folder / "run", say=say)
    clock.write(folder / "ours.json", tokens)
    from counterform.store import RunDir

    files = RunDir(finished.path)
    problems = [p for name in ("problems", "shifted") for p in files.read_rows(f"{name}.parquet", Problem)]
    known = {"base": str(BASE), "name": study.model.path, "keys": {p.prompt: p.answer for p in problems}}
    (folder / "asked.json").write_text(json.dumps({**asked, **known}))


def by_hand(folder: Path, quick: bool) -> None:
    """The same without counterform."""
    asked = json.loads((folder / "asked.json").read_text())
    clock = Clock()
    import numpy as np
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    clock.stage("imports")
    tokenizer = AutoTokenizer.from_pretrained(asked["base"], padding_side="left")
    tokens = 0

    def chat(prompts: list[str]) -> Any:
        chats = [[{"role": "user", "content": prompt}] for prompt in prompts]
        return tokenizer.apply_chat_template(
            chats, add_generation_prompt=True, padding=True, return_dict=True, return_tensors="pt"
        )

    def sample(model: Any, prompts: list[str], n: int, temperature: float, most: int) -> list[tuple[str, str]]:
        nonlocal tokens
        how = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
        ordered, found = sorted(prompts, key=len), []
        each = max(1, 256 // n)
        for at in range(0, len(ordered), each):
            batch = ordered[at : at + each]
            inputs = chat(batch)
            with torch.inference_mode():
                out = model.generate(**inputs, **how, max_new_tokens=most, num_return_sequences=n)
            new = out[:, inputs["input_ids"].shape[1] :]
            tokens += int((new != tokenizer.pad_token_id).sum())
            texts = tokenizer.batch_decode(new, skip_special_tokens=True)
            found += [(batch[row // n], text) for row, text in enumerate(texts)]
        return found

    def right(answers: list[tuple[str, str]]) -> dict[str, list[bool]]:
        marks: dict[str, list[bool]] = {}
        for prompt, text in answers:
            stated = ANSWER.findall(text)
            marks.setdefault(prompt, []).append(bool(stated) and stated[-1] == asked["keys"].get(prompt))
        return marks

    def probe(name: str, path: str) -> list[float]:
        """All that one checkpoint was asked; the share of right answers of each problem."""
        model = AutoModelForCausalLM.from_pretrained(path).eval()
        shares: list[float] = []
        for asker, prompts, n, temperature, most in asked["generate"]:
            if asker == name:
                marks = right(sample(model, prompts, n, temperature, most))
                shares += [float(np.mean(mine)) for mine in marks.values()]
        for asker, prompt, continuations in asked["logprobs"]:
            if asker == name:
                start = chat([prompt])["input_ids"][0].tolist()
                ends = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in continuations]
                width = max(map(len, ends))
                ids = torch.tensor([start + end + [0] * (width - len(end)) for end in ends])
                with torch.inference_mode():
                    scores = model(ids).logits[:, len(start) - 1 : -1].log_softmax(-1)
                scores.gather(-1, ids[:, len(start) :, None]).sum().item()
        read = [(prompt, text) for asker, prompt, text in asked["trace"] if asker == name]
        for at in range(0, len(read), 32):
            chats = [tokenizer.decode(chat([prompt])["input_ids"][0]) + text for prompt, text in read[at : at + 32]]
            inputs = tokenizer(chats, return_tensors="pt", padding=True, add_special_tokens=False)
            with torch.inference_mode():
                scores = model(**inputs).logits.log_softmax(-1)
            (-(scores.exp() * scores).sum(-1) * inputs["attention_mask"]).sum(-1).tolist()
        return shares

    base = probe(asked["name"], asked["base"])
    clock.stage("sample and base")
    out = Path(tempfile.mkdtemp(dir=folder))
    for arm, number, seed, rows, options in asked["arms"]:
        config = SFTConfig(
            output_dir=str(out / arm),
            seed=seed,
            save_strategy="no",
            completion_only_loss=True,
            bf16=False,
            use_cpu=True,
            gradient_checkpointing=False,
            report_to=[],
            disable_tqdm=True,
            **options,
        )
        model = AutoModelForCausalLM.from_pretrained(asked["base"], dtype=torch.float32)
        trainer = SFTTrainer(
            model=model, args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer
        )
        trainer.train()
        trainer.save_model(str(out / arm / str(number)))
        clock.stage("train")
        shares = probe(f"{arm}/{number}", str(out / arm / str(number)))
        clock.stage("probe")
        size = min(len(shares), len(base))
        apart, rng = np.array(shares[:size]) - np.array(base[:size]), np.random.default_rng(0)
        means = apart[rng.integers(0, size, (2000, size))].mean(1) if size else np.zeros(1)
        print(arm, number, apart.mean() if size else 0.0, np.quantile(means, [0.025, 0.975]))
    clock.stage("statistics")
    clock.write(folder / "hand.json", tokens)


if __name__ == "__main__":
    main()
