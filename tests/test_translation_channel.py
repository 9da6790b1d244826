"""The noisy channel: a beam's translations ranked by reading them back."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import pytest
import torch

import small_translator as small
from rondo import bundled
from rondo.data.vocab import Subwords
from rondo.files import FileError
from rondo.models.generator import Generator
from rondo.models.store import save_model
from rondo.search.beam import length_penalty
from rondo.tasks.translation import channel as channels
from rondo.tasks.translation.channel import Channel, Read
from rondo.tasks.translation.choices import choices
from rondo.tasks.translation.data import batch_of
from rondo.tasks.translation.lookup import Lookup
from rondo.tasks.translation.request import ChoicesRequest, translation_request
from rondo.tasks.translation.translator import Translator
from rondo.train.language import LanguageModel

READ = [
    Read("Le chat dort.", "The cat is sleeping.", 7, -1.5),
    Read("Le chat dort.", "My dog", 4, -0.5),
    Read("Bonjour, mon ami !", "", 1, -9.0),
    Read("Bonjour, mon ami !", "Hello, my friend! " * 9, 60, -3.0),
]


@functools.cache
def language() -> LanguageModel:
    vocab = Subwords.build(["\n".join(b for _, b in small.PAIRS)], 300)
    torch.manual_seed(4)
    return LanguageModel(Generator("gru", len(vocab), 8).eval(), vocab, {})


def made(spoken: LanguageModel | None = None) -> Channel:
    return Channel(small.model(seed=9), small.pieces(), spoken)


def with_channel(translator: Translator, own: Channel) -> Translator:
    found = Translator(translator.model, translator.pieces, translator.lookup, "fr-en", 40, "another")
    found.__dict__["channel"] = own  # as if it had been loaded
    return found


def test_scores_are_those_of_the_formula() -> None:
    own, p = made(language()), small.pieces()
    for one, score in zip(READ, own.scores(READ), strict=True):
        x = p.encode(one.target.strip()) or [p.end]
        back = -float(own.model.nats(batch_of([x], [p.encode(one.source)], p.end)).sum())
        spoken = -math.log(2) * sum(bits for _, bits in language().surprisals([one.target])[0])
        total = one.log_p + channels.REVERSE * back + channels.LANGUAGE * spoken
        assert score == pytest.approx(total / length_penalty(one.size, channels.PENALTY), rel=1e-5)
    without = made().scores(READ)
    assert all(a > b for a, b in zip(without, own.scores(READ), strict=True))


def test_texts_side_by_side_are_as_surprising_as_alone() -> None:
    texts = [r.target for r in READ] + ["a", "The cat", "Do you want to come with us?"]
    together = language().surprisals(texts)
    for text, found in zip(texts, together, strict=True):
        (alone,) = language().surprisals([text])
        assert [p for p, _ in found] == [p for p, _ in alone]
        torch.testing.assert_close(torch.tensor([b for _, b in found]), torch.tensor([b for _, b in alone]))


def test_the_beam_is_ranked_by_the_channel() -> None:
    """The same translations, by the channel's scores; with the channel no more than the order and the scores differ."""
    own = made(language())
    text = "Je ne sais pas où est le chat. Bonjour !"
    plain, ranked = (
        t(translation_request(text=text, beam=6, nbest=6))
        for t in (small.trained(), with_channel(small.trained(), own))
    )
    moved = False
    for one, two in zip(plain.sentences, ranked.sentences, strict=True):
        assert {c.text for c in one.candidates} == {c.text for c in two.candidates}
        moved |= [c.text for c in one.candidates] != [c.text for c in two.candidates]
        scores = [c.score for c in two.candidates]
        assert scores == sorted(scores, reverse=True)
    assert moved
    assert ranked.text.startswith(ranked.sentences[0].candidates[0].text)


def test_greedy_translations_and_capitals_stay_as_they_are() -> None:
    t, own = small.trained(), with_channel(small.trained(), made(language()))
    sentences = [a for a, _ in small.PAIRS]
    assert own.translate(sentences, beam=1) == t.translate(sentences, beam=1)
    t = small.trained()
    missing = Translator(t.model, t.pieces, t.lookup, "fr-en", 40, "nowhere.safetensors")
    assert missing.translate(sentences, beam=1) == t.translate(sentences, beam=1)  # nothing is loaded for it
    loud = translation_request(text="LE CHAT DORT AVEC LE CHIEN.", beam=5, nbest=5)
    assert own(loud) == t(loud)


def test_choices_are_ranked_by_the_channel_too() -> None:
    own = with_channel(small.trained(), made(language()))
    text = "Je ne sais pas où est le chat."
    best = own(translation_request(text=text, beam=5, nbest=3)).sentences[0].candidates
    found = choices(own, ChoicesRequest(text=text, beam=5, nbest=3, count=2))
    assert [c.text for c in found.candidates] == [c.text for c in best]


def saved(path: Path, source: str, target: str) -> Path:
    about = {"task": "translation", "source": source, "target": target, "pieces": small.pieces().to_json()}
    save_model(path, small.model(seed=9), about | {"lookup": Lookup(small.KNOWN).to_json()})
    return path


def test_a_model_of_another_direction_is_refused(tmp_path: Path) -> None:
    there = saved(tmp_path / "there.safetensors", "fr", "en")
    back = saved(tmp_path / "back.safetensors", "en", "fr")
    assert Translator.load(there).channel is None
    assert Translator.load(there, "none").channel is None
    assert Translator.load(there, str(back)).channel is not None
    assert Translator.load(there, str(back)).alone().channel is None
    with pytest.raises(FileError, match="does not translate en-fr, the other direction of fr-en"):
        _ = Translator.load(there, str(there)).channel
    assert channels.reverse_of(there, "fr-en") == ""
    for name in (n for n in bundled.names() if n.startswith("translation-")):
        direction = name.removeprefix("translation-")
        other = f"translation-{direction[3:]}-{direction[:2]}"
        for path in (name, bundled.find(name)):
            assert channels.reverse_of(path, direction) == (other if other in bundled.names() else "")
