import pytest

from counterform.errors import AuditError, StudyError
from counterform.guard.check import check_policy, require

POLICY = '''
"""A desk's policy."""
from counterform.guard.calls import Call, State

_LIMIT, _WRITES = 50, ("refund", "exchange")

def small(state, call):
    """No more than 50."""
    if call.name == "refund" and call.arguments["amount"] > _LIMIT:
        return f"At most {_LIMIT}."

def first(state, call):
    """Look before you write."""
    if call.name in _WRITES and state.last("look") is None:
        return "Look."

def _refund(amount):
    return Call(name="refund", arguments={"amount": amount})

def _test_small():
    assert small(State(), _refund(60))
    assert small(State(), _refund(50)) is None
    assert first(State(), _refund(1)) == "Look."
'''


def checked(tmp_path, text):
    path = tmp_path / "policy.py"
    path.write_text(text)
    return check_policy(path)


def test_tests_are_run_and_what_they_have_seen_is_told(tmp_path):
    found = checked(tmp_path, POLICY)
    assert (found.tests, found.failures) == (1, ())
    assert [(rule.rule, rule.seen_broken, rule.seen_kept) for rule in found.rules] == [
        ("small", True, True),
        ("first", True, False),
    ]
    require(found)
    failing = checked(
        tmp_path, POLICY + "\ndef _test_more():\n    assert small(State(), _refund(7)), 'seven is much'\n"
    )
    assert failing.failures == ("_test_more: AssertionError: seven is much",)
    with pytest.raises(AuditError, match="seven is much"):
        require(failing)
    with pytest.raises(StudyError):
        checked(tmp_path, "x = (")


class TestLogic:
    @pytest.fixture(autouse=True)
    def z3(self):
        pytest.importorskip("z3")

    def logic(self, tmp_path, *rules):
        text = "_LIMIT = 50\n" + "\n".join(
            f'def {name}(state, call):\n    """Rule."""\n    if {test}:\n        return "No."\n' for name, test in rules
        )
        found = checked(tmp_path, text)
        return {rule.rule: rule.logic for rule in found.rules}, found.contradictions

    def test_what_is_sound(self, tmp_path):
        found, contradictions = self.logic(
            tmp_path, ("a", 'call.name == "pay" and call.arguments["amount"] > _LIMIT'), ("b", 'call.name == "tell"')
        )
        assert found == {"a": "sound", "b": "sound"}
        assert contradictions == ("no call of 'tell' can pass: b",)

    def test_dead_rules(self, tmp_path):
        found, _ = self.logic(
            tmp_path,
            ("a", 'call.arguments["amount"] > 10 and call.arguments["amount"] * 2 < 20'),
            ("b", 'call.name == "x" and call.name in ("y", "z")'),
            ("c", 'not call.arguments["ok"] and call.arguments["ok"]'),
        )
        assert found == {"a": "dead", "b": "dead", "c": "dead"}

    def test_a_rule_that_says_nothing_new(self, tmp_path):
        amount = 'call.arguments["amount"]'
        found, _ = self.logic(
            tmp_path, ("wide", f"{amount} > 10"), ("narrow", f"{amount} > 20"), ("same", f"10 < {amount}")
        )
        assert found["narrow"] in ("implied by wide", "implied by same")
        assert sorted([found["wide"], found["same"]]) in (["implied by same", "sound"], ["implied by wide", "sound"])

    def test_rules_that_forbid_everything_together(self, tmp_path):
        amount = 'call.arguments["amount"]'
        _, contradictions = self.logic(
            tmp_path,
            ("at_most", f'call.name == "pay" and {amount} > 10'),
            ("at_least", f'call.name == "pay" and {amount} < 20'),
            ("other", f'call.name == "tell" and {amount} < 20'),
        )
        assert contradictions == ("no call of 'pay' can pass: at_least, at_most",)
        with pytest.raises(AuditError, match="can never be broken"):
            require(checked(tmp_path, POLICY.replace("> _LIMIT", "> _LIMIT and 1 > 2")))

    def test_what_is_beyond_is_said(self, tmp_path):
        found, _ = self.logic(tmp_path, ("a", "helper(call) is None"), ("b", "(lambda: call.beside)() > 3"))
        assert all(said.startswith("beyond arithmetic and logic:") for said in found.values())

    def test_values_of_which_only_the_words_are_known(self, tmp_path):
        """The state and lengths have some value, and the same words the same one, through local names too."""
        status = 'state.last("look")["status"]'
        found, contradictions = self.logic(
            tmp_path,
            ("a", f'call.name == "pay" and {status} != "open"'),
            ("b", f'call.name == "pay" and {status} == "open"'),
            ("c", 'len(call.arguments["x"]) > 3 and len(call.arguments["x"]) < 2'),
            ("d", f'call.name == "pay" and {status} != "open" and call.beside > 1'),
            ("e", 'call.name == "tell" and state.last("look", call.arguments["x"]) is None'),
            ("f", 'call.name == "tell" and state.last("look", call.arguments["y"]) is not None'),
        )
        assert found == {"a": "sound", "b": "sound", "c": "dead", "d": "implied by a", "e": "sound", "f": "sound"}
        assert contradictions == ("no call of 'pay' can pass: a, b",)

    def test_other_forms(self, tmp_path):
        text = '''
def a(state, call):
    """Rule."""
    amount = call.arguments["amount"]
    if call.name != "pay":
        return None
    elif 0 < amount <= 5 or amount - 1 > 8:
        return "No."
    return "No." if amount == -1 else None

def b(state, call):
    """Rule."""
    for x in ():
        pass
'''
        found = {rule.rule: rule.logic for rule in checked(tmp_path, text).rules}
        assert found["a"] == "sound"
        assert "for x in" in found["b"]
