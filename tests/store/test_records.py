"""A record stands only while its files stand."""

import pytest

from counterform.errors import RunDirError
from counterform.store import KEPT, MARK, SCHEMA, Record, RunDir, finished_run, open_run, prune


def record(run, unit, *names, key="key", **said):
    for name in names:
        run.write_text(name, f"{name} of {key}")
    run.records.write(
        Record(unit=unit, key=key, files=run.sizes(names), made="", seconds=0, versions={}, machine={}, **said)
    )


def test_it_stands_by_key_name_and_size(tmp_path):
    run = RunDir(tmp_path)
    record(run, "probe/a/0/my:Probe", "x.txt", "y.txt")
    assert RunDir(tmp_path).records.stands("probe/a/0/my:Probe", "key")
    assert not run.records.stands("probe/a/0/my:Probe", "other")
    assert not run.records.stands("probe", "key")
    (tmp_path / "y.txt").write_text("longer than it was before")
    assert not run.records.stands("probe/a/0/my:Probe", "key")
    (tmp_path / "y.txt").unlink()
    assert not run.records.stands("probe/a/0/my:Probe", "key")


def test_what_has_left_is_taken_back_where_it_still_stands(tmp_path):
    run = RunDir(tmp_path)
    record(run, "arm/a", "a.txt")
    record(run, "arm/b", "b.txt")
    run.records.set_aside({"arm/a": "key"})
    assert list(run.records) == list(RunDir(tmp_path).records) == ["arm/a"]
    run.records.take_back("arm/b", "other key")
    assert list(run.records) == ["arm/a"]
    run.records.take_back("arm/b", "key")
    assert list(run.records) == list(RunDir(tmp_path).records) == ["arm/a", "arm/b"]


def test_what_has_left_and_was_written_over_does_not_come_back(tmp_path):
    run = RunDir(tmp_path)
    record(run, "arm/b", "b.txt")
    run.records.set_aside({})
    run.records.forget("arm/b")
    run.records.take_back("arm/b", "key")
    assert list(run.records) == []


def test_pruning_takes_what_left_and_nothing_that_is_still_used(tmp_path):
    run = RunDir(tmp_path)
    record(run, "arm/a", "arms/a.txt")
    record(run, "arm/b", "arms/b.txt", "deep/down/b.txt")
    (tmp_path / ".mine").write_text("not ours to remove")
    run.records.set_aside({"arm/a": "key"})
    assert sorted(prune(tmp_path, run.records)) == ["arms/b.txt", "deep/down/b.txt"]
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()) == [
        ".mine",
        "arms/a.txt",
        "units/arm/a.json",
    ]


def test_pruning_takes_kept_answers_that_no_unit_used(tmp_path):
    """The kind: what costs calls is kept beside the units, and no unit's file."""
    run = RunDir(tmp_path)
    for name in ("asked/a", "asked/b", "critiques/c", "critiques/d"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "part-0.parquet").write_text("rows")
    common = {"key": "k", "files": {}, "made": "", "seconds": 0, "versions": {}, "machine": {}}
    run.records.write(Record(unit="arm/one", facts={KEPT: ["asked/a", "critiques/c"]}, **common))
    run.records.write(Record(unit="arm/left", facts={KEPT: ["asked/b"]}, **common))
    run.records.set_aside({"arm/one": "k"})
    assert sorted(prune(tmp_path, run.records)) == ["asked/b", "critiques/d"]
    assert (tmp_path / "asked/a").exists()
    assert (tmp_path / "critiques/c").exists()


def test_counts_add_up_and_versions_are_all_named(tmp_path):
    run = RunDir(tmp_path)
    for number, torch in enumerate(("2.9", "2.13", "2.9")):
        common = {"key": "k", "files": {}, "made": "", "seconds": 0, "machine": {}}
        run.records.write(Record(unit=f"sample/{number}", versions={"torch": torch}, counts={"failed": 2.0}, **common))
    assert run.counts == {"failed": 6.0}
    assert run.versions == {"torch": "2.9, 2.13"}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"unit": 1}'])
def test_a_record_that_is_none_is_named(tmp_path, text):
    (tmp_path / "units").mkdir()
    (tmp_path / "units" / "a.json").write_text(text)
    with pytest.raises(RunDirError, match=r"units/a\.json cannot be read.*run the same command again"):
        list(RunDir(tmp_path).records)


class TestWhatDirectory:
    """A study is written into a directory of its own, or into none."""

    def refused(self, path, words):
        before = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} if path.is_dir() else None
        with pytest.raises(RunDirError, match=words), open_run(path):
            pass
        if before is not None:
            assert {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} == before

    @pytest.mark.parametrize("name", ["study.toml", "attempts/mine.csv", "manifest.json", ".git/config"])
    def test_one_with_anything_else_in_it(self, tmp_path, name):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
        self.refused(tmp_path, "is not empty, and is no run of counterform.*--out")

    def test_a_file(self, tmp_path):
        (tmp_path / "file").write_text("mine")
        self.refused(tmp_path / "file", "--out")
        self.refused(tmp_path / "file" / "below", "--out")

    def test_a_link_to_nothing(self, tmp_path):
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
        self.refused(tmp_path / "link", "link to nothing.*--out")

    def test_one_of_an_older_version(self, tmp_path):
        (tmp_path / "manifest.json").write_text('{"schema": 1, "steps": {}, "facts": {}}')
        self.refused(tmp_path, rf"schema 1; this version reads schema {SCHEMA}.*--out")

    def test_one_of_a_later_version(self, tmp_path):
        (tmp_path / MARK).write_text('{"schema": 99}')
        self.refused(tmp_path, "schema 99")

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"schema": "two"}'])
    def test_a_mark_that_is_none(self, tmp_path, text):
        (tmp_path / MARK).write_text(text)
        self.refused(tmp_path, "not of counterform")

    def test_an_empty_one_or_none_yet_or_a_link_to_one(self, tmp_path):
        (tmp_path / "empty").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "empty")
        for name in ("empty", "new/deep", "link", "empty"):
            with open_run(tmp_path / name):
                assert finished_run(tmp_path / name)

    def test_two_at_once(self, tmp_path):
        with open_run(tmp_path / "run"):
            self.refused(tmp_path / "run", "another run is at work in .*--out")
        with open_run(tmp_path / "run"):
            pass

    def test_reading_what_is_no_run(self, tmp_path):
        (tmp_path / "manifest.json").write_text("{}")
        with pytest.raises(RunDirError, match=rf"is not a run directory: it holds no {MARK}"):
            finished_run(tmp_path)
