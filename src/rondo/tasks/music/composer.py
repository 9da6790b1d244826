"""The composer: tunes written, continued, varied, and written anew bar by bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from rondo.files import FileError
from rondo.models.generator import Generator
from rondo.models.store import load_task
from rondo.search.sample import sample
from rondo.tasks.music import known, midi
from rondo.tasks.music import tokens as t
from rondo.tasks.music.abc_read import read_abc
from rondo.tasks.music.abc_write import bar_abc, to_abc
from rondo.tasks.music.engrave import available, engraved, tune_mei
from rondo.tasks.music.grammar import Form, Item, Machine, check_form
from rondo.tasks.music.predictor import TunePredictor
from rondo.tasks.music.request import Heard, MusicRequest, MusicResponse, Passage, WrittenBar
from rondo.tasks.music.theory import MODES, Key, MusicError, key_of, metre_ticks
from rondo.tasks.music.tune import Bar, Section, Tune, check, in_key, sounds, ticks_of

LONGEST = 2400  # symbols that a tune may have
TONICS = {"maj": "D", "min": "E", "dor": "A", "mix": "A"}  # where such tunes mostly stand
USUAL, SHARES = (8, 16, 4), (0.84, 0.1, 0.06)  # bars of a section, about as the training has them


@dataclass(frozen=True)
class Written:
    """A tune, and of each of its bars whether the model wrote it."""

    tune: Tune
    new: list[bool]


class Composer:
    """The model of tunes, with what it was trained on."""

    def __init__(self, model: Generator, known_tunes: known.Known | None = None) -> None:
        self.model, self.known = model, known_tunes

    @classmethod
    def load(cls, path: Path | str = "music-folk") -> Composer:
        """From a run folder, a model file, or the name of a bundled model. Raises FileError."""
        model, about = load_task(path, "music", Generator, "model of tunes")
        if about.get("music") != "folk" or about.get("symbols") != list(t.NAMES):
            raise FileError(f"{path} is no model of tunes in this version's symbols")
        return cls(model, known.unpacked(about["known"]))

    def __call__(self, request: MusicRequest, given: Tune | None = None) -> MusicResponse:
        """Write a tune. `given`: instead of the ABC of the request."""
        written = self.write(request, given)
        return self.answer(written, request)

    def write(self, request: MusicRequest, given: Tune | None = None) -> Written:
        """The tune that a request asks for. Raises MusicError."""
        if request.task == "compose":
            return self.compose(request)
        tune = given or read_abc(request.abc, repair=True)
        if request.key:  # another tonic, the same mode
            tonic = key_of(request.key)._replace(mode=tune.key.mode)
            tune = in_key(tune, key_of(tonic.name))
        tune = prepared(tune)
        if request.task == "show":
            return Written(tune, [False] * len(tune.bars))
        if request.task == "continue":
            return self.go_on(tune, request)
        return self.rewrite(tune, free_bars(tune, request), request)

    def compose(self, request: MusicRequest) -> Written:
        """A new tune."""
        key = key_of(request.key) if request.key else None
        bars = request.bars or int(np.random.default_rng([request.seed, 3]).choice(USUAL, p=SHARES))
        form = Form(request.metre, key.mode if key else "", request.sections, bars, request.repeat)
        check_form(form)
        symbols = self.draw([Machine(form, forms=True)], request)[0]
        tune = t.tune_of(symbols)
        tune = in_key(tune, key or key_of(TONICS.get(tune.key.mode, "D") + tune.key.mode))
        title = request.title or f"No. {request.seed}, {tune.metre}, {tune.key.name}"
        return Written(check(replace(tune, title=title)), [True] * len(tune.bars))

    def go_on(self, tune: Tune, request: MusicRequest) -> Written:
        """The first bars of a tune, then new ones."""
        count = len(tune.bars)
        keep = min(request.keep or max(1, count - 1), count)
        script, kept = beginning(tune, keep)
        up = ticks_of(tune.bars[0])
        form = Form(tune.metre, tune.key.mode, max(request.sections, 0), request.bars, request.repeat,
                    pickup=up if up < metre_ticks(tune.metre) and count > 1 else -1, uniform=False,
                    least=1, most=33, most_sections=max(4, len(tune.sections)))  # fmt: skip
        symbols = self.draw([Machine(form, script)], request)[0]
        found = _like(t.tune_of(symbols), tune)
        return Written(check(found), [k >= kept for k in range(len(found.bars))])

    def rewrite(self, tune: Tune, free: Sequence[bool], request: MusicRequest) -> Written:
        """The same form; the bars that are free are written anew, the others stay as they are, note by note."""
        if not any(free):
            return Written(tune, list(free))
        symbols = self.draw([Machine(script=script_of(tune, free))], request)[0]
        return Written(check(_like(t.tune_of(symbols), tune)), list(free))

    def draw(
        self, machines: list[Machine], request: MusicRequest, seeds: Sequence[int] | None = None
    ) -> list[list[int]]:
        """Symbols of one tune a machine. Raises MusicError for one that does not come to an end."""
        prime = torch.full((len(machines), 1), t.START)
        found = sample(
            TunePredictor(self.model, machines), prime, LONGEST, temperature=request.temperature, top_p=request.top_p,
            seed=list(seeds) if seeds is not None else [request.seed + k for k in range(len(machines))], end=t.END,
        )  # fmt: skip
        if not bool(found.finished.all()):
            raise MusicError(
                f"曲子超过 {LONGEST} 个符号 / the tune has more than {LONGEST} symbols: ask for fewer bars"
            )
        return [[t.START, *row, t.END] for row in found.best()]

    def answer(self, written: Written, request: MusicRequest) -> MusicResponse:
        """All that is shown of a tune."""
        tune, notes = written.tune, []
        shared = self.shared(tune)
        svg = ""
        if request.score:
            if available():
                svg = engraved(tune_mei(tune), request.width)
            else:
                notes.append("没有安装 verovio，不能排印乐谱 / no engraved score: pip install 'rondo[music]'")
        speed = midi.tempo(tune.metre)
        heard = [
            Heard(start=s.start / speed, seconds=s.ticks / speed, pitch=s.pitch, bar=s.bar, note=s.note)
            for s in sounds(tune)
        ]
        chances = self.chances(tune)
        bars = [
            WrittenBar(ticks=ticks_of(bar), p=chances[k], new=written.new[k], abc=bar_abc(bar, tune))
            for k, bar in enumerate(tune.bars)
        ]
        return MusicResponse(
            abc=to_abc(tune), title=tune.title, metre=tune.metre, key=tune.key.name, seed=request.seed, bars=bars,
            sounds=heard, seconds=max((h.start + h.seconds for h in heard), default=0.0), shared=shared, svg=svg,
            notes=notes,
        )  # fmt: skip

    def shared(self, tune: Tune) -> Passage | None:
        """The longest passage that it has in common with a tune of the training."""
        found = self.known.longest(tune) if self.known else None
        if found is None:
            return None
        numbers = [b for b, bar in enumerate(tune.bars) for _ in bar]
        last = min(found.first + found.notes - 1, len(numbers) - 1)
        return Passage(
            notes=found.notes, first=found.first, bars=(numbers[found.first], numbers[last]), title=found.title
        )

    @torch.no_grad()
    def chances(self, tune: Tune) -> list[float]:
        """Of each bar, the mean probability (geometric) that the model gives its symbols."""
        from rondo.tasks.music.folk import Tunes

        batch = Tunes([tune]).batch([0])
        nats, _ = self.model.nats(batch)
        found, bar = [[] for _ in tune.bars], 0  # type: ignore[var-annotated]
        for symbol, value in zip(batch.labels[0].tolist(), nats[0].tolist(), strict=True):
            if t.is_length(symbol) or t.is_pitch(symbol) or symbol == t.TIE:
                found[min(bar, len(found) - 1)].append(value)
            elif symbol in (t.LINE, t.FIRST, t.CLOSE, t.DOUBLE):
                bar += 1
        return [math.exp(-float(np.mean(values))) if values else 0.0 for values in found]


def prepared(tune: Tune) -> Tune:
    """The tune with all lengths in the form that there are symbols for; each bar is checked. Raises MusicError."""

    def cut(bars: Sequence[Bar]) -> tuple[Bar, ...]:
        return tuple(map(t.representable, bars))

    sections = tuple(Section(cut(s.bars), s.repeat, cut(s.first), cut(s.second)) for s in tune.sections)
    found = check(replace(tune, sections=sections))
    if tune.key.mode not in MODES:
        raise MusicError(f"不支持的调式 {tune.key.mode} / the mode {tune.key.mode} is not supported")
    t.symbols(found)
    return found


def free_bars(tune: Tune, request: MusicRequest) -> list[bool]:
    """Which bars are to be written anew: all but the locked ones, or a share drawn by the seed, alike bars alike."""
    count = len(tune.bars)
    if request.task == "again":
        locked = set(request.locked)
        if wrong := [n for n in locked if not 0 <= n < count]:
            raise MusicError(
                f"没有第 {min(wrong) + 1} 小节 / there is no bar {min(wrong) + 1}: the tune has {count} bars"
            )
        return [k not in locked for k in range(count)]
    random = np.random.default_rng([request.seed, 7])
    different = list(dict.fromkeys(tune.bars))
    size = round(request.share * len(different))
    drawn = {different[k] for k in random.permutation(len(different))[: max(size, 1 if request.share else 0)]}
    return [bar in drawn for bar in tune.bars]


def script_of(tune: Tune, free: Sequence[bool]) -> tuple[Item, ...]:
    """What the grammar demands, where the free bars of a tune are to be written anew: alike ones alike."""
    items, number, seen = _head(tune), 0, dict[Bar, int]()
    bars = tune.bars
    firsts = [t.pitch_symbol(bar[0]) for bar in bars]
    for section in tune.sections:
        done, total = 0, len(section.bars) + len(section.first)
        for symbol, bar in t.section_symbols(section):
            if bar is None:
                items.append(Item((symbol,)))
                continue
            after = number + 1
            known_after = after < len(bars) and not free[after]
            if not free[number]:
                items.append(Item(tuple(t.bar_symbols(bar))))
            elif bar in seen:
                items.append(Item(like=seen[bar], togo=max(1, total - done)))
            else:
                seen[bar] = len(items)
                items.append(Item(ticks=ticks_of(bar), anchor=firsts[after] if known_after else 0,
                                  togo=max(0, total - done)))  # fmt: skip
            number, done = after, done + 1
    return (*items, Item((t.END,)))


def beginning(tune: Tune, keep: int) -> tuple[tuple[Item, ...], int]:
    """What is demanded of a tune's first bars, so that it may go on after them; and how many bars are kept: a second
    ending is not begun, and the last bar of all stays open."""
    items, number, total = _head(tune), 0, len(tune.bars)
    for section in tune.sections:
        for symbol, bar in t.section_symbols(section):
            if number >= keep and bar is not None:
                return tuple(items), number
            if bar is not None:
                items.append(Item(tuple(t.bar_symbols(bar))))
                number += 1
            else:
                items.append(Item((symbol,)))
        if number >= keep or number >= total:
            break
    return tuple(items), number


def _head(tune: Tune) -> list[Item]:
    whole = t.symbols(tune)
    return [Item((whole[0],)), Item((whole[1],)), Item((whole[2],))]


def _like(found: Tune, tune: Tune) -> Tune:
    """A tune in the key, the octave and with the title of another."""
    return Tune(
        found.metre, Key(tune.key.letter, tune.key.accidental, found.key.mode), found.sections, tune.octave, tune.title
    )
