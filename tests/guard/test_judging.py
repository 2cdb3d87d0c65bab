"""Recorded conversations in the shapes that people have them, judged by a policy."""

import json
import zipfile

import pytest
from typer.testing import CliRunner

from counterform.cli import app
from counterform.errors import DataError
from counterform.guard.judging import judge_file
from counterform.guard.recorded import read_recorded
from counterform.guard.tools import Policy

POLICY = '''
def small(state, call):
    """No more than 50 goes back."""
    if call.name == "refund" and call.arguments["amount"] > 50:
        return "At most 50."

def looked_up(state, call):
    """Look an order up before money goes back."""
    if call.name == "refund" and state.last("look", id=call.arguments["id"]) is None:
        return "Look first."
'''


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "policy.py"
    path.write_text(POLICY)
    return path


def write(tmp_path, value, name="runs.json"):
    path = tmp_path / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def openai(amount=60, looks=True):
    made = [("look", {"id": 7})] * looks + [("refund", {"id": 7, "amount": amount})]
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Give me 60 back."}]
    for at, (name, arguments) in enumerate(made):
        function = {"name": name, "arguments": json.dumps(arguments)}
        messages.append(
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": f"c{at}", "type": "function", "function": function}],
            }
        )
        messages.append({"role": "tool", "tool_call_id": f"c{at}", "name": name, "content": '{"paid": 60}'})
    return messages


def tau2(messages):
    """The same, as tau2-bench writes it."""
    found = []
    for message in messages:
        if message["role"] == "tool":
            found.append(
                {
                    "id": message["tool_call_id"],
                    "role": "tool",
                    "content": message["content"],
                    "requestor": "assistant",
                    "error": False,
                }
            )
            continue
        calls = [
            {
                "id": call["id"],
                "name": call["function"]["name"],
                "arguments": json.loads(call["function"]["arguments"]),
                "requestor": "assistant",
            }
            for call in message.get("tool_calls", [])
        ]
        found.append(
            {
                "role": message["role"],
                "content": message["content"],
                "tool_calls": calls or None,
                "turn_idx": len(found),
            }
        )
    return found


def inspect(messages):
    """The same, as Inspect writes it."""
    found = []
    for message in messages:
        one = {**message, "id": f"m{len(found)}"}
        if message["role"] == "tool":
            one |= {"function": one.pop("name"), "content": [{"type": "text", "text": message["content"]}]}
        if "tool_calls" in message:
            one["tool_calls"] = [
                {
                    "id": call["id"],
                    "function": call["function"]["name"],
                    "arguments": json.loads(call["function"]["arguments"]),
                    "type": "function",
                }
                for call in message["tool_calls"]
            ]
        found.append(one)
    return found


def shapes(messages, reward):
    letter = {1.0: "C", 0.0: "I"}[reward]
    return {
        "tau": [{"task_id": 3, "trial": 0, "reward": reward, "traj": messages}],
        "tau2": {
            "info": {},
            "tasks": [],
            "simulations": [
                {"id": "s", "task_id": "3", "trial": 0, "reward_info": {"reward": reward}, "messages": tau2(messages)}
            ],
        },
        "inspect": {
            "version": 2,
            "samples": [{"id": 3, "epoch": 0, "messages": inspect(messages), "scores": {"match": {"value": letter}}}],
        },
        "messages": messages,
        "object": {"messages": messages, "id": 3, "reward": reward},
        "rows": [{"messages": messages}],
        "lists": [messages],
    }


@pytest.mark.parametrize("name", shapes(openai(), 1.0))
@pytest.mark.parametrize(
    ("amount", "looks", "broken"), [(60, True, ["small"]), (9, False, ["looked_up"]), (9, True, [])]
)
def test_one_conversation_in_every_shape(tmp_path, policy, name, amount, looks, broken):
    found = judge_file(write(tmp_path, shapes(openai(amount, looks), 1.0)[name]), Policy(policy))
    assert (found.conversations, found.calls, found.unread, found.left_out) == (1, 1 + looks, 0, 0)
    assert [one.rule for one in found.violations] == broken
    assert [rule.rule for rule in found.rules if rule.broken] == broken
    if broken:
        [violation] = found.violations
        assert violation.call == f'refund({{"id":7,"amount":{amount}}})'
        assert violation.user_said == "Give me 60 back."
        assert openai(amount, looks)[violation.message]["tool_calls"][0]["function"]["name"] == "refund"
    if name in ("tau", "tau2", "inspect", "object"):
        assert (found.kept.right + found.broke.right, found.kept.of + found.broke.of) == (1, 1)
        assert found.pass_hat == {1: 1.0}
        assert found.pass_hat_kept == {1: float(not broken)}
    else:
        assert (found.kept, found.broke, found.pass_hat) == (None, None, {})


