"""The models that are loaded once, when they are first asked for."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from rondo import bundled
from rondo.tasks.captions.describer import Describer
from rondo.tasks.couplet.writer import Writer
from rondo.tasks.dna.marker import Marker
from rondo.tasks.entities.directions import Reader
from rondo.tasks.entities.finder import Finder
from rondo.tasks.music.composer import Composer
from rondo.tasks.music.harmoniser import Harmoniser
from rondo.tasks.poetry.poet import Poet
from rondo.tasks.sentiment.analyser import Analyser
from rondo.tasks.series.teller import Teller
from rondo.tasks.speech.listener import Listener
from rondo.tasks.translation.translator import Translator
from rondo.tasks.video.watcher import MODELS as VIDEO
from rondo.tasks.video.watcher import Watcher
from rondo.train.language import LanguageModel, load_language_model

P = ParamSpec("P")
T = TypeVar("T")

_lock = threading.Lock()  # two first requests must not load a model twice


def once(load: Callable[P, T]) -> Callable[P, T]:
    """The same, computed when it is first asked for with these arguments, by one thread."""
    cached = functools.cache(load)

    @functools.wraps(load)
    def locked(*args: P.args, **kwargs: P.kwargs) -> T:
        with _lock:
            return cached(*args, **kwargs)  # type: ignore[arg-type]

    return locked


@once
def poet() -> Poet:
    """The bundled poet."""
    return Poet.load()


@once
def writer() -> Writer:
    """The bundled writer of couplets."""
    return Writer.load()


@once
def language(name: str) -> LanguageModel:
    """A bundled language model: english, chinese."""
    return load_language_model(name)


@once
def finder(name: str) -> Finder:
    """A bundled model of named entities: entities-zh, entities-en."""
    return Finder.load(name)


@once
def reader(name: str) -> Reader:
    """A bundled tagger that reads forward or both ways: entities-forward, entities-both."""
    return Reader.load(name)


@once
def analyser() -> Analyser:
    """The bundled models of sentiment."""
    return Analyser.load()


@once
def listener(name: str) -> Listener:
    """A bundled model of speech: speech-digits, speech-digits-live, speech-an4, speech-sentences."""
    return Listener.load(name)


@once
def translator(direction: str) -> Translator:
    """The bundled model of a direction of translation: fr-en, en-fr."""
    return Translator.load(f"translation-{direction}")


@once
def describer() -> Describer:
    """The bundled models of image captions, and the fetched encoder where there is one."""
    return Describer.load()


@once
def marker() -> Marker:
    """The bundled models of DNA: dna-splice, dna-promoters."""
    return Marker.load(promoters="dna-promoters" if "dna-promoters" in bundled.names() else "")


@once
def composer() -> Composer:
    """The bundled model of tunes."""
    return Composer.load()


@once
def harmoniser() -> Harmoniser:
    """The bundled model of chorales."""
    return Harmoniser.load()


@once
def watcher(reads: str) -> Watcher:
    """The bundled model of activities that reads joints, or pixels."""
    return Watcher.load(VIDEO[reads])


@once
def teller(name: str) -> Teller:
    """A bundled model of forecasts: airline, sunspots."""
    return Teller.load(f"series-{name}")
