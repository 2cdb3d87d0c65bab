"""The parts that a study file names: found, looked at, and only then called."""

import sys

import pytest

from counterform import cli
from counterform.bench import Bench
from counterform.errors import MissingExtra, StudyError
from counterform.parts import BASES, OLD_NAMES, PARTS, made, part, require_known
from counterform.problems.ledger import Ledger

CALLED = []


def a_function(**options):
    CALLED.append(options)


class Duck:
    """Has every method that a part could have, and is a subclass of none."""

    name = differs_by = "duck"

    def __init__(self, **options):
        CALLED.append(options)

    def __call__(self, *asked, **options):
        CALLED.append(options)

    open = start = feed = generate = plant_errors = usable = check = train = baselines = __call__


A_DUCK = Duck.__new__(Duck)


class Half(Ledger):
    """A family of which one method is missing."""

    plant_errors = Ledger.__mro__[1].plant_errors


def test_a_short_name_finds_its_part():
    assert part("family", "ledger") is Ledger


def test_module_object_finds_anything(tmp_path, monkeypatch):
    (tmp_path / "parts_of_mine.py").write_text(
        "from counterform.arms.recipe import Recipe\nclass Mine(Recipe):\n    name, __call__ = 'mine', None\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert part("arm", "parts_of_mine:Mine") is sys.modules["parts_of_mine"].Mine


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cf", "Did you mean 'cft'?"),
        ("nowhere_at_all:Mine", "no module 'nowhere_at_all'"),
        ("json:Mine", "module 'json' has no 'Mine'"),
        ("half_broken:Mine", "half_broken"),
    ],
)
def test_a_part_that_is_not_there(tmp_path, monkeypatch, name, message):
    (tmp_path / "half_broken.py").write_text("from json import no_such_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(StudyError) as caught:
        part("arm", name)
    assert message in str(caught.value)


def test_a_package_that_a_part_misses_is_named_with_its_extra(tmp_path, monkeypatch):
    (tmp_path / "needy.py").write_text(
        "from counterform.errors import extra\nwith extra('train'):\n    import needs_a_package\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtra, match=r"needs_a_package is not installed\. .*pip install 'counterform\[train\]'"):
        part("probe", "needy:Probe")


def test_a_package_that_a_users_part_misses_is_named_alone(tmp_path, monkeypatch):
    (tmp_path / "wanting.py").write_text("import needs_a_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        StudyError, match=r"^probe 'wanting:Probe' needs the package 'needs_a_package', which is not installed\.$"
    ):
        part("probe", "wanting:Probe")


def test_a_part_is_called_with_its_options_and_names_them_when_one_is_unknown():
    assert made("family", "ledger", {}, "$.problems.options").name == "ledger"
    with pytest.raises(StudyError, match=r"\$\.arms\[0\]\.options: arm 'sft': .* Its options: none"):
        made("arm", "sft", {"share": 0.5}, "$.arms[0].options", bench=Bench())


@pytest.mark.parametrize("kind", BASES)
def test_every_short_name_is_a_part_of_its_kind(kind):
    assert PARTS.keys() == BASES.keys()
    assert all(part(kind, name) for name in PARTS[kind])


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "os:environ",
        "collections:Counter",
        "builtins:exec",
        *(f"{__name__}:{n}" for n in ("a_function", "Duck", "A_DUCK")),
    ],
)
def test_what_is_no_part_of_its_kind_is_refused_before_it_is_called(kind, name):
    CALLED.clear()
    with pytest.raises(
        StudyError, match=f"{kind} '{name}' is no {kind}: it must be a subclass of {BASES[kind].replace(':', '.')}"
    ):
        made(kind, name, {"command": "exit 1"}, "$.options")
    assert CALLED == []


@pytest.mark.parametrize("kind", BASES)
def test_a_part_of_another_kind_is_no_part_of_this(kind):
    other = PARTS["probe" if kind != "probe" else "arm"]
    with pytest.raises(StudyError, match=f"is no {kind}"):
        part(kind, next(iter(other.values())))


@pytest.mark.parametrize("kind", BASES)
def test_the_base_itself_is_not_whole_and_says_what_it_lacks(kind):
    with pytest.raises(StudyError, match=rf"{kind} .* is not whole: it must define \w+"):
        part(kind, BASES[kind])


def test_half_a_part_is_refused_by_what_it_lacks():
    with pytest.raises(StudyError, match=r"is not whole: it must define plant_errors\.$"):
        part("family", f"{__name__}:Half")


def test_a_study_file_that_names_a_program_is_one_message(tmp_path, monkeypatch, capsys):
    (tmp_path / "study.toml").write_text(
        'name = "x"\narms = ["sft"]\n[problems]\nfamily = "os:system"\noptions = {command = "touch called"}\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["counterform", "problems", "study.toml"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    said = capsys.readouterr()
    assert stopped.value.code == 2
    assert (
        said.err == "counterform: family 'os:system' is no family: it must be a subclass of counterform.types.Family.\n"
    )
    assert not (tmp_path / "called").exists()


def test_a_constructor_that_does_not_fit_is_one_message(tmp_path, monkeypatch):
    (tmp_path / "old_parts.py").write_text(
        "from counterform.probes.accuracy import Accuracy\n"
        "class Old(Accuracy):\n    def __init__(self, spec, grade): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(StudyError, match=r"\$\.probes: probe 'old_parts:Old': .*'bench'"):
        made("probe", "old_parts:Old", {}, "$.probes", bench=Bench())


@pytest.mark.parametrize("text", ["def half(", "1 / 0", "None.nothing"])
def test_a_module_that_cannot_be_imported_is_one_message(tmp_path, monkeypatch, text):
    (tmp_path / "broken_parts.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(StudyError, match=r"arm 'broken_parts:Mine': cannot import 'broken_parts': \w+Error: "):
        part("arm", "broken_parts:Mine")


@pytest.mark.parametrize("old", OLD_NAMES)
def test_an_old_name_of_an_arm_is_refused_with_the_one_it_has_now(old):
    with pytest.raises(StudyError, match=rf"the arm '{old}' is called '{OLD_NAMES[old]}' now"):
        require_known("arm", old, "$.arms[0]")
