"""Tagger: every head by its formula, the same answer padded, cut or streamed, and tasks that it learns."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from rondo.data.batch import IGNORED, Batch
from rondo.data.bucket import Examples, batches, one_pass
from rondo.models.crf import CRFError, legal_transitions
from rondo.models.ctc import CTCError, ctc_loss
from rondo.models.tagger import HEADS, Tagger
from rondo.search.ctc import greedy, prefix_beam

from shown import shown

F64 = torch.float64
EXACT = {"rtol": 0, "atol": 1e-12}  # float64, a few steps: only the order of summation may differ
LEGAL = legal_transitions(["O", "B-x", "I-x"])
ALIGNED = [h for h in HEADS if h != "ctc"]


def make(seed: int = 0, cell: Any = "gru-cho", input: int = 3, tags: int = 3, hidden: Any = 5, **more: Any) -> Tagger:
    torch.manual_seed(seed)
    model = Tagger(cell, input, tags, hidden, **more).to(F64)
    for p in model.parameters():  # biases and transitions away from their start, so that they count
        nn.init.uniform_(p, -0.8, 0.8)
    return model


def vectors(batch: int, steps: int, width: int = 3, seed: int = 1) -> Tensor:
    return torch.randn(batch, steps, width, generator=torch.Generator().manual_seed(seed), dtype=F64)


def poisoned(x: Tensor, lengths: list[int]) -> Tensor:
    """x with NaN, or with numbers that are no symbols, past the lengths."""
    alive = torch.arange(x.shape[1]) < torch.tensor(lengths).unsqueeze(1)
    return x.where(alive.unsqueeze(2), torch.nan) if x.dim() == 3 else x.where(alive, -7)


def labels(head: str, rows: int, steps: int) -> tuple[Tensor, Tensor | None]:
    """y that every row of 4 steps or more can have, and for CTC the number of labels: 0, 1, 2, 0, ..."""
    if head == "ctc":
        return torch.tensor([[1, 2], [2, 2], [1, 1]]).repeat(rows, 1)[:rows], torch.arange(rows) % 3
    if head in ("softmax", "crf"):
        return (torch.arange(rows * steps) % 5 // 3).view(rows, steps), None
    return (torch.arange(rows * steps * 3).view(rows, steps, 3) % 4 == 0).to(F64), None


# ---------------------------------------------------------------- however a row is padded


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("input", ["vectors", "one-hot", "embedded"])
def test_a_batch_is_its_rows(head: str, both: bool, input: str) -> None:
    """Scores, answers, losses, and gradients of every parameter and input; NaN in the padding of x, and labels there
    that must not count."""
    lengths = [0, 4, 6, 1, 6]
    x = vectors(5, 6) if input == "vectors" else torch.arange(30).view(5, 6) % 3
    model = make(embed=2 * (input == "embedded"), bidirectional=both, layers=2, head=head)
    y, targets = labels(head, 5, 6)
    given_x, n = poisoned(x, lengths).requires_grad_(input == "vectors"), torch.tensor(lengths)
    if targets is not None:
        targets = targets.minimum(n // 2)
    loss = model.loss(Batch(given_x, y, n, targets))
    loss.total.backward()
    whole = [p.grad for p in model.parameters()]
    model.zero_grad()
    scores, probabilities, alone = model(given_x, n)[0], model.predict(given_x, n), []
    for b, k in enumerate(lengths):
        own = x[b : b + 1, :k].detach().requires_grad_(input == "vectors")
        torch.testing.assert_close(scores[b : b + 1, :k], model(own)[0], **EXACT)
        torch.testing.assert_close(probabilities[b : b + 1, :k], model.predict(own), **EXACT)
        assert not probabilities[b, k:].any()
        own_y = y[b : b + 1] if head == "ctc" else y[b : b + 1, :k]
        one = model.loss(Batch(own, own_y, targets=None if targets is None else targets[b : b + 1]))
        if one.total.requires_grad:
            one.total.backward()
        alone.append(one)
        if input == "vectors" and k:
            assert given_x.grad is not None
            assert own.grad is not None
            torch.testing.assert_close(given_x.grad[b, :k], own.grad[0], **EXACT)
            assert not given_x.grad[b, k:].any(), "padding has no gradient"
    assert loss.count == sum(one.count for one in alone) == (sum(lengths) if targets is None else targets.sum())
    torch.testing.assert_close(loss.nats, sum(one.nats for one in alone), **EXACT)
    for (name, p), g in zip(model.named_parameters(), whole, strict=True):
        error = (g - p.grad).abs().max().item()  # type: ignore[operator]
        shown("padded = alone", "Tagger", (head, both, input), f"dL/d{name}", error)
        assert error < 1e-11  # sums over all rows and steps
    if head in ("softmax", "crf"):
        best = model.decode(given_x, n)
        for b, k in enumerate(lengths):
            assert torch.equal(best[b : b + 1, :k], model.decode(x[b : b + 1, :k]))
            assert (best[b, k:] == IGNORED).all()


# ---------------------------------------------------------------- heads by their formulas


def test_losses_by_the_formula() -> None:
    x = vectors(2, 4)
    for head in ("softmax", "sigmoid", "linear"):
        model = make(head=head)
        z, (y, _) = model(x)[0].detach(), labels(head, 2, 4)
        if head == "softmax":
            p = z.exp() / z.exp().sum(2, keepdim=True)
            wanted = -p.gather(2, y.unsqueeze(2)).log().squeeze(2)
        elif head == "sigmoid":
            p = 1 / (1 + (-z).exp())
            wanted = -(y * p.log() + (1 - y) * (1 - p).log()).sum(2)
        else:
            p, wanted = z, (z - y).square().sum(2)
        y[1, 2:] = IGNORED
        loss = model.loss(Batch(x, y))
        torch.testing.assert_close(loss.nats, wanted.sum() - wanted[1, 2:].sum(), **EXACT)
        assert (loss.count, loss.nats.requires_grad) == (6, False)
        torch.testing.assert_close(model.predict(x), p, **EXACT)


def test_crf_head_is_a_chain_on_the_scores() -> None:
    """Its loss, marginals and best labels are those of `CRF`, which test_crf.py compares with enumeration."""
    model, x, lengths = make(head="crf", legal=LEGAL, bidirectional=True), vectors(3, 4), torch.tensor([4, 2, 3])
    assert model.crf is not None
    y = torch.tensor([[0, 1, 2, 2], [1, IGNORED, 9, 9], [0, 0, 0, 9]])
    e = model(x, lengths)[0]
    loss = model.loss(Batch(x, y, lengths))
    torch.testing.assert_close(loss.total, -model.crf.log_likelihood(e, y, lengths).sum(), **EXACT)
    assert loss.count == 8, "the unknown step does not count"
    assert loss.state is None
    torch.testing.assert_close(model.predict(x, lengths), model.crf.marginals(e, lengths), **EXACT)
    assert torch.equal(model.decode(x, lengths), model.crf.viterbi(e, lengths).tags)
    allowed = torch.ones(3, 4, 3, dtype=torch.bool)
    allowed[:, 1] = torch.tensor([True, False, False])  # somebody says: there is nothing
    best = model.decode(x, lengths, allowed)
    assert torch.equal(best, model.crf.viterbi(e, lengths, allowed).tags)
    assert (best[:, 1] == 0).all()
    assert not (model.decode(x, lengths)[:, 1] == 0).all(), "which the network did not say by itself"


def test_decode_of_softmax_leaves_the_allowed_labels() -> None:
    model, x = make(), vectors(2, 4)
    allowed = torch.tensor([True, False, True]).expand(2, 4, 3)
    assert torch.equal(model.decode(x), model.predict(x).argmax(2))
    assert torch.equal(model.decode(x, allowed=allowed), model.predict(x)[:, :, [0, 2]].argmax(2) * 2)
    for head in ("sigmoid", "linear", "ctc"):
        with pytest.raises(ValueError, match=f"the head '{head}' does not choose one label a step"):
            make(head=head).decode(x)


def test_ctc_head_is_ctc_on_the_scores() -> None:
    model, x, lengths = make(head="ctc", bidirectional=True), vectors(2, 6), torch.tensor([6, 3])
    y, targets = torch.tensor([[1, 1, 2], [2, IGNORED, IGNORED]]), torch.tensor([3, 1])
    scores = model(x, lengths)[0]
    loss = model.loss(Batch(x, y, lengths, targets))
    torch.testing.assert_close(loss.total, ctc_loss(scores, y, lengths, targets).sum(), **EXACT)
    assert (loss.count, loss.state) == (4, None)
    assert model.loss(Batch(x, y, lengths)).count == 4, "IGNORED says as much"
    torch.testing.assert_close(model.predict(x, lengths)[0], scores[0].softmax(1), **EXACT)
    with pytest.raises(CTCError, match="row 1 has 3 frames, its 3 labels need 4"):
        model.loss(Batch(x, torch.tensor([[1, 2, 1], [1, 1, 2]]), lengths))


# ---------------------------------------------------------------- cut and streamed


@given(st.lists(st.integers(0, 6), max_size=3), st.sampled_from(["softmax", "sigmoid", "linear"]))
def test_windows_with_carried_state_are_one_sequence(cuts: list[int], head: str) -> None:
    """What truncated BPTT relies on: the losses add up, and where nothing is detached the gradients do."""
    model, x = make(head=head, layers=2), vectors(2, 6)
    y = labels(head, 2, 6)[0]
    resets = torch.rand(2, 6, generator=torch.Generator().manual_seed(0)) < 0.3
    batch = Batch(x, y, resets=resets)
    whole = model.loss(batch)
    whole.total.backward()
    wanted = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    state, total, nats, count = None, torch.zeros((), dtype=F64), 0.0, 0
    for a, b in itertools.pairwise([0, *sorted(cuts), 6]):
        loss = model.loss(batch.steps(a, b), state)
        total, nats, count, state = total + loss.total, nats + float(loss.nats), count + loss.count, loss.state
    total.backward()
    assert count == whole.count
    assert nats == pytest.approx(float(whole.nats), abs=1e-12)
    for g, p in zip(wanted, model.parameters(), strict=True):
        torch.testing.assert_close(p.grad, g, **EXACT)
    assert state is not None
    assert whole.state is not None
    for name in state:
        torch.testing.assert_close(state[name], whole.state[name], **EXACT)


@pytest.mark.parametrize("both", [False, True])
def test_a_reset_begins_another_document(both: bool) -> None:
    model, x, y = make(bidirectional=both), vectors(1, 6), labels("softmax", 1, 6)[0]
    batch = Batch(x, y, resets=torch.tensor([[False, False, False, True, False, False]]))
    parts = model.loss(batch.steps(0, 3)).nats + model.loss(Batch(x[:, 3:], y[:, 3:])).nats
    torch.testing.assert_close(model.loss(batch).nats, parts, **EXACT)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("embed", [0, 2])
def test_streamed_is_whole(head: str, embed: int) -> None:
    """Symbols and vectors, from a state, with a row begun anew on the way."""
    model = make(head=head, embed=embed, layers=2).eval()
    x = torch.arange(12).view(2, 6) % 3 if embed else vectors(2, 6)
    resets = torch.zeros(2, 6, dtype=torch.bool)
    resets[1, 3] = True
    _, before = model(x)
    scores, after = model(x, state=before, resets=resets)
    step, seen = model.stepper(before), []
    for t in range(6):
        step.reset(resets[:, t])
        seen.append(step(x[:, t]))
    torch.testing.assert_close(torch.stack(seen, 1), scores, **EXACT)
    for name, value in step.state.items():
        torch.testing.assert_close(value, after[name], **EXACT)
    assert not seen[0].requires_grad
    one = model.stepper(batch=2)
    torch.testing.assert_close(one(x[:, 0]), model(x[:, :1])[0][:, 0], **EXACT)


def test_what_needs_the_whole_sequence_carries_nothing() -> None:
    x = vectors(1, 4)
    for head, both in itertools.product(HEADS, [False, True]):
        y, targets = labels(head, 1, 4)
        loss = make(head=head, bidirectional=both).loss(Batch(x, y, targets=targets))
        assert (loss.state is None) == (both or head in ("crf", "ctc"))
    with pytest.raises(ValueError, match="a bidirectional network needs the whole sequence"):
        make(bidirectional=True).stepper()
    with pytest.raises(ValueError, match=r"call eval\(\) before stepper\(\)"):
        make(output_dropout=0.1).stepper()


def test_the_past_alone_is_seen_forwards_and_both_sides_bidirectionally() -> None:
    """'Teddy bears' and 'Teddy Roosevelt': forwards, the answer at 'Teddy' cannot depend on what follows."""
    bears, president = torch.tensor([[0, 1, 2]]), torch.tensor([[0, 1, 0]])
    forward, both = make(), make(bidirectional=True)
    assert torch.equal(forward.predict(bears)[:, :2], forward.predict(president)[:, :2])
    assert not torch.allclose(both.predict(bears)[:, 1], both.predict(president)[:, 1])


def test_gradient_reaches_a_module_before_the_network() -> None:
    """A convolutional stem: the tagger reads the vectors that it makes."""
    stem, model = nn.Conv1d(3, 3, 3, padding=1).to(F64), make(head="ctc")
    features = stem(vectors(2, 6).transpose(1, 2)).transpose(1, 2)
    model.loss(Batch(features, torch.tensor([[1], [2]]), torch.tensor([6, 4]))).total.backward()
    assert stem.weight.grad is not None
    assert stem.weight.grad.abs().max() > 0


# ---------------------------------------------------------------- built again, learned, refused


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"head": "crf", "legal": LEGAL, "embed": 2, "bidirectional": True, "hidden": (4, 6)},
        {"head": "ctc", "dropout": 0.1, "layers": 2, "locked": ("between",)},
        {"cell": "lstm-projected", "proj": 3, "smoothing": 0.1, "weight_dropout": 0.2},
    ],
)
def test_built_again_from_its_arguments(more: dict[str, Any]) -> None:
    model = make(**more).eval()
    kept = json.loads(json.dumps(model.arguments))
    assert kept == model.arguments, "plain values"
    with torch.device("meta"):
        again = Tagger(model.cell, **kept)
    assert again.arguments == kept
    again.load_state_dict(model.state_dict(), assign=True)
    x = torch.tensor([[0, 2, 1], [1, 1, 0]])
    assert torch.equal(again.eval().predict(x), model.predict(x))


def train(model: Tagger, examples: Examples, steps: int, rows: int = 16) -> None:
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for batch in itertools.islice(batches(examples, rows=rows, seed=1), steps):
        loss = model.loss(batch)
        optimiser.zero_grad()
        (loss.total / loss.count).backward()
        optimiser.step()
    model.eval()


def random_rows(count: int, symbols: int, longest: int) -> list[list[int]]:
    random = torch.Generator().manual_seed(0)
    sizes = torch.randint(1, longest + 1, (count,), generator=random).tolist()
    return [torch.randint(symbols, (n,), generator=random).tolist() for n in sizes]


@pytest.mark.parametrize("head", ["softmax", "crf"])
def test_learns_what_needs_both_sides(head: str) -> None:
    """The label says whether the next symbol is the same: forwards alone it is not knowable."""
    x = random_rows(64, 2, 10)
    y = [[int(row[t] == row[t + 1]) if t + 1 < len(row) else 2 for t in range(len(row))] for row in x]
    torch.manual_seed(0)
    model, examples = Tagger("gru-cho", 2, 3, 12, bidirectional=True, head=head), Examples(x, y, "step")
    train(model, examples, 80)
    right = count = 0
    for _, batch in one_pass(examples, rows=64):
        right += int((model.decode(batch.x, batch.lengths) == batch.y)[batch.y != IGNORED].sum())  # type: ignore[index]
        count += int((batch.y != IGNORED).sum())  # type: ignore[union-attr]
    assert right >= 0.97 * count


def test_learns_to_hear_labels_in_frames() -> None:
    """Each label lasts one to three frames of noise around its own vector, with silence between; never told when."""
    random, vectors_of = torch.Generator().manual_seed(0), torch.eye(3)
    x, y = [], random_rows(48, 2, 4)
    for row in y:
        frames: list[Tensor] = []
        for c in row:
            frames += [vectors_of[c + 1]] * int(torch.randint(1, 4, (), generator=random)) + [vectors_of[0]]
        x.append(torch.stack(frames) + 0.1 * torch.randn(len(frames), 3, generator=random))
    y = [[c + 1 for c in row] for row in y]
    torch.manual_seed(0)
    model, examples = Tagger("gru-cho", 3, 3, 12, bidirectional=True, head="ctc"), Examples(x, y, "sequence")
    train(model, examples, 100)
    heard: dict[int, list[int]] = {}
    for index, batch in one_pass(examples, rows=64):
        with torch.no_grad():
            scores = model(batch.x, batch.lengths)[0]
        heard |= dict(zip(index.tolist(), greedy(scores, batch.lengths), strict=True))
        n = int(batch.lengths[0])  # type: ignore[index]
        (best,) = prefix_beam(scores[0, :n].log_softmax(1))
        assert list(best.labels) == heard[int(index[0])]
    assert sum(heard[i] == row for i, row in enumerate(y)) >= 0.95 * len(y)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"head": "crff"}, ValueError, "head is one of softmax, crf, ctc, sigmoid, linear, found 'crff'.*crf"),
        ({"legal": LEGAL}, ValueError, "legal transitions belong to the head 'crf', not to 'softmax'"),
        ({"head": "crf", "legal": LEGAL, "tags": 5}, CRFError, r"legal must be \[6, 6\] for 5 tags"),
        ({"head": "ctc", "smoothing": 0.1}, ValueError, "label smoothing belongs to the softmax head"),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(**arguments)


# ---------------------------------------------------------------- symbols in columns


def columns(rows: int, steps: int, sizes: tuple[int, ...], seed: int = 4) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randint(n, (rows, steps), generator=random) for n in sizes], 2)


def test_columns_of_symbols_are_vectors_side_by_side() -> None:
    model = make(input=[7, 4], embed=[3, 2])
    x = columns(2, 5, (7, 4))
    one, two = (table.weight for table in model.body.embedding.tables)
    plain = make(input=5)
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if "embedding" not in k})
    expected, _ = plain(torch.cat([one[x[..., 0]], two[x[..., 1]]], 2))
    torch.testing.assert_close(model(x)[0], expected, **EXACT)


def test_columns_are_not_read_past_the_lengths_and_get_gradients_alone_within() -> None:
    model = make(input=[7, 4], embed=[3, 2], bidirectional=True)
    x, lengths = columns(3, 6, (7, 4)), torch.tensor([6, 2, 0])
    alive = torch.arange(6) < lengths.unsqueeze(1)
    y = columns(3, 6, (3,))[..., 0].where(alive, IGNORED)
    padded = x.where(alive.unsqueeze(2), -7)
    loss = model.loss(Batch(padded, y, lengths)).total
    alone = [model.loss(Batch(x[b : b + 1, :n], y[b : b + 1, :n])).total for b, n in ((0, 6), (1, 2))]
    torch.testing.assert_close(loss, alone[0] + alone[1], **EXACT)
    loss.backward()
    seen = set(x[0, :, 1].tolist()) | set(x[1, :2, 1].tolist())
    grown = model.body.embedding.tables[1].weight.grad.abs().sum(1) > 0
    assert {k for k in range(4) if grown[k]} == seen


@pytest.mark.parametrize(
    ("input", "embed", "message"),
    [
        ([7, 4], [3], r"input \[7, 4\] and embed \[3\] must be positive and equally many"),
        ([7, 4], 5, r"columns of symbols need lists for both: found input \[7, 4\] and embed 5"),
        ([], [], "must be positive and equally many"),
        ([7, 0], [3, 2], "must be positive and equally many"),
    ],
)
def test_columns_that_do_not_fit(input: Any, embed: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(input=input, embed=embed)


def test_symbols_that_no_column_has() -> None:
    model = make(input=[7, 4], embed=[3, 2])
    with pytest.raises(ValueError, match="x holds integers from 0 to 4; input size 4 allows 0 to 3"):
        model(torch.tensor([[[0, 0], [1, 4]]]))
    with pytest.raises(ValueError, match=r"x must be \[batch, time, 2\], a symbol a column, found \[1, 2, 3\]"):
        model(torch.zeros(1, 2, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="x must hold symbols, since this model embeds them"):
        model(torch.zeros(1, 2, 2))
