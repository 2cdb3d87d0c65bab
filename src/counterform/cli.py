"""The command line: one subcommand per stage, no logic."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
import typer.core

from counterform.errors import CounterformError, StudyError
from counterform.text.plain import plain, plain_json, plain_line

if TYPE_CHECKING:
    from rich.console import Console

    from counterform.pipeline import Run
    from counterform.study import Study


class _Group(typer.core.TyperGroup):
    """All commands. An interrupted one says so in one line, where typer would say nothing."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _say("counterform: interrupted. What was finished is kept, and the same command goes on from there.")
            sys.exit(130)


app = typer.Typer(
    cls=_Group,
    help="What do right answers teach a language model, and what do failures? A study that measures it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
world = typer.Typer(help="The embedded world's tiny base model.", no_args_is_help=True)
app.add_typer(world, name="world")
guard = typer.Typer(help="Policies for tool calls.", no_args_is_help=True)
app.add_typer(guard, name="guard")

StudyFile = Annotated[Path | None, typer.Argument(help="A study file; left out: the embedded study.")]
Out = Annotated[Path | None, typer.Option(help="The run directory; default runs/NAME.")]
Data = Annotated[Path | None, typer.Option(help="What {data} stands for in the study file.")]
Quick = Annotated[bool, typer.Option("--quick", help="The embedded study with one seed and three arms.")]
Workers = Annotated[
    int, typer.Option(min=0, max=10_000, help="Units done at once; 0: what [run] says, or as many as pays.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
def run(
    study: StudyFile = None,
    out: Out = None,
    data: Data = None,
    quick: Quick = False,
    workers: Workers = 0,
    prune: Annotated[bool, typer.Option("--prune", help="Remove the files of what has left the study.")] = False,
    as_json: Json = False,
) -> None:
    """Run a whole study; run it again to go on after any interruption."""
    finished = _run(_study(study, data, quick), out, workers=workers, prune_left=prune)
    _print_results(finished.path, as_json)


@app.command()
def unit(
    directory: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    units: Annotated[
        list[str],
        typer.Argument(metavar="UNIT...", help="Names of units, e.g. train/sft/0; `-`: jobs on standard input."),
    ],
    wait: Annotated[bool, typer.Option("--wait", help="Wait for a unit that another process is doing.")] = False,
) -> None:
    """Do single units of the study that was run into a directory last: any worker that sees it can do any."""
    from counterform.children import PARENT, end_with_parent
    from counterform.pipeline import do_units, serve_units

    if PARENT in os.environ:
        end_with_parent()
    if units == ["-"]:
        return serve_units(directory)
    do_units(directory, units, wait=wait, say=_say)


def _run(study: Study, out: Path | None, *, workers: int, until: str = "report", prune_left: bool = False) -> Run:
    from counterform.pipeline import run as run_study
    from counterform.workers.progress import Bars, Progress
    from counterform.workers.share import threads_each, workers_that_pay

    several = workers or study.run.workers or workers_that_pay(study)
    if study.run.executor == "local":  # before torch counts the cores
        os.environ.setdefault("OMP_NUM_THREADS", str(threads_each(study.model, several)))
    progress = (Bars if sys.stderr.isatty() else Progress)(_say)
    return run_study(study, out, workers=several, until=until, prune_left=prune_left, say=_say, progress=progress)


def _stage(name: str, words: str) -> Callable[..., None]:
    def command(
        study: StudyFile = None, out: Out = None, data: Data = None, quick: Quick = False, workers: Workers = 0
    ) -> None:
        _run(_study(study, data, quick), out, workers=workers, until=name)

    command.__doc__ = f"{words} Runs the stages before it first where they are missing."
    return command


for _name, _words in {
    "problems": "Make or read the problems.",
    "sample": "Sample attempts, or read recorded ones.",
    "verify": "Audit the verifiers and grade every attempt.",
    "arms": "Compile cases into matched arms.",
    "train": "Train every arm with every seed.",
    "probe": "Read every probe off every model.",
    "find": "Turn readings into findings.",
}.items():
    app.command(_name)(_stage(_name, _words))


@app.command()
def report(
    directory: Annotated[Path, typer.Argument(help="A run directory.")],
    record: Annotated[
        Path | None,
        typer.Option(help="Keep the study in this folder: NAME.md, and NAME.json for `counterform claims`."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make the report again from the files of a run."""
    from counterform.store import finished_run

    files = finished_run(directory)
    if record is not None:
        from counterform.report.markdown import record as keep

        for path in keep(files, record):
            _tell(str(path))
        return
    from counterform.report.page import write_page

    write_page(files)
    _print_results(directory, as_json)


@app.command()
def compare(
    logs: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Two or more logs, or folders of logs; the first is A. Left out: two that come with the package."
        ),
    ] = None,
    base: Annotated[str, typer.Option(help="The arm that the others are compared with: its letter or path.")] = "",
    items: Annotated[
        Path | None, typer.Option(help="A file of the items to compare, with their keys and columns.")
    ] = None,
    by: Annotated[str, typer.Option(metavar="COLUMN", help="A column to break the results down by.")] = "",
    columns: Annotated[str, typer.Option(help="Of plain files, e.g. item=qid,text=reply,score=ok.")] = "",
    reader: Annotated[str, typer.Option(help="The format of the logs: a name, or module:object.")] = "",
    out: Annotated[Path | None, typer.Option(help="An empty folder for a page with everything.")] = None,
    require: Annotated[
        list[str] | None, typer.Option(help='E.g. "B > A", "B >= A - 1pt": exit 0 shown, 1 otherwise, 3 undecided.')
    ] = None,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print a summary for GitHub.")] = False,
    as_json: Json = False,
) -> None:
    """Compare evaluations that exist already: inspect, lm-eval, lighteval, TRL, verl and others, paired by item."""
    from counterform.compare import compare as compare_logs
    from counterform.compare import example_logs
    from counterform.findings.require import judge_all, parse
    from counterform.logs.plain import parse_columns
    from counterform.report.compared import as_json as in_json
    from counterform.report.compared import lines, summary
    from counterform.report.compared_page import write_page

    requirements = [parse(text) for text in require or ()]
    found = compare_logs(
        logs or example_logs(),
        base=base,
        items=items,
        by=by,
        columns=parse_columns(columns),
        reader=reader,
        detail=out is not None,
    )
    if out is not None:
        for path in write_page(found, out):
            _say(str(path))
    if as_json:
        print(in_json(found))
    elif as_markdown:
        print(summary(found), end="")
    else:
        print("\n".join(lines(found)))
    code, outcomes = judge_all(requirements, found.comparisons)
    for text, outcome in outcomes:
        _say(f"{text}: {outcome}")
    if code:
        raise typer.Exit(code)


@app.command()
def claims(folder: Annotated[Path, typer.Argument(help="A folder of recorded studies, e.g. docs/studies.")]) -> None:
    """What published claims became in recorded studies, as a Markdown page."""
    from counterform.claims.recorded import read_all
    from counterform.report.claims_page import claims_page

    _tell(claims_page(read_all(folder)).removesuffix("\n"))


@app.command()
def show(
    directory: Annotated[Path, typer.Argument(help="A run directory.")],
    attempt_id: Annotated[str, typer.Argument(metavar="ID", help="An attempt or problem id, as the report shows it.")],
    as_json: Json = False,
) -> None:
    """Show a problem and every attempt at it, step by step."""
    from counterform.report.attempts import find_attempts
    from counterform.report.terminal import print_attempts
    from counterform.store import finished_run

    problem, graded = find_attempts(finished_run(directory), attempt_id)
    if as_json:
        import msgspec

        print(plain_json(msgspec.json.encode({"problem": problem, "attempts": graded}).decode()))
    else:
        print_attempts(problem, graded, _console())


@app.command()
def export(
    directory: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    arm: Annotated[str, typer.Argument(help="The arm's name in the study file.")],
    to: Annotated[str, typer.Option(help="trl, trl-messages, llama-factory, verl, openrlhf or verl-grpo.")],
    out: Annotated[Path, typer.Option(help="An empty folder, or one that is not there yet.")],
) -> None:
    """Write an arm as another trainer reads it."""
    from counterform.export import export as export_arm

    done = export_arm(directory, arm, to=to, out=out)
    _tell(f"{done.rows:,} rows of {arm} for {to}:")
    for path in done.files:
        _tell(f"  {path}")


@app.command()
def init(path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("study.toml")) -> None:
    """Write a commented study file to start from."""
    from counterform.study import embedded_text

    if path.exists():
        raise StudyError(f"{path} exists and is left as it is. Give another path.")
    path.write_text(embedded_text(), encoding="utf-8")
    _tell(f"{path} is written. Change it, then: counterform run {path}")


@app.command()
def audit(study: StudyFile = None, data: Data = None, as_json: Json = False) -> None:
    """Grade the graders: own solutions, planted errors, recorded grades."""
    import msgspec

    from counterform.report.terminal import print_audit
    from counterform.stages.verify import audit as audit_study
    from counterform.verify.audit import require

    rows = audit_study(_study(study, data, quick=False))
    if as_json:
        print(plain_json(msgspec.json.encode(rows).decode()))
    else:
        print_audit(rows, _console())
    require(rows)


@app.command()
def grade(
    file: Annotated[Path, typer.Argument(help="Rows with `answer` and `response` (JSONL, CSV, Parquet; `-`: JSONL).")],
    against: Annotated[str, typer.Option(help="The column of recorded correctness to compare with.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line a row.")] = False,
) -> None:
    """Grade responses by their answer keys: is the answer right, and is each step? UNKNOWN where that is not proven."""
    import msgspec

    from counterform.grading import grade_file
    from counterform.report.grades import print_against, print_grades
    from counterform.verify.grades import Summary

    found = Summary()
    for line, row, graded in grade_file(file, against=against):
        found.add(line, row, graded)
        if as_json:
            print(msgspec.json.encode(graded).decode())
    if not as_json:
        print_grades(found, _console())
    elif against:
        print_against(found, _console(stderr=True))


@app.command()
def trust(
    file: Annotated[Path, typer.Argument(help="Rows with `question` and `answers` (JSONL, JSON or Parquet).")],
    model: Annotated[str, typer.Option(help="`world`, a hub id, a directory, a .gguf file; or an endpoint's model.")],
    base_url: Annotated[str, typer.Option(help="An OpenAI-compatible endpoint, e.g. http://127.0.0.1:8000/v1.")] = "",
    as_json: Json = False,
) -> None:
    """How far a model trusts each answer to your questions: alone, beside the others, and by how often it is given."""
    import msgspec

    from counterform.parts import part
    from counterform.problems.questions import read_questions
    from counterform.report.terminal import print_trust
    from counterform.study import ModelSpec
    from counterform.trust import score
    from counterform.verify.answer import say_the_same

    read = read_questions(file)
    for broken in read.broken:
        _say(f"line {broken.line} is left out: {broken.reason}")
    kind = "openai" if base_url else "hf"
    opened = part("model", kind).open(ModelSpec(kind=kind, path=model, base_url=base_url))
    try:
        for row in read.questions:
            found = score(opened, row.question, row.answers, same=say_the_same)
            if as_json:
                print(plain_json(msgspec.json.encode(found).decode()))
            else:
                print_trust(found, _console())
    finally:
        opened.close()


@world.command("build")
def build(
    out: Annotated[Path, typer.Argument(help="Where the model goes; an interrupted build goes on.")],
    documents: Annotated[int, typer.Option(help="How many documents it reads.")] = 320_000,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Make the tiny base model from scratch: under an hour on two cores."""
    from counterform.world.build import Recipe
    from counterform.world.build import build as build_base

    print(json.dumps(build_base(out, Recipe(seed=seed, documents=documents)), indent=1))


@guard.command("check")
def check(
    policy: Annotated[Path, typer.Argument(help="A policy: a Python file of rules.")], as_json: Json = False
) -> None:
    """Run a policy's own tests, and look for rules that contradict each other or can never be broken."""
    import msgspec

    from counterform.guard.check import check_policy, require
    from counterform.report.terminal import print_policy

    found = check_policy(policy)
    if as_json:
        print(plain_json(msgspec.json.encode(found).decode()))
    else:
        print_policy(found, _console())
    require(found)


@guard.command("judge")
def judge(
    file: Annotated[
        Path, typer.Argument(help="Recorded conversations: tau-bench, tau2-bench, Inspect, OpenAI messages.")
    ],
    policy: Annotated[Path, typer.Option(help="A policy: a Python file of rules.")],
    as_json: Json = False,
) -> None:
    """Judge recorded conversations by a policy: which rules were broken, quoted, and against the reward where there is one."""
    import msgspec

    from counterform.guard.judging import judge_file
    from counterform.guard.tools import Policy
    from counterform.report.terminal import print_judged

    found = judge_file(file, Policy(policy))
    if as_json:
        print(plain_json(msgspec.json.encode(found).decode()))
    else:
        print_judged(found, _console())


@guard.command("serve")
def serve(
    upstream: Annotated[str, typer.Option(help="The endpoint, e.g. http://127.0.0.1:8000/v1.")],
    policy: Annotated[Path, typer.Option(help="A policy: a Python file of rules.")],
    host: Annotated[str, typer.Option(help="Where to listen; this machine alone unless said otherwise.")] = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8787,
    dry: Annotated[bool, typer.Option("--dry", help="Refuse nothing, and only count.")] = False,
) -> None:
    """Serve the OpenAI chat API in front of an endpoint: a tool call that breaks a rule goes back to the model."""
    from counterform.guard.proxy import serve as serve_proxy
    from counterform.guard.tools import Policy

    rules = Policy(policy, dry=dry)
    _say(f"http://{host}:{port}/v1 asks {len(rules.rules)} rules before a tool call passes")
    serve_proxy(upstream, rules, host=host, port=port)
    _say(", ".join(f"{name} {count}" for name, count in rules.counts.most_common()) or "no tool call was made")


def main() -> None:
    """Run the command line. Anything a user can mend is one message and exit code 2."""
    # Nothing this program loads should phone home or paint bars over its own lines.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    warnings.filterwarnings("ignore", category=FutureWarning)  # of libraries to each other; no user can mend them
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # closed, or somebody else's, it is none
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except CounterformError as error:
        _say(f"counterform: {error}")
        sys.exit(2)
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            _say(f"counterform: cannot write what was to be shown: {error.strerror}. What was finished is kept.")
        _silence(sys.stdout)
        sys.exit(2)


def _study(path: Path | None, data: Path | None, quick: bool) -> Study:
    from counterform.study import embedded_study, load_study

    if path is None:
        return embedded_study(quick=quick)
    if quick:
        raise StudyError("--quick belongs to the embedded study. In a study file, name fewer arms and seeds.")
    return load_study(path, data=data)


def _say(line: str) -> None:
    """To whoever looks on; nobody may, and the study goes on all the same."""
    try:
        print(plain_line(line), file=sys.stderr, flush=True)
    except (OSError, ValueError):
        _silence(sys.stderr)


def _silence(stream: TextIO | None) -> None:
    """What is still to be written there goes nowhere: Python would fail at it once more as it ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # type: ignore[union-attr]


def _tell(text: str) -> None:
    for line in text.split("\n"):
        print(plain(line), flush=True)


def _console(stderr: bool = False) -> Console:
    from counterform.report.terminal import Terminal

    return Terminal(stderr=stderr)


def _print_results(directory: Path, as_json: bool) -> None:
    if as_json:
        print(plain_json((directory / "findings.json").read_text(encoding="utf-8")))
        return
    from counterform.report.data import load
    from counterform.report.terminal import print_results
    from counterform.store import RunDir

    print_results(load(RunDir(directory)), _console())
    _tell(f"\nreport    {directory / 'report.html'}")


if __name__ == "__main__":
    main()
