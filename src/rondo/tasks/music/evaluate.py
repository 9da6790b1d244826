"""Measures of the models of music: `rondo evaluate RUN --data FILE`.

Tunes: nats per symbol beside a trigram's, and of tunes that are written with seeds 1, 2 ... how many parse, in how
many bars do not sum to the metre, and how long the longest passages shared with the training are. Keys of chorales:
nats per step, 88 Bernoulli variables, the step t + 1 from the steps up to t. Voices of chorales: how often a pitch is
Bach's own, given the other three voices, and given the soprano alone with all three written under the rules.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rondo import bundled
from rondo.files import FileError
from rondo.models.ngram import NGram
from rondo.models.store import load_model
from rondo.tasks.music import chorale as c
from rondo.tasks.music import chorale_train, floor, folk, harmony, known
from rondo.tasks.music import tokens as t
from rondo.tasks.music.abc_read import read_abc
from rondo.tasks.music.abc_write import to_abc
from rondo.tasks.music.composer import Composer
from rondo.tasks.music.grammar import Form, Machine
from rondo.tasks.music.harmoniser import Harmoniser
from rondo.tasks.music.request import music_request
from rondo.tasks.music.theory import MusicError
from rondo.tasks.music.tune import Tune, faults, in_key

ROWS = 25  # tunes that are written side by side


def evaluate(path: Path | str, data: Path, tunes: int = 100) -> dict[str, Any]:
    """All measures of the model in `path` on the pieces of the file `data`. tunes: how many are written."""
    file = bundled.model_file(path)
    model, about = load_model(file)
    if about.get("task") != "music" or about.get("music") not in ("folk", "jsb", "chorale"):
        raise FileError(f"{file} is no model of music")
    if about["music"] == "folk":
        return {"kind": "folk", **_folk(Composer.load(file), floor.from_json(about["floor"]), data, tunes)}
    if about["music"] == "jsb":
        return {"kind": "jsb", **_rolls(model, about, data)}
    return {"kind": "chorale", **_voices(Harmoniser(model), about, data)}


def _folk(composer: Composer, ngram: NGram, data: Path, tunes: int) -> dict[str, Any]:
    found, left = folk.read(data)
    own = folk.Tunes(found)
    nats = sum(float(composer.model.nats(batch)[0].sum()) for _, batch in folk.plain(own))
    count, notes = int(own.sizes.sum()), sum(len(tune.notes) for tune in found)
    cheap = floor.nats(ngram, own.symbols)
    return {
        "tunes": len(found),
        "tunes_left_out": left,
        "nats_per_symbol": nats / count,
        "nats_per_symbol_ngram": cheap / count,
        "ngram_order": ngram.order,
        "bits_per_note": nats / notes / math.log(2),
        "bits_per_note_ngram": cheap / notes / math.log(2),
        **(written(composer, tunes) if tunes else {}),
    }


def drawn(composer: Composer, tunes: int) -> list[Tune]:
    """Tunes in any form, seeds 1, 2 ..., temperature and nucleus as requests have them."""
    found = []
    for first in range(1, tunes + 1, ROWS):
        seeds = list(range(first, min(first + ROWS, tunes + 1)))
        rows = composer.draw([Machine(Form()) for _ in seeds], music_request(), seeds)
        found += [in_key(tune, tune.key._replace(letter=4)) for tune in map(t.tune_of, rows)]
    return found


def written(composer: Composer, tunes: int) -> dict[str, Any]:
    """Of tunes that the model writes."""
    parse, wrong, bars, passages = 0, 0, 0, []
    for tune in drawn(composer, tunes):
        wrong += len(faults(tune))
        bars += len(tune.bars)
        try:
            parse += read_abc(to_abc(tune)).metre == tune.metre
        except MusicError:
            continue
        shared = composer.shared(tune)
        passages.append(shared.notes if shared else known.WINDOW)
    return {
        "tunes_written": tunes,
        "tunes_that_parse": parse,
        "bars_written": bars,
        "bars_of_a_wrong_length": wrong,
        "shared_passage_median_notes": float(np.median(passages)),
        "shared_passage_longest_notes": int(max(passages)),
    }


def _rolls(model: Any, about: dict[str, Any], data: Path) -> dict[str, Any]:
    rolls = c.read_rolls(data)
    return {
        "pieces": len(rolls),
        "steps_predicted": sum(len(roll) - 1 for roll in rolls),
        "nll_per_step": chorale_train.nll(model, rolls),
        "nll_per_step_marginals": chorale_train.nll_of(about["marginals"], rolls),
        "nll_per_step_held": chorale_train.nll_held(about["held"], rolls),
    }


@torch.no_grad()
def _voices(model: Harmoniser, about: dict[str, Any], data: Path) -> dict[str, Any]:
    own = c.Chorales(c.read_voices(data))
    cheap = chorale_train.accuracy_of(about["below"], own)
    steps, rules = int(own.sizes.sum()), {"ours": 0, "bach": 0}
    right = {"others": np.zeros(4), "soprano": np.zeros(4)}
    for piece in own.pieces:
        key = c.key_of_chorale(piece)
        voices: list[Any] = [piece[:, v] for v in range(4)]
        for v in (1, 2, 3):
            emissions, transitions = model.scores(v, voices, key)
            size = emissions.shape
            nothing = np.zeros(size), np.broadcast_to(0.0, (*size, size[1]))
            course, _ = harmony.best_course(emissions, transitions, *nothing)
            shift = c.shift_of(key)
            right["others"][v] += (
                np.array([-1, *range(c.BOTTOM - shift, c.TOP + 1 - shift)])[course] == voices[v]
            ).sum()
        whole, broken = model([piece[:, 0], None, None, None], key)
        right["soprano"] += (whole == piece).sum(0)
        rules["ours"] += _own(broken)
        rules["bach"] += _own(harmony.broken(piece))
    found: dict[str, Any] = {"pieces": len(own), "steps": steps}
    for v in (1, 2, 3):
        name = c.VOICES[v]
        found[f"accuracy_{name}_beside_three"] = float(right["others"][v] / steps)
        found[f"accuracy_{name}_under_soprano"] = float(right["soprano"][v] / steps)
        found[f"accuracy_{name}_cheap"] = cheap[v - 1]
    return {**found, "rules_broken": rules["ours"], "rules_broken_by_bach": rules["bach"]}


def _own(broken: list[harmony.Broken]) -> int:
    """Broken rules, but for those that a given soprano breaks alone."""
    return sum(one.voices != ("soprano",) for one in broken)
