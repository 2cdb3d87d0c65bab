"""What passed the language by mistake would still reach nothing, take no memory and end."""

import msgspec
import pytest

from counterform.guard.drafting.cases import Case
from counterform.guard.drafting.sandbox import Sandbox


@pytest.fixture(scope="module")
def sandbox():
    one = Sandbox(seconds=0.3)
    yield one
    one.close()


def test_marks(sandbox):
    rule = "def a(state, call):\n    if call.name == 'pay' and call.arguments['n'] > 5:\n        return 'No.'\n"
    unsure = "def a(state, call):\n    raise LookupError('nobody knows')"
    cases = [
        Case(tool="pay", arguments={"n": 6}),
        Case(tool="pay", arguments={"n": 5}),
        Case(tool="pay"),
        Case(tool="ask"),
    ]
    assert sandbox.marks([rule, unsure], cases) == [
        ["breaks", "keeps", "could not tell: KeyError: 'n'", "keeps"],
        ["unsure"] * 4,
    ]
    looks = "def a(state, call):\n    return None if state.last('get', id=1)['n'] == 2 and state.said('user') == 'yes' else 'No.'"
    earlier = [{"tool": "get", "arguments": {"id": 1}, "answer": {"n": 2}}]
    seen = msgspec.convert({"tool": "pay", "user": "yes", "earlier": earlier}, Case)
    assert sandbox.marks([looks], [seen, Case(tool="pay")])[0][0] == "keeps"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return open('/etc/passwd').read()", "NameError"),
        ("return __import__('os').listdir('/')", "NameError"),
        ("x = 'x' * 10**11", "MemoryError"),
        ("while True: pass", "more than 0.3 s"),
        (
            "return [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0].__init__.__globals__['open']('/etc/passwd', 0)",
            "OSError",
        ),
        (
            "return [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0].__init__.__globals__['fork']()",
            "Error",
        ),
        (
            "[c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close'][0].__init__.__globals__['_exit'](1)",
            "ended its process",
        ),
    ],
)
def test_what_it_cannot_do(sandbox, body, said):
    """The language refuses all of these; here they are run as they are."""
    found = sandbox.marks(
        [f"def a(state, call):\n    {body}", "def b(state, call):\n    return 'No.'"], [Case(tool="pay")]
    )
    assert said in found[0][0]
    assert found[1] == ["breaks"]