def test_rows_of_jsonl_and_an_archive_of_inspect(tmp_path, policy):
    rows = "\n".join(json.dumps({"messages": openai(amount)}) for amount in (9, 60, 70))
    found = judge_file(write(tmp_path, f"{rows}\n\n", "runs.jsonl"), Policy(policy))
    assert (found.conversations, found.rules[0].broken, found.rules[0].conversations) == (3, 2, 2)
    path = tmp_path / "log.eval"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("_journal/start.json", "{}")
        archive.writestr("samples/3_epoch_1.json", json.dumps(shapes(openai(), 0.0)["inspect"]["samples"][0]))
    found = judge_file(path, Policy(policy))
    assert (found.conversations, found.broke.of, found.broke.right) == (1, 1, 0)


def test_what_the_users_own_device_does_is_not_the_agents(tmp_path, policy):
    messages = tau2(openai(9))
    device = {"id": "d", "name": "refund", "arguments": {"id": 7, "amount": 99}, "requestor": "user"}
    messages[2:2] = [
        {"role": "user", "content": None, "tool_calls": [device]},
        {"id": "d", "role": "tool", "content": "{}", "requestor": "user", "error": False},
    ]
    found = judge_file(write(tmp_path, {"simulations": [{"task_id": "1", "messages": messages}]}), Policy(policy))
    assert (found.calls, found.violations) == (2, ())


def test_answers_of_several_calls_in_one_message_of_tau2(tmp_path, policy):
    messages = tau2(openai(9))
    both = {"role": "tool", "tool_messages": [messages[3], messages[5]]}
    calls = [*messages[2]["tool_calls"], *messages[4]["tool_calls"]]
    one = [
        *messages[:2],
        {"role": "assistant", "tool_calls": calls[:1]},
        both,
        {"role": "assistant", "tool_calls": calls[1:]},
    ]
    assert judge_file(write(tmp_path, {"simulations": [{"messages": one}]}), Policy(policy)).violations == ()


def test_pass_hat_k_over_the_trials_of_a_task(tmp_path, policy):
    rows = [
        {"task_id": task, "trial": trial, "reward": float(right), "traj": openai(amount)}
        for task, trial, right, amount in (("a", 0, 1, 9), ("a", 1, 1, 60), ("b", 0, 1, 9), ("b", 1, 0, 9))
    ]
    found = judge_file(write(tmp_path, rows), Policy(policy))
    assert found.pass_hat == {1: 0.75, 2: 0.5}
    assert found.pass_hat_kept == {1: 0.5, 2: 0.0}
    assert (found.kept.right, found.kept.of, found.broke.right, found.broke.of) == (2, 3, 1, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no conversation"),
        ("{", "neither JSON nor JSONL"),
        ("[1, 2]", "holds no conversation"),
        ("{}", "holds no conversation"),
        ('{"simulations": []}', "holds no conversation"),
        ('{"simulations": [{"steps": []}]}', "holds no conversation"),
        ('[{"role": "user", "content": "Hi"}]', "no tool call"),
        ('[{"role": "assistant", "tool_calls": [{"tool": "refund"}]}]', "none of the 1 calls .* can be read"),
        (
            '[{"role": "assistant", "tool_calls": [{"id": "1", "name": "refund", "arguments": "{"}]}]',
            "none of the 1 calls",
        ),
        ("[" * 100_000, "neither JSON nor JSONL"),
    ],
)
def test_a_file_of_which_nothing_can_be_read_is_refused(tmp_path, policy, text, message):
    with pytest.raises(DataError, match=message):
        judge_file(write(tmp_path, text), Policy(policy))


def test_what_cannot_be_read_of_a_file_is_counted(tmp_path, policy):
    bad = {
        "role": "assistant",
        "tool_calls": [{"id": "x", "name": "refund", "arguments": '{"amount": 9, "amount": 99}'}],
    }
    found = judge_file(write(tmp_path, [{"messages": [*openai(9), bad]}, {"x": 1}, 7]), Policy(policy))
    assert (found.left_out, found.unread, found.calls) == (2, 1, 3)
    assert [(one.rule, one.hint) for one in found.violations] == [("call", "the key 'amount' stands twice")]
    with pytest.raises(DataError, match="cannot be read"):
        read_recorded(tmp_path / "none.json")


def test_the_command(tmp_path, policy):
    path = write(tmp_path, shapes(openai(60), 0.0)["tau2"])
    runner = CliRunner(env={"COLUMNS": "200"})
    shown = runner.invoke(app, ["guard", "judge", str(path), "--policy", str(policy)])
    assert shown.exit_code == 0, shown.output
    assert 'small: 3, trial 0, message 4: refund({"id":7,"amount":60}). At most 50.' in " ".join(shown.output.split())
    assert "pass^1: 0.0 %" in shown.output
    found = json.loads(runner.invoke(app, ["guard", "judge", str(path), "--policy", str(policy), "--json"]).stdout)
    assert [rule["broken"] for rule in found["rules"]] == [1, 0]
    empty = runner.invoke(app, ["guard", "judge", str(write(tmp_path, "[]")), "--policy", str(policy)])
    assert isinstance(empty.exception, DataError)
