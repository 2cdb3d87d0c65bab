"""The messages of docs/faq.md are what the commands print."""

import json
import re
import shlex
from pathlib import Path

import pytest

from counterform.cli import main
from counterform.errors import MissingExtra

PAGE = (Path(__file__).parents[2] / "docs" / "faq.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^\$ (counterform .*)\n(.*)$", PAGE, re.MULTILINE)


def rows(n, row):
    return "".join(f"{json.dumps(row(number))}\n" for number in range(n))


FILES = {
    "strange.jsonl": rows(20, lambda n: {"q": f"What is {n} + {n}?", "gold": str(2 * n)}),
    "rows.jsonl": rows(20, lambda n: {"question": f"What is {n} + {n}?", "answer": str(2 * n)}),
    "a.jsonl": rows(20, lambda n: {"id": f"item-{n}", "response": "4", "score": n % 2}),
    "b.jsonl": rows(20, lambda n: {"id": f"item-{50 + n}", "response": "4", "score": n % 2}),
    "answers.jsonl": rows(3, lambda n: {"reply": "4", "gold": "4"}),
    "mine.toml": 'name = "mine"\n[problems]\nfile = "rows.jsonl"\n',
    "study.toml": 'name = "other"\n',
}


# Those that come to a stage load what stages need.
TESTED = [
    pytest.param(*one, marks=pytest.mark.slow if one[0].startswith("counterform problems") else (), id=one[0])
    for one in SHOWN
]


@pytest.mark.parametrize(("command", "message"), TESTED)
def test_the_message_is_the_real_one(command, message, tmp_path, monkeypatch, capsys):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", shlex.split(command))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.strip() == message.replace("{folder}", str(tmp_path.resolve()))


def test_there_are_many_and_the_extra_is_named_as_shown():
    assert len(SHOWN) >= 12
    assert f"counterform: {MissingExtra('torch', 'train')}" in PAGE
