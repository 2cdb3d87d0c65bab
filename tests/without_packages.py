"""A program: every module, every public name and every command of the command line where some packages are missing.

`python without_packages.py FOLDER EXTRA...` hides the packages of these extras (none: what is installed is all there is), and prints as
JSON what became of each. Run by tests/test_extras.py in this environment, and by tests/test_installed.py in clean ones.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import pkgutil
import sys
from pathlib import Path

BRINGS = {
    "train": ["torch", "transformers", "trl", "accelerate", "peft", "datasets", "tokenizers", "safetensors", "huggingface_hub", "gguf"],
    "math": ["math_verify", "latex2sympy2_extended"],
    "api": ["openai", "stamina"],
    "guard": ["starlette", "uvicorn", "httpx2", "z3"],
    "logs": ["zstandard"],
    "ray": ["ray"],
    "slurm": ["submitit"],
}  # fmt: skip
"""The packages that each extra brings, by the name under which they are imported."""

SHARED = {"httpx2"}
"""Brought by other extras too, the hub's client for one: hidden only where all are."""

PROGRAMS = {
    "counterform.verify.symbolic_worker": "math",
    "counterform.train.verl_sampler": "verl",
    "counterform.workers.on_ray": "ray",
    "counterform.workers.on_slurm": "slurm",
}
"""What only a program loads that has found its package, or was told to use it (tests/workers/test_apart.py): symbolic.py looks for
math-verify first, and verl loads its own sampler.
"""

COMMANDS: dict[str, tuple[str, str]] = {
    # command: (the extra that it needs, what it is called with)
    "init": ("", "init {folder}/new.toml"),
    "problems": ("", "problems --out {folder}/embedded"),
    "arms": ("", "arms {folder}/scripted.toml --out {folder}/scripted"),
    "audit": ("", "audit"),
    "show": ("", "show {folder}/scripted {id}"),
    "report": ("", "report {folder}/scripted"),
    "export": ("", "export {folder}/scripted rft --to trl --out {folder}/exported"),
    "claims": ("", "claims {studies}"),
    "guard check": ("", "guard check {folder}/policy.py"),
    "guard judge": ("", "guard judge {folder}/calls.jsonl --policy {folder}/policy.py"),
    "sample": ("train", "sample --quick --out {folder}/quick"),
    "verify": ("train", "verify --quick --out {folder}/quick"),
    "train": ("train", "train --quick --out {folder}/quick"),
    "probe": ("train", "probe --quick --out {folder}/quick"),
    "find": ("train", "find --quick --out {folder}/quick"),
    "run": ("train", "run --quick --out {folder}/quick"),
    "trust": ("train", "trust {folder}/questions.jsonl --model world"),
    "world build": ("train", "world build {folder}/base --documents 8"),
    "trust, endpoint": ("api", "trust {folder}/questions.jsonl --model m --base-url http://127.0.0.1:9/v1"),
    "guard serve": ("guard", "guard serve --upstream http://127.0.0.1:9/v1 --policy {folder}/policy.py"),
}
FILES = {
    "scripted.toml": 'name = "scripted"\narms = ["rft"]\nseeds = [0]\n[train]\ntrainer = "dry"\n'
    '[model]\nkind = "scripted"\npath = "my_answers:answer"\n[problems]\nfamily = "ledger"\ntrain = 24\nheld_out = 4\n[match]\ncases = 4\n',
    "my_answers.py": "from counterform.models.scripted import ScriptedAnswer\n"
    "from counterform.problems.ledger import Ledger\nimport numpy as np\n"
    "known = {p.prompt: p.solution for p in Ledger().generate(28, rng=np.random.default_rng(0))}\n"
    "@ScriptedAnswer\ndef answer(prompt, sample):\n"
    "    return 'The answer is -1.' if sample % 2 else known[prompt]\n",
    "policy.py": 'def small(state, call):\n    """Small."""\n    return "No." if call.arguments["n"] > 5 else None\n',
    "calls.jsonl": json.dumps(
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "name": "x", "arguments": {"n": 9}}]}]}
    ),
    "questions.jsonl": json.dumps({"question": "What is 1 + 1?", "answers": ["2", "3"]}),
}


def hide(packages: set[str]) -> None:
    """Make these packages as missing as if they had never been installed: no finder finds them."""

    class Hiding:
        def __init__(self, finder):
            self.finder = finder

        def find_spec(self, name, *rest):
            if name.partition(".")[0] in packages:
                return None
            return self.finder.find_spec(name, *rest)

        def __getattr__(self, name):
            return getattr(self.finder, name)

    sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]


def outcome(action) -> str:
    """`fine`, the message of a MissingExtra, or the name and words of whatever else was raised."""
    from counterform.errors import MissingExtra

    try:
        action()
    except MissingExtra as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "fine"


def modules() -> dict[str, str]:
    """What became of importing each module of the package, and of each public name of one."""
    import counterform

    names = [
        found.name for found in pkgutil.walk_packages(counterform.__path__, "counterform.", onerror=lambda name: None)
    ]
    found = {}
    for name in ["counterform", *sorted(set(names) - set(PROGRAMS))]:
        found[name] = outcome(lambda name=name: importlib.import_module(name))
        for public in getattr(sys.modules.get(name), "__all__", []):
            found[f"{name}.{public}"] = outcome(lambda name=name, public=public: getattr(sys.modules[name], public))
    return found


def command(line: str, folder: Path) -> tuple[int, str, str]:
    """Exit code, output and errors of one command."""
    from counterform import cli

    shown = next(iter(sorted(folder.glob("scripted/problems.parquet"))), None)
    if "{id}" in line and shown is not None:
        import pyarrow.parquet as pq

        line = line.replace("{id}", pq.read_table(shown)["id"][0].as_py())
    words = line.format(folder=folder, id="none", studies=Path(__file__).parents[1] / "docs/studies").split()
    sys.argv = ["counterform", *words]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        except BaseException as error:
            code = f"traceback: {type(error).__name__}: {error}"
    return code, out.getvalue(), errors.getvalue()


def main(folder: Path, hidden: list[str]) -> None:
    """Everything, as JSON on the last line."""
    packages = {package for extra in hidden for package in BRINGS[extra]}
    hide(packages if set(hidden) == set(BRINGS) else packages - SHARED)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    sys.path.insert(0, str(folder))
    with contextlib.suppress(ImportError):  # served, it would never end
        importlib.import_module("uvicorn").run = lambda *args, **options: None
    # Without hiding, all; else what needs a hidden extra, and, where torch is hidden, also what needs none.
    wanted = [*hidden, ""] if "train" in hidden else hidden
    chosen = {name: line for name, (extra, line) in COMMANDS.items() if not hidden or extra in wanted}
    ran = {name: command(line, folder) for name, line in chosen.items()}
    print(json.dumps({"commands": ran, "modules": modules()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
