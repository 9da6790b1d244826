"""Commands of translation: train translation, translate."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rondo.cli.app import app
from rondo.cli.settings import add_training
from rondo.cli.text import train
from rondo.tasks.translation.config import TranslationConfig

if TYPE_CHECKING:
    from rondo.tasks.translation.request import GlossaryEntry
    from rondo.tasks.translation.translator import Translator


add_training(
    train, TranslationConfig, "translation-fr-en", "Train a model of translation on data sets of sentence pairs."
)


@app.command()
def translate(
    text: Annotated[str, typer.Argument(metavar="[TEXT]", help="what is to be translated; - or nothing: stdin")] = "",
    direction: Annotated[str, typer.Option(help="from which language to which, fr-en")] = "",
    to: Annotated[str, typer.Option(help="the language to translate into: en, fr")] = "",
    beam: Annotated[int, typer.Option(min=1, max=20, help="hypotheses side by side; 1: greedy")] = 5,
    nbest: Annotated[int, typer.Option(min=1, max=10, help="translations of each sentence")] = 1,
    glossary: Annotated[
        Path | None, typer.Option(metavar="FILE.tsv", help="source, tab, target: what is to be translated by what")
    ] = None,
    prefix: Annotated[str, typer.Option(help="what the translation of the first sentence begins with")] = "",
    file: Annotated[Path | None, typer.Option(metavar="IN", help="translate a text file, its layout kept")] = None,
    out: Annotated[Path | None, typer.Option(metavar="OUT", help="where to; default: the terminal")] = None,
    encoding: Annotated[
        str, typer.Option(help="of the file and of stdin [UTF-8, or UTF-16 where it begins with its mark]")
    ] = "",
    model: Annotated[
        str, typer.Option(metavar="RUN", help="a run, a model file, or a bundled model [translation-DIRECTION]")
    ] = "",
    reverse: Annotated[
        str,
        typer.Option(metavar="RUN", help="a model of the other direction, to choose among the beam with; none: none"),
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="print JSON: words, alignments, the other translations")
    ] = False,
) -> None:
    """Translate a sentence, a text, or a whole document."""
    from rondo.tasks.translation.glossary import read_glossary
    from rondo.tasks.translation.request import TranslationError

    if file is not None and (text or as_json or nbest > 1 or prefix):
        raise TranslationError(
            "--file 只翻译文件，不与文字、--json、--nbest、--prefix 同用 / "
            "--file translates a document: it goes without a text, --json, --nbest and --prefix"
        )
    if out is not None and file is None:
        raise TranslationError("--out 要与 --file 同用 / --out goes with --file")
    entries = read_glossary(glossary) if glossary else []
    if file is not None:
        _document(file, out, encoding, entries, beam, _load(model, direction, to, reverse))
        return
    if not text and sys.stdin.isatty():
        raise TranslationError("请给出要翻译的文字，或用 --file / give a text to translate, or --file")
    given = text if text and text != "-" else _decoded(sys.stdin.buffer.read(), "stdin", encoding)[0]
    _text(given, entries, beam, nbest, prefix, as_json, (model, direction, to, reverse))


def _text(
    text: str,
    entries: list[GlossaryEntry],
    beam: int,
    nbest: int,
    prefix: str,
    as_json: bool,
    wanted: tuple[str, str, str, str],
) -> None:
    from rondo.tasks.translation.request import translation_request

    values = {"glossary": [e.model_dump() for e in entries], "beam": max(beam, nbest), "nbest": nbest, "prefix": prefix}
    translation_request(text=text, **values)  # what is wrong is said before a model is loaded
    translator = _load(*wanted)
    response = translator(translation_request(text=text, direction=translator.direction, **values))
    if as_json:
        print(json.dumps(response.model_dump(), ensure_ascii=False, indent=1))
    else:
        from rondo.tasks.translation.show import show

        show(response, nbest)


def _load(model: str, direction: str, to: str, reverse: str) -> Translator:
    """The model of a name, else of a direction. Raises TranslationError where they contradict each other."""
    from rondo import bundled
    from rondo.tasks.translation.request import TranslationError
    from rondo.tasks.translation.translator import Translator

    known = [name.removeprefix("translation-") for name in bundled.names() if name.startswith("translation-")]
    if to and not direction and not model:
        own = [name for name in known if name.endswith(f"-{to}")]
        if not own:
            raise TranslationError(
                f"没有译成 {to!r} 的模型，现有 {'、'.join(known) or '无'} / "
                f"no bundled model translates into {to!r}; there are: {', '.join(known) or 'none'}"
            )
        direction = "fr-en" if "fr-en" in own else own[0]
    wanted = direction or "fr-en"
    if not model and wanted not in known:
        raise TranslationError(
            f"没有 {wanted} 的模型，现有 {'、'.join(known) or '无'}；或用 --model / "
            f"no bundled model translates {wanted}; there are: {', '.join(known) or 'none'}; or give --model"
        )
    found = Translator.load(model or f"translation-{wanted}", reverse)
    if (direction and found.direction != direction) or (to and found.target_language != to):
        asked = direction or f"…-{to}"
        raise TranslationError(
            f"这个模型翻译 {found.direction}，不是 {asked} / this model translates {found.direction}, not {asked}"
        )
    return found


def _document(
    file: Path, out: Path | None, encoding: str, entries: list[GlossaryEntry], beam: int, translator: Translator
) -> None:
    """Translate a file; the new one is written aside and takes its name when it is whole."""
    from rich.console import Console
    from rich.progress import Progress

    from rondo.files import write_aside
    from rondo.tasks.translation.request import TranslationError

    if out is not None and out.exists() and out.samefile(file):
        raise TranslationError("--out 与 --file 是同一个文件 / --out is the file that is read: name another one")
    text, encoding = _decoded(file.read_bytes(), str(file), encoding)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("sentences")
        found = translator.document(
            text, entries, beam, lambda done, all: progress.update(bar, completed=done, total=all)
        )
    if out is None:
        sys.stdout.write(found)
        return
    try:
        data = found.encode(encoding)
    except UnicodeEncodeError as error:
        data = found.encode()
        print(
            f"rondo: {encoding} 写不出 {found[error.start]!r}，改用 UTF-8 / "
            f"{encoding} cannot hold {found[error.start]!r}: written as UTF-8",
            file=sys.stderr,
        )
    write_aside(out, data)


def _decoded(data: bytes, name: str, encoding: str) -> tuple[str, str]:
    """The text of bytes and its encoding. Raises TranslationError."""
    from rondo.tasks.translation.request import TranslationError

    if not encoding:
        marked = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        encoding = "utf-16" if marked else "utf-8-sig" if data.startswith(b"\xef\xbb\xbf") else "utf-8"
    try:
        return data.decode(encoding), encoding
    except LookupError:
        raise TranslationError(f"没有编码 {encoding!r} / there is no encoding {encoding!r}") from None
    except UnicodeError as error:
        at = f" ({error.start})" if isinstance(error, UnicodeDecodeError) else ""
        raise TranslationError(
            f"{name} 不是 {encoding} 文本{at}，请用 --encoding 说明（如 latin-1、cp1252、gb18030）/ "
            f"{name} is not {encoding} text (byte{at}): say what it is with --encoding (latin-1, cp1252, gb18030)"
        ) from None
