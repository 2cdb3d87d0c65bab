"""Each extra installed alone, from a wheel, in a clean environment: all it brings works, and all else is one line that says what is missing."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.without_packages import BRINGS, COMMANDS

ROOT = Path(__file__).parents[1]
PROGRAM = Path(__file__).with_name("without_packages.py")
TORCH_INDEX = os.environ.get("TORCH_INDEX", "https://download.pytorch.org/whl/cpu")
ENDPOINT = "trust, endpoint"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def ran(*arguments, **options):
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(arguments, capture_output=True, text=True, env=clean, **options)


def done(*arguments, **options):
    finished = ran(*arguments, **options)
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-4000:]
    return finished.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    done(sys.executable, "-m", "build", "--wheel", "--outdir", out, ROOT)
    [found] = out.glob("*.whl")
    return found


def environment(folder, wheel, name):
    """A clean environment with this extra alone, from the pinned versions."""
    python = folder / "venv/bin/python"
    done(sys.executable, "-m", "venv", folder / "venv")
    pip = (python, "-m", "pip", "install", "-q")
    if name == "train":  # as the Makefile does: first the small build, where its index can be reached
        torch = re.search(r"^torch==.*$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[0]
        if ran(*pip, "--retries", "1", "--no-deps", "--index-url", TORCH_INDEX, torch).returncode:
            done(*pip, torch)
    done(*pip, "-c", ROOT / "constraints.txt", f"{wheel}[{name}]" if name else wheel)
    return python


@pytest.mark.parametrize("name", ["", "math", "api", "guard", "logs", "train"])
def test_an_extra_alone(name, wheel, tmp_path):
    python = environment(tmp_path, wheel, name)
    for other in set(BRINGS) - {name}:
        package = BRINGS[other][0]
        assert ran(python, "-c", f"import {package}").returncode, (
            f"{package} of {other} is there too: this would prove nothing"
        )
    found = json.loads(done(python, "-P", PROGRAM, tmp_path).splitlines()[-1])
    for command, (code, out, errors) in found["commands"].items():
        needs = COMMANDS[command][0]
        last = errors.rstrip("\n").rpartition("\n")[2]
        assert "Traceback" not in errors + out, (command, errors)
        if needs in ("", name):
            assert code == (2 if command == ENDPOINT else 0), (command, code, errors)
        else:
            assert code == 2, (command, code, errors)
            assert re.fullmatch(rf"counterform: \w+ is not installed\. .*pip install 'counterform\[{needs}\]'", last), (
                command
            )
        assert errors.count("counterform: ") == bool(code), (command, errors)
    assert "/v1" in found["commands"][ENDPOINT][2] or name != "api"
    for module, became in found["modules"].items():
        told = re.fullmatch(r"\w+ is not installed\. Install it with: pip install 'counterform\[(\w+)\]'", became)
        assert became == "fine" or (told and told[1] != name), (module, became)
    if name == "train":
        assert "report" in found["commands"]["run"][1]
        assert (tmp_path / "quick/report.html").stat().st_size > 100_000
