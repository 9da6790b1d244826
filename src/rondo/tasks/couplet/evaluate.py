"""Measures of the couplet writer: `rondo evaluate couplet --data FILE`.

Perplexity per character of second lines, told the first, and of first lines, told the second: commas and whatever the
couplet is for left out. Characters that are right where the true ones before them are read (taught), and where the
model's own are, without any rule (free); and those of the baseline, the commonest partner of each character in the
training pairs. Then answers to lines of the file: what share keeps every rule, or names what it does not keep, how much
they differ, how long they take.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rondo.data.batch import Batch
from rondo.search.greedy import greedy
from rondo.tasks.couplet.data import BACKWARD, COMMA, FORWARD, SPECIAL, Pair, Pairs, plain, read_pairs
from rondo.tasks.couplet.pair import answer
from rondo.tasks.couplet.request import LONGEST, SHORTEST, CoupletRequest, CoupletResponse, couplet_request
from rondo.tasks.couplet.rules import Demand, misplaced
from rondo.tasks.couplet.writer import Writer
from rondo.train.fit import mean_loss
from rondo.verse.abuse import abusive

ANSWERS = 5  # asked for to each line


def evaluate(path: Path | str, data: Path, count: int = 200) -> dict[str, Any]:
    """All measures of the model in `path` on the couplets of the file `data`, the lines of `count` being answered."""
    writer, human = Writer.load(path), read_pairs(data)
    pairs = Pairs(human, writer.vocab)
    result: dict[str, Any] = {"couplets": len(human), "unknown_share": float((pairs.lines == 0).mean())}
    for name, direction in (("perplexity", FORWARD), ("perplexity_of_first_lines", BACKWARD)):
        result[name] = math.exp(mean_loss(writer.model, plain(pairs, direction=direction)))
    result |= {f"accuracy_{name}": value for name, value in accuracies(writer, pairs).items()}
    return result | answered(writer, human, count)


@torch.no_grad()
def accuracies(writer: Writer, pairs: Pairs) -> dict[str, float]:
    """Shares of the characters of second lines that are right."""
    right = {"taught": 0, "free": 0, "partner": 0}
    total = 0
    for batch in plain(pairs):
        y, counts = batch.labels, batch.labels >= 0
        partners = torch.from_numpy(writer.usage.partner(batch.x.numpy()))
        found = {"taught": writer.model(batch).argmax(2), "free": _free(writer, batch), "partner": partners}
        for name, guess in found.items():
            right[name] += int(((guess == y) & counts).sum())
        total += int(counts.sum())
    return {name: n / max(1, total) for name, n in right.items()}


def _free(writer: Writer, batch: Batch) -> torch.Tensor:
    """The likeliest symbol at each place after the model's own, commas where the given line has them; [B, 1 + T] as
    the targets are."""
    comma = SPECIAL.index(COMMA)
    at = batch.x[:, 1:] == comma
    only = torch.nn.functional.one_hot(torch.tensor(comma), len(writer.vocab)).bool()

    def mask(prefixes: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return torch.where(at[rows, prefixes.shape[1]].unsqueeze(1), only, ~only)

    prime = torch.full((len(batch.x), 2), writer.model.begin)
    source = Batch(batch.x, lengths=batch.lengths)
    found = greedy(writer.model.predictor(source), prime, batch.x.shape[1] - 1, masks=[mask]).symbols[:, 0]
    return torch.nn.functional.pad(found, (1, 0), value=-1)


def requests(human: Sequence[Pair], count: int) -> list[CoupletRequest]:
    """A request for each of `count` first lines, taken at even distances."""
    lines = [p.upper for p in human if not abusive(p.upper)]
    fit = [line for line in lines if SHORTEST <= len(line.replace(COMMA, "")) <= LONGEST]
    step = max(1, len(fit) // max(1, count))
    chosen = itertools.islice(itertools.cycle(fit[::step]), count if fit else 0)
    return [couplet_request(line=line, count=ANSWERS, seed=k) for k, line in enumerate(chosen)]


def answered(writer: Writer, human: Sequence[Pair], count: int) -> dict[str, Any]:
    """What the answers to lines of the file keep. A line that ends 平 cannot be answered in the right order of tones:
    kept_possible leaves these out."""
    done: list[tuple[CoupletRequest, CoupletResponse]] = []
    seconds = []
    for request in requests(human, count):
        begun = time.perf_counter()
        done.append((request, answer(writer, request)))
        seconds.append(time.perf_counter() - begun)
    if not done:
        return {}
    written = [(r, c) for r, response in done for c in response.couplets]
    right = [(r, c) for r, c in written if not misplaced(_given(r))]
    return {
        "answered": len(done),
        "answers": len(written),
        "answers_each_at_least": min(len(response.couplets) for _, response in done),
        "kept": float(np.mean([all(c.rules.values()) for _, c in written])),
        "kept_possible": float(np.mean([all(c.rules.values()) for _, c in right])) if right else 1.0,
        "kept_or_named": float(np.mean([all(c.rules.values()) or bool(c.relaxed) for _, c in written])),
        "broken": [{"upper": c.upper, "lower": c.lower, "relaxed": c.relaxed} for _, c in right if c.relaxed][:5],
        **variety([[c.lower for c in response.couplets] for _, response in done]),
        "seconds_median": float(np.median(seconds)),
        "seconds_longest": max(seconds),
    }


def _given(request: CoupletRequest) -> Demand:
    line = tuple("".join(request.parts))
    return Demand(line, ("",) * len(line), tuple(map(len, request.parts)))


def variety(answers: Sequence[Sequence[str]]) -> dict[str, float]:
    """Of answers to one line: at how many places two differ, at least and on average, and the average share; of all:
    distinct pairs of characters as a share."""
    apart = [
        (sum(a != b for a, b in zip(one, other, strict=True)), len(one))
        for own in answers
        for one, other in itertools.combinations(own, 2)
    ]
    lines = [line for own in answers for line in own]
    pairs = [line[i : i + 2] for line in lines for i in range(len(line) - 1)]
    found = {"distinct_2": len(set(pairs)) / max(1, len(pairs))}
    if apart:
        found["places_apart_at_least"] = float(min(n for n, _ in apart))
        found["places_apart"] = float(np.mean([n for n, _ in apart]))
        found["share_apart"] = float(np.mean([n / size for n, size in apart]))
    return found
