"""Problems of a dataset of the Hugging Face hub, or of a directory in its layout: one split, as a file of rows.

The split is loaded by `datasets`, at a commit that is recorded, and kept as Parquet beside that library's cache: from there on it is read
as any file of the user's is.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from counterform.errors import DataError, extra
from counterform.store import key_of, key_of_path
from counterform.store.appearing import appearing
from counterform.study import ProblemsSpec, Study


def problems_file(study: Study) -> Path:
    """The file of rows that a study's problems are read from. Raises DataError for a dataset that cannot be loaded."""
    spec = study.problems
    return _file_of(spec) if spec.dataset else study.file(spec.file)


def dataset_commit(spec: ProblemsSpec) -> dict[str, str]:
    """The commit at which the study's dataset is loaded, by its name at the hub; none for what lies here. Raises DataError."""
    if not spec.dataset or Path(spec.dataset).is_dir():
        return {}
    return {f"datasets/{spec.dataset}": _commit(spec.dataset, spec.revision)}


def dataset_key(spec: ProblemsSpec) -> list[str]:
    """What decides the rows: the bytes of a directory, or a hub id at a commit; the configuration and the split."""
    if not spec.dataset:
        return []
    folder = Path(spec.dataset)
    source = key_of_path(folder) if folder.is_dir() else key_of(dataset_commit(spec))
    return [source, spec.config, spec.split]


def _file_of(spec: ProblemsSpec) -> Path:
    with extra("train"):
        from datasets import config

    name = "-".join(part for part in (Path(spec.dataset).name, spec.config, spec.split) if part)
    folder = Path(config.HF_DATASETS_CACHE) / "counterform" / key_of(dataset_key(spec))
    path = folder / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}.parquet"
    if not path.exists():
        # A cache of its own: that of `datasets` does not notice that a file of a directory has changed.
        with TemporaryDirectory() as prepared, appearing(path) as temporary:
            _load(spec, prepared).to_parquet(temporary)
    return path


def _load(spec: ProblemsSpec, cache_dir: str) -> Any:
    with extra("train"):
        import datasets

    datasets.disable_progress_bars()
    commit = next(iter(dataset_commit(spec).values()), None)
    try:
        return datasets.load_dataset(
            spec.dataset, spec.config or None, split=spec.split, revision=commit, cache_dir=cache_dir
        )
    except Exception as error:  # pyarrow, the hub and datasets have errors of their own
        raise _not_loaded(spec.dataset, error) from error


@cache
def _commit(name: str, revision: str) -> str:
    """The commit of a dataset at the hub, asked for once in a process. A commit is known without asking."""
    if re.fullmatch(r"[0-9a-f]{40}", revision):
        return revision
    with extra("train"):
        from huggingface_hub import is_offline_mode, snapshot_download
    try:
        here = is_offline_mode()
        folder = snapshot_download(
            name, repo_type="dataset", revision=revision or None, allow_patterns=["README.md"], local_files_only=here
        )
    except Exception as error:
        raise _not_loaded(name, error) from error
    return Path(folder).name


def _not_loaded(name: str, error: Exception) -> DataError:
    words = " ".join(str(error).split()) or type(error).__name__
    return DataError(
        f"cannot load the dataset {name!r} ($.problems.dataset): {words[:400]} Give a hub id with its `config` and `split`, or a "
        "directory that holds a copy of it; where the hub cannot be reached, `file` takes its rows as JSONL or Parquet."
    )
