"""Quickstart: a character model of Python, trained on the source of the standard library that is installed here.

Beside it stands a 5-gram model of the same text, held to the same measure: of 200 sampled lines, how many tokenise.
"""

from __future__ import annotations

import ast
import contextlib
import io
import platform
import sysconfig
import tokenize
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from rondo.data.text import DataError, read_text
from rondo.data.vocab import Vocab
from rondo.search.predictor import Predictor, State
from rondo.search.sample import stream
from rondo.train.config import TextConfig
from rondo.train.language import load_language_model
from rondo.train.run import Run
from rondo.train.text import Corpus, train_corpus

# tests repeat themselves; encodings and pydoc_data are generated tables; the others are not the standard library's
SKIPPED = {"test", "tests", "idle_test", "encodings", "pydoc_data", "site-packages", "dist-packages", "__pycache__"}
CONFIG = TextConfig(cell="gru-cho", hidden=256, batch=32, window=64, lr=0.01, minutes=3.5, valid_share=0.02)
LINES, SHOWN = 200, 30  # lines sampled, and how many of them are printed
LONGEST = 400  # characters of a line
TEMPERATURE, SEED = 0.7, 1


def stdlib_files() -> list[Path]:
    """The standard library's own .py files, in a fixed order."""
    root = Path(sysconfig.get_path("stdlib"))
    found = sorted(p.relative_to(root) for p in root.rglob("*.py"))
    return [root / p for p in found if not SKIPPED & set(p.parts) and not p.name.startswith("_sysconfigdata")]


def readable(files: Sequence[Path]) -> list[Path]:
    """Those in UTF-8; a few are not (Python lets a file declare another encoding)."""
    found = []
    for path in files:
        with contextlib.suppress(DataError):
            read_text(path)
            found.append(path)
    if not found:
        folder = sysconfig.get_path("stdlib")
        raise DataError(f"no source of the standard library in {folder}: use `rondo train text` on files of your own")
    return found


def tokenises(line: str) -> bool:
    """Whether a line, by itself, is made of Python tokens.

    Leading white space is dropped. `tokenize` must give no ERRORTOKEN (a stray quote, $ or ?) and raise nothing; a
    bracket or backslash that waits for the next line is accepted, as such lines are common, a string left open
    is not.
    """
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(line.strip() + "\n").readline))
    except tokenize.TokenError as error:
        return "multi-line statement" in error.args[0]
    except SyntaxError:  # IndentationError is one
        return False
    return all(t.type != tokenize.ERRORTOKEN for t in tokens)


def parses(line: str) -> bool:
    """Whether a line, by itself, is a whole statement, or a header such as `if x:` that only lacks its body.

    A stricter measure to stand beside: any row of words tokenises.
    """
    for whole in (line.strip(), line.strip() + "\n pass"):
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python remarks on `1if x` and the like
            ast.parse(whole)
            return True
    return False


def sampled_lines(predictor: Predictor[State], vocab: Vocab, count: int, seed: int) -> list[str]:
    """The first `count` lines that are not blank of one sampled text, which begins at a line's beginning.

    A model that never ends its lines is stopped: a line is cut at LONGEST characters.
    """
    prime = vocab.encode("\n").tolist()
    lines, line = list[str](), ""
    for number in stream(predictor, prime, count * LONGEST, temperature=TEMPERATURE, seed=seed, banned=[0]):
        line += vocab.symbols[int(number)]
        if line.endswith("\n") or len(line) == LONGEST:
            lines += [line] if line.strip() else []
            line = ""
        if len(lines) == count:
            break
    return lines


def share(lines: Sequence[str], holds: Callable[[str], bool]) -> float:
    """The share of lines of which it holds; 0 of no lines."""
    return sum(map(holds, lines)) / max(len(lines), 1)


def quickstart(out: Path, config: TextConfig = CONFIG, console: Console | None = None) -> dict[str, float]:
    """Train into the new run folder `out` and print what the model writes; returns the three shares of lines that
    tokenise: the network's, the n-gram model's, the real held-out text's."""
    console = console or Console(highlight=False)
    data = {"train": readable(stdlib_files())}
    corpus = Corpus.read(data, config)
    console.print(f"the standard library of Python {platform.python_version()}, tests and generated tables left out")
    run = train_corpus(corpus, Run.create(out, config, data), console)
    predictor = load_language_model(run.model_file).model.predictor()
    lines = {
        config.cell: sampled_lines(predictor, corpus.vocab, LINES, SEED),
        f"{corpus.baseline.order}-gram": sampled_lines(corpus.baseline, corpus.vocab, LINES, SEED),
        "held-out text": [t for t in corpus.vocab.decode(corpus.valid.symbols.tolist()).split("\n") if t.strip()],
    }
    console.print("\n" + "".join(lines[config.cell][:SHOWN]), markup=False, soft_wrap=True)
    console.print(f"{LINES} lines sampled at temperature {TEMPERATURE} (seed {SEED}); real lines below")
    console.print(f"{'':14} {'tokenise':>8} {'parse alone':>12}")
    for name, found in lines.items():
        console.print(f"{name:14} {share(found, tokenises):8.1%} {share(found, parses):12.1%}")
    return {name: share(found, tokenises) for name, found in lines.items()}
