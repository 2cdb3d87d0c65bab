import errno
import os
import string
import subprocess
import sys
import textwrap
from typing import get_type_hints

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError

from counterform import results, store, types
from counterform.errors import RunDirError
from counterform.store import RunDir, appearing, key_of, key_of_path
from counterform.store.process import HOST
from counterform.types import Case, Completion, Example, Graded, Problem

# Cases are put together from stored rows, and never stored.
STORED = [
    kind
    for kind in (*vars(types).values(), results.ArmCard, results.MatchCard, results.AuditRow)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in (msgspec.Struct, Case)
]
IN_TMP_PATH = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def values(hint):
    """Any value of a field's type."""
    origin, args = getattr(hint, "__origin__", None), getattr(hint, "__args__", ())
    if origin is dict:
        return st.dictionaries(TEXT, JSON, max_size=3)
    if origin is tuple:
        inner = [values(arg) for arg in args if arg is not ...]
        return st.lists(inner[0], max_size=3).map(tuple) if ... in args else st.tuples(*inner)
    if args and origin is None:  # X | None
        return st.one_of(*map(values, args))
    if args:  # Literal
        return st.sampled_from(args)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return structs(hint)
    bounded = {int: st.integers(-(2**63), 2**63 - 1), float: st.floats(allow_nan=False), str: TEXT}
    return bounded[hint] if hint in bounded else st.from_type(hint)


def structs(kind):
    return st.builds(kind, **{name: values(hint) for name, hint in get_type_hints(kind).items()})


def example(text="x"):
    return Example(problem_id=text, prompt="p", completion=None)


def in_another_process(code, *arguments, **options):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


# Rows.


@pytest.mark.parametrize("kind", STORED, ids=lambda kind: kind.__name__)
@given(data=st.data())
@IN_TMP_PATH
def test_every_noun_comes_back(tmp_path, kind, data):
    rows = data.draw(st.lists(structs(kind), max_size=3))
    run = RunDir(tmp_path)
    run.write_rows("rows.parquet", rows, kind)
    assert run.read_rows("rows.parquet", kind) == rows


def test_parts_are_read_in_order(tmp_path):
    run = RunDir(tmp_path)
    for number in (2, 0, 1):
        run.write_rows(f"attempts/part-{number:05}.parquet", [example(str(number))], Example)
    assert [row.problem_id for row in run.read_rows("attempts", Example)] == ["0", "1", "2"]


def test_some_columns_of_a_table(tmp_path):
    run = RunDir(tmp_path)
    run.write_rows("rows.parquet", [example()], Example)
    assert run.read_table("rows.parquet", ["prompt"]).column_names == ["prompt"]


def test_what_is_missing_says_which_stage(tmp_path):
    (tmp_path / "attempts").mkdir()
    for name in ("problems.parquet", "attempts"):
        with pytest.raises(RunDirError, match=rf"{name} is missing.*`counterform run`"):
            RunDir(tmp_path).read_rows(name, Problem)


def test_a_file_cut_short_is_named(tmp_path):
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(RunDirError, match=r"rows\.parquet cannot be read.*run the same command again"):
        RunDir(tmp_path).read_rows("rows.parquet", Example)


def test_clear_takes_files_and_directories(tmp_path):
    run = RunDir(tmp_path)
    run.write_text("a.txt", "x")
    run.write_rows("parts/part-0.parquet", [], Example)
    for name in ("a.txt", "parts", "absent"):
        run.clear(name)
    assert list(tmp_path.iterdir()) == []


# Files appear whole.


def test_a_crash_in_the_middle_leaves_the_old_file(tmp_path, monkeypatch):
    run = RunDir(tmp_path)
    run.write_rows("rows.parquet", [example("old")], Example)

    def write_half(table, path, **options):
        path.write_bytes(b"PAR1 half a file")
        raise RuntimeError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", write_half)
        with pytest.raises(RuntimeError, match="crash"):
            run.write_rows("rows.parquet", [example("new")], Example)
    assert run.read_rows("rows.parquet", Example) == [example("old")]
    run.write_rows("rows.parquet", [example("new")], Example)
    assert run.read_rows("rows.parquet", Example) == [example("new")]
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


def test_a_directory_appears_whole(tmp_path):
    run = RunDir(tmp_path)

    def fill(text, *, fail=False):
        with run.appearing_dir("checkpoints/arm/0") as directory:
            (directory / "weights").write_text(text)
            assert not fail

    with pytest.raises(AssertionError):
        fill("half", fail=True)
    assert not (tmp_path / "checkpoints/arm/0").exists()
    fill("first")
    with pytest.raises(AssertionError):
        fill("half", fail=True)
    assert (tmp_path / "checkpoints/arm/0/weights").read_text() == "first"
    fill("second")
    assert (tmp_path / "checkpoints/arm/0/weights").read_text() == "second"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("what", ["text", "rows"])
