"""How fast logs are compared, and in how much memory: 100,000 rows of each format, half in either log.

Run: python bench/logs.py [ROWS]. Each comparison runs in a process of its own, so its peak memory is its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_ONE = """
import resource, sys, time
started = time.perf_counter()
from counterform.compare import compare_arms
from counterform.train.memory import process_peak_mb
found = compare_arms(sys.argv[1:3], detail=len(sys.argv) > 3)
used = resource.getrusage(resource.RUSAGE_SELF)
print(found.comparisons[0].pairs, time.perf_counter() - started, used.ru_utime + used.ru_stime, process_peak_mb())
"""
_SENTENCE = "We take what is left, wait, let me check that again. "


def _answers(rows: int, seed: int) -> Iterator[tuple[int, str, str, float]]:
    rng = np.random.default_rng(seed)
    for index in range(rows):
        right = float(rng.random() < 0.6)
        text = _SENTENCE * 10 + f"The answer is {index if right else index + 1}."
        yield index, f"What is {index} + 0? Think step by step, and say what the answer is.", text, right


def lm_eval(path: Path, rows: int, seed: int) -> Path:
    """Two rows a document: strict and flexible."""
    with (path / "samples_sum_2026-01-01T00-00-00.000000.jsonl").open("w") as out:
        for name in ("strict-match", "flexible-extract"):
            for index, question, text, right in _answers(rows // 2, seed):
                row = {"doc_id": index, "doc": {"question": question, "answer": str(index)}, "target": str(index)}
                row |= {"arguments": {"gen_args_0": {"arg_0": question * 8, "arg_1": {"until": ["</s>"]}}}}
                row |= {"resps": [[text]], "filtered_resps": [str(index)], "filter": name, "metrics": ["exact_match"]}
                row |= {"doc_hash": f"{index:064x}", "prompt_hash": f"{index:064x}", "target_hash": f"{index:064x}"}
                out.write(json.dumps(row | {"exact_match": right}) + "\n")
    return path


def inspect(path: Path, rows: int, seed: int) -> Path:
    """An archive; each sample has an event log four times its text."""
    with zipfile.ZipFile(path / "log.eval", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as log:
        log.writestr("header.json", json.dumps({"status": "success", "eval": {"task": "sum", "model": f"m{seed}"}}))
        for index, question, text, right in _answers(rows, seed):
            sample: dict[str, Any] = {"id": index, "epoch": 1, "input": question, "target": str(index), "metadata": {}}
            sample |= {"output": {"completion": text}, "events": [{"event": "model", "output": text}] * 4}
            sample |= {"scores": {"match": {"value": "C" if right else "I", "answer": text}}}
            log.writestr(f"samples/{index}_epoch_1.json", json.dumps(sample))
    return path / "log.eval"


def trl(path: Path, rows: int, seed: int) -> Path:
    """One Parquet file; eight completions of a prompt."""
    prompts: list[list[dict[str, str]]] = []
    completions, rewards = [], []
    for index, _, text, right in _answers(rows, seed):
        prompts.append([{"role": "user", "content": f"What is {index // 8} + 0?"}])
        completions.append([{"role": "assistant", "content": text}])
        rewards.append(right)
    columns = {
        "step": [1] * rows,
        "prompt": prompts,
        "completion": completions,
        "accuracy": rewards,
        "advantage": rewards,
    }
    pq.write_table(pa.table(columns), path / "completions_00001.parquet")
    return path


def verl(path: Path, rows: int, seed: int) -> Path:
    """JSON lines."""
    with (path / "0.jsonl").open("w") as out:
        for index, question, text, right in _answers(rows, seed):
            row = {"input": question, "output": text, "gts": str(index), "score": right, "step": 0, "acc": bool(right)}
            out.write(json.dumps(row | {"uid": f"{seed}-{index}"}) + "\n")
    return path


def plain(path: Path, rows: int, seed: int) -> Path:
    """CSV."""
    with (path / "rows.csv").open("w") as out:
        out.write("id,question,response,answer,correct\n")
        for index, question, text, right in _answers(rows, seed):
            out.write(f'{index},"{question}","{text}",{index},{int(right)}\n')
    return path / "rows.csv"


FORMATS: tuple[Callable[[Path, int, int], Path], ...] = (lm_eval, inspect, trl, verl, plain)


def main(rows: int) -> None:
    """A row of a Markdown table for each format. CPU seconds count the start of Python too."""
    print(
        "| format | rows | MB | seconds | CPU seconds | peak MB | CPU seconds with --out |\n|---|---|---|---|---|---|---|"
    )
    for write in FORMATS:
        with tempfile.TemporaryDirectory() as folder:
            logs = []
            for seed in (0, 1):
                (Path(folder) / str(seed)).mkdir()
                logs.append(str(write(Path(folder) / str(seed), rows // 2, seed)))
            size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / 2**20
            (_, seconds, cpu, peak), (_, _, detailed, _) = (_compared(logs, *more) for more in ([], ["detail"]))
            print(
                f"| {write.__name__} | {rows:,} | {size:,.0f} | {seconds:.2f} | {cpu:.2f} | {peak:,.0f} | {detailed:.1f} |"
            )


def _compared(logs: list[str], *more: str) -> list[float]:
    command = [sys.executable, "-c", _ONE, *logs, *more]
    return [float(part) for part in subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()]


if __name__ == "__main__":
    started = time.perf_counter()
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
    print(f"\nall: {time.perf_counter() - started:.0f} s", file=sys.stderr)
