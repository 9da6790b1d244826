"""The texts of the bundled language models, made from the data sets, and their training.

Each text has one document a line (a sentence, a paragraph, a poem), in an order drawn by a fixed seed.
"""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from rondo.bundled import FOLDER as BUNDLED
from rondo.data.text import DataError, read_text
from rondo.expr.graph import nearest
from rondo.files import write_aside
from rondo.models.ngram import NGram
from rondo.search.predictor import Predictor, as_prime, read
from rondo.train import configs
from rondo.train.config import TextConfig
from rondo.train.language import LanguageModel, load_language_model
from rondo.train.run import Run
from rondo.train.text import Corpus, train_corpus

SEED = 1
TATOEBA = "Tatoeba (tatoeba.org, www.manythings.org/anki), CC BY 2.0 France"
FACTS: dict[str, dict[str, Any]] = {
    "english": {
        "title": "English by pieces of words",
        "data": [TATOEBA, "Leo Tolstoy, War and Peace, translated by Louise and Aylmer Maude; public domain"],
        "licence": "CC BY 2.0 (the weights, with this attribution)",
    },
    "chinese": {
        "title": "Chinese by characters: classical poems and everyday sentences",
        "data": ["chinese-poetry, poems of Tang and Song, MIT; the poems are in the public domain", TATOEBA],
        "licence": "CC BY 2.0 (the weights, with this attribution)",
    },
}


def english(folder: Path, part: str) -> list[str]:
    """English sentences of Tatoeba, each once, and paragraphs of War and Peace."""
    sentences = {row["en"] for pair in ("fra", "cmn") for row in _rows(folder / f"mt-tatoeba-{pair}-eng", part)}
    if part == "train":  # what the other pair holds out is held out
        sentences -= {row["en"] for pair in ("fra", "cmn") for row in _rows(folder / f"mt-tatoeba-{pair}-eng", "valid")}
    novel = read_text(folder / "lm-warpeace" / f"{part}.txt.gz")
    paragraphs = [" ".join(p.split()) for p in novel.split("\n\n")]
    return [*sorted(sentences), *(p for p in paragraphs if p)]


def chinese(folder: Path, part: str) -> list[str]:
    """Poems of four or eight lines, punctuated, and Chinese sentences of Tatoeba."""
    lines = [poem["content"].split("|") for poem in _objects(folder / "tang-song-poems" / f"{part}.jsonl.gz")]
    poems = ["".join(f"{a}，{b}。" for a, b in zip(p[::2], p[1::2], strict=True)) for p in lines]
    return [*poems, *sorted({row["zh"] for row in _rows(folder / "mt-tatoeba-cmn-eng", part)})]


TEXTS: dict[str, Callable[[Path, str], list[str]]] = {"english": english, "chinese": chinese}


def make(name: str, data: Path, out: Path, console: Console | None = None, **settings: Any) -> Run[TextConfig]:
    """Write the text of a bundled model beside the new run folder `out`, and train it with the shipped configuration
    of the same name. `data` is the folder of data sets."""
    if name not in TEXTS:
        raise DataError(f"no bundled model is called {name!r}{nearest(name, list(TEXTS))}")
    config = TextConfig.load(configs.find(Path(name)), **settings)
    files = {part: out.parent / f"{out.name}-text" / f"{part}.txt" for part in ("train", "valid")}
    for part, file in files.items():
        documents = TEXTS[name](data, part)
        random.Random(SEED).shuffle(documents)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{d}\n" for d in documents), encoding="utf-8")
    parts = {part: [file] for part, file in files.items()}
    corpus = Corpus.read(parts, config)
    run = train_corpus(corpus, Run.create(out, config, parts, FACTS[name]), console)
    if name == "english":
        found = noun_ranks(load_language_model(run.folder), corpus.baseline)
        write_aside(out / "noun-pairs.json", (json.dumps(found, indent=1) + "\n").encode())
    return run


def noun_ranks(model: LanguageModel, ngram: NGram) -> list[dict[str, Any]]:
    """For pairs of nouns that do not stand side by side in the training text ("pineapple juice"): at which rank the
    second follows, among all pieces, for the network and for an n-gram model of the same pieces."""
    rows = (BUNDLED / "noun-pairs.tsv").read_text(encoding="utf-8").splitlines()
    found = []
    for prime, word in (row.split("\t") for row in rows):
        numbers = model.vocab.encode(f"{model.vocab.separator}{prime}").tolist()
        wanted = int(model.vocab.encode(f" {word}")[0])
        ranks = {}
        predictors: dict[str, Predictor[Any]] = {"network": model.model.predictor(), "n-gram": ngram}
        for name, predictor in predictors.items():
            scores = read(predictor, as_prime(numbers))[0][0]
            ranks[name] = int((scores > scores[wanted]).sum()) + 1
        found.append({"prime": prime, "word": word, **ranks})
    return found


def _rows(folder: Path, part: str) -> Iterator[dict[str, str]]:
    text = read_text(folder / f"{part}.tsv.gz")
    return iter(csv.DictReader(text.split("\n"), delimiter="\t", quoting=csv.QUOTE_NONE))


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        raise DataError(f"{path} is missing: name the folder that holds the data sets with --data")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)
