"""What is missing is named: each extra stands alone, and one message says which one brings a package."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import counterform
from counterform.errors import MissingExtra, extra
from counterform.study import load_study
from tests.without_packages import BRINGS, COMMANDS, PROGRAMS

ROOT = Path(__file__).parents[1]
PROGRAM = Path(__file__).with_name("without_packages.py")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRA_OF = {package: extra for extra, packages in BRINGS.items() for package in packages}
SOURCES = sorted((ROOT / "src/counterform").rglob("*.py"))


def without(folder, *extras):
    """What every module, name and command did where these extras are hidden."""
    done = subprocess.run([sys.executable, PROGRAM, folder, *extras], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def loose_imports(path):
    """Imports of an optional package that do not stand under `with extra(...)`, or under that of another extra."""
    tree = ast.parse(path.read_text())
    under = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.With) and isinstance(node.items[0].context_expr, ast.Call):
            called = node.items[0].context_expr
            if isinstance(called.func, ast.Name) and called.func.id == "extra":
                under |= {id(inner): called.args[0].value for inner in ast.walk(node)}
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        for name in {name.partition(".")[0] for name in names} & set(EXTRA_OF):
            if under.get(id(node)) != EXTRA_OF[name]:
                yield f"{path.relative_to(ROOT)}:{node.lineno}: put `import {name}` under `with extra({EXTRA_OF[name]!r}):`"


def test_every_import_of_an_optional_package_names_its_extra():
    programs = {Path("src", *name.split(".")).with_suffix(".py") for name in PROGRAMS}
    loose = [line for path in SOURCES if path.relative_to(ROOT) not in programs for line in loose_imports(path)]
    assert not loose, "\n".join(loose)


def test_the_extras_are_those_of_the_project():
    assert set(PROJECT["optional-dependencies"]) == set(BRINGS)
    named = {re.split(r"[\[>=<]", line)[0].replace("-", "_") for line in PROJECT["dependencies"]}
    assert named.isdisjoint(EXTRA_OF)
    for name, lines in PROJECT["optional-dependencies"].items():
        packages = {re.split(r"[\[>=<]", line)[0].replace("-", "_").removesuffix("_solver") for line in lines}
        assert packages <= set(BRINGS[name])


def test_the_lowest_versions_are_those_of_the_project():
    """constraints-lowest.txt is what `make test-lowest` installs; torch is as pinned there (of old versions there is no small build)."""
    lines = [*PROJECT["dependencies"], *(line for lines in PROJECT["optional-dependencies"].values() for line in lines)]
    bounds = dict(re.match(r"([\w-]+)(?:\[.*\])?>=([\d.]+)", line).groups() for line in lines)
    pinned = dict(
        line.split("==") for line in (ROOT / "constraints-lowest.txt").read_text().splitlines() if "==" in line
    )
    assert pinned == {name: bound for name, bound in bounds.items() if name != "torch"}


def commands_fail_in_one_line(found, *hidden):
    for name, (code, out, errors) in found["commands"].items():
        needs = COMMANDS[name][0]
        last = errors.rstrip("\n").rpartition("\n")[2]
        if needs in hidden:
            assert code == 2, (name, code, errors)
            assert re.fullmatch(rf"counterform: \w+ is not installed\. .*pip install 'counterform\[{needs}\]'", last), (
                name
            )
            assert not out, name
        else:
            assert code == 0, (name, code, errors)
        assert "Traceback" not in errors, name
        assert errors.count("counterform: ") == (needs in hidden), name


def modules_name_the_extra(found, *hidden):
    """An import works, or says which of the hidden extras it needs; nothing else happens."""
    for name, became in found["modules"].items():
        told = re.fullmatch(r"(\w+) is not installed\. Install it with: pip install 'counterform\[(\w+)\]'", became)
        assert became == "fine" or (told and told[2] in hidden and told[1] in BRINGS[told[2]]), (name, became)


def test_with_no_extra_every_door_says_what_it_needs(tmp_path):
    """The core alone: what needs no torch works, and all else is one line and exit code 2."""
    found = without(tmp_path, *BRINGS)
    commands_fail_in_one_line(found, *BRINGS)
    modules_name_the_extra(found, *BRINGS)
    open_doors = [
        "counterform",
        "cli",
        "pipeline",
        "trust",
        "guard",
        "guard.tools",
        "train",
        "train.roc",
        "testing",
        "export",
    ]
    for door in open_doors:
        assert found["modules"][door if door == "counterform" else f"counterform.{door}"] == "fine", door
    assert "is not installed" in found["modules"]["counterform.train.RoCGRPOTrainer"]


def test_with_train_alone_the_other_doors_say_what_they_need(tmp_path):
    """Each extra by itself, and in a clean environment: tests/test_installed.py."""
    others = [name for name in BRINGS if name != "train"]
    found = without(tmp_path, *others)
    commands_fail_in_one_line(found, *others)
    modules_name_the_extra(found, *others)


def test_a_finished_study_is_read_again_without_torch(tmp_path):
    """Whoever copies a run directory to a laptop has the findings made again, and the report."""
    text = (
        'name = "dry"\narms = ["sft"]\nseeds = [0]\nprobes = ["accuracy"]\n[train]\ntrainer = "dry"\n'
        '[problems]\nfamily = "ledger"\ntrain = 24\nheld_out = 4\n[attempts]\nsamples = 2\n[match]\ncases = 2\n'
        "[probe]\nproblems = 2\nsamples = 1\nk = 1\n"
    )
    (tmp_path / "dry.toml").write_text(text)
    counterform.run(
        load_study(tmp_path / "dry.toml"), tmp_path / "run", anyway=True
    )  # of two problems the base knows both
    (tmp_path / "run/findings.json").unlink()
    (tmp_path / "again.py").write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from tests.without_packages import hide\n"
        "hide({'torch', 'transformers', 'trl'})\n"
        "from counterform.cli import main\n"
        f"sys.argv = ['counterform', 'run', {str(tmp_path / 'dry.toml')!r}, '--out', {str(tmp_path / 'run')!r}]\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, tmp_path / "again.py"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run/findings.json").exists()


def test_a_package_of_another_version_is_named_with_what_it_lacks():
    with (
        pytest.raises(MissingExtra, match=r"json is of another version .*no_such.*counterform\[train\]") as caught,
        extra("train"),
    ):
        from json import no_such  # noqa: F401
    assert isinstance(caught.value, ImportError)


def test_a_library_that_hides_what_it_lacks_behind_an_error_of_its_own():
    """transformers does: `Could not import module 'PreTrainedModel'` where one of its own requirements is not there."""
    with pytest.raises(MissingExtra, match="tqdm is not installed"), extra("train"):
        raise ModuleNotFoundError("Could not import module") from ModuleNotFoundError("no tqdm", name="tqdm.auto")


def test_what_is_missing_of_our_own_is_no_missing_extra():
    with pytest.raises(ModuleNotFoundError, match=r"counterform\.nothing"), extra("train"):
        import counterform.nothing  # noqa: F401
