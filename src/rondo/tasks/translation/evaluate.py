"""Measures of a model of translation: `rondo evaluate MODEL --data FILE`.

The file is a table (TSV, also .gz) whose header names the languages. Measured are the loss per piece; BLEU and chrF by
sacrebleu (Post 2018, arXiv:1804.08771), cased and detokenised, their signatures beside them; how many sentences are
translated in a second. A source sentence may stand in several rows, each with another translation:

    single   every row by itself: the translation that its sentence gets, against the one reference of the row
    all      every source sentence once, against all its references

With a model of the other direction at hand (`channel.py`) the beam is chosen from with it and without. Beside the model
stands word-by-word lookup, from the table in the model file. Lengths are in words of the source.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rondo import bundled
from rondo.files import FileError
from rondo.models.store import load_model
from rondo.tasks.translation.channel import reverse_of
from rondo.tasks.translation.control import Transformer
from rondo.tasks.translation.data import Corpus, Pair, plain, read_pairs
from rondo.tasks.translation.lookup import Lookup, words
from rondo.tasks.translation.pieces import Pieces
from rondo.tasks.translation.translator import LONGEST, Translator
from rondo.train.fit import mean_loss

LENGTHS = (5, 10, 15, 20, 30)  # words: the last of each bucket
BEAM = 5
TOKENIZERS = {"zh": "zh"}  # of sacrebleu; 13a for other languages


class MeasureError(ValueError):
    """What cannot be measured; the message says what to do."""


@dataclass(frozen=True)
class Table:
    """The rows of a file by their source sentences.

    sources  each once
    rows     of each pair, the number of its source
    """

    pairs: list[Pair]
    sources: list[str]
    rows: list[int]

    @classmethod
    def of(cls, pairs: list[Pair]) -> Table:
        numbers = {source: n for n, source in enumerate(dict.fromkeys(p.source for p in pairs))}
        return cls(pairs, list(numbers), [numbers[p.source] for p in pairs])

    def references(self) -> list[list[str]]:
        """Of each source all its translations."""
        found: list[list[str]] = [[] for _ in self.sources]
        for pair, row in zip(self.pairs, self.rows, strict=True):
            found[row].append(pair.target)
        return found


def evaluate(path: Path | str, data: Path, beam: int = BEAM) -> dict[str, Any]:
    """All measures of the model in `path` on the pairs of the file `data`."""
    _sacrebleu()  # before the work, not after it
    translator = load(path)
    source, target = translator.source_language, translator.target_language
    table = Table.of(read_pairs(data, source, target))
    corpus = Corpus(table.pairs, translator.pieces, 10 * translator.longest)
    found: dict[str, Any] = {
        "direction": translator.direction,
        "pairs": len(table.pairs),
        "sentences": len(table.sources),
    }
    found["nats_per_piece"] = mean_loss(translator.model, plain(corpus))
    texts = {"lookup": [translator.lookup(source) for source in table.sources]}
    ways = [("greedy", 1, translator), (f"beam_{beam}", beam, translator)]
    if translator.reverse:
        ways.append((f"beam_{beam}_not_read_back", beam, translator.alone()))
    for name, width, own in ways:
        begun = time.perf_counter()
        texts[name] = own.translate(table.sources, beam=width)
        found[f"sentences_per_second_{name}"] = len(table.sources) / (time.perf_counter() - begun)
    found |= {name: scores(table, own, target) for name, own in texts.items()}
    found["by_length"] = by_length(table, texts, target)
    return found


def load(path: Path | str) -> Translator:
    """A translator with a model of any kind, the control too. Raises FileError."""
    file = bundled.model_file(path)
    model, about = load_model(file, Transformer)
    try:
        pieces, lookup = Pieces.of_json(about["pieces"]), Lookup.of_json(about["lookup"])
        longest = int(about.get("config", {}).get("longest", LONGEST))
        if about["task"] != "translation" or len(pieces) != model.head.symbols:
            raise ValueError("its task or its pieces are others")
        direction = f"{about['source']}-{about['target']}"
        return Translator(model, pieces, lookup, direction, longest, reverse_of(path, direction))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileError(f"{file} is no model of translation: {error}") from None


def scores(table: Table, texts: Sequence[str], language: str) -> dict[str, Any]:
    """BLEU and chrF of the translations of each source, with one reference and with all, and the signatures."""
    bleu, chrf = _metrics(language)
    rows, every = [texts[row] for row in table.rows], table.references()
    single, multiple = [[p.target for p in table.pairs]], _streams(every)
    found: dict[str, Any] = {}
    for name, metric in (("bleu", bleu), ("chrf", chrf)):
        found[f"{name}_single"] = metric.corpus_score(rows, single).score
        found[f"{name}_signature"] = str(metric.get_signature())
        if len(table.sources) < len(table.pairs):
            found[f"{name}_all"] = metric.corpus_score(texts, multiple).score
            found[f"{name}_all_signature"] = str(metric.get_signature())
    return found


def by_length(table: Table, texts: dict[str, list[str]], language: str) -> list[dict[str, Any]]:
    """BLEU, single reference, of the sources of about the same number of words."""
    bleu, _ = _metrics(language)
    buckets: dict[int, list[int]] = {}
    for k, pair in enumerate(table.pairs):
        count = len(words(pair.source))
        buckets.setdefault(sum(count > last for last in LENGTHS), []).append(k)
    found = []
    for bucket, places in sorted(buckets.items()):
        references = [[table.pairs[k].target for k in places]]
        own = {
            name: bleu.corpus_score([t[table.rows[k]] for k in places], references).score for name, t in texts.items()
        }
        found.append({"words": _label(bucket), "pairs": len(places), **own})
    return found


def _label(bucket: int) -> str:
    first = LENGTHS[bucket - 1] + 1 if bucket else 1
    return f"{first}-{LENGTHS[bucket]}" if bucket < len(LENGTHS) else f"{first} and more"


def _streams(references: Sequence[Sequence[str]]) -> list[list[str | None]]:
    """References as sacrebleu reads them: the first of every source, the second, ..., None where there is none."""
    most = max(map(len, references))
    return [[own[k] if k < len(own) else None for own in references] for k in range(most)]


def _metrics(language: str) -> tuple[Any, Any]:
    metrics = _sacrebleu()
    return metrics.BLEU(tokenize=TOKENIZERS.get(language, "13a")), metrics.CHRF()


def _sacrebleu() -> Any:
    try:
        import sacrebleu.metrics  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise MeasureError(
            "计算 BLEU 需要 sacrebleu：请安装 rondo[eval] / BLEU is measured by sacrebleu: install rondo[eval]"
        ) from None
    return sacrebleu.metrics
