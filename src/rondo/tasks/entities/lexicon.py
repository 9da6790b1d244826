"""Names found by looking them up: the baseline, and a user's own dictionary.

Where entries overlap in a text the longest is taken, of entries as long the one that stands first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rondo.data.packed import packed, unpacked
from rondo.tasks.entities.data import Sentence
from rondo.tasks.entities.labels import Span

Tokens = tuple[str, ...]


class Lexicon:
    """Entries of tokens, each with its type."""

    def __init__(self, entries: Mapping[Tokens, str]) -> None:
        self.entries = dict(entries)
        sizes: defaultdict[str, set[int]] = defaultdict(set)
        for tokens in self.entries:
            sizes[tokens[0]].add(len(tokens))
        self._sizes = {first: sorted(found) for first, found in sizes.items()}

    @classmethod
    def of(cls, sentences: Iterable[Sentence]) -> Lexicon:
        """The entities of tagged sentences, each with the type that it has most often."""
        counts: defaultdict[Tokens, Counter[str]] = defaultdict(Counter)
        for s in sentences:
            for start, end, kind in s.entities:
                counts[s.tokens[start:end]][kind] += 1
        return cls({tokens: min(c, key=lambda k: (-c[k], k)) for tokens, c in sorted(counts.items())})

    def find(self, tokens: Sequence[str]) -> list[Span]:
        """The entries in a sentence, in order."""
        own = tuple(tokens)
        matches = [
            (-size, t, kind)
            for t, first in enumerate(own)
            for size in self._sizes.get(first, ())
            if (kind := self.entries.get(own[t : t + size])) is not None
        ]
        taken, found = [False] * len(own), []
        for size, t, kind in sorted(matches):
            if not any(taken[t : t - size]):
                taken[t : t - size] = [True] * -size
                found.append((t, t - size, kind))
        return sorted(found)

    def to_json(self) -> dict[str, str]:
        """Entries by type, packed; tokens with \\x1f between."""
        by_type: defaultdict[str, list[str]] = defaultdict(list)
        for tokens, kind in self.entries.items():
            by_type[kind].append("\x1f".join(tokens))
        return {kind: packed(own) for kind, own in by_type.items()}

    @classmethod
    def from_json(cls, value: Any) -> Lexicon:
        """What `to_json` gave. Raises ValueError for anything else."""
        if not isinstance(value, dict):
            raise ValueError("its dictionary is not named by types")
        lists = {str(kind): unpacked(own) for kind, own in value.items()}
        return cls({tuple(text.split("\x1f")): kind for kind, own in lists.items() for text in own})
