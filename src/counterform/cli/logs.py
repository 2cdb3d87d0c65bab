"""Commands that need no study: of logs, of rows of answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from counterform.cli.app import Columns, Json, app
from counterform.cli.printing import console, say
from counterform.errors import StudyError
from counterform.text.plain import plain_json


@app.command()
def compare(
    arms: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ARM...",
            help="Two or more: logs, folders of logs, checkpoints (a directory, hf:HUB_ID), endpoints (http://HOST/v1#MODEL); the "
            "first is A. Left out: two logs that come with the package.",
        ),
    ] = None,
    base: Annotated[str, typer.Option(help="The arm that the others are compared with: its letter or path.")] = "",
    items: Annotated[
        Path | None, typer.Option(help="A file of the items to compare, with their keys and columns.")
    ] = None,
    by: Annotated[str, typer.Option(metavar="COLUMN", help="A column to break the results down by.")] = "",
    columns: Columns = "",
    reader: Annotated[str, typer.Option(help="The format of the logs: a name, or module:object.")] = "",
    samples: Annotated[int, typer.Option(help="Of models: answers to each item.")] = 1,
    temperature: Annotated[float, typer.Option(help="Of models; 0: greedy.")] = 0.0,
    max_tokens: Annotated[int, typer.Option(help="Of models: of one answer, at most.")] = 512,
    chat: Annotated[
        bool,
        typer.Option("--chat", help="Of checkpoints: use the chat template even where a log holds the whole prompt."),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="An empty folder for a page with everything.")] = None,
    require: Annotated[
        list[str] | None, typer.Option(help='E.g. "B > A", "B >= A - 1pt": exit 0 shown, 1 otherwise, 3 undecided.')
    ] = None,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print a summary for GitHub.")] = False,
    as_json: Json = False,
) -> None:
    """Compare what exists already, paired by item: logs of inspect, lm-eval, lighteval, TRL, verl and others, checkpoints, endpoints."""
    from counterform.compare import Asking, compare_arms, example_logs
    from counterform.findings.require import judge_all, parse
    from counterform.logs.plain import parse_columns
    from counterform.report.compared import as_json as in_json
    from counterform.report.compared import lines, summary
    from counterform.report.compared_page import require_free, write_page

    requirements = [parse(text) for text in require or ()]
    if out is not None:
        require_free(out)
    found = compare_arms(
        arms or example_logs(),
        base=base,
        items=items,
        by=by,
        columns=parse_columns(columns),
        reader=reader,
        detail=out is not None,
        asking=Asking(
            samples=samples,
            temperature=temperature,
            max_tokens=max_tokens,
            chat=chat,
            folder=out and out / "answers",
            say=say,
        ),
    )
    if out is not None:
        for path in write_page(found, out):
            say(str(path))
    if as_json:
        print(in_json(found))
    elif as_markdown:
        print(summary(found), end="")
    else:
        print("\n".join(lines(found)))
    code, outcomes = judge_all(requirements, found.comparisons)
    for text, outcome in outcomes:
        say(f"{text}: {outcome}")
    if code:
        raise typer.Exit(code)


@app.command()
def decide(
    ledger: Annotated[
        Path, typer.Argument(metavar="LEDGER", help="A file of the referee's own; lines are only added.")
    ],
    declared: Annotated[
        list[str] | None,
        typer.Option("--declare", metavar="METRIC: MARGIN", help='Begin the ledger, e.g. "exact_match: 2pt".'),
    ] = None,
    base: Annotated[Path | None, typer.Option(help="With --declare: the log that candidates must beat.")] = None,
    alpha: Annotated[
        float | None,
        typer.Option(help="With --declare: the chance that any equal candidate is called better or worse; 0.05."),
    ] = None,
    candidates: Annotated[
        int | None,
        typer.Option(help="With --declare: how many there will be; left out: any number, late ones get less."),
    ] = None,
    candidate: Annotated[Path | None, typer.Option(help="A log to compare: better, worse, or not shown.")] = None,
    as_json: Json = False,
) -> None:
    """A referee for many candidates: declare first, then only verdicts. Exit 0 better, 1 worse, 3 not shown, 2 bad input."""
    from counterform.referee import declare, state, submit
    from counterform.referee.entries import parse
    from counterform.referee.referee import ALPHA
    from counterform.report import refereed

    if candidate is not None and (declared or base or alpha is not None or candidates is not None):
        raise StudyError("--candidate goes alone: what it is compared with and by was declared before.")
    if candidate is not None:
        released = submit(ledger, candidate)
        print(refereed.verdict_as_json(released) if as_json else "\n".join(refereed.verdict_lines(released)))
        if released.code:
            raise typer.Exit(released.code)
        return
    if not declared:
        if base or alpha is not None or candidates is not None:
            raise StudyError('--base, --alpha and --candidates go with --declare "METRIC: MARGIN".')
        book = state(ledger)
    elif base is None:
        raise StudyError("--declare needs --base LOG: the log that candidates must beat.")
    else:
        planned = 0 if candidates is None else candidates
        if candidates is not None and candidates < 1:
            raise StudyError(f"--candidates {candidates}: at least 1, or left out for any number.")
        book = declare(
            ledger,
            [parse(text) for text in declared],
            base,
            alpha=ALPHA if alpha is None else alpha,
            candidates=planned,
        )
    print(refereed.as_json(book) if as_json else "\n".join(refereed.lines(book)))


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
        print_grades(found, console())
    elif against:
        print_against(found, console(stderr=True))


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
        say(f"line {broken.line} is left out: {broken.reason}")
    kind = "openai" if base_url else "hf"
    opened = part("model", kind).open(ModelSpec(kind=kind, path=model, base_url=base_url))
    try:
        for row in read.questions:
            found = score(opened, row.question, row.answers, same=say_the_same)
            if as_json:
                print(plain_json(msgspec.json.encode(found).decode()))
            else:
                print_trust(found, console())
    finally:
        opened.close()
