"""What a person may ask of a translator, and what is answered. Offsets count code points of the text they belong to."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from rondo.expr.graph import nearest

LONGEST = 20_000  # characters of a text
LONGEST_PREFIX = 1000
LONGEST_TERM = 100  # characters of each side of an entry of a glossary
ENTRIES = 200
R = TypeVar("R", bound=BaseModel)


class TranslationError(ValueError):
    """A text or a glossary that cannot be translated; the message, Chinese then English, says what can be done."""


class GlossaryEntry(BaseModel):
    """What is to be written for a word or a phrase."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field(description="a word or phrase of the text; without a capital it is found in any case")
    target: str = Field(description="what stands for it in the translation, exactly so")

    @field_validator("source", "target")
    @classmethod
    def _plain(cls, value: str) -> str:
        text = " ".join(_whole(value).split())
        if not text:
            raise TranslationError(
                "词表的每一条都要有原文和译文 / each entry of a glossary has a source and a target, neither empty"
            )
        if len(text) > LONGEST_TERM:
            raise TranslationError(
                f"词表的一条最长 {LONGEST_TERM} 个字符，这一条有 {len(text)} 个 / "
                f"an entry of a glossary has at most {LONGEST_TERM} characters on each side, found {len(text)}"
            )
        if not all(c.isprintable() for c in text):
            raise TranslationError(
                "词表里有控制字符，请删去 / an entry of the glossary holds a control character: delete it"
            )
        return text

    @field_validator("source")
    @classmethod
    def _letters(cls, value: str) -> str:
        if not any(c.isalnum() for c in value):
            raise TranslationError(
                f"词表的原文要有字母或数字：{value!r} / the source of an entry needs a letter or a digit: {value!r}"
            )
        return value


class _Asked(BaseModel):
    """What a text and a sentence are asked with alike."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(description=f"what is to be translated, at most {LONGEST} characters")
    direction: str = Field("fr-en", max_length=20, description="from which language to which")
    beam: int = Field(5, ge=1, le=20, description="hypotheses that are followed side by side; 1: greedy")
    glossary: list[GlossaryEntry] = Field([], description=f"at most {ENTRIES} entries; a longer source goes first")
    prefix: str = Field("", description="what the translation of the first sentence begins with, up to a word's end")

    @field_validator("text")
    @classmethod
    def _text(cls, value: str) -> str:
        if not value.strip():
            raise TranslationError("请给出要翻译的文字 / give a text to translate")
        if len(value) > LONGEST:
            raise TranslationError(
                f"这段文字有 {len(value)} 个字符，最多 {LONGEST} 个；更长的请用 rondo translate --file / "
                f"this text has {len(value)} characters, at most {LONGEST}: for more use rondo translate --file"
            )
        return _whole(value)

    @field_validator("prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if len(value) > LONGEST_PREFIX:
            raise TranslationError(
                f"指定的译文开头最长 {LONGEST_PREFIX} 个字符 / "
                f"a prefix has at most {LONGEST_PREFIX} characters, found {len(value)}"
            )
        return _whole(value)

    @field_validator("glossary")
    @classmethod
    def _few(cls, value: list[GlossaryEntry]) -> list[GlossaryEntry]:
        check_entries(value)
        return value


class TranslationRequest(_Asked):
    """A text to translate: a sentence, or a document whose layout is kept."""

    nbest: int = Field(3, ge=1, le=10, description="translations of each sentence, at most as many as beam")


class ChoicesRequest(_Asked):
    """A place in the translation of one sentence: which words may come there?"""

    count: int = Field(6, ge=0, le=10, description="how many; 0: only the translations that begin with the prefix")
    nbest: int = Field(3, ge=1, le=10, description="translations that begin with the prefix, at most as many as beam")


class Word(BaseModel):
    """A word of a text: characters start ... end - 1."""

    start: int
    end: int


class Candidate(BaseModel):
    """A translation of a sentence."""

    text: str
    score: float = Field(
        description="by which it is ranked: log-probability, read back by the other direction too where there is one, "
        "divided by the length penalty"
    )
    words: list[Word] = Field(description="of the translation, places in `text`")
    alignment: list[list[float]] = Field(
        description="for each word of the translation the attention weight of each word of the source, 1 in all"
    )
    copied: list[tuple[int, int]] = Field([], description="places in `text` that were copied from the source")
    glossary: list[tuple[int, int]] = Field([], description="places in `text` that come from the glossary")


class Sentence(BaseModel):
    """A sentence of the text, or a clause of one that was too long."""

    start: int = Field(description="where it stands in the text of the request")
    end: int
    words: list[Word] = Field(description="of the source, places in the text of the request")
    candidates: list[Candidate] = Field(description="its translations, the best first")
    breaks: list[tuple[float, str]] = Field(
        [],
        description="line breaks inside, each with the share of the sentence before it; `text` has them, no candidate",
    )


class Progress(BaseModel):
    """A sentence that is done, while a text is being translated."""

    done: int
    of: int
    sentence: Sentence


class TranslationResponse(BaseModel):
    """A translated text: each sentence replaced by its best translation, all between them as it was."""

    text: str
    direction: str
    sentences: list[Sentence]
    notes: list[str] = []


class Choice(BaseModel):
    """A word that may come next, and how the best translation through it goes."""

    word: str = Field(description="empty: the sentence ends here")
    p: float
    prefix: str = Field(description="the prefix with this word")
    candidate: Candidate


class ChoicesResponse(BaseModel):
    """The likeliest next words after a prefix."""

    prefix: str
    words: list[Word] = Field(description="of the source")
    choices: list[Choice]
    candidates: list[Candidate] = Field(description="the best translations that begin with the prefix")


def translation_request(**values: Any) -> TranslationRequest:
    """A checked request. Raises TranslationError saying what is wrong."""
    return checked(TranslationRequest, values)


def choices_request(**values: Any) -> ChoicesRequest:
    """A checked request. Raises TranslationError saying what is wrong."""
    return checked(ChoicesRequest, values)


def checked(kind: type[R], values: dict[str, Any]) -> R:
    """A request of this kind. Raises TranslationError saying what is wrong with the first faulty field."""
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, TranslationError):
            raise cause from None
        name = ".".join(map(str, first["loc"]))
        known = list(kind.model_fields)
        raise TranslationError(f"{name}：{first['msg']}{nearest(name, known) if name not in known else ''}") from None


def check_entries(entries: list[GlossaryEntry]) -> None:
    """Raises TranslationError where there are too many, or two of one source."""
    if len(entries) > ENTRIES:
        raise TranslationError(
            f"词表最多 {ENTRIES} 条，现有 {len(entries)} 条 / "
            f"a glossary has at most {ENTRIES} entries, found {len(entries)}"
        )
    known: dict[str, str] = {}
    for entry in entries:
        if known.setdefault(entry.source, entry.target) != entry.target:
            raise TranslationError(
                f"词表里 {entry.source!r} 有两个译文，请留一个 / "
                f"the glossary has two targets for {entry.source!r}: keep one"
            )


def _whole(text: str) -> str:
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise TranslationError("这段文字里有半个字符 / this text holds half a character (a surrogate)")
    return text
