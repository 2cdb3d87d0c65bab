"""Problems of a dataset: a directory in the hub's layout by the real library, a hub id at its commit; no hub is reached from a test."""

import json

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from counterform.errors import DataError
from counterform.problems import hub
from counterform.problems.hub import dataset_commit, dataset_key, problems_file
from counterform.problems.readers import read_problems
from counterform.study import ProblemsSpec, Study, load_study, to_toml

COMMIT = "1" * 40
CARD = """---
configs:
- config_name: main
  data_files: [{split: train, path: main/train-*.parquet}, {split: test, path: main/test-*.parquet}]
- config_name: socratic
  data_files: [{split: train, path: socratic/train-*.parquet}]
---
"""


def rows(n, step):
    return [
        {"question": f"What is {at} + {step}?", "answer": f"{at} + {step} = {at + step}\n#### {at + step}"}
        for at in range(n)
    ]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
        yield folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A dataset as the hub lays it out."""
    found = tmp_path_factory.mktemp("data") / "sums"
    for name in ("main", "socratic"):
        (found / name).mkdir(parents=True)
    (found / "README.md").write_text(CARD)
    pq.write_table(pa.Table.from_pylist(rows(5, 1)), found / "main/train-0.parquet")
    pq.write_table(pa.Table.from_pylist(rows(3, 3)), found / "main/test-0.parquet")
    pq.write_table(pa.Table.from_pylist(rows(4, 2)), found / "socratic/train-0.parquet")
    return found


def study(name, **more):
    return Study(name="s", problems=ProblemsSpec(dataset=str(name), **more))


@pytest.mark.parametrize(
    ("config", "split", "answers"),
    [
        ("main", "train", ["1", "2", "3", "4", "5"]),
        ("main", "test", ["3", "4", "5"]),
        ("main", "train[:2]", ["1", "2"]),
        ("main", "train+test", ["1", "2", "3", "4", "5", "3", "4", "5"]),
        ("socratic", "train", ["2", "3", "4", "5"]),
    ],
)
def test_a_directory_in_the_hubs_layout(folder, config, split, answers):
    path = problems_file(study(folder, config=config, split=split))
    assert [problem.answer for problem in read_problems(path).problems] == answers
    assert path.name.startswith(f"sums-{config}-{split[:4]}")
    assert dataset_commit(study(folder).problems) == {}


def test_files_named_after_their_splits(tmp_path):
    for split, step in (("train", 1), ("test", 2)):
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(2, step)))
    assert [problem.answer for problem in read_problems(problems_file(study(tmp_path, split="test"))).problems] == [
        "2",
        "3",
    ]


def test_what_changes_in_a_directory_is_read_again(folder):
    before = dataset_key(study(folder, config="main").problems)
    assert before != dataset_key(study(folder, config="main", split="test").problems)
    problems_file(study(folder, config="socratic"))
    pq.write_table(pa.Table.from_pylist(rows(2, 7)), folder / "socratic/train-0.parquet")
    assert dataset_key(study(folder, config="main").problems) != before
    assert [p.answer for p in read_problems(problems_file(study(folder, config="socratic"))).problems] == ["7", "8"]


def test_a_hub_id_is_loaded_at_the_commit_that_is_recorded_and_once(monkeypatch):
    asked = []

    def load_dataset(path, name, *, split, revision, cache_dir):
        asked.append((path, name, split, revision))
        return datasets.Dataset.from_list(rows(2, 1))

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **_: f"/cache/snapshots/{COMMIT}")
    hub._commit.cache_clear()
    named = study("us/sums", config="main", split="test")
    assert dataset_commit(named.problems) == {"datasets/us/sums": COMMIT}
    assert problems_file(named) == problems_file(named)
    assert asked == [("us/sums", "main", "test", COMMIT)]
    # The commit itself asks nobody, and is the same rows.
    pinned = study("us/sums", config="main", split="test", revision=COMMIT)
    assert problems_file(pinned) == problems_file(named)


@pytest.mark.parametrize(
    ("name", "config", "split", "message"),
    [
        ("folder", "main", "dev", "Unknown split.*dev.*train.*test"),
        ("folder", "", "train", r"[Cc]onfig name is missing.*main.*socratic"),
        ("folder", "algebra", "train", "algebra.*main.*socratic"),
        ("us/sums-not-there", "main", "train", r"a directory that holds a copy of it; where the hub cannot be reached"),
    ],
)
def test_what_cannot_be_loaded_is_one_message(folder, monkeypatch, name, config, split, message):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        DataError, match=rf"(?s)cannot load the dataset .*\(\$\.problems\.dataset\): .*{message}"
    ) as caught:
        problems_file(study(folder if name == "folder" else name, config=config, split=split))
    assert "\n" not in str(caught.value)


def test_a_directory_beside_the_study_file_is_found_and_published_by_its_name(folder):
    (folder.parent / "study.toml").write_text('name = "s"\n[problems]\ndataset = "sums"\nconfig = "main"\n')
    found = load_study(folder.parent / "study.toml")
    assert found.problems.dataset == str(folder)
    assert 'dataset = "sums"' in to_toml(found)
