"""What a person may ask of the poet, and what is answered."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rondo.tasks.poetry.brief import LONGEST, MOST_LINES, STYLES
from rondo.verse.abuse import abusive
from rondo.verse.books import VerseError, book
from rondo.verse.forms import FORMS, PLACES, SCHEME_NAMES, SCHEMES, check_choice, places, rhyme_sets
from rondo.verse.request import checked_request
from rondo.verse.script import is_han, simplify

LENGTHS = {"五言": 5, "七言": 7}
WILD = "_＿"  # free places of a mask
MOST_KEYS, MOST_POEMS, MOST_THEME = 8, 20, 100
NAMES = {  # what people type -> the value
    "wujue": "五绝",
    "qijue": "七绝",
    "wulü": "五律",
    "wulv": "五律",
    "qilü": "七律",
    "qilv": "七律",
    "wuyan": "五言",
    "qiyan": "七言",
    "5": "五言",
    "7": "七言",
    "head": "藏头",
    "tail": "藏尾",
    "middle": "藏中",
    "rising": "递增",
    "falling": "递减",
    "falling-head": "递减至首",
    "cangtou": "藏头",
    "cangwei": "藏尾",
    "cangzhong": "藏中",
    "dizeng": "递增",
    "dijian": "递减",
    **SCHEME_NAMES,
    "双句一押": "双句一压",
    "首句入韵": "首句入韵",
    "shuangjuyayun": "双句押韵",
    "shuangjuyiya": "双句一压",
    "yisansiya": "一三四押",
    "first": "首句入韵",
    "tang": "唐",
    "song": "宋",
}
RHYMES = (*SCHEMES, "首句入韵")


class PoemRequest(BaseModel):
    """A poem to order. Every field may be left out."""

    model_config = ConfigDict(extra="forbid")

    theme: str = Field("", description="what it is about: keywords, a title, any text")
    form: str = Field("", description="五绝 七绝 五律 七律; 五言 or 七言: as many lines as characters are hidden")
    hide: str = Field("", description="characters to hide, up to eight, one a line")
    at: str = Field("藏头", description="where they stand: 藏头 藏尾 藏中 递增 递减 递减至首")
    mask: str = Field("", description="a poem with free places, lines parted by |: __春__|_____")
    rhyme: str = Field("双句押韵", description="双句押韵 双句一压 一三四押 首句入韵")
    book: str = Field("pingshui", description="平水韵 词林正韵 中华新韵 中华通韵")
    free: bool = Field(False, description="keep no tone pattern")
    style: str = Field("", description="唐 or 宋")
    count: int = Field(1, ge=1, le=MOST_POEMS, description="how many poems")
    seed: int = Field(0, ge=0, lt=1 << 63, description="of the draws")
    temperature: float = Field(0.7, ge=0.1, le=2.0, description="higher: bolder")

    @field_validator("form", "at", "rhyme", "style", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        plain = simplify(value.strip()) if isinstance(value, str) else value
        return NAMES.get(plain.lower(), plain) if isinstance(plain, str) else plain

    @field_validator("theme", "hide", "mask", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return simplify(value.strip()) if isinstance(value, str) else value

    @field_validator("book")
    @classmethod
    def _known(cls, value: str) -> str:
        return book(value).name

    @model_validator(mode="after")
    def _fits(self) -> PoemRequest:
        if self.form:
            check_choice("form", "体裁", self.form, [*FORMS, *LENGTHS])
        check_choice("place", "藏字位置", self.at, PLACES)
        check_choice("rhyme option", "押韵方式", self.rhyme, RHYMES)
        if self.style:
            check_choice("style", "风格", self.style, STYLES[1:])
        if len(self.theme) > MOST_THEME:
            raise VerseError(f"主题最多{MOST_THEME}个字 / a theme has at most {MOST_THEME} characters")
        if len(self.hide) > MOST_KEYS:
            found = len(self.hide)
            raise VerseError(
                f"最多藏{MOST_KEYS}个字，现有{found}个 / at most {MOST_KEYS} characters are hidden, found {found}"
            )
        if self.hide and self.mask:
            raise VerseError("藏字和模板只能用一个 / give either hidden characters or a mask")
        if odd := next((c for c in self.hide if not is_han(c)), None):
            raise VerseError(f"只能藏汉字，这里有 {odd!r} / only Chinese characters can be hidden, found {odd!r}")
        if self.theme and not any(map(is_han, self.theme)):
            raise VerseError("主题请用汉字 / write the theme in Chinese characters")
        whole = ["".join(row) for row in self.required]  # raises for a mask that is none
        down = ["".join(column) for column in zip(*self.required, strict=True)]
        if abusive("|".join((self.theme, self.hide, *whole, *down))):
            raise VerseError("这样的题目不写 / no poem is written for this: it holds a word of abuse")
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """Lines and characters of a line."""
        if self.mask:
            rows = self.rows()
            return len(rows), len(rows[0])
        if self.form in FORMS and len(self.hide) <= FORMS[self.form][0]:
            return FORMS[self.form]
        keys, length = len(self.hide), LENGTHS.get(self.form, FORMS.get(self.form, (0, 7))[1])
        return (max(2, keys + keys % 2) if keys > 1 else 4), length

    @property
    def required(self) -> tuple[tuple[str, ...], ...]:
        """For each line and place the character that was asked for, or ""."""
        count, length = self.shape
        rows = [["" if c == "_" else c for c in row] for row in self.rows()] if self.mask else []
        rows = rows or [[""] * length for _ in range(count)]
        for row, place, c in zip(rows, places(self.at, len(self.hide), length), self.hide, strict=False):
            row[place] = c
        return tuple(map(tuple, rows))

    @property
    def sets(self) -> tuple[tuple[int | None, ...], ...]:
        """For each reading of the rhyme option the rhyme set of every line: line 1 may join in the classical one."""
        scheme = self.rhyme if self.rhyme in SCHEMES else "双句押韵"
        joins = (True,) if self.rhyme == "首句入韵" else (False, True)
        return tuple(dict.fromkeys(rhyme_sets(scheme, self.shape[0], first) for first in joins))

    def rows(self) -> list[str]:
        """The mask's lines, every free place as _. Raises VerseError where they are no poem."""
        text = self.mask.translate({ord(c): "_" for c in WILD} | {ord(c): "|" for c in "，。,.;；/\n "})
        rows = [row for row in text.split("|") if row]
        if odd := next((c for row in rows for c in row if c != "_" and not is_han(c)), None):
            raise VerseError(
                f"模板里只能有汉字和 _，这里有 {odd!r} / a mask holds Chinese characters and _, found {odd!r}"
            )
        if not 2 <= len(rows) <= MOST_LINES or {len(r) for r in rows} not in ({5}, {LONGEST}):
            raise VerseError(
                "模板是二到八句，每句五字或七字，用 | 分开 / "
                "a mask has 2 to 8 lines, all of 5 or all of 7 characters, parted by |"
            )
        return rows


