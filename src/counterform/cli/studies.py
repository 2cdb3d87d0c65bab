"""Commands of a study and of what it leaves; one for each stage."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterform.cli.app import Columns, Json, app
from counterform.cli.printing import console, say, tell
from counterform.errors import StudyError
from counterform.text.plain import plain_json

if TYPE_CHECKING:
    from counterform.pipeline import Run
    from counterform.study import Study

StudyFile = Annotated[Path | None, typer.Argument(help="A study file; left out: the embedded study.")]
Out = Annotated[Path | None, typer.Option(help="The run directory; default runs/NAME.")]
Data = Annotated[Path | None, typer.Option(help="What {data} stands for in the study file.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE", help="As if it stood in the study file, e.g. probe.samples=8; again for more."
    ),
]
Quick = Annotated[bool, typer.Option("--quick", help="The embedded study with one seed and three arms.")]
Workers = Annotated[
    int, typer.Option(min=0, max=10_000, help="Units done at once; 0: what the table `run` says, or as many as pays.")
]
Anyway = Annotated[bool, typer.Option("--anyway", help="Train although the base shows that the study is void.")]


@app.command()
def run(
    study: StudyFile = None,
    out: Out = None,
    data: Data = None,
    quick: Quick = False,
    settings: Set = None,
    workers: Workers = 0,
    prune: Annotated[bool, typer.Option("--prune", help="Remove the files of what has left the study.")] = False,
    anyway: Anyway = False,
    as_json: Json = False,
) -> None:
    """Run a whole study; run it again to go on after any interruption."""
    finished = _run(_study(study, data, settings, quick=quick), out, workers=workers, prune_left=prune, anyway=anyway)
    _print_results(finished.path, as_json)


@app.command()
def plan(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[STUDY]", help="A study file; left out: the embedded study. With --pilot: one or two logs."
        ),
    ] = None,
    data: Data = None,
    quick: Quick = False,
    settings: Set = None,
    pilot: Annotated[
        bool, typer.Option("--pilot", help="Read logs of evaluations: what would a comparison need?")
    ] = False,
    columns: Columns = "",
    as_json: Json = False,
) -> None:
    """What a study will cost and could find, and what makes it void, before compute is spent on it."""
    from counterform.logs.plain import parse_columns
    from counterform.plan import plan_logs, plan_study
    from counterform.report.planned import as_json as in_json
    from counterform.report.planned import lines, log_lines

    if pilot:
        of_logs = plan_logs(files or [], columns=parse_columns(columns))
        tell(in_json(of_logs) if as_json else "\n".join(log_lines(of_logs)))
        return
    if len(files or []) > 1:
        raise StudyError(f"one study is planned at a time; got {len(files or [])} files. Logs are read with --pilot.")
    found = plan_study(_study(next(iter(files or []), None), data, settings, quick=quick), say=say)
    tell(in_json(found) if as_json else "\n".join(lines(found)))


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
    do_units(directory, units, wait=wait, say=say)


def _run(
    study: Study,
    out: Path | None,
    *,
    workers: int,
    until: str = "report",
    prune_left: bool = False,
    anyway: bool = False,
) -> Run:
    from counterform.pipeline import run as run_study
    from counterform.workers.progress import Bars, Progress
    from counterform.workers.share import threads_each, workers_that_pay

    several = workers or study.run.workers or workers_that_pay(study)
    if study.run.executor == "local":  # before torch counts the cores
        os.environ.setdefault("OMP_NUM_THREADS", str(threads_each(study.model, several)))
    progress = (Bars if sys.stderr is not None and sys.stderr.isatty() else Progress)(say)
    return run_study(
        study,
        out,
        workers=several,
        until=until,
        prune_left=prune_left,
        anyway=anyway,
        say=say,
        progress=progress,
    )


def _stage(name: str, words: str) -> Callable[..., None]:
    def command(
        study: StudyFile = None,
        out: Out = None,
        data: Data = None,
        quick: Quick = False,
        settings: Set = None,
        workers: Workers = 0,
    ) -> None:
        _run(_study(study, data, settings, quick=quick), out, workers=workers, until=name)

    command.__doc__ = f"{words} Runs the stages before it first where they are missing."
    return command


for _name, _words in {
    "problems": "Make or read the problems.",
    "sample": "Sample attempts, or read recorded ones.",
    "verify": "Audit the verifiers and grade every attempt.",
    "arms": "Compile cases into matched arms.",
    "base": "Read every probe off the base, before anything is trained.",
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
            tell(str(path))
        return
    from counterform.report.page import write_page

    write_page(files)
    _print_results(directory, as_json)


@app.command()
def claims(folder: Annotated[Path, typer.Argument(help="A folder of recorded studies, e.g. docs/studies.")]) -> None:
    """What published claims became in recorded studies, as a Markdown page."""
    from counterform.claims.recorded import read_all
    from counterform.report.claims_page import claims_page

    tell(claims_page(read_all(folder)).removesuffix("\n"))


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
        print_attempts(problem, graded, console())


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
    tell(f"{done.rows:,} rows of {arm} for {to}:")
    for path in done.files:
        tell(f"  {path}")
    for note in done.notes:
        tell(f"note: {note}")


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("study.toml"),
    problems: Annotated[
        Path | None, typer.Option(help="Your problems (JSONL, JSON, CSV, Parquet); left out: the embedded study.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="What is trained on them: a directory, a hub id, a .gguf file, or PACKAGE:FILE.gguf.")
    ] = "",
    attempts: Annotated[
        Path | None,
        typer.Option(help="Recorded attempts at them, also in the same file; left out: the model is sampled."),
    ] = None,
    settings: Set = None,
) -> None:
    """Write a commented study file to start from, with your data in it."""
    from counterform.starter import embedded, fresh_name, starter

    if path.exists():
        raise StudyError(f"{path} exists and is left as it is. Give another path.")
    name = fresh_name(path.stem if path.stem != "study" or problems is None else problems.stem)
    if problems is None:
        if model or attempts or settings:
            raise StudyError("--model, --attempts and --set go with --problems FILE. Give that too.")
        text = embedded(name)
    elif not model:
        raise StudyError("--problems goes with --model: a directory, a hub id, a .gguf file, or PACKAGE:FILE.gguf.")
    else:
        found = starter(path, problems, model, attempts, name=name, settings=settings or ())
        text = found.text
        for note in found.notes:
            say(note)
    path.write_text(text, encoding="utf-8")
    tell(f"{path} is written. Look at it, then: counterform plan {path}; counterform run {path}")


@app.command()
def audit(study: StudyFile = None, data: Data = None, settings: Set = None, as_json: Json = False) -> None:
    """Grade the graders: own solutions, planted errors, recorded grades."""
    import msgspec

    from counterform.report.terminal import print_audit
    from counterform.stages.verify import audit as audit_study
    from counterform.verify.audit import require

    rows = audit_study(_study(study, data, settings))
    if as_json:
        print(plain_json(msgspec.json.encode(rows).decode()))
    else:
        print_audit(rows, console())
    require(rows)


def _study(path: Path | None, data: Path | None, settings: list[str] | None, *, quick: bool = False) -> Study:
    from counterform.study import embedded_study, load_study

    if path is None:
        return embedded_study(quick=quick, settings=settings or ())
    if quick:
        raise StudyError("--quick belongs to the embedded study. In a study file, name fewer arms and seeds.")
    return load_study(path, data=data, settings=settings or ())


def _print_results(directory: Path, as_json: bool) -> None:
    if as_json:
        print(plain_json((directory / "findings.json").read_text(encoding="utf-8")))
        return
    from counterform.report.data import load
    from counterform.report.terminal import print_results
    from counterform.store import RunDir

    print_results(load(RunDir(directory)), directory / "report.html", console())
