"""The models that are loaded once, when they are first asked for."""

from __future__ import annotations

import functools
import threading

from rondo.tasks.couplet.writer import Writer
from rondo.tasks.poetry.poet import Poet
from rondo.train.language import LanguageModel, load_language_model

_lock = threading.Lock()  # two first requests must not load a model twice


def poet() -> Poet:
    """The bundled poet."""
    with _lock:
        return _poet()


def writer() -> Writer:
    """The bundled writer of couplets."""
    with _lock:
        return _writer()


def language(name: str) -> LanguageModel:
    """A bundled language model: english, chinese."""
    with _lock:
        return _language(name)


@functools.cache
def _poet() -> Poet:
    return Poet.load()


@functools.cache
def _writer() -> Writer:
    return Writer.load()


@functools.cache
def _language(name: str) -> LanguageModel:
    return load_language_model(name)