class Mark(BaseModel):
    """The proof of one character."""

    char: str
    tones: str  # 平, 仄, 平仄, or "" where the book does not have it
    wanted: str  # 平, 仄, or "" where either may stand
    ok: bool
    given: bool  # asked for
    probability: float = 1.0  # of this character here, as the generator was told, given those before it
    instead: list[str] = []  # the likeliest others that keep every rule here, the best first; none where it was given


class Line(BaseModel):
    """The proof of one line."""

    text: str
    type: str  # A to D, "" without a pattern
    marks: list[Mark]
    rhymes: bool | None  # whether it rhymes where it should; None where it need not
    group: str  # the rhyme group of its end, where it rhymes
    image: str  # the image chosen for it, "" for none
    shared: int  # longest run of characters that the training poems have too (0: less than four)
    new: bool  # the line stands in no training poem


class Poem(BaseModel):
    """A poem and its proof."""

    lines: list[str]
    relaxed: list[dict[str, Any]]
    pattern: str
    book: str
    group: str
    log_probability: float  # mean per character, in nats, as the generator was told
    novel: bool
    proof: list[Line]


class PoemResponse(BaseModel):
    """The poems of a request, the best first."""

    poems: list[Poem]
    notes: list[str] = []


def poem_request(**values: Any) -> PoemRequest:
    """A checked request. Raises VerseError saying what is wrong."""
    return checked_request(PoemRequest, values)