def test_a_full_disk_is_one_clear_message_and_nothing_is_lost(tmp_path, what, monkeypatch):
    run = RunDir(tmp_path)
    names = {"text": "notes.txt", "rows": "rows.parquet"}
    write = {
        "text": lambda: run.write_text("notes.txt", "words " * 100_000),
        "rows": lambda: run.write_rows("rows.parquet", [example(str(n)) for n in range(1000)], Example),
    }[what]
    write()
    before = (tmp_path / names[what]).read_bytes()
    monkeypatch.setattr(appearing.secrets, "token_hex", lambda n: "00000000")
    partial = tmp_path / f".{names[what]}~{HOST}~{os.getpid()}~00000000.partial"
    partial.symlink_to("/dev/full")
    with pytest.raises(RunDirError, match=r"the disk is full at .*free some space and run the same command again"):
        write()
    assert (tmp_path / names[what]).read_bytes() == before


def test_a_disk_that_is_full_for_a_library_with_errors_of_its_own(tmp_path):
    run = RunDir(tmp_path / "run")
    with pytest.raises(RunDirError, match="the disk is full"), run.appearing_dir("checkpoints/a/0"):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert not (tmp_path / "run" / "checkpoints" / "a" / "0").exists()


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EDQUOT, "the disk is full"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EACCES, "--out"),
        (errno.EROFS, "--out"),
        (errno.ENOTDIR, "--out"),
        (errno.EEXIST, "--out"),
        (errno.ENOSYS, "renamed into place.*--out"),
        (errno.EXDEV, "renamed into place.*--out"),
    ],
)
def test_disk_errors_name_the_fix(tmp_path, number, message):
    with pytest.raises(RunDirError, match=message), store.disk_errors(tmp_path):
        raise OSError(number, os.strerror(number))


def test_other_errors_of_the_system_are_not_disguised(tmp_path):
    with pytest.raises(ConnectionError), store.disk_errors(tmp_path):
        raise ConnectionError


# Hashes.


def test_a_key_does_not_hang_on_the_order_or_the_process():
    assert key_of({"a": 1, "b": {2, 3}}) == key_of({"b": {3, 2}, "a": 1})
    code = "from counterform.store import key_of; print(key_of({'b': {3, 2}, 'a': 1}, 'text'))"
    printed = {in_another_process(code, env={**os.environ, "PYTHONHASHSEED": seed}).stdout.strip() for seed in "123"}
    assert printed == {key_of({"a": 1, "b": {2, 3}}, "text")}


@given(JSON, JSON)
def test_different_inputs_have_different_keys(one, other):
    same = msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")
    assert (key_of(one) == key_of(other)) is same


def test_a_key_sees_every_field_of_a_noun():
    assert key_of(example("a")) != key_of(example("b"))
    assert key_of("1") != key_of(1)
    assert key_of("a", "b") != key_of("ab")


def test_a_path_key_sees_names_and_bytes(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "weights").write_bytes(b"same")
    one, two = tmp_path / "one", tmp_path / "two"
    assert key_of_path(one) == key_of_path(two)
    (two / "deep" / "weights").rename(two / "weights")
    assert key_of_path(one) != key_of_path(two)
    (two / "weights").write_bytes(b"other")
    assert key_of_path(one / "deep" / "weights") != key_of_path(two / "weights")


def test_one_odd_row_costs_no_other(tmp_path):
    """Whatever a row holds, all rows are written; what no file can hold is replaced in that row alone."""
    run = RunDir(tmp_path)
    odd = Completion(text="half a pair: \ud83d", tokens=2**70, finish="stop")
    run.write_rows("rows.parquet", [Completion(text="fine", tokens=1, finish="stop"), odd], Completion)
    fine, mended = run.read_rows("rows.parquet", Completion)
    assert fine == Completion(text="fine", tokens=1, finish="stop")
    assert (mended.text, mended.tokens) == ("half a pair: ?", 2**63 - 1)


# Schemas.


def test_schema_of_nested_and_free_fields():
    schema = store.arrow_schema(Graded)
    assert pa.types.is_struct(schema.field("attempt").type)
    assert schema.field("verdict").type.field("steps").type.value_type.field("span").type == pa.list_(pa.int64())
    assert store.arrow_schema(Problem).field("facts").metadata == {b"json": b"1"}


def test_columns_are_text_and_numbers_that_any_reader_knows():
    letters = set(string.ascii_lowercase + "_")
    for kind in STORED:
        for field in store.arrow_schema(kind):
            assert set(field.name) <= letters
