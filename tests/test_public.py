import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import counterform
from counterform import errors, pipeline, results, study, train, types


@pytest.mark.parametrize("name", counterform.__all__)
def test_every_public_name_resolves(name):
    assert getattr(counterform, name) is not None
    assert name in dir(counterform)


def test_the_public_names_are_the_things_themselves():
    assert counterform.run is pipeline.run
    assert counterform.load_study is study.load_study
    assert counterform.CounterformError is errors.CounterformError
    nouns = {"Problem", "Attempt", "Verdict", "Case", "Example", "Arm", "Checkpoint", "Reading", "Mark"}
    assert {"load_study", "run", "Run", "Study"} | nouns <= set(counterform.__all__)
    assert all(getattr(counterform, noun) is getattr(types, noun) for noun in nouns)
    assert counterform.Finding is results.Finding
    doors = {
        "Guard",
        "RoCGRPOTrainer",
        "TraitCallback",
        "compare_arms",
        "grade",
        "plan_logs",
        "plan_study",
        "score",
        "select",
    }
    assert doors <= set(counterform.__all__)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="has no attribute 'no_such_thing'"):
        importlib.import_module("counterform").no_such_thing  # noqa: B018


@pytest.mark.parametrize("module", ["counterform", "counterform.cli"])
def test_heavy_libraries_wait_until_they_are_needed(module):
    heavy = ["torch", "transformers", "trl", "scipy", "pyarrow", "plotly"]
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


TYPED = """[mypy]
follow_imports = skip
ignore_missing_imports = True
[mypy-counterform,counterform.errors,counterform.types,counterform.results,counterform.study,counterform.pipeline,counterform.train,counterform.train.grpo,counterform.train.traits,counterform.train.roc,counterform.verify.grades,counterform.compare,counterform.compare.compare,counterform.guard,counterform.guard.guard,counterform.plan,counterform.plan.logs,counterform.plan.study,counterform.trust]
follow_imports = silent
"""


def test_type_checkers_and_editors_see_what_the_public_names_are(tmp_path):
    """They come through a module's `__getattr__`, which alone would make every one of them Any."""
    pytest.importorskip("mypy")
    names = [f"counterform.{name}" for name in counterform.__all__] + [
        f"counterform.train.{name}" for name in train.__all__
    ]
    (tmp_path / "mypy.ini").write_text(TYPED)
    (tmp_path / "uses.py").write_text(
        "\n".join(["import counterform, counterform.train", *(f"reveal_type({name})" for name in names)])
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "mypy.ini", "--cache-dir", "cache", "uses.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(Path(counterform.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    shown = [
        line.partition("Revealed type is ")[2].strip('"')
        for line in done.stdout.splitlines()
        if "note: Revealed" in line
    ]
    found = dict(zip(names, shown, strict=True))
    assert found["counterform.run"].startswith("def (study: ")
    assert found["counterform.train.RoCGRPOTrainer"].startswith("def (")
    assert {name for name, kind in found.items() if kind in ("Any", "object")} == set()
    assert ": error: " not in done.stdout


def test_importing_it_takes_no_time():
    code = "import sys; from time import perf_counter as now; start = now(); import counterform; print(now() - start)"
    seconds = min(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    )
    assert seconds < 0.05
