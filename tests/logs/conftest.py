"""Logs in every format, written as their tools write them."""

import json
import zipfile
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ANSWERS = [("What is 2 + 3?", "The answer is 5.", "5", 1.0), ("What is 2 + 4?", "The answer is 7.", "6", 0.0)]
"""Question, response, key, score."""


def json_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def lm_eval_rows(answers=ANSWERS, filters=("strict-match", "flexible-extract")):
    for name in filters:
        for index, (question, text, key, score) in enumerate(answers):
            yield {
                "doc_id": index,
                "doc": {"question": question, "answer": key},
                "target": key,
                "arguments": {"gen_args_0": {"arg_0": f"<user>{question}", "arg_1": {"until": ["</s>"]}}},
                "resps": [[text]],
                "filtered_resps": [key],
                "filter": name,
                "metrics": ["exact_match"],
                "doc_hash": f"doc-{question}",
                "prompt_hash": f"prompt-{question}",
                "target_hash": key,
                "exact_match": score,
            }


def inspect_sample(index, question, text, key, scores, **more):
    return {
        "id": index,
        "epoch": 1,
        "input": question,
        "target": key,
        "messages": [],
        "output": {"model": "m", "choices": [], "completion": text},
        "scores": scores,
        "metadata": {"level": "easy"},
        "events": [{"event": "model"}],
        "attachments": {},
        **more,
    }


def inspect_header(**more):
    return {
        "version": 2,
        "status": "success",
        "eval": {"task": "sum", "model": "m", "eval_id": "e", "task_id": "t"},
        **more,
    }


def eval_archive(path, samples, header=None, method=zipfile.ZIP_DEFLATED, journal=True):
    """A `.eval` archive; `method` 93 is Zstandard, which zipfile itself cannot write."""
    members = {}
    if journal:
        members["_journal/start.json"] = {"version": 2, "eval": (header or inspect_header())["eval"], "plan": {}}
    for sample in samples:
        members[f"samples/{sample['id']}_epoch_{sample['epoch']}.json"] = sample
    if header is not None:
        members["header.json"] = header
    path.parent.mkdir(parents=True, exist_ok=True)
    write_zip(path, {name: json.dumps(value).encode() for name, value in members.items()}, method)
    return path


def write_zip(path, members, method=zipfile.ZIP_DEFLATED):
    """A zip archive of packed members, whatever their method."""
    import struct

    import zstandard

    with path.open("wb") as out:
        directory = b""
        for name, data in members.items():
            if method == 93:
                packed = zstandard.ZstdCompressor().compress(data)
            elif method == zipfile.ZIP_STORED:
                packed = data
            else:
                packer = zlib.compressobj(wbits=-15)
                packed = packer.compress(data) + packer.flush()
            sizes = struct.pack("<LLL", zlib.crc32(data), len(packed), len(data))
            fields = struct.pack("<HHHH", 0, method, 0, 33) + sizes + struct.pack("<HH", len(name), 0)
            at = out.tell()
            out.write(b"PK\x03\x04" + struct.pack("<H", 63) + fields + name.encode() + packed)
            directory += b"PK\x01\x02" + struct.pack("<HH", 63, 63) + fields + struct.pack("<HHHLL", 0, 0, 0, 0, at)
            directory += name.encode()
        at = out.tell()
        n = len(members)
        out.write(directory + b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, n, n, len(directory), at, 0))


def _lm_eval(folder):
    return json_lines(folder / "samples_sum_2026-01-01T00-00-00.000001.jsonl", lm_eval_rows())


def _inspect(folder):
    samples = [
        inspect_sample(index, question, text, key, {"match": {"value": "C" if score else "I"}})
        for index, (question, text, key, score) in enumerate(ANSWERS)
    ]
    return eval_archive(folder / "log.eval", samples, inspect_header(), method=93)


