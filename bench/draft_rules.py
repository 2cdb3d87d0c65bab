"""What hand-written rules of a policy are made of."""

from dataclasses import dataclass, field


@dataclass
class Rule:
    """One rule: the sentences that it says, those that explain its words, its code, and calls that keep and break it."""

    quotes: list
    background: list
    code: str
    keeps: list = field(default_factory=list)
    breaks: list = field(default_factory=list)


def case(tool, arguments=None, *, user="", agent="", other_calls=0, earlier=()):
    """A case in the form that models write it."""
    return {
        "tool": tool,
        "arguments": arguments or {},
        "user": user,
        "agent": agent,
        "other_calls": other_calls,
        "earlier": [{"tool": name, "arguments": asked, "answer": answer} for name, asked, answer in earlier],
    }


def tools(**given):
    """Tools as a chat request offers them, of `argument argument=value|value`."""
    return [
        {
            "type": "function",
            "function": {
                "name": name,
                "parameters": {"type": "object", "properties": dict(map(_argument, line.split()))},
            },
        }
        for name, line in given.items()
    ]


def _argument(text):
    name, _, values = text.partition("=")
    return name, {"type": "string", "enum": values.split("|")} if values else {}
