import numpy as np
import pytest
import torch

from counterform.errors import ModelError
from counterform.guard import HINT_AS_STEP, Guard, Note
from counterform.models.decoding import write_batch
from counterform.models.growing import Change, Reader
from counterform.models.hf import HFModel
from counterform.problems.ledger import Ledger
from counterform.study import ModelSpec
from counterform.types import Mark
from counterform.verify.steps import grade_steps

PROBLEMS = Ledger().generate(10, rng=np.random.default_rng(0), lengths=(3, 5))
PROMPTS = [problem.prompt for problem in PROBLEMS]
ASK = {"seed": 0, "temperature": 1.0, "max_tokens": 64}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def world():
    return HFModel.open(ModelSpec(path="world", batch_size=6))


class Scissors(Reader):
    """Changes a text as it is told, each time it has so many sentences."""

    ends = "."

    def __init__(self, *changes):
        self.changes, self.seen = list(changes), []

    def read(self, text, finish):
        self.seen.append((text, finish))
        if self.changes and (text.count(".") >= self.changes[0][0] or finish):
            _, sentences, add = self.changes.pop(0)
            return Change(keep=len(".".join(text.split(".")[:sentences])) + (sentences > 0), add=add)
        return None


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_what_is_only_read_is_what_generate_writes(world, temperature):
    ask = {**ASK, "temperature": temperature}
    readers = [Scissors() for _ in PROMPTS]
    grown = world.write(PROMPTS, readers, **ask, budget=64)
    alone = world.generate(PROMPTS, n=1, **ask)
    assert [(g.text, g.sampled, g.finish) for g in grown] == [(c.text, c.tokens, c.finish) for [c] in alone]
    assert all((g.calls, g.told) == (1, 0) for g in grown)
    for reader, text in zip(readers, grown, strict=True):
        assert reader.seen[-1] == (text.text, text.finish)
        assert all(text.text.startswith(seen) for seen, _ in reader.seen)
        # One look a sentence: when the token behind it is there.
        assert len(reader.seen) <= text.text.count(".") + 1


@pytest.mark.parametrize("change", [(3, 1, ""), (2, 0, ""), (2, 1, " 12 + 5 = 17.")])
def test_a_changed_text_goes_on_as_if_it_had_been_written_so(world, change):
    """Greedy, in a batch whose other rows are cut elsewhere or not at all: the cache forgets what was cut."""
    readers = [Scissors(change) if at % 2 else Scissors() for at in range(len(PROMPTS))]
    grown = world.write(PROMPTS, readers, **{**ASK, "temperature": 0.0}, budget=200)
    plain, tokenizer = world.model, world.tokenizer
    for prompt, reader, text in list(zip(PROMPTS, readers, grown, strict=True))[:4]:
        start, kept = world._prompt_ids(prompt), ""
        if text.calls > 1:
            before = next(seen for seen, finish in reader.seen if seen.count(".") >= change[0] or finish)
            kept = "".join(f"{sentence}." for sentence in before.split(".")[: change[1]]) + change[2]
        ids = torch.tensor([start + (tokenizer(kept, add_special_tokens=False)["input_ids"] if kept else [])])
        out = plain.generate(ids, max_new_tokens=64, do_sample=False)[0, len(start) :]
        assert text.text == tokenizer.decode(out, skip_special_tokens=True)
        assert text.text.startswith(kept)
        assert (text.told > 0) == bool(change[2] and text.calls > 1)


@pytest.mark.parametrize("cut", [0, 5])
def test_rows_that_have_ended_leave_the_batch_and_the_others_go_on_alike(world, cut):
    ask, sizes = {**ASK, "temperature": 0.0}, []
    readers = [Scissors(*[(3, 1, "")] * 6) if at == cut else Scissors() for at in range(6)]
    hook = world.model.register_forward_pre_hook(
        lambda model, args, given: sizes.append(len(given["input_ids"])), with_kwargs=True
    )
    grown = world.write(PROMPTS[:6], readers, **ask, budget=400)
    hook.remove()
    assert sizes[0] == 6
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1
    assert sorted(text.calls for text in grown) == [1] * 5 + [7]
    assert [text.text for text in grown] == [one.text for [one] in world.generate(PROMPTS[:6], n=1, **ask)]


def test_a_text_and_its_tokens_stay_together_over_many_changes(world):
    changes = [(2, 1, ""), (3, 1, " Wait, 12 + 5 = 17."), (4, 3, ""), (2, 2, " 1 + 1 = 2. unheardofword"), (5, 1, "")]
    for text in world.write(PROMPTS, [Scissors(*changes) for _ in PROMPTS], **ASK, budget=300):
        assert text.sampled <= 300
        assert text.calls <= len(changes) + 1
        assert text.text.count("  ") == 0


def test_budgets(world):
    readers = [Scissors(*[(1, 0, "")] * 99) for _ in PROMPTS]
    for text, reader in zip(world.write(PROMPTS, readers, **ASK, budget=30), readers, strict=True):
        assert text.sampled == 30
        assert text.finish == "length"
        assert reader.seen[-1][1] == "budget"
    for text in world.write(PROMPTS, [Scissors((1, 1, " 1" * 200)) for _ in PROMPTS], **ASK, budget=300):
        assert text.finish in ("length", "stop")


def test_a_guard_around_the_world(world):
    """Sampled attempts at lengths beyond training: wrong steps by the dozen, and none in what comes out."""
    verifier = Ledger()
    stepped_in = 0
    for note in (None, Note(" {step} Wait,"), HINT_AS_STEP):
        guard = Guard(verifier, note=note, interventions=6)
        found = [row[0] for row in guard.around(world, PROBLEMS).answer(PROMPTS, n=1, **ASK)]
        stepped_in += sum(len(g.interventions) for g in found)
        assert sum(g.refused for g in found) < len(found)
        for problem, answer in zip(PROBLEMS, found, strict=True):
            marks = [step.mark for step in grade_steps(verifier, problem, answer.completion.text)]
            assert Mark.WRONG not in marks, answer
            assert answer.completion.tokens <= 64 * 7
            assert answer.calls == min(len(answer.interventions), 6) + 1
    assert stepped_in > 3


def test_without_violation_nothing_is_asked_twice(world):
    guard = Guard(Ledger(), "report")
    answers = guard.around(world, PROBLEMS).answer(PROMPTS, n=2, **ASK)
    assert [[g.completion for g in row] for row in answers] == world.generate(PROMPTS, n=2, **ASK)
    assert all(g.calls == 1 for row in answers for g in row)


def test_a_model_with_a_state_is_refused(world):
    class Stateful:
        _is_stateful = True

    with pytest.raises(ModelError, match="cannot be cut back"):
        write_batch(
            Stateful(),
            world.tokenizer,
            [[1]],
            [Scissors()],
            ends={2},
            looked=[],
            temperature=1.0,
            max_tokens=1,
            budget=1,
        )
