"""Commands about verse: verse check, verse continue."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rondo.cli.app import app

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rondo.tasks.couplet.writer import Writer
    from rondo.tasks.poetry.poet import Poet
    from rondo.verse.faults import Mend

verse = typer.Typer(help="Judge poems and couplets, mend them, go on with them.")
app.add_typer(verse, name="verse")
ModelName = Annotated[
    str, typer.Option("--model", metavar="RUN", help="the generator of poems: a run, a model file, a bundled model")
]


class Lang(StrEnum):
    """Of the report."""

    zh = "zh"
    en = "en"


@verse.command()
def check(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="text of poems and couplets, a blank line between; -: stdin")
    ],
    book: Annotated[
        str,
        typer.Option(help="平水韵 词林正韵 中华新韵 中华通韵 (pingshui cilin xinyun tongyun) [the one that fits best]"),
    ] = "",
    scheme: Annotated[str, typer.Option("--rhyme", help="双句押韵 双句一压 一三四押 (even pairs 134)")] = "双句押韵",
    poem: Annotated[bool, typer.Option("--poem", help="read two lines as a poem, not as a couplet")] = False,
    couplet: Annotated[
        bool, typer.Option("--couplet", help="read two rows as a couplet, whatever their length")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="judge old-style verse as regulated verse too")] = False,
    suggest: Annotated[bool, typer.Option("--suggest", help="five replacements for each fault")] = False,
    model: ModelName = "poetry",
    lang: Annotated[Lang, typer.Option(help="of the report")] = Lang.zh,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Judge pasted verse: form, tone pattern, rhyme under each book, faults; a couplet place by place."""
    from rondo.verse import books
    from rondo.verse.paste import blocks

    if poem and couplet:
        raise typer.BadParameter("--poem and --couplet both say what the text is: give one of them")
    book = books.book(book).name if book else ""
    found: dict[str, list[Any]] = {"poems": [], "couplets": []}
    shown: list[RenderableType] = []
    for block in blocks(_read(file)):
        pair = None if poem else _couplet(block, couplet)
        poet = model if suggest else ""
        kind, values, view = (
            _judge_couplet(pair, lang, suggest) if pair else _judge_poem(block, book, scheme, strict, lang, poet)
        )
        found[kind].append(values)
        shown.append(view)
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=1))
        return
    from rich.console import Console

    console = Console(highlight=False)
    for k, view in enumerate(shown):
        console.print(*([""] if k else []), view, sep="\n")


def _read(file: str) -> str:
    """The text of a file or of stdin; VerseError where it is not UTF-8."""
    from rondo.verse.books import VerseError

    data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise VerseError(
            f"{file} 不是 UTF-8 文本，请另存为 UTF-8 / {file} is not UTF-8 text: save it as UTF-8"
        ) from None


def _couplet(block: str, asked: bool) -> tuple[str, str] | None:
    from rondo.verse.books import VerseError
    from rondo.verse.paste import couplet, two_rows

    pair = two_rows(block) if asked else couplet(block)
    if asked and pair is None:
        raise VerseError("对联要两行，上联一行、下联一行 / a couplet is two rows, one for each line")
    return pair


def _judge_couplet(pair: tuple[str, str], lang: Lang, suggest: bool) -> tuple[str, dict[str, Any], RenderableType]:
    from rondo.verse.pairs import judge_couplet
    from rondo.verse.show import couplet_table

    report = judge_couplet(*pair)
    values, view = report.to_json(), couplet_table(report, lang.value)
    if not suggest:
        return "couplets", values, view
    from rondo.tasks.couplet.mend import mend

    return "couplets", *_mended(values, view, mend(_writer(), report), lang, ("下联第 {1} 字", "下联"))


def _judge_poem(
    block: str, book: str, scheme: str, strict: bool, lang: Lang, model: str
) -> tuple[str, dict[str, Any], RenderableType]:
    """Under the book asked for, or the best one; with a verdict under each."""
    from rondo.verse.forms import SCHEME_NAMES
    from rondo.verse.judge import best, judge_all
    from rondo.verse.paste import lines
    from rondo.verse.show import poem_table, verdict

    reports = judge_all(lines(block), SCHEME_NAMES.get(scheme, scheme), strict)
    report = reports[book] if book else best(reports)
    verdicts = {name: {"broken": r.broken, "verdict": verdict(r, lang.value)} for name, r in reports.items()}
    values, view = report.to_json() | {"books": verdicts}, poem_table(report, lang.value, list(reports.values()))
    if not model:
        return "poems", values, view
    from rondo.tasks.poetry.mend import mend

    return "poems", *_mended(values, view, mend(_poet(model), report), lang, ("第 {0} 句第 {1} 字", "第 {0} 句"))


@functools.cache  # a file may hold many poems and couplets
def _writer() -> Writer:
    from rondo.tasks.couplet.writer import Writer

    return Writer.load()


@functools.cache
def _poet(model: str) -> Poet:
    from rondo.tasks.poetry.poet import Poet

    return Poet.load(model)


def _mended(
    values: dict[str, Any], view: RenderableType, mends: Sequence[Mend], lang: Lang, names: tuple[str, str]
) -> tuple[dict[str, Any], RenderableType]:
    """A report with its replacements; `names` of a character and of a line."""
    from rich.console import Group
    from rich.text import Text

    zh = (names[0] + "可用：", names[1] + "可改为：")
    label = {"zh": zh, "en": ("line {0}, character {1}: ", "line {0} anew: ")}[lang]
    told = [label[not m.position].format(m.line, m.position) + " ".join(m.replacements) for m in mends]
    return values | {"replacements": [vars(m) for m in mends]}, Group(view, *(Text(row, "green") for row in told))


@verse.command("continue")
def go_on(
    file: Annotated[str, typer.Argument(metavar="FILE", help="the lines that there are; -: stdin")],
    form: Annotated[str, typer.Option(help="五绝 七绝 五律 七律 [the shortest that is longer]")] = "",
    theme: Annotated[str, typer.Option(help="what it is about")] = "",
    count: Annotated[int, typer.Option(min=1, max=20, help="how many")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="of the draws")] = 0,
    model: ModelName = "poetry",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Go on with a poem from the lines that there are (续写)."""
    from rondo.tasks.poetry.mend import continued
    from rondo.tasks.poetry.request import poem_request
    from rondo.tasks.poetry.show import show
    from rondo.verse.paste import blocks, lines

    given = lines("".join(blocks(_read(file))[:1]))
    request = poem_request(mask=continued(given, form), theme=theme, count=count, seed=seed)
    response = _poet(model).write(request)
    if as_json:
        print(json.dumps(response.model_dump(), ensure_ascii=False, indent=1))
    else:
        show(response)
