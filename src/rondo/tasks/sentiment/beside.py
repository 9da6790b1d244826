"""Ridge regression beside the network: of whole texts two estimates of the valence are better than one.

    valence = (1 - w) v_network + w v_ridge,    w the setting `ridge`

The regression is the baseline of a data set that tells the valence of whole texts (`baselines.py`); it travels in the
model file anyway. Polarity, and what is said of targets, are the network's alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rondo.models.bag import Bag
from rondo.tasks.sentiment.explain import Floats
from rondo.tasks.sentiment.text import split

WHOLE = "emobank"  # the data set whose valence is that of whole texts


@dataclass(frozen=True)
class Beside:
    """A regression, its weight, and the language whose pieces it counts."""

    bag: Bag
    weight: float
    language: str

    @classmethod
    def of(cls, about: dict[str, Any], language: str) -> Beside | None:
        """From a model's metadata; None where it has none. Raises BagError."""
        weight = float(about.get("config", {}).get("ridge", 0.0))
        bag = about.get("baselines", {}).get(WHOLE, {}).get("valence", {}).get("ridge")
        return cls(Bag.from_json(bag), weight, language) if weight and bag else None

    def mixed(self, texts: Sequence[str], valence: Floats) -> Floats:
        """The valence [N] of whole texts, from the network's."""
        if not len(texts):
            return valence
        sequences = [[unit for _, unit in split(text, self.language)] for text in texts]
        own: Floats = self.bag.scores(sequences)[:, 0].double().numpy()
        found: Floats = (1 - self.weight) * valence + self.weight * own
        return found
