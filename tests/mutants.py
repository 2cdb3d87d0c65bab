"""Breaks one place of the code at a time and counts what the tests notice: `make mutants`.

The mutants are cosmic-ray's (operators, comparisons, numbers, conditions, loops, decorators); of each file a number of places
is drawn by seed, and at each place one mutant. Each is run in a copy of the repository, by a process that has the libraries
imported already, against the test files that mirror the file. A mutant that no program could
notice (of a type annotation) is none.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import contextlib
import difflib
import importlib
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

ROOT = Path(__file__).resolve().parents[1]
ANSWERS = ("verify/test_answer.py", "verify/test_forms.py", "verify/test_expressions.py", "verify/test_tokens.py")
BIG_BENCH = ("verify/test_bb.py",)
STATISTICS = ("findings/test_stats.py", "findings/test_paired.py", "findings/test_crosschecks.py")
TESTS = {
    "arms/cases.py": ("arms/test_cases.py",),
    "problems/source.py": ("problems/test_source.py",),
    "text/answers.py": ("text/test_answers.py", "verify/test_answer.py"),
    "text/steps.py": ("text/test_steps.py",),
    "train/roc.py": ("train/test_roc.py", "train/test_waves.py"),
    "train/waves.py": ("train/test_waves.py",),
    "stages/work.py": ("stages/test_session.py", "stages/test_lost_calls.py", "test_own_options.py"),
    "verify/amounts.py": ("verify/test_comparison.py", *ANSWERS),
    "verify/answer.py": ANSWERS,
    "verify/audit.py": ("verify/test_audit.py",),
    "verify/bb_arithmetic.py": BIG_BENCH,
    "verify/bb_dyck.py": BIG_BENCH,
    "verify/bb_sorting.py": BIG_BENCH,
    "verify/bb_tracking.py": BIG_BENCH,
    "verify/calculator.py": ("verify/test_equations.py", "verify/test_steps.py"),
    "verify/choices.py": ANSWERS,
    "verify/claims.py": BIG_BENCH,
    "verify/codes.py": ANSWERS,
    "verify/comparison.py": ("verify/test_comparison.py", *ANSWERS),
    "verify/context.py": ("verify/test_equations.py", "verify/test_steps.py"),
    "verify/critics.py": ("verify/test_critics.py",),
    "verify/curves.py": ANSWERS,
    "verify/equations.py": ("verify/test_equations.py", "verify/test_steps.py"),
    "verify/evaluation.py": ("verify/test_evaluation.py", *ANSWERS),
    "verify/exact.py": ANSWERS,
    "verify/expressions.py": ("verify/test_expressions.py", "verify/test_equations.py", "verify/test_steps.py"),
    "verify/forms.py": ANSWERS,
    "verify/frames.py": ("verify/test_reading.py", *ANSWERS),
    "verify/formulas.py": ("verify/test_evaluation.py", *ANSWERS),
    "verify/grades.py": ("verify/test_grades.py",),
    "verify/judge.py": ("verify/test_judge.py",),
    "verify/measures.py": ("verify/test_quantities.py", "verify/test_equations.py"),
    "verify/notation.py": ("verify/test_evaluation.py", *ANSWERS),
    "verify/prose.py": ("verify/test_comparison.py", *ANSWERS),
    "verify/quantities.py": ("verify/test_quantities.py", *ANSWERS),
    "verify/reading.py": ("verify/test_reading.py", *ANSWERS),
    "verify/steps.py": ("verify/test_steps.py",),
    "verify/tokens.py": ("verify/test_tokens.py", "verify/test_expressions.py", "verify/test_equations.py"),
    "verify/units.py": ("verify/test_units.py", *ANSWERS),
    "verify/words.py": ("verify/test_comparison.py", *ANSWERS),
    "findings/blindness.py": ("findings/test_blindness.py",),
    "findings/calibration.py": ("findings/test_calibration.py",),
    "findings/effects.py": ("findings/test_effects.py",),
    "findings/gains.py": ("findings/test_gains.py",),
    "findings/inside.py": ("findings/test_inside.py",),
    "findings/intervals.py": STATISTICS,
    "findings/paired.py": ("findings/test_paired.py", *STATISTICS),
    "findings/pseudo.py": STATISTICS,
    "findings/require.py": ("findings/test_require.py",),
    "findings/retention.py": ("findings/test_retention.py",),
    "findings/seed_variance.py": STATISTICS,
    "findings/stats.py": STATISTICS,
    "findings/table.py": ("findings/test_gains.py", "findings/test_retention.py"),
}
"""Files whose fault would be a wrong grade, interval or selection, and the tests that mirror each."""
SLOW = "not (main_module or hanging_process or megabyte or math_verify_sums)"
"""Without tests of processes and of time, which cost most and are of other files."""
LIBRARIES = ("pytest", "hypothesis", "numpy", "scipy.stats", "pyarrow.parquet", "msgspec", "mpmath", "rapidfuzz")
"""Imported once, before a process is forked for each mutant."""
SENSELESS = re.compile(
    r"/NoOp$|_(Eq|NotEq|Lt|LtE|Gt|GtE)_Is(Not)?$|_Is(Not)?_(?!Is)|(?<!BitAnd|.BitOr)_(Bit...?|.Shift)$|BitXor$"
)
"""Operators whose mutants nobody writes: "is" between numbers, "^" and "<<" between counts."""
PATIENCE = 4
"""A mutant that needs so many times the seconds of the sound code is noticed."""
WAIT = 10
"""How much longer that may take by the clock, on a busy machine."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="below src/counterform; all of the table if none is named"
    )
    parser.add_argument("--places", type=int, default=40, help="places of each file that are broken, one at a time")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in LIBRARIES:
        importlib.import_module(name)
    sys.dont_write_bytecode = True  # of a mutant: the next one has the same size and the same second
    total = noticed = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        home = Path(folder)
        for part in ("src", "tests", "examples"):
            shutil.copytree(ROOT / part, home / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", home)
        compileall.compile_dir(home / "src", quiet=1)
        for name in options.files or TESTS:
            survivors, tried = of_file(home, name, options.places, options.seed)
            print(f"{name}: {tried - len(survivors)} of {tried} noticed", flush=True)
            print("".join(survivors), end="", flush=True)
            total, noticed = total + tried, noticed + tried - len(survivors)
    print(f"{noticed} of {total} noticed ({noticed / total:.0%}); {options.places} places a file, seed {options.seed}")


def of_file(home: Path, name: str, places: int, seed: int) -> tuple[list[str], int]:
    """The survivors among the mutants drawn of one file, as diffs, and how many were drawn."""
    file, tests = home / "src/counterform" / name, [f"tests/{test}" for test in TESTS[name]]
    for stale in file.parent.glob(f"__pycache__/{file.stem}.*.pyc"):
        stale.unlink()
    sound = file.read_text()
    status, seconds = run(home, tests, limit=3600)
    if status:
        raise SystemExit(f"{' '.join(tests)}: failing as they are")
    limit = int(PATIENCE * seconds) + 1
    drawn = list(mutants(sound, places, random.Random(f"{seed}/{name}")))
    survivors = []
    for mutant in drawn:
        file.write_text(mutant)
        if not run(home, tests, limit)[0]:
            lines = difflib.unified_diff(sound.splitlines(), mutant.splitlines(), n=0, lineterm="")
            survivors.append("".join(f"    {line}\n" for line in lines if not line.startswith(("---", "+++"))))
    file.write_text(sound)
    return survivors, len(drawn)


def mutants(sound: str, places: int, rng: random.Random) -> Iterator[str]:
    """The whole source with one place broken; every place at most once."""
    at: dict[tuple[int, int], list[tuple[str, int]]] = {}
    tree = get_ast(sound)
    for operator in plugins.operator_names():
        kind = plugins.get_operator(operator)
        if kind.arguments() or SENSELESS.search(operator):
            continue
        found = [start for node in ast_nodes(tree) for start, _ in kind().mutation_positions(node)]
        for occurrence, start in enumerate(found):
            at.setdefault(start, []).append((operator, occurrence))
    meant = meaning(sound)
    for place in rng.sample(sorted(at), len(at)):
        if not places:
            return
        operator, occurrence = rng.choice(at[place])
        mutant = mutate_code(sound, plugins.get_operator(operator)(), occurrence)
        if mutant and meaning(mutant) not in ("", meant):
            places -= 1
            yield mutant


def meaning(source: str) -> str:
    """What a program can show of a source: without annotations, "*" and "/" among parameters, and `strict` of equal lengths.

    Empty for what is no Python.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "strict"]
        elif isinstance(node, ast.FunctionDef):
            node.returns, given = None, node.args
            given.posonlyargs, given.args, given.kwonlyargs = [], given.posonlyargs + given.args + given.kwonlyargs, []
            given.defaults, given.kw_defaults = given.defaults + [value for value in given.kw_defaults if value], []
            for inner in ast.walk(node):
                if isinstance(inner, ast.AnnAssign | ast.arg):
                    inner.annotation = None  # type: ignore[assignment]
    return ast.dump(tree)


def run(home: Path, tests: list[str], limit: int) -> tuple[int, float]:
    """The exit status of these tests, 0 where all passed, in processes of their own; and the seconds of CPU that they took.

    They have `limit` seconds of CPU. A mutant that waits for ever uses none: it also ends after `WAIT` times as many by the clock.
    """
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        os.chdir(home)
        os.environ["PYTHONPATH"] = str(home / "src")
        sys.path.insert(0, str(home / "src"))
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        import pytest

        os._exit(int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-k", SLOW, *tests])))
    latest = time.monotonic() + WAIT * limit
    while not (ended := os.wait4(child, os.WNOHANG))[0]:
        if time.monotonic() > latest:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what it started and left
    _, status, used = ended
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
