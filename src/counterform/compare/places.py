"""What a user names as an arm: a log, a checkpoint, or an endpoint."""

from __future__ import annotations

from pathlib import Path

from counterform.errors import DataError, StudyError
from counterform.logs.collect import Source, holds_logs
from counterform.study import ModelSpec

CHECKPOINT = "hf:"
"""Before a hub id, or a directory that is meant as a checkpoint: `hf:org/name@revision`."""
_CONFIGS = ("config.json", "adapter_config.json")


def model_of(place: str, source: Source) -> ModelSpec | None:
    """The model that a user names; None for a log. Raises StudyError for an endpoint without a model's name, DataError for what may be both."""
    if place.startswith(("http://", "https://")):
        url, _, name = place.partition("#")
        if not name:
            raise StudyError(
                f"{place!r} names no model. Write {place.rstrip('/')}#MODEL, the model's name at the endpoint."
            )
        return ModelSpec(kind="openai", base_url=url, path=name)
    if place.startswith(CHECKPOINT):
        name, _, revision = place.removeprefix(CHECKPOINT).partition("@")
        if not name:
            raise StudyError(
                f"{place!r} names no model. Write hf:NAME, e.g. hf:org/name, hf:org/name@revision, hf:world."
            )
        return ModelSpec(path=name, revision=revision)
    path = Path(place)
    if path.is_file() and path.suffix == ".gguf":
        return ModelSpec(path=place)
    if not _is_checkpoint(path):
        return None
    if holds_logs(path, source):
        raise DataError(
            f"{place!r} holds a checkpoint and logs. Give hf:{place} for the checkpoint, or the folder of the logs."
        )
    return ModelSpec(path=place)


def _is_checkpoint(path: Path) -> bool:
    """A directory with weights in safetensors, or one as Hugging Face writes it with weights in a pickle, which is refused later."""
    return any((path / name).is_file() for name in _CONFIGS) and any(
        found for kind in ("*.safetensors", "*.bin") for found in path.glob(kind)
    )