def _inspect_json(folder):
    samples = [
        inspect_sample(index, question, text, key, {"match": {"value": float("nan"), "reason": "invalid"}})
        for index, (question, text, key, _) in enumerate(ANSWERS)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "log.json"
    path.write_text(json.dumps({**inspect_header(), "samples": samples, "reductions": None}, indent=2))
    return path


def _lighteval(folder):
    rows = [
        {
            "doc": {"query": question, "choices": [key], "gold_index": 0, "id": str(index), "task_name": "sum|0"},
            "model_response": {"text": [text], "input": f"<user>{question}", "truncated_tokens_count": 0},
            "metric": {"extractive_match": score},
        }
        for index, (question, text, key, score) in enumerate(ANSWERS)
    ]
    folder = folder / "details" / "org" / "model" / "2026-01-01T00-00-00.000001"
    folder.mkdir(parents=True)
    path = folder / "details_sum|0_2026-01-01T00-00-00.000001.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def _trl(folder):
    rows = [
        {
            "step": 1,
            "prompt": [{"role": "user", "content": question}],
            "completion": [{"role": "assistant", "content": text}],
            "accuracy": score if score else float("nan"),
            "brevity": -0.07,
            "answer": key,
            "advantage": 0.5,
        }
        for question, text, key, score in ANSWERS
    ]
    (folder / "completions").mkdir(parents=True)
    path = folder / "completions" / "completions_00001.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def _verl(folder):
    return json_lines(
        folder / "0.jsonl",
        [
            {"input": question, "output": text, "gts": key, "score": score, "step": 0, "reward": score, "uid": f"u{n}"}
            for n, (question, text, key, score) in enumerate(ANSWERS)
        ],
    )


def _skyrl(folder):
    return json_lines(
        folder / "dumped_evals" / "global_step_5_evals" / "sum.jsonl",
        [
            {
                "input_prompt": question,
                "output_response": text,
                "score": [0.0, score],
                "stop_reason": "stop",
                "env_class": "gsm8k",
                "env_extras": {"reward_spec": {"method": "rule", "ground_truth": key}, "extra_info": {"level": "easy"}},
                "data_source": "org/sum",
            }
            for question, text, key, score in ANSWERS
        ],
    )


def _prime_rl(folder):
    def episode(number, question, text, key, score):
        data = {"idx": number, "prompt": question, "answer": key}
        nodes = [{"message": {"role": "user", "content": question}}]
        nodes.append({"message": {"role": "assistant", "content": text}, "sampled": True})
        rewards = {"correct": {"score": score, "weight": 1.0}, "format": {"score": 1.0, "weight": 0.5}}
        trace = {"nodes": nodes, "rewards": rewards, "metrics": {"turns": 1.0}, "errors": []}
        task = {"type": "Sum", "data": data, "key": f"key-{question}"}
        return {
            "id": f"new{number}",
            "env": {"id": "sum"},
            "task": task,
            "group": {"id": "g"},
            "ok": True,
            "errors": [],
            "traces": [trace],
        }

    rows = [episode(number, *answer) for number, answer in enumerate(ANSWERS)]
    return json_lines(folder / "rollouts" / "step_7" / "traces.jsonl", rows)


def _tinker(folder):
    return json_lines(
        folder / "runs" / "step500" / "sum" / "trajectories.jsonl",
        [
            {
                "idx": number,
                "benchmark": "sum",
                "example_id": f"sum-{question}",
                "turns": [{"role": "user", "content": question}, {"role": "assistant", "content": text}],
                "reward": score,
                "metrics": {"correct": score},
                "logs": {"expected": key},
                "error": None,
                "time_seconds": 1.0,
            }
            for number, (question, text, key, score) in enumerate(ANSWERS)
        ],
    )


def _opencompass(folder):
    rows = {
        str(2 * number): {"origin_prompt": [{"role": "HUMAN", "prompt": question}], "prediction": text, "gold": key}
        for number, (question, text, key, _) in enumerate(ANSWERS)
    }
    path = folder / "predictions" / "model" / "sum.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(rows, indent=4))
    return path


def _plain(folder):
    rows = [
        {"id": number, "question": question, "response": text, "answer": key, "correct": bool(score)}
        for number, (question, text, key, score) in enumerate(ANSWERS)
    ]
    return json_lines(folder / "rows.jsonl", rows)


MADE = {
    "inspect": _inspect,
    "inspect json": _inspect_json,
    "lm-eval": _lm_eval,
    "lighteval": _lighteval,
    "trl": _trl,
    "verl": _verl,
    "skyrl": _skyrl,
    "prime-rl": _prime_rl,
    "tinker": _tinker,
    "opencompass": _opencompass,
    "plain": _plain,
}


@pytest.fixture(params=MADE)
def made(request, tmp_path):
    """The name of a format, and a log of two answers in it."""
    return request.param.removesuffix(" json"), MADE[request.param](tmp_path / "log")


@pytest.fixture
def make(tmp_path):
    """Write a log of a format, by name."""
    return lambda name, folder="log": MADE[name](tmp_path / folder)


@pytest.fixture
def data():
    """Logs that the tools wrote."""
    return Path(__file__).parent / "data"


@pytest.fixture
def writers():
    """The writers of single parts: rows, samples, archives."""
    return {
        "json_lines": json_lines,
        "lm_eval_rows": lm_eval_rows,
        "inspect_sample": inspect_sample,
        "inspect_header": inspect_header,
        "eval_archive": eval_archive,
        "write_zip": write_zip,
    }
