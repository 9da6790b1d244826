"""Training the models of chorales: of the keys that sound next, and of a voice beside others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rondo.models.tagger import Tagger
from rondo.render.load import load_cell
from rondo.tasks.music import chorale as c
from rondo.tasks.music.config import MusicConfig
from rondo.train.config import ConfigError
from rondo.train.loop import Job

ABOUT = {
    "data": ["J. S. Bach's chorales, github.com/czhuang/JSB-Chorales-dataset (Boulanger-Lewandowski et al. 2012)"],
    "licence": "none stated for the encoding; the music is in the public domain",
}
TITLES = {"jsb": "The keys that sound next in a chorale", "chorale": "A voice of a chorale beside the others"}
Rolls = list[NDArray[np.float32]]


def build(config: MusicConfig) -> Tagger:
    """The model that a configuration describes. Raises ConfigError where its settings do not fit together."""
    names = ("input_dropout", "dropout", "output_dropout", "recurrent_dropout", "weight_dropout", "zoneout", "locked")
    options: dict[str, Any] = {name: getattr(config, name) for name in names}
    try:
        if config.kind == "jsb":
            cell = load_cell(config.cell)
            return Tagger(cell, c.KEYS, c.KEYS, config.hidden, config.layers, head="sigmoid", **options)
        embed = [config.embed] * 4 + [2, 8, 2]
        return Tagger(
            load_cell(config.cell), list(c.COLUMNS), c.PITCHES, config.hidden, config.layers, embed, True,
            head="crf", **options,
        )  # fmt: skip
    except ValueError as error:
        raise ConfigError(str(error)) from None


def job(config: MusicConfig, files: dict[str, list[Path]], say: Callable[[str], None]) -> Job:
    """What a run with this configuration trains."""
    return (_rolls if config.kind == "jsb" else _voices)(config, files, say)


def _rolls(config: MusicConfig, files: dict[str, list[Path]], say: Callable[[str], None]) -> Job:
    train, valid = (c.read_rolls(files[part][0]) for part in ("train", "valid"))
    keys = marginals(train)
    cheap = {"nll_marginals": nll_of(keys, valid), "nll_held": nll_held(held(train), valid)}
    say(
        f"{len(train)} pieces, {len(valid)} held out; nats per step of the keys' shares alone: "
        f"{cheap['nll_marginals']:.2f}; of what a key that sounds, or does not, does next: {cheap['nll_held']:.2f}"
    )
    return Job(
        build=lambda: build(config),
        batches=lambda step: c.roll_batches(train, config.rows, config.tokens, config.shift, config.seed, step),
        held_out=lambda: (c.roll_batch(valid, [i]) for i in range(len(valid))),
        facts=lambda value: {
            "task": MusicConfig.task, "music": "jsb", "title": TITLES["jsb"], "marginals": keys, "held": held(train),
            "metrics": {"nll_per_step": value, **cheap, "valid_pieces": len(valid)}, **ABOUT,
        },
        precision=config.precision,
    )  # fmt: skip


def marginals(rolls: Rolls) -> list[float]:
    """Of each key, the share of steps at which it sounds, one step added to both sides."""
    every = np.concatenate([roll[1:] for roll in rolls])
    return [float(v) for v in (every.sum(0) + 0.5) / (len(every) + 1)]


def held(rolls: Rolls) -> list[list[float]]:
    """Of each key, the share of steps at which it sounds where it did not the step before, and where it did."""
    before = np.concatenate([roll[:-1] for roll in rolls])
    after = np.concatenate([roll[1:] for roll in rolls])
    found = []
    for value in (0, 1):
        at = before == value
        found.append([float(v) for v in ((after * at).sum(0) + 0.5) / (at.sum(0) + 1)])
    return found


def _nats(p: NDArray[Any], y: NDArray[Any]) -> float:
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(1).mean())


def nll_of(keys: list[float], rolls: Rolls) -> float:
    """Nats per step of these shares: what the literature counts, 88 Bernoulli variables a step."""
    return _nats(np.array(keys), np.concatenate([roll[1:] for roll in rolls]))


def nll_held(shares: list[list[float]], rolls: Rolls) -> float:
    """The same, where a key's share depends on whether it sounded the step before."""
    before = np.concatenate([roll[:-1] for roll in rolls])
    p = np.where(before > 0, np.array(shares[1]), np.array(shares[0]))
    return _nats(p, np.concatenate([roll[1:] for roll in rolls]))


def _voices(config: MusicConfig, files: dict[str, list[Path]], say: Callable[[str], None]) -> Job:
    train, valid = (c.Chorales(c.read_voices(files[part][0])) for part in ("train", "valid"))
    table = below(train)
    cheap = {
        f"accuracy_cheap_{c.VOICES[v]}": share for v, share in zip((1, 2, 3), accuracy_of(table, valid), strict=True)
    }
    say(f"{len(train)} pieces, {len(valid)} held out; the commonest note below the soprano's: "
        + ", ".join(f"{v:.3f}" for v in cheap.values()))  # fmt: skip
    return Job(
        build=lambda: build(config),
        batches=lambda step: c.voice_batches(train, config.rows, config.tokens, config.shift, config.seed, step),
        held_out=lambda: (batch for known in ("all", "soprano") for batch in c.asked(valid, known)),
        facts=lambda value: {
            "task": MusicConfig.task, "music": "chorale", "title": TITLES["chorale"], "below": table,
            "metrics": {"nats_per_note": value, **cheap, "valid_pieces": len(valid)}, **ABOUT,
        },
        precision=config.precision,
    )  # fmt: skip


def below(own: c.Chorales) -> list[list[list[int]]]:
    """The cheap baseline: of alto, tenor and bass, in major and in minor, the commonest symbol under each of the
    soprano's."""
    counts = np.zeros((3, 2, c.PITCHES, c.PITCHES))
    for piece, shift, minor in zip(own.pieces, own.shifts, own.minor, strict=True):
        columns = [c.column(piece[:, v], shift) for v in range(4)]
        for v in (1, 2, 3):
            np.add.at(counts[v - 1, minor], (columns[0], columns[v]), 1)
    found: list[list[list[int]]] = (counts + 1e-3 * counts.sum((1, 2), keepdims=True)).argmax(3).tolist()
    return found


def accuracy_of(table: list[list[list[int]]], own: c.Chorales) -> list[float]:
    """Of alto, tenor and bass, the share of steps at which the table has the right pitch."""
    right, total = np.zeros(3), 0
    for piece, shift, minor in zip(own.pieces, own.shifts, own.minor, strict=True):
        columns = [c.column(piece[:, v], shift) for v in range(4)]
        total += len(piece)
        for v in range(3):
            right[v] += (np.array(table[v][minor])[columns[0]] == columns[v + 1]).sum()
    return [float(v) for v in right / total]


@torch.no_grad()
def nll(model: Tagger, rolls: Rolls) -> float:
    """Nats per step of a model of the keys."""
    total = count = 0.0
    for i in range(len(rolls)):
        loss = model.loss(c.roll_batch(rolls, [i]))
        total, count = total + float(loss.total), count + loss.count
    return total / count
