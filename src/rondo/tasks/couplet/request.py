"""What a person may ask of the couplet writer, and what is answered."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rondo.tasks.couplet.surprise import Surprise
from rondo.verse.abuse import abusive
from rondo.verse.books import VerseError
from rondo.verse.forms import check_choice
from rondo.verse.paste import parts
from rondo.verse.request import checked_request
from rondo.verse.script import is_han, simplify

SHORTEST, LONGEST, MOST = 2, 20, 20  # characters of a line; couplets of an answer
FREE = "-_＿－—–？?*□○"  # a free place in what is fixed
MARKS = "，,、；;：:。. "
USES = {"": "", "诗": "poem", "春联": "spring", "喜庆": "cheer"}
NAMES = {"poem": "诗", "shi": "诗", "spring": "春联", "chunlian": "春联", "cheer": "喜庆", "xiqing": "喜庆"}
LENGTHS = (5, 7)


class CoupletRequest(BaseModel):
    """A couplet to order: an answer to a line, or a spring couplet from a name."""

    model_config = ConfigDict(extra="forbid")

    line: str = Field("", description="the given line, of 2 to 20 characters, commas where it has them")
    lower: bool = Field(False, description="the given line is the second one (下联); a first line is wanted")
    fix: str = Field("", description="characters that must stand in the answer, - for a free place: -河-海-")
    name: str = Field("", description="two to four characters to hide in a spring couplet")
    length: int = Field(7, description="characters of each line of a couplet from a name: 5 or 7")
    use: str = Field("", description="what it is for: 诗, 春联, 喜庆, or nothing in particular")
    traditional: bool = Field(False, description="answer in traditional characters")
    count: int = Field(5, ge=1, le=MOST, description="how many couplets")
    seed: int = Field(0, ge=0, lt=1 << 63, description="of the draws")
    temperature: float = Field(0.7, ge=0.1, le=2.0, description="higher: bolder")

    @field_validator("line", "fix", "name", "use", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return simplify(value.strip()) if isinstance(value, str) else value

    @field_validator("use")
    @classmethod
    def _use(cls, value: str) -> str:
        found = NAMES.get(value.lower(), value)
        if found:
            check_choice("use", "用途", found, [u for u in USES if u])
        return found

    @model_validator(mode="before")
    @classmethod
    def _bar(cls, values: Any) -> Any:
        """白日依山尽|-河-海- is a line and what is fixed in its answer."""
        line = values.get("line") if isinstance(values, dict) else None
        if not isinstance(line, str) or not any(bar in line for bar in "|｜"):
            return values
        first, _, rest = line.replace("｜", "|").partition("|")
        if values.get("fix"):
            raise VerseError("固定的字写了两次 / the fixed characters are given twice: after | and as fix")
        return {**values, "line": first, "fix": rest}

    @model_validator(mode="after")
    def _fits(self) -> CoupletRequest:
        if self.name:
            _check_name(self)
            return self
        if not self.line:
            raise VerseError("请给出一句上联 / give a line to answer, or a name")
        found = self.parts
        if not SHORTEST <= (size := sum(map(len, found))) <= LONGEST:
            raise VerseError(
                f"一句可有{SHORTEST}到{LONGEST}个字，现有{size}个 / "
                f"a line has {SHORTEST} to {LONGEST} characters, found {size}"
            )
        if abusive(self.line + "|" + "".join(self.fixed)):
            raise VerseError("这样的句子不对 / this line is not answered: it holds a word of abuse")
        return self

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the given line between its commas. Raises VerseError where it is no line."""
        return parts(self.line)

    @property
    def fixed(self) -> tuple[str, ...]:
        """For each place of the answer the character that must stand there, or "". Free places may be left out at the
        end, or be too many. Raises VerseError."""
        places = [c for c in self.fix if c not in MARKS]
        if odd := next((c for c in places if c not in FREE and not is_han(c)), None):
            raise VerseError(
                f"固定的字只能是汉字，空位写 -，这里有 {odd!r} / "
                f"fixed are Chinese characters, a free place is written -; found {odd!r}"
            )
        size = sum(map(len, self.parts))
        fixed = ["" if c in FREE else c for c in places]
        if any(fixed[size:]):
            raise VerseError(
                f"这一句有{size}个字，固定的字写到了第{len(fixed)}个 / "
                f"the line has {size} characters, what is fixed reaches to the {len(fixed)}th"
            )
        return tuple((fixed + [""] * size)[:size])


def _check_name(request: CoupletRequest) -> None:
    if request.line or request.fix or request.lower:
        raise VerseError(
            "按姓名作春联时不用再给上联或固定的字 / a couplet from a name takes no line and no fixed characters"
        )
    if odd := next((c for c in request.name if not is_han(c)), None):
        raise VerseError(f"姓名请用汉字，这里有 {odd!r} / write the name in Chinese characters, found {odd!r}")
    if abusive(request.name):
        raise VerseError("这样的名字不写 / no couplet is written for this name: it is a word of abuse")
    if not 2 <= len(request.name) <= 4:
        size = len(request.name)
        raise VerseError(f"姓名要两到四个字，现有{size}个 / a name has two to four characters, found {size}")
    if request.length not in LENGTHS:
        raise VerseError(
            f"春联一句五字或七字，没有{request.length}字的 / a line has 5 or 7 characters, not {request.length}"
        )


class Place(BaseModel):
    """The proof of one place."""

    upper: str
    lower: str
    tones: str  # of both characters in the old book, 平 仄 多 ?
    modern: str  # the same in Mandarin
    point: bool  # the tones must be opposed here
    ok: bool  # no rule is broken here
    fixed: list[str]  # in which lines the character was asked for: upper, lower
    facing: float  # 1: the characters answer each other in old pairs, 0.5: they are of one class, 0: neither


class Couplet(BaseModel):
    """A couplet and its proof."""

    upper: str
    lower: str
    relaxed: list[dict[str, Any]]  # rule, place, and why, of everything that the couplet does not keep
    heading: str = ""  # 横批, of a spring couplet from a name
    way: str = ""  # how the name is hidden: 鹤顶格 or 嵌字
    swap: bool = False  # the other way round it would keep the order of tones
    scores: dict[str, float]
    rules: dict[str, bool]
    places: list[Place]


class CoupletResponse(BaseModel):
    """The couplets of a request, the best first."""

    couplets: list[Couplet]
    notes: list[str] = []
    surprise: Surprise | None = None  # now and then, with spring couplets from a name


def couplet_request(**values: Any) -> CoupletRequest:
    """A checked request. Raises VerseError saying what is wrong."""
    return checked_request(CoupletRequest, values)
