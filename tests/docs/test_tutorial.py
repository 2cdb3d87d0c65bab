"""The tutorial runs as it stands: its rows, its study file, its audit. (Its run is slow, and its output was pasted from one.)"""

import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from counterform.cli import app

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")
[SCRIPT] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
[STUDY] = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SAID, AUDIT, *_ = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder, before = tmp_path_factory.mktemp("tutorial"), Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def test_the_rows_become_the_study_that_is_shown(folder):
    exec(compile(SCRIPT, "tutorial.md", "exec"), {})
    done = CliRunner().invoke(
        app, ["init", "--problems", "rows.jsonl", "--model", "world", "--set", "problems.template={prompt}"]
    )
    assert done.exit_code == 0, done.exception
    assert (folder / "study.toml").read_text(encoding="utf-8") == STUDY
    assert all(line in done.output for line in SAID.splitlines())


def test_the_audit_that_is_shown(folder):
    done = CliRunner().invoke(app, ["audit", "study.toml"])
    assert done.exit_code == 0, done.exception
    cells = [re.findall(r"[\w%]+", line) for line in AUDIT.splitlines() if "answer" in line or "arithmetic" in line]
    shown = [
        re.findall(r"[\w%]+", line) for line in done.stdout.splitlines() if "answer" in line or "arithmetic" in line
    ]
    assert cells == shown
