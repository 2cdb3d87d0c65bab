"""What a model has answered, kept as it comes: an interruption costs a minute of it, and what was heard is never asked again.

A failed call that may succeed the next time is no answer, and is not kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from counterform.store import RunDir, key_of
from counterform.types import Completion, Critic, Criticism, Graded, Model, Problem

SAVE_SECONDS = 60.0
"""Between two times that new answers are written down."""
CRITIQUES_A_PART = 250
"""Criticisms of a model that appear together."""


class Answer(Struct, frozen=True, kw_only=True, gc=False):
    """One completion, and what it answers."""

    index: int
    """Of the prompt."""
    sample: int
    completion: Completion


def completions(
    files: RunDir,
    folder: str,
    model: Callable[[], Model],
    prompts: Sequence[str],
    *,
    n: int,
    seed: int,
    temperature: float,
    max_tokens: int,
    before: Callable[[], None] = lambda: None,
) -> list[list[Completion]]:
    """`n` completions for each prompt: those kept in `folder`, and the others asked of the model, after `before`.

    What is asked for does not depend on what is kept already: model, prompts, n, seed and the rest must be in the folder's name.
    """
    kept = _kept(files, folder)
    known = {(one.index, one.sample): one.completion for one in kept}
    if len(known) < n * len(prompts):
        before()
        asked = model().completions(
            prompts, n=n, seed=seed, temperature=temperature, max_tokens=max_tokens, known=frozenset(known)
        )
        for index, sample, completion in _writing(files, folder, asked):
            known.setdefault((index, sample), completion)
    return [[known[index, sample] for sample in range(n)] for index in range(len(prompts))]


def _kept(files: RunDir, folder: str) -> list[Answer]:
    there = any((files / folder).glob("part-*.parquet"))
    return files.read_rows(folder, Answer) if there else []


def _writing(
    files: RunDir, folder: str, asked: Iterator[tuple[int, int, Completion]]
) -> Iterator[tuple[int, int, Completion]]:
    """The same answers; they are written down every minute, and at the end, whatever ends it."""
    new: list[Answer] = []
    written = time.monotonic()

    def write() -> None:
        rows = [one for one in new if not one.completion.transient]
        if rows:
            # Named after what it holds: two arms that ask alike may be compiled side by side.
            name = key_of([(one.index, one.sample) for one in rows])
            files.write_rows(f"{folder}/part-{name}.parquet", rows, Answer)
        new.clear()

    try:
        for index, sample, completion in asked:
            completion = storable(completion)
            new.append(Answer(index=index, sample=sample, completion=completion))
            if time.monotonic() - written >= SAVE_SECONDS:
                write()
                written = time.monotonic()
            yield index, sample, completion
    finally:
        write()


def storable(completion: Completion) -> Completion:
    """The same completion, or that of a call that failed where it holds what no file can: it costs its own row and no other."""
    try:
        completion.text.encode()
        sound = 0 <= completion.tokens < 2**63
    except (UnicodeEncodeError, AttributeError, TypeError):
        sound = False
    return completion if sound else Completion(text="", tokens=0, finish="error", failure="unreadable")


class Kept(Critic):
    """A critic that is asked about an attempt only once in a run: it costs, and would not say the same again.

    Criticisms appear in parts, so that a kill -9 costs one part, and two arms with one critic share them. folder: where, once the
    pool is there. lose: is told of what was not heard.
    """

    def __init__(
        self, critic: Critic, files: RunDir, folder: Callable[[], str], lose: Callable[[Iterator[str]], None]
    ) -> None:
        self.name, self._critic, self._files, self._folder, self._lose = critic.name, critic, files, folder, lose

    def __call__(self, shown: Sequence[tuple[Problem, Graded]], *, seed: int) -> list[Criticism]:
        folder = self._folder()
        there = any((self._files / folder).glob("part-*.parquet"))
        kept = self._files.read_rows(folder, Criticism) if there else []
        said = {one.attempt_id: one for one in kept}
        for number, at in enumerate(range(0, len(shown), CRITIQUES_A_PART)):
            missing = [pair for pair in shown[at : at + CRITIQUES_A_PART] if pair[1].attempt.id not in said]
            if not missing:
                continue
            found = self._critic(missing, seed=seed + number)
            heard = [one for one in found if not one.transient]
            if heard:
                name = key_of([one.attempt_id for one in heard])
                self._files.write_rows(f"{folder}/part-{name}.parquet", heard, Criticism)
            said |= {one.attempt_id: one for one in found}
        lost = [graded.attempt.id for _, graded in shown if said[graded.attempt.id].transient]
        self._lose(f"{folder}/{name}" for name in lost)
        return [said[graded.attempt.id] for _, graded in shown]
