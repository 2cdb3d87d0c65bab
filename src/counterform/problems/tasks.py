"""The user's own rows as classification tasks: all rows of one instruction are a task, with its answer space."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from counterform.errors import DataError
from counterform.text import wording
from counterform.types import Problem

DEMONSTRATIONS = 2
MIN_ROWS = DEMONSTRATIONS + 1
SHOWN = 8
"""Labels of a space, or characters of an instruction over ten, that are named in a message."""


def as_tasks(
    problems: Sequence[Problem], *, held_out: float, template: str = "{prompt}"
) -> tuple[list[Problem], list[str]]:
    """Problems with composed prompts and the facts of a task, and what the reader of a report must know of them.

    problems: in the order in which rows are taken; their facts hold `instruction` and perhaps `space`. The first two
    rows of an instruction that differ in their answer are its demonstrations, and no problems. held_out: the share of
    instructions that are held out whole; with a single instruction no problem is marked as held out. Raises DataError
    for an answer space of one.
    """
    tasks: dict[str, list[Problem]] = {}
    for problem in problems:
        tasks.setdefault(problem.facts["instruction"], []).append(problem)
    few = [name for name, rows in tasks.items() if len(rows) < MIN_ROWS]
    kept = {name: rows for name, rows in tasks.items() if len(rows) >= MIN_ROWS}
    spaces = {name: answer_space(name, rows) for name, rows in kept.items()}
    held = set(list(kept)[: max(1, round(held_out * len(kept)))] if len(kept) > 1 else [])
    found = {
        problem.id: problem
        for name, rows in kept.items()
        for problem in _task(name, rows, spaces[name], held=name in held, template=template)
    }
    notes = [_note(spaces, given=any("space" in problem.facts for problem in problems))] if spaces else []
    if few:
        notes.append(f"{len(few)} instructions with fewer than {MIN_ROWS} rows were left out")
    if len(kept) == 1:
        notes.append("there is one instruction, so held-out problems share it with those of training")
    # In the order they came, so that every instruction is among the first ones.
    return [found[problem.id] for problem in problems if problem.id in found], notes


def answer_space(instruction: str, rows: Sequence[Problem]) -> list[str]:
    """The labels that the rows of an instruction were given, or else the answers that occur in them, sorted.

    Raises DataError where there is only one.
    """
    given = [label for problem in rows for label in problem.facts.get("space", [])]
    space = list(dict.fromkeys(given)) or sorted({problem.answer for problem in rows})
    if len(space) < 2:
        raise DataError(
            f"the instruction {_short(instruction)} has an answer space of one: {space[0]!r} in all of its {len(rows)} "
            "rows, so there is nothing to tell apart. Leave these rows out, or name the column that holds all labels: "
            '[problems] space = "..."'
        )
    return space


def _task(name: str, rows: Sequence[Problem], space: list[str], *, held: bool, template: str) -> list[Problem]:
    other = next((problem for problem in rows[1:] if problem.answer != rows[0].answer), rows[1])
    shown = [rows[0], other]
    facts = {
        "task": name,
        "instruction": name,
        "simplified": wording.space_sentence(space),
        "space": space,
        "demonstrations": [[problem.prompt, problem.answer] for problem in shown],
    }
    made = []
    for problem in rows:
        if problem not in shown:
            whole = {**facts, "input": problem.prompt}
            prompt = template.replace("{prompt}", wording.compose(whole))
            made.append(replace(problem, prompt=prompt, facts=whole, split="held_out" if held else "train"))
    return made


def _note(spaces: dict[str, list[str]], *, given: bool) -> str:
    largest = max(spaces, key=lambda name: len(spaces[name]))
    sizes = sorted({len(space) for space in spaces.values()})
    labels = ", ".join(spaces[largest][:SHOWN]) + (", ..." if len(spaces[largest]) > SHOWN else "")
    source = "as given" if given else "inferred from the answers that occur with the same instruction"
    span = f"{sizes[0]} labels" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]} labels"
    return f"{len(spaces)} instructions, answer spaces {source}: {span} (the largest, of {_short(largest)}: {labels})"


def _short(text: str) -> str:
    return repr(text if len(text) <= 10 * SHOWN else f"{text[: 10 * SHOWN]}...")
