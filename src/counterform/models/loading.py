"""Weights and tokenizers of Hugging Face models, loaded: from a hub id, a directory (LoRA too), a .gguf file, or the world's base."""

from __future__ import annotations

import gc
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from counterform.errors import MissingExtra, ModelError, extra
from counterform.models.chat import require_chat
from counterform.models.lora import forget_base, merged
from counterform.models.source import Adapted, files_of, named_failures, spec_of, with_base
from counterform.study import ModelSpec

with extra("train"):
    import torch
    from transformers import (
        AutoConfig,
        AutoModelForCausalLM,
        AutoTokenizer,
        GgufConfig,
        PreTrainedModel,
        PreTrainedTokenizerBase,
    )

MAX_CONTEXT_UNKNOWN = 2048
"""Tokens of context assumed for a model whose configuration does not say."""


def load(
    model: str | ModelSpec, *, dtype: torch.dtype | str = "auto"
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model and tokenizer at a hub id, a directory, a .gguf file, or `world`; a LoRA is merged into its base.

    dtype: of the weights; "auto" keeps the file's own, which is float32 for a .gguf. No code of the model's own is run
    unless its spec allows it, and no pickle is read.
    A tokenizer without a padding token pads with its end token. Raises ModelError.
    """
    forget_base()
    spec = with_base(spec_of(model))
    with named_failures(spec.path):
        loaded = _weights(spec, dtype)
        if isinstance(spec, Adapted):
            loaded = merged(loaded, spec.adapter)
    return loaded, load_tokenizer(spec)


def _weights(spec: ModelSpec, dtype: torch.dtype | str) -> PreTrainedModel:
    """Without the adapter, where there is one."""
    source = files_of(spec)
    options = {name: value for name, value in msgspec.structs.asdict(spec.load).items() if value}
    if source.suffix == ".gguf":
        if options:
            raise ModelError(
                f"{spec.path!r} is a .gguf file, which is loaded as it is. Leave {', '.join(options)} out of $.model.load."
            )
        return _load_gguf(source, torch.float32 if dtype == "auto" else dtype)
    return AutoModelForCausalLM.from_pretrained(source, dtype=dtype, use_safetensors=True, **options, **_trusted(spec))


def own_dtype(model: str | ModelSpec) -> str:
    """The dtype in which a model's weights lie, e.g. `bfloat16`; float32 for a .gguf. Raises ModelError."""
    spec = with_base(spec_of(model))
    with named_failures(spec.path):
        source = files_of(spec)
        if source.suffix == ".gguf":
            return "float32"
        return str(AutoConfig.from_pretrained(source, **_trusted(spec)).dtype or torch.float32).removeprefix("torch.")


def context_window(model: str | ModelSpec) -> int:
    """How many tokens a model reads at once, its answer's among them. Raises ModelError."""
    spec = spec_of(model)
    with named_failures(spec.path):
        source = files_of(spec)
        where = {"gguf_file": source.name} if source.suffix == ".gguf" else {}
        config = AutoConfig.from_pretrained(source.parent if where else source, **where, **_trusted(spec))
    return int(getattr(config.get_text_config(), "max_position_embeddings", MAX_CONTEXT_UNKNOWN))


def _trusted(spec: ModelSpec) -> dict[str, Any]:
    # Never left open: in a terminal transformers would ask, and run the model's code at a keystroke.
    return {"trust_remote_code": spec.trust_remote_code}


def load_tokenizer(model: str | ModelSpec) -> PreTrainedTokenizerBase:
    """The tokenizer alone, for counting tokens before anything is trained; of a LoRA without one of its own its base's. Raises ModelError."""
    spec = with_base(spec_of(model))
    with named_failures(spec.path):
        source = files_of(spec)
        if isinstance(spec, Adapted) and any(
            (Path(spec.adapter) / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")
        ):
            source = Path(spec.adapter)
        if source.suffix == ".gguf":
            tokenizer = AutoTokenizer.from_pretrained(str(source.parent), gguf_file=source.name, **_trusted(spec))
        else:
            tokenizer = AutoTokenizer.from_pretrained(source, **_trusted(spec))
    require_chat(tokenizer, spec.chat, spec.path)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def best_device() -> torch.device:
    """The accelerator if there is one, else the CPU."""
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return accelerator or torch.device("cpu")


def free_memory() -> None:
    """Return memory that no model uses any more, to the accelerator too."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _load_gguf(file: Path, dtype: torch.dtype | str) -> PreTrainedModel:
    if find_spec("gguf") is None:
        raise MissingExtra("gguf", "train")
    if not file.is_file():
        raise ModelError(f"there is no file {str(file)!r}.")
    folder, name = str(file.parent), file.name
    quantization = GgufConfig(dequantize=True)
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=name, quantization_config=quantization, dtype=dtype, trust_remote_code=False
    )
    # Now an ordinary float model: without this it could be neither trained nor saved.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    return model
