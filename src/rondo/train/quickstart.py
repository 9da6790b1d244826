"""Quickstart: a character model of Python, trained on the source of the standard library that is installed here.

Beside it stands a 5-gram model of the same text, held to the same measure: of 200 sampled lines, how many tokenise.
"""

from __future__ import annotations

import ast
import contextlib
import io
import itertools
import platform
import sysconfig
import tokenize
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from torch import Tensor

from rondo.data.text import DataError, read_text
from rondo.data.vocab import Vocab
from rondo.search.sample import sample
from rondo.train.config import Config
from rondo.train.run import load_model
from rondo.train.text import ORDER, Corpus, train_corpus

# tests repeat themselves; encodings and pydoc_data are generated tables; the others are not the standard library's
SKIPPED = {"test", "tests", "idle_test", "encodings", "pydoc_data", "site-packages", "dist-packages", "__pycache__"}
CONFIG = Config(cell="gru-cho", hidden=256, batch=32, window=64, lr=0.01, minutes=3.5, valid_share=0.02)
LINES, SHOWN = 200, 30  # lines sampled, and how many of them are printed
LONGEST = 400  # characters of a line
TEMPERATURE, SEED = 0.7, 1


def stdlib_files() -> list[Path]:
    """The standard library's own .py files, in a fixed order."""
    root = Path(sysconfig.get_path("stdlib"))
    found = sorted(p.relative_to(root) for p in root.rglob("*.py"))
    return [root / p for p in found if not SKIPPED & set(p.parts) and not p.name.startswith("_sysconfigdata")]


def stdlib_texts() -> list[str]:
    """Their texts; the few that are not UTF-8 (Python lets a file declare another encoding) are left out."""
    texts = []
    for path in stdlib_files():
        try:
            texts.append(read_text(path))
        except DataError:
            continue
    if not texts:
        folder = sysconfig.get_path("stdlib")
        raise DataError(f"no source of the standard library in {folder}: use `rondo train text` on files of your own")
    return texts


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


def sampled_lines(predict: Callable[[int], Tensor], vocab: Vocab, count: int, seed: int) -> list[str]:
    """The first `count` lines that are not blank of one sampled text, which begins at a line's beginning.

    A model that never ends its lines is stopped: a line is cut at LONGEST characters.
    """
    numbers = sample(predict, vocab.encode("\n").tolist(), TEMPERATURE, seed, banned=[0])
    lines, line = list[str](), ""
    for number in itertools.islice(numbers, count * LONGEST):
        line += vocab.symbols[number]
        if line.endswith("\n") or len(line) == LONGEST:
            lines += [line] if line.strip() else []
            line = ""
        if len(lines) == count:
            break
    return lines


def share(lines: Sequence[str], holds: Callable[[str], bool]) -> float:
    """The share of lines of which it holds; 0 of no lines."""
    return sum(map(holds, lines)) / max(len(lines), 1)


def quickstart(out: Path, config: Config = CONFIG, console: Console | None = None) -> dict[str, float]:
    """Train into the new run folder `out` and print what the model writes; returns the three shares of lines that
    tokenise: the network's, the n-gram model's, the real held-out text's."""
    console = console or Console(highlight=False)
    corpus = Corpus.of(stdlib_texts(), config)
    console.print(f"the standard library of Python {platform.python_version()}, tests and generated tables left out")
    run = train_corpus(corpus, config, out, console)
    predict = load_model(run.model_file)[0].stepper()
    lines = {
        config.cell: sampled_lines(predict, corpus.vocab, LINES, SEED),
        f"{ORDER}-gram": sampled_lines(corpus.baseline.stepper(), corpus.vocab, LINES, SEED),
        "held-out text": [t for t in corpus.vocab.decode(corpus.valid.tolist()).split("\n") if t.strip()],
    }
    console.print("\n" + "".join(lines[config.cell][:SHOWN]), markup=False, soft_wrap=True)
    console.print(f"{LINES} lines sampled at temperature {TEMPERATURE} (seed {SEED}); real lines below")
    console.print(f"{'':14} {'tokenise':>8} {'parse alone':>12}")
    for name, found in lines.items():
        console.print(f"{name:14} {share(found, tokenises):8.1%} {share(found, parses):12.1%}")
    return {name: share(found, tokenises) for name, found in lines.items()}
