"""The lecture's example, step by step: four characters, three hidden units, the word "hello".

At every step the network reads one character and says what comes next: h -> e, e -> l, l -> l, l -> o. The two l
ask for different answers, so the hidden state must remember. `rondo hello` prints what happens inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import Tensor, nn

from rondo.rnn import RNN

WORD = "hello"
VOCABULARY = "helo"
HIDDEN = 3
BARS = "▁▂▃▄▅▆▇█"


class Speller(nn.Module):
    """a<t> = tanh(W x<t> + U a<t-1> + b), ŷ<t> = softmax(V a<t> + b_y)."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = RNN("elman", len(VOCABULARY), HIDDEN)
        self.head = nn.Linear(HIDDEN, len(VOCABULARY))

    def forward(self, x: Tensor, state: object = None) -> tuple[Tensor, Tensor, object]:
        """One-hot characters [1, T, 4] -> hidden values [1, T, 3], scores [1, T, 4], the state after them."""
        hidden, state = self.rnn(x, state)
        return hidden, self.head(hidden), state


@dataclass(frozen=True)
class Look:
    """What stands inside the network after `step` training steps, a row for each t."""

    step: int
    loss: float  # L = sum of L<t>
    losses: list[float]  # L<t> = -log ŷ<t>[target]
    hidden: list[list[float]]  # a<t>
    chances: list[list[float]]  # ŷ<t>


def one_hot(text: str) -> Tensor:
    """[1, T, 4], a single 1 in each row."""
    return torch.eye(len(VOCABULARY))[[VOCABULARY.index(c) for c in text]].unsqueeze(0)


def learn(model: Speller, steps: int, rate: float = 0.05) -> Iterator[Look]:
    """Train on the one word and yield a look inside before the first step and after each."""
    x, target = one_hot(WORD[:-1]), torch.tensor([VOCABULARY.index(c) for c in WORD[1:]])
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    for step in range(steps + 1):
        hidden, scores, _ = model(x)
        losses = nn.functional.cross_entropy(scores[0], target, reduction="none")
        loss = losses.sum()
        yield Look(step, loss.item(), losses.tolist(), hidden[0].tolist(), torch.softmax(scores[0], -1).tolist())
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def looks(seed: int, steps: int, rate: float = 0.05) -> Iterator[tuple[Look, str]]:
    """A network that learns the word, look by look, with what it spells by then after "h". `seed` decides its first
    weights (by torch's own generator, for the whole process) and the draws, which are the same at every look."""
    torch.manual_seed(seed)
    model = Speller()
    for look in learn(model, steps, rate):
        drawn = spell(model, WORD[0], len(WORD) - 1, torch.Generator().manual_seed(seed))
        yield look, WORD[0] + "".join(letter for _, _, letter in drawn)


def spell(model: Speller, first: str, count: int, generator: torch.Generator) -> Iterator[tuple[str, list[float], str]]:
    """Draw `count` characters, each fed back as the next input: yields what went in, ŷ, and what was drawn."""
    state: object = None
    with torch.no_grad():
        for _ in range(count):
            _, scores, state = model(one_hot(first), state)
            chances = torch.softmax(scores[0, 0], -1)
            drawn = VOCABULARY[int(torch.multinomial(chances, 1, generator=generator))]
            yield first, chances.tolist(), drawn
            first = drawn


def tell(seed: int = 1, steps: int = 120, console: Console | None = None) -> None:
    """Print the whole story."""
    out = console or Console(highlight=False)
    torch.manual_seed(seed)
    model = Speller()
    out.print(f'Vocabulary {", ".join(VOCABULARY)}; training text "{WORD}": read a character, say the next.')
    out.print(f"a<t> = tanh(W x<t> + U a<t-1> + b) with {HIDDEN} hidden units")
    out.print("ŷ<t> = softmax(V a<t> + b_y), L = sum of L<t>, L<t> = -log ŷ<t>(target)\n")
    looks = list(learn(model, steps))
    out.print(inside(looks[0], "Before training"))
    out.print(falling([look.loss for look in looks]))
    out.print(inside(looks[-1], f"After {steps} steps"))
    out.print("Rows 3 and 4 read the same l: only the state a<t> tells them apart.")
    out.print(sampling(list(spell(model, WORD[0], len(WORD) - 1, torch.Generator().manual_seed(seed)))))


def inside(look: Look, title: str) -> Table:
    """One line a time step: x<t>, a<t>, ŷ<t> with the target's chance marked, L<t>."""
    table = Table(title=f"{title}: L = {look.loss:.3f}", title_justify="left", box=None, pad_edge=False)
    for head in ("t", "x<t>", "one-hot", "a<t>", *(f"ŷ({c})" for c in VOCABULARY), "target", "L<t>"):
        table.add_column(head, justify="center")
    for t, (x, target) in enumerate(pairwise(WORD)):
        table.add_row(
            str(t + 1),
            x,
            " ".join("1" if c == x else "0" for c in VOCABULARY),
            " ".join(f"{v:+.2f}" for v in look.hidden[t]),
            *marked(look.chances[t], target),
            target,
            f"{look.losses[t]:.3f}",
        )
    return table


def marked(chances: list[float], target: str) -> list[Text]:
    """The four chances, the one of `target` in green (in bold where the terminal has no colour)."""
    return [
        Text(f"{p:.2f}", style="bold green" if c == target else "dim") for c, p in zip(VOCABULARY, chances, strict=True)
    ]


def falling(losses: list[float], width: int = 40) -> str:
    """The loss over training as one line of bars."""
    picked = [losses[i * (len(losses) - 1) // (width - 1)] for i in range(width)]
    bars = "".join(BARS[round((len(BARS) - 1) * v / max(picked))] for v in picked)
    return f"\nL over training  {losses[0]:.3f} {bars} {losses[-1]:.3f}\n"


def sampling(steps: list[tuple[str, list[float], str]]) -> Table:
    """Each drawn character is the next input."""
    word = steps[0][0] + "".join(drawn for _, _, drawn in steps)
    table = Table(title=f'\nSampling, fed back: "{word}"', title_justify="left", box=None, pad_edge=False)
    for head in ("x<t>", *(f"ŷ({c})" for c in VOCABULARY), "drawn"):
        table.add_column(head, justify="center")
    for x, chances, drawn in steps:
        table.add_row(x, *marked(chances, drawn), drawn)
    return table
