"""Commands of the guard: policies for tool calls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from counterform.cli.app import Json, guard
from counterform.cli.printing import console, say
from counterform.errors import StudyError
from counterform.text.plain import plain_json


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
        print_policy(found, console())
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
        print_judged(found, console())


@guard.command("draft")
def draft(
    policy: Annotated[Path, typer.Argument(help="The policy's text, Markdown or plain.")],
    tools: Annotated[Path, typer.Option(help="The tools it speaks of: JSON, as `tools` of a chat request.")],
    model: Annotated[str, typer.Option(help="As `trust --model`; or module:function of a scripted model.")],
    base_url: Annotated[str, typer.Option(help="An OpenAI-compatible endpoint, e.g. http://127.0.0.1:8000/v1.")] = "",
    traces: Annotated[
        Path | None, typer.Option(help="Recorded conversations, as for `guard judge`: what rules say of them.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A folder for the page and replies; default POLICY.draft.")] = None,
    accept: Annotated[Path | None, typer.Option(help="Write the proven rules into this new policy file.")] = None,
    rule: Annotated[list[str] | None, typer.Option(help="Accept this proven rule; again for more. Else all.")] = None,
    as_json: Json = False,
) -> None:
    """Draft rules out of a policy's text, and prove each; a person accepts them. Run it again to go on after any interruption."""
    import msgspec

    from counterform.guard.drafting.accept import write_policy
    from counterform.guard.drafting.drafting import draft_policy, require_heard
    from counterform.guard.drafting.folder import DraftFolder
    from counterform.parts import part
    from counterform.report.draft_page import write_draft_page
    from counterform.report.drafted import print_drafted
    from counterform.study import ModelSpec

    if rule and accept is None:
        raise StudyError("--rule chooses what --accept FILE writes. Give that too.")
    if accept is not None and accept.exists():
        raise StudyError(f"{accept} exists and is left as it is. Give another path.")
    folder = DraftFolder(out or Path(f"{policy.stem}.draft"))
    kind = "openai" if base_url else "scripted" if ":" in model else "hf"
    spec = ModelSpec(kind=kind, path=model, base_url=base_url)
    found = draft_policy(
        policy, tools, lambda: part("model", kind).open(spec), folder.open_replies, traces=traces, say=say
    )
    folder.write(found)
    page = write_draft_page(found, folder.page)
    if as_json:
        print(plain_json(msgspec.json.encode(found).decode()))
    else:
        print_drafted(found, console())
    say(f"page      {page}")
    require_heard(found)
    if accept is not None:
        names = write_policy(found, accept, rule or ())
        say(f"{accept} has {len(names)} rules: {', '.join(names)}. Look at it: counterform guard check {accept}")


@guard.command("serve")
def serve(
    upstream: Annotated[str, typer.Option(help="The endpoint, e.g. http://127.0.0.1:8000/v1.")],
    policy: Annotated[Path, typer.Option(help="A policy: a Python file of rules.")],
    host: Annotated[str, typer.Option(help="Where to listen; this machine alone unless said otherwise.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen at.")] = 8787,
    dry: Annotated[bool, typer.Option("--dry", help="Refuse nothing, and only count.")] = False,
) -> None:
    """Serve the OpenAI chat API in front of an endpoint: a tool call that breaks a rule goes back to the model."""
    from counterform.guard.proxy import serve as serve_proxy
    from counterform.guard.tools import Policy

    rules = Policy(policy, dry=dry)
    say(f"http://{host}:{port}/v1 asks {len(rules.rules)} rules before a tool call passes")
    serve_proxy(upstream, rules, host=host, port=port)
    say(", ".join(f"{name} {count}" for name, count in rules.counts.most_common()) or "no tool call was made")
