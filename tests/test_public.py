import importlib
import subprocess
import sys

import pytest

import counterform
from counterform import errors, pipeline, results, study, types


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


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="has no attribute 'no_such_thing'"):
        importlib.import_module("counterform").no_such_thing  # noqa: B018


@pytest.mark.parametrize("module", ["counterform", "counterform.cli"])
def test_heavy_libraries_wait_until_they_are_needed(module):
    heavy = ["torch", "transformers", "trl", "scipy", "pyarrow", "plotly"]
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
