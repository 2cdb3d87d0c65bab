"""A server that is started for one model and ended with it: vLLM, SGLang, llama.cpp, `transformers serve`; anything OpenAI-compatible."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Container, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from counterform.children import PARENT, end_groups
from counterform.errors import ModelError
from counterform.models.growing import Grown, Reader
from counterform.models.inside import Inspectable
from counterform.models.openai_api import OpenAIModel
from counterform.models.source import Adapted, files_of, with_base
from counterform.study import EngineSpec, ModelSpec
from counterform.types import Completion

LOOK_SECONDS = 0.2
"""Between two looks at a server that starts."""
LAST_WORDS = 5
"""Lines of a server that did not live which are shown."""
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Server:
    """One server of one model, healthy. It and all that it starts end with this process, however that ends."""

    def __init__(self, engine: EngineSpec, path: str, adapter: str = "") -> None:
        self.name = adapter or path
        """Of the model, as it is asked for."""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (it is closed with the server)
        self.port = _free_port()
        words = [part for part in engine.serve if adapter or "{adapter}" not in part]
        self.command = [part.format(path=path, port=self.port, adapter=adapter) for part in words]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "counterform.children", *self.command],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, PARENT: str(os.getpid())},
        )
        try:
            self._wait(engine.seconds)
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """Of its API."""
        return f"http://127.0.0.1:{self.port}/v1"

    def require_alive(self) -> None:
        """Raises ModelError, with its last words, where it has ended."""
        code = self._process.poll()
        if code is not None:
            raise ModelError(
                f"the server of {self.name!r} has ended (exit code {code}): {self._last_words()} The command was: "
                f"{' '.join(self.command)}. Mend $.model.engine.serve, and run the same command again: what was finished is kept."
            )

    def close(self) -> None:
        """End it."""
        end_groups([self._process], first=signal.SIGTERM)
        self._log.close()

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._is_healthy():
            self.require_alive()
            if time.monotonic() >= until:
                raise ModelError(
                    f"the server of {self.name!r} was not healthy after {seconds:g} s: {self._last_words()} The command was: "
                    f"{' '.join(self.command)}. It must answer /health or /v1/models on {{port}}; give it longer with "
                    "$.model.engine.seconds."
                )
            time.sleep(LOOK_SECONDS)

    def _is_healthy(self) -> bool:
        # `/health` says more where it is known: some list their models before they are loaded.
        for name in ("/health", "/v1/models"):
            try:
                with _NO_PROXY.open(f"http://127.0.0.1:{self.port}{name}", timeout=5) as answer:
                    return bool(answer.status == 200)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code != 404:
                    return False
            except OSError:
                return False
        return False

    def _last_words(self) -> str:
        with contextlib.suppress(ValueError, OSError):
            self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - 4000))
            lines = [line for line in self._log.read().decode(errors="replace").splitlines() if line.strip()]
            return "".join(char if char.isprintable() else " " for char in " ".join(lines[-LAST_WORDS:]))
        return ""


class Served(OpenAIModel, Inspectable):
    """A model behind a server of its own. Its insides, and log-probabilities that the server does not show, are read with transformers."""

    def __init__(self, spec: ModelSpec, server: Server, merged: contextlib.ExitStack) -> None:
        super().__init__(msgspec.structs.replace(spec, path=server.name, base_url=server.url, api_key_env=""))
        self._spec, self._server, self._merged = spec, server, merged
        self._inside: Inspectable | None = None
        self._with_transformers: dict[str, None] = {}

    @classmethod
    def open(cls, spec: ModelSpec) -> Served:
        """Start the server that `spec.engine` names; for one that takes no adapters a LoRA is merged. Raises ModelError where it does not get healthy."""
        engine, spec = spec.engine, with_base(spec)
        assert engine is not None
        with contextlib.ExitStack() as stack:
            folder, adapter = Path(files_of(spec)), ""
            if isinstance(spec, Adapted) and engine.takes_adapters:
                adapter = str(Path(spec.adapter).absolute())
            elif isinstance(spec, Adapted):
                from counterform.models.lora import whole

                folder = stack.enter_context(whole(spec, dtype=spec.dtype))
            server = Server(engine, str(folder.expanduser().absolute()), adapter)
            return cls(spec, server, stack.pop_all())

    @property
    def notes(self) -> tuple[str, ...]:
        """What was read with transformers, and what the server refuses."""
        read = [f"{what} were read with transformers, and not with the engine." for what in self._with_transformers]
        return (*super().notes, *read)

    def require_alive(self) -> None:
        """Raises ModelError, with its last words, where the server has ended."""
        self._server.require_alive()

    def logprobs(self, prompt: str, continuations: Sequence[str]) -> list[float]:
        """By the server where it shows them, after the prompt as its chat template writes it: what transformers is asked too."""
        if self._inside is None:
            with contextlib.suppress(ModelError):
                return super().logprobs(self._written(prompt), list(map(self._plain, continuations)))
            self.require_alive()
        return self._transformers("Log-probabilities").logprobs(prompt, continuations)

    def trace(self, prompt: str, text: str) -> Any:
        """What the model holds inside, as transformers has it."""
        return self._transformers("Insides").trace(prompt, text)

    def close(self) -> None:
        """End the server."""
        super().close()
        self._server.close()
        self._merged.close()
        if self._inside is not None:
            self._inside.close()

    def completions(
        self,
        prompts: Sequence[str],
        *,
        n: int,
        seed: int,
        temperature: float,
        max_tokens: int,
        known: Container[tuple[int, int]] = (),
    ) -> Iterator[tuple[int, int, Completion]]:
        """As an endpoint's, of prompts in which no special token is read."""
        plain = list(map(self._plain, prompts))
        return super().completions(plain, n=n, seed=seed, temperature=temperature, max_tokens=max_tokens, known=known)

    def write(
        self,
        prompts: Sequence[str],
        readers: Sequence[Reader],
        *,
        seed: int,
        temperature: float,
        max_tokens: int,
        budget: int,
    ) -> list[Grown]:
        """As an endpoint's, of prompts in which no special token is read."""
        plain = list(map(self._plain, prompts))
        return super().write(plain, readers, seed=seed, temperature=temperature, max_tokens=max_tokens, budget=budget)

    @cached_property
    def _tokenizer(self) -> Any:
        from counterform.models.loading import load_tokenizer

        return load_tokenizer(msgspec.structs.replace(self._spec, engine=None))

    @cached_property
    def _plain(self) -> Callable[[str], str]:
        from counterform.models.chat import plain_text

        return plain_text(self._tokenizer)

    def _written(self, prompt: str) -> str:
        """The text that the model is given for a prompt."""
        from counterform.models.chat import prompt_text

        if self._tokenizer.chat_template is None:
            return self._plain(prompt)
        return prompt_text(self._tokenizer, self._chat.messages(self._plain(prompt)), self._chat)

    def _transformers(self, what: str) -> Inspectable:
        self._with_transformers[what] = None
        if self._inside is None:
            from counterform.models.hf import HFModel

            self._inside = HFModel.open(msgspec.structs.replace(self._spec, engine=None))
        return self._inside


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
