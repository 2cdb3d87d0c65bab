"""A draft is text until it has passed a list of what is allowed: nothing else gets to run."""

import pytest

from counterform.guard.drafting.language import Refused, parse

GOOD = """
def rule(state, call):
    "A rule."
    booked = state.last("get", id=call.arguments["id"])
    for item in booked["items"]:
        if item.get("n", 0) * 2 >= 5 and not item["name"].startswith("x"):
            return f"No {item}."
    if call.beside or any(one.call.name == "get" for one in state.results):
        raise LookupError("nobody knows")
    late = datetime.fromisoformat(booked["at"]) + timedelta(hours=24)
    return "No." if booked["at"] > "2026" and late is None else None
"""
HOSTILE = {
    "import": "def a(state, call):\n    import os\n    return 'x'",
    "file": "def a(state, call):\n    if open('/etc/passwd'):\n        return 'x'",
    "dunder": "def a(state, call):\n    if call.__class__:\n        return 'x'",
    "dunder of a constant": "def a(state, call):\n    if ().__class__:\n        return 'x'",
    "private": "def a(state, call):\n    if state._parts:\n        return 'x'",
    "frame": "def a(state, call):\n    if (x for x in ()).gi_frame:\n        return 'x'",
    "format": "def a(state, call):\n    if '{0.__class__}'.format(call):\n        return 'x'",
    "format spec": "def a(state, call):\n    return f'{call.name:>999999999}'",
    "conversion": "def a(state, call):\n    return f'{call!r}'",
    "getattr": "def a(state, call):\n    if getattr(call, 'name'):\n        return 'x'",
    "eval": "def a(state, call):\n    if eval('1'):\n        return 'x'",
    "endless": "def a(state, call):\n    while True:\n        pass\n    return 'x'",
    "power": "def a(state, call):\n    if 9**9**9:\n        return 'x'",
    "shift": "def a(state, call):\n    if 1 << 99:\n        return 'x'",
    "giant number": "def a(state, call):\n    if 99999999999:\n        return 'x'",
    "bytes": "def a(state, call):\n    if b'x':\n        return 'x'",
    "long": "def a(state, call):\n    return '" + "x" * 9000 + "'",
    "deep": "def a(state, call):\n    if " + "(" * 300 + "1" + ")" * 300 + ":\n        return 'x'",
    "wide": "def a(state, call):\n    if " + "1 + " * 600 + "1:\n        return 'x'",
    "lambda": "def a(state, call):\n    if (lambda: 1)():\n        return 'x'",
    "walrus": "def a(state, call):\n    if (x := 1):\n        return 'x'",
    "inner": "def a(state, call):\n    def b():\n        pass\n    return 'x'",
    "global": "def a(state, call):\n    global b\n    return 'x'",
    "try": "def a(state, call):\n    try:\n        pass\n    except Exception:\n        pass\n    return 'x'",
    "delete": "def a(state, call):\n    del call\n    return 'x'",
    "change": "def a(state, call):\n    call.arguments['x'] = 1\n    return 'x'",
    "shadow": "def a(state, call):\n    call = state\n    return 'x'",
    "builtin": "def a(state, call):\n    len = 1\n    return 'x'",
    "yield": "def a(state, call):\n    yield 'x'",
    "async": "async def a(state, call):\n    return 'x'",
    "decorator": "@staticmethod\ndef a(state, call):\n    return 'x'",
    "default": "def a(state, call=open('x')):\n    return 'x'",
    "annotation": "def a(state, call: open('x')):\n    return 'x'",
    "returns": "def a(state, call) -> open('x'):\n    return 'x'",
    "two": "def a(state, call):\n    return 'x'\nprint(1)",
    "other error": "def a(state, call):\n    raise SystemExit(1)\n    return 'x'",
    "value": "def a(state, call):\n    return call",
    "never": "def a(state, call):\n    return None",
    "statement": "def a(state, call):\n    state.last('x')\n    return 'x'",
    "no python": "here is my rule: (",
    "nothing": "",
    "null": "def a(state, call):\n    return '\0'",
    "arguments": "def a(call, state):\n    return 'x'",
    "private name": "def _a(state, call):\n    return 'x'",
    "now": "def a(state, call):\n    if datetime.now():\n        return 'x'",
    "star": "def a(state, call):\n    if max(*call.arguments):\n        return 'x'",
}


def test_what_a_rule_may_say():
    assert parse(GOOD).name == "rule"


@pytest.mark.parametrize("kind", HOSTILE)
def test_nothing_else_passes(kind):
    with pytest.raises(Refused):
        parse(HOSTILE[kind])
