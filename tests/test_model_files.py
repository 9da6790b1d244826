"""Model files from strangers: damaged, foreign or hostile. Each is refused with a reason, at once, and before any code
is generated; none crashes, none is executed."""

from __future__ import annotations

import builtins
import contextlib
import copy
import json
import math
import os
import random
import struct
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rondo.cell import Cell, EquationError
from rondo.cells import shipped
from rondo.data import vocab
from rondo.expr.parse import parse_cell
from rondo.files import FileError, checksum, read_tensors
from rondo.kernels import build
from rondo.models.classifier import Classifier
from rondo.models.generator import Generator
from rondo.models.store import load_model, save_model
from rondo.render.load import cell_from_json
from rondo.render.text import equations, to_json
from rondo.train.language import load_language_model

SECONDS = 3.0  # of this thread's processor time, for any file here; the slowest takes 0.4
Tensors = dict[str, Tensor]
About = dict[str, Any]


def made() -> Generator:
    torch.manual_seed(0)
    return Generator("lstm", 5, 6, 2, embed=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all: hypothesis runs many examples in one test."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def good(folder: Path) -> Path:
    """A language model as it should be."""
    path = folder / "good.safetensors"
    known = vocab.Characters([vocab.UNKNOWN, *"abc\n"])
    save_model(path, made(), {"vocabulary": known.to_json(), "config": {"documents": "line"}, "metrics": {"valid": 1}})
    load_model(path)  # torch imports some of its modules on their first use, with exec
    return path


class Executed(BaseException):
    """Something ran. No part of Rondo can take it for a fault of the file."""


@contextlib.contextmanager
def nothing_runs() -> Iterator[None]:
    """Inside, to compile, to start a process or to evaluate text is a failure of the test."""

    def never(*args: object, **more: object) -> None:
        raise Executed(str(args)[:200])

    def no_text(code: object, *args: object) -> object:  # an import runs code that is no text
        return never(code) if isinstance(code, (str, bytes)) else real(code, *args)

    real = exec
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((build, "compile_shared"), (build, "load_shared"), (subprocess, "Popen"), (os, "system")):
            patch.setattr(module, name, never)
        patch.setattr(builtins, "eval", never)
        patch.setattr(builtins, "exec", no_text)
        warnings.simplefilter("ignore", SyntaxWarning)  # Python's remarks on "1if"
        yield


def refused(path: Path, load: Callable[[Path], Any] = load_model) -> str:
    """The reason why the file is refused."""
    began = time.thread_time()
    with nothing_runs(), pytest.raises(FileError) as error:
        load(path)
    assert time.thread_time() - began < SECONDS
    reason = str(error.value)
    assert path.name in reason
    assert len(reason) < 1000
    return reason


def accepted_or_refused(path: Path, load: Callable[[Path], Any] = load_model) -> Any:
    """What is loaded, or None where the file is refused; anything else fails."""
    began = time.thread_time()
    try:
        with nothing_runs():
            return load(path)
    except FileError as error:
        assert path.name in str(error)  # noqa: PT017
        return None
    finally:
        assert time.thread_time() - began < SECONDS


def signed(path: Path, tensors: Tensors, about: About, **texts: str) -> Path:
    """A file with a right checksum, whatever it holds: what a hostile author would write."""
    head = {"format": "rondo 1", "kind": "model", **{k: json.dumps(v) for k, v in about.items()}, **texts}
    head["sha256"] = checksum(tensors, head)
    path.write_bytes(safetensors.torch.save(tensors, head))
    return path


def parts(path: Path) -> tuple[Tensors, About]:
    _, tensors, about = read_tensors(path)
    return tensors, about


# --- damage --------------------------------------------------------------------------------------


@given(st.data())
def test_any_flipped_bit_is_refused(good: Path, folder: Path, data: st.DataObject) -> None:
    damaged = bytearray(good.read_bytes())
    place = data.draw(st.integers(0, 8 * len(damaged) - 1))
    damaged[place // 8] ^= 1 << place % 8
    path = folder / "flipped"
    path.write_bytes(damaged)
    refused(path)


@given(st.data())
def test_any_cut_file_is_refused(good: Path, folder: Path, data: st.DataObject) -> None:
    whole = good.read_bytes()
    path = folder / "cut"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert "damaged" in refused(path)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(folder: Path, content: bytes) -> None:
    path = folder / "bytes"
    path.write_bytes(content)
    refused(path)


@pytest.mark.parametrize("length", [0, 1, 7, 2**20, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1])
def test_any_length_of_the_header_is_refused(good: Path, folder: Path, length: int) -> None:
    path = folder / "length"
    path.write_bytes(struct.pack("<Q", length) + good.read_bytes()[8:])
    assert "damaged or no safetensors file" in refused(path)


def raw(path: Path, header: str | bytes, data: bytes = b"") -> Path:
    """A file with this header, which need not be one."""
    head = header.encode("utf-8", "surrogatepass") if isinstance(header, str) else header
    path.write_bytes(struct.pack("<Q", len(head)) + head + data)
    return path


HEAD = '"__metadata__": {"format": "rondo 1", "kind": "model", "sha256": ""}'


@pytest.mark.parametrize(
    "header",
    [
        "", "null", "[]", "1", '"a"', "{", "{}", "{}{}", "[" * 100_000, '{"a":' * 100_000, "\ud800", "\x00" * 9,
        '{"__metadata__": null}', '{"__metadata__": []}', '{"__metadata__": {"format": 1}}',
        '{"__metadata__": {"format": null}}', '{"__metadata__": {"format": {"a": "b"}}}',
        '{"__metadata__": {"format": "rondo 1"}, "__metadata__": {}}',
        '{"__metadata__": {"format": "rondo 1", "format": "rondo 1"}}',
        '{"__metadata__": {"format": "rondo ' + "9" * 6000 + '"}}',
        '{"__metadata__": {"format": "rondo -1"}}', '{"__metadata__": {"format": "rondo ١"}}',
        '{"__metadata__": {"format": "rondo 1", "kind": "model", "\\ud800": "x"}}',
        "{" + HEAD + ', "w": null}', "{" + HEAD + ', "w": {}}', "{" + HEAD + ', "w": []}',
    ],
    ids=lambda h: h[:40],
)  # fmt: skip
def test_headers_of_other_forms_are_refused(folder: Path, header: str) -> None:
    refused(raw(folder / "header", header))


ENTRIES: list[About] = [
    {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},  # too few bytes
    {"dtype": "F32", "shape": [1], "data_offsets": [0, 16]},  # too many
    {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]},
    {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]},
    {"dtype": "F32", "shape": [1], "data_offsets": [0, 2**64]},
    {"dtype": "F32", "shape": [1], "data_offsets": [2**62, 2**62 + 4]},
    {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
    {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 4]},
    {"dtype": "F32", "shape": [2**32, 2**32, 2**32], "data_offsets": [0, 0]},
    {"dtype": "F32", "shape": [0, 2**63], "data_offsets": [0, 0]},
    {"dtype": "F32", "shape": [1.5], "data_offsets": [0, 4]},
    {"dtype": "F32", "shape": "1", "data_offsets": [0, 4]},
    {"dtype": "F32", "shape": None, "data_offsets": [0, 4]},
    {"dtype": "F32", "shape": [1], "data_offsets": "0, 4"},
    {"dtype": "F32", "shape": [1], "data_offsets": [0]},
    {"dtype": "F32", "shape": [1] * 10_000, "data_offsets": [0, 4]},
    {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]},
    {"dtype": None, "shape": [1], "data_offsets": [0, 4]},
    {"dtype": "F4", "shape": [8], "data_offsets": [0, 4]},
    {"dtype": "F8_E8M0", "shape": [4], "data_offsets": [0, 4]},
    {"dtype": "U16", "shape": [2], "data_offsets": [0, 4]},
    {"dtype": "C64", "shape": [1], "data_offsets": [0, 8]},
    {"dtype": "BOOL", "shape": [4], "data_offsets": [0, 4]},
    {"dtype": "F32", "shape": [1]},
    {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], "more": 1},
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: json.dumps(e)[:60])
@pytest.mark.parametrize("count", [1, 2], ids=["once", "twice"])  # twice: the same bytes under two names
def test_entries_of_other_forms_are_refused(folder: Path, entry: About, count: int) -> None:
    named = ", ".join(f"{json.dumps(f'w{k}')}: {json.dumps(entry)}" for k in range(count))
    refused(raw(folder / "entry", "{" + HEAD + ", " + named + "}", bytes(8)))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NUMBERS = st.integers(-2, 9) | st.sampled_from([2**31, 2**32, 2**62, 2**63, 2**64, -(2**63)])


@given(
    st.dictionaries(
        st.sampled_from(["w", "v", "../w", "", "a" * 300]),
        st.fixed_dictionaries(
            {},
            optional={
                "dtype": st.sampled_from(["F32", "F16", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "F4", "X"]) | PLAIN,
                "shape": st.lists(NUMBERS, max_size=3) | PLAIN,
                "data_offsets": st.lists(NUMBERS, max_size=3) | PLAIN,
            },
        )
        | PLAIN,
        max_size=3,
    ),
    st.binary(max_size=16),
)
def test_any_header_is_refused(folder: Path, entries: About, data: bytes) -> None:
    header = json.dumps({"__metadata__": {"format": "rondo 1", "kind": "model", "sha256": "0"}, **entries})
    refused(raw(folder / "any", header, data))


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "[" * 990 + "]" * 990, "9" * 5000, "\x00", "nul"])
def test_metadata_that_is_not_json(good: Path, folder: Path, text: str) -> None:
    tensors, about = parts(good)
    del about["arguments"]
    refused(signed(folder / "json", tensors, about, arguments=text))


# --- a right checksum over hostile content ---------------------------------------------------------

DEEP: Any = None
for _ in range(500):
    DEEP = [DEEP]
VALUES: list[Any] = [
    *(None, True, 0, -1, 2**20 + 1, 2**31, 2**63, -(2**63), 10**400, 1.5, 1e308, math.nan, math.inf, -math.inf),
    *("", "6", "a" * 100_000, "../../etc/passwd", "__import__('os').system('true')", "\x1b[2J", "\ud800", "cuda"),
    *([], {}, DEEP, [6] * 1_000_000, [[6]], ["6"], [None], [-1], [2**40], {"h": "x"}, {"": math.nan}, {"a": DEEP}),
]


def changed(about: About, place: tuple[str, ...], value: Any) -> About:
    about = copy.deepcopy(about)
    inner = about
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return about


WRONG: list[tuple[tuple[str, ...], Any, str]] = [
    (("shape",), "gpt", "no shape is called 'gpt'"),
    (("shape",), [], "no usable model"),
    (("shape",), "classifier", "a Classifier has no argument"),
    (("arguments",), [1], "not named"),
    (("arguments",), None, "not named"),
    (("arguments", "device"), "cuda", "has no argument 'device'"),
    (("arguments", "backend"), "reference", "has no argument 'backend'"),
    (("arguments", "dtype"), "float64", "has no argument 'dtype'"),
    (("arguments", "project"), True, "has no argument 'project'"),
    (("arguments", "options"), {}, "has no argument 'options'"),
    (("arguments", "self"), 1, "has no argument 'self'"),
    (("arguments", "cell"), "gru", "has no argument 'cell'"),
    (("arguments", "bidirectional"), True, "has no argument 'bidirectional'"),
    (("arguments", "__class__"), 1, "has no argument '__class__'"),
    (("arguments", "../x"), 1, "has no argument '../x'"),
    (("arguments", "hidden"), 7, "does not fit its description"),
    (("arguments", "hidden"), 2**20, "does not fit its description"),
    (("arguments", "hidden"), 2**20 + 1, "hidden cannot be 1048577"),
    (("arguments", "hidden"), [6] * 101, "more than 100 layers"),
    (("arguments", "hidden"), [6] * 1_000_000, "more than 100 layers"),
    (("arguments", "hidden"), [6] * 3, "fewer weights than its layers need"),
    (("arguments", "hidden"), [6], "layers is 2"),
    (("arguments", "layers"), 101, "more than 100 layers"),
    (("arguments", "layers"), 100, "fewer weights than its layers need"),
    (("arguments", "layers"), -1, "positive"),
    (("arguments", "symbols"), 6, "does not fit its description"),
    (("arguments", "symbols"), -5, "no usable model"),
    (("arguments", "embed"), 0, "does not fit its description"),
    (("arguments", "embed"), math.nan, "embed cannot be nan"),
    (("arguments", "tied"), True, "does not fit its description"),
    (("arguments", "dropout"), 1.5, "a rate lies in"),
    (("arguments", "embed_dropout"), 1.0, "embed_dropout lies in"),
    (("arguments", "activation"), -1.0, "activation and slowness"),
    (("arguments", "locked"), ["kitchen"], "no site is called 'kitchen'"),
    (("arguments", "zoneout"), {"q": 0.5}, "no usable model"),
    (("precision",), "float64", "it lacks 'float64'"),
    (("precision",), [], "no usable model"),
    (("cell",), [], "a cell is an object"),
    (("cell",), {}, "no 'equations'"),
    (("cell", "equations"), 3, "must be str"),
    (("cell", "run"), "rm", "a cell has no field 'run'"),
    (("cell", "sizes"), {"hidden": 3}, "has no size 'hidden'"),
    (("cell", "sizes"), {"device": 3}, "has no size 'device'"),
    (("cell", "init"), {"b_i": 10**400}, "must be a number"),
    (("cell", "init"), {"b_i": math.nan}, "must be a number"),
    (("cell", "init"), {"b_i": [0, 1, 2]}, "must be a number"),
    (("cell", "init"), {"b_i": "rm -rf"}, "is no number"),
    (("cell", "init"), {"nobody": 1.0}, "init names 'nobody'"),
    (("cell", "shapes"), {"W_i": [3]}, "list of size names"),
    (("cell", "shapes"), {"W_i": ["hidden", "../x"]}, "a size is a plain name"),
    (("cell", "constants"), {"k": 10**400}, "too large"),
    (("cell", "names"), {"i": 3}, "must be text"),
]


@pytest.mark.parametrize(("place", "value", "reason"), WRONG, ids=lambda v: str(v)[:50])
def test_what_does_not_fit_together_is_refused(
    good: Path, folder: Path, place: tuple[str, ...], value: Any, reason: str
) -> None:
    tensors, about = parts(good)
    assert reason in refused(signed(folder / "wrong", tensors, changed(about, place, value)))


@pytest.mark.parametrize("lost", ["shape", "arguments", "cell", "precision"])
def test_what_is_missing_is_named(good: Path, folder: Path, lost: str) -> None:
    tensors, about = parts(good)
    del about[lost]
    assert f"it lacks '{lost}'" in refused(signed(folder / "lost", tensors, about))


def places(about: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The place of every value in the metadata."""
    for key, value in about.items() if isinstance(about, dict) else ():
        yield (*above, key)
        yield from places(value, (*above, key))


def same(model: Any) -> bool:
    """Whether a loaded model is the original, but for what has no part in evaluation."""
    x = torch.arange(5).reshape(1, 5)
    return torch.equal(model(x)[0], made().eval()(x)[0])


@given(st.data())
def test_any_value_anywhere_is_refused_or_changes_nothing(good: Path, folder: Path, data: st.DataObject) -> None:
    """What is read from a file with one foreign value is the model that the file was made of, or nothing."""
    tensors, about = parts(good)
    place = data.draw(st.sampled_from([p for p in places(about) if p[:2] != ("cell", "equations")]))
    value = data.draw(st.sampled_from(VALUES) | PLAIN)
    path = signed(folder / "value", tensors, changed(about, place, value))
    found = accepted_or_refused(path)
    assert found is None or same(found[0])
    accepted_or_refused(path, load_language_model)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: {**t, "more": torch.zeros(1)},
        lambda t: {k: v for k, v in t.items() if k != "head.bias"},
        lambda t: {**t, "head.bias": torch.zeros(6)},
        lambda t: {**t, "head.bias": torch.zeros(5, 1)},
        lambda t: {**t, "head.bias": torch.zeros(5, dtype=torch.float64)},
        lambda t: {**t, "head.bias": torch.zeros(5, dtype=torch.int32)},
        lambda t: {**t, "head.bias": torch.zeros(5, dtype=torch.complex64)},
        lambda t: {**t, "../../x": torch.zeros(5)},
        lambda t: {**t, "head.\x1b[2J": torch.zeros(5)},
        lambda t: {k.replace("rnn", "__class__"): v for k, v in t.items()},
        lambda t: {},
    ],
)
def test_other_weights_are_refused(good: Path, folder: Path, change: Callable[[Tensors], Tensors]) -> None:
    tensors, about = parts(good)
    reason = refused(signed(folder / "weights", change(tensors), about))
    assert "\x1b" not in reason


def test_a_size_of_the_cell_cannot_stand_for_an_argument(folder: Path) -> None:
    """A cell may call a size "device", and then an argument of that name would choose where the network runs."""
    for name in ("device", "backend", "dtype", "project", "layers", "tied", "dropout", "sizes"):
        text = f"def E(x: input, h: hidden, m: {name}):\n    return State(h=tanh(W @ x + U @ m + V @ h), m=A @ m)\n"
        cell = {"equations": text, "sizes": {name: 3}}
        about = {"shape": "generator", "arguments": {"symbols": 5, "hidden": 6}, "cell": cell, "precision": "float32"}
        assert f"the cell has a size '{name}'" in refused(signed(folder / "size", {"w": torch.zeros(9)}, about))


def test_many_layers_of_a_large_cell_cost_nothing(folder: Path) -> None:
    """100 layers of 490 parameters each, and one weight: refused before anything is made."""
    sums = (" + ".join(f"b{k}" for k in range(n, n + 70)) for n in range(0, 490, 70))
    text = function("".join(f"    h = tanh(h + x + {s})\n" for s in sums) + "    return State(h=h)\n")
    assert len(parse_cell(text).params) == 490
    arguments = {"symbols": 5, "hidden": 6, "layers": 100}
    about = {"shape": "generator", "arguments": arguments, "cell": {"equations": text}, "precision": "float32"}
    assert "fewer weights" in refused(signed(folder / "deep", {"w": torch.zeros(1)}, about))


def test_the_other_shapes_are_guarded_too(folder: Path) -> None:
    torch.manual_seed(0)
    path = folder / "classifier"
    save_model(path, Classifier("gru", 5, 3, 6, embed=4, dropout=0.1), {})
    tensors, about = parts(path)
    for name, value, reason in (
        ("backend", "auto", "a Classifier has no argument 'backend'"),
        ("device", "meta", "a Classifier has no argument 'device'"),
        ("pooling", "eval", "no usable model"),
        ("head", {}, "no usable model"),
        ("embed", "4", "no usable model"),
        ("bidirectional", True, "does not fit its description"),
    ):
        assert reason in refused(signed(path, tensors, changed(about, ("arguments", name), value)))


# --- equations -----------------------------------------------------------------------------------


def function(body: str, header: str = "E(x: input, h: hidden)") -> str:
    return f"def {header}:\n{body}"


def expression(text: str) -> str:
    return function(f"    a = {text}\n    return State(h=tanh(a + h + x))\n")


FULL = 16 * 1024 - 200  # the longest text that is looked at
HOSTILE = {
    "import": "import os",
    "an import inside": function("    import os\n    return State(h=h + x)\n"),
    "__import__": expression("__import__('os').system('true')"),
    "eval": expression("eval('1')"),
    "exec": function("    exec('1')\n    return State(h=h + x)\n"),
    "open": expression("open('/etc/passwd')"),
    "attribute": expression("x.__class__.__mro__"),
    "method": expression("tanh.__globals__['os']"),
    "lambda": expression("(lambda: 1)()"),
    "comprehension": expression("[x for x in x]"),
    "generator": expression("tanh(y for y in x)"),
    "f-string": expression("f'{x}'"),
    "walrus": expression("(b := x)"),
    "starred": expression("tanh(*x)"),
    "await": expression("await x"),
    "yield": expression("(yield x)"),
    "decorator": "@eval\n" + expression("x"),
    "default": function("    return State(h=h + x)\n", "E(x: input, h: hidden = eval('1'))"),
    "annotation": function("    return State(h=h + x)\n", "E(x: eval('1'), h: hidden)"),
    "global": function("    global h\n    return State(h=h + x)\n"),
    "try": function("    try:\n        a = x\n    finally:\n        a = x\n    return State(h=a + h)\n"),
    "while": function("    while 1:\n        a = x\n    return State(h=a + h)\n"),
    "power": expression("10**10**10"),
    "repeated list": expression("[x] * 10**10"),
    "repeated text": expression("'a' * 10**10"),
    "shift": expression("1 << 10**10"),
    "huge literal": expression("9" * 4000),
    "huger literal": expression("9" * 9000),
    "hexadecimal": expression("0x" + "f" * 9000),
    "infinity": expression("1e999"),
    "complex": expression("1j * x"),
    "range": function("    for k in range(10000000000):\n        a = x\n    return State(h=a + h)\n"),
    "range of 1e30": function("    for k in range(1e30):\n        a = x\n    return State(h=a + h)\n"),
    "nested loops": function(
        "".join("    " + " " * k + f"for k{k} in range(100):\n" for k in range(18)) + " " * 30 + "a = x\n    return 1"
    ),
    "over 16 KB": expression("x" + " + x" * 5000),
    "over 1000 nodes": function("    a = x\n" + "    a = tanh(a) * h\n" * 900 + "    return State(h=a)\n"),
    "doubling": function("    a = x + h\n" + "    a = a + a\n" * (FULL // 14) + "    return State(h=a)\n"),
    "deep brackets": expression("(" * 200 + "x" + ")" * 200),
    "deep calls": expression("tanh(" * 2500 + "x" + ")" * 2500),
    "deep minus": expression("-" * FULL + "x"),
    "deep not": expression("not " * (FULL // 4) + "x"),
    "deep attributes": expression("x" + ".a" * (FULL // 2 - 40)),
    "long sum": expression("x" + "+x" * (FULL // 2 - 40)),
    "long comparison": expression("where(x" + "<x" * (FULL // 2 - 60) + ", x, x)"),
    "wide stack": expression("W @ (" + "x," * (FULL // 2 - 60) + ")"),
    "blanks": "h<t-1> = tanh(W h<t-1>" + " " * FULL + "+ U x",
    "tabs": "h^{" + "\t" * FULL,
    "caret": "h^" + " " * FULL,
    "time": ("<" + " " * 100) * (FULL // 101),
    "quotes": function('\\"' * (FULL // 2)),
    "triple quotes": function('    """' + '\\"""' * (FULL // 4 - 10)),
    "quotes and lines": function("\"'\\\n" * (FULL // 4 - 10)),
    "accents": "c\u0303" * (FULL // 3),
    "semicolons": ";" * FULL,
    "products": "h = " + "W " * (FULL // 2 - 10),
    "many lines": "".join(f"a{k}=b\n" for k in range(FULL // 8)),
    "NUL": expression("x\x00"),
    "other letters": expression("\u212f * x"),
    "text direction": expression("x # \u202e\n + h\u202e"),
    "surrogate": expression("x\ud800"),
    "private name": expression("__h"),
    "no function": "1",
    "two functions": expression("x") * 2,
    "class": "class E: pass",
    "no state": "def E(x: input):\n    return State(y=x)\n",
    "a module's own name": "def E(x: input, h: hidden):\n    return State(h=tanh(forward @ x + U @ h))\n",
    "a module's own table": "def E(x: input, h: hidden):\n    return State(h=tanh(_parameters @ x + U @ h))\n",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_hostile_equations_are_refused(good: Path, folder: Path, text: str) -> None:
    tensors, about = parts(good)
    refused(signed(folder / "equations", tensors, changed(about, ("cell", "equations"), text)))


@pytest.mark.parametrize("name", ["int", "double", "register", "asm", "v0", "main", "NULL", "near", "_", "bfloat"])
def test_names_of_cpp_are_names_like_others(folder: Path, name: str) -> None:
    """They never reach the generated code: what is generated is the same, whatever the names."""
    from rondo.expr.plan import plan
    from rondo.render.cpp import cpp

    def text(n: str) -> str:
        return f"def E(x: input, h: hidden):\n    {n} = tanh(W @ x + U_{n} @ h)\n    return State(h={n} * h + x)\n"

    model = Generator(Cell.parse(text(name)), 5, 6, embed=6)
    save_model(folder / "cpp", model, {})
    again, _ = load_model(folder / "cpp")
    assert name in [n.name for n in again.cell.graph.names]
    assert cpp(plan(again.cell.graph)) == cpp(plan(parse_cell(text("plain"))))


TEXTS = [equations(cell().graph) for cell in shipped().values()]
OBJECTS = [to_json(cell().graph, cell.sizes) for cell in shipped().values()]
WORDS = [*"xhcW1(),+-*/@=<:.#\\\n\t[]{}'\"σ∘\x00", '"""', "==", "<=", "1e30", "Γ_u", "c̃", "ŷ", "<t>", "<t-1>"]
WORDS += ["State", "return", "def", "for", "range(3)", "in", "if", "lambda", "where(a<b,x,h)", "norm(h)", "tanh", "os"]


def shaken(text: str, seed: int) -> str:
    """The text with some pieces moved, doubled, cut out, or replaced by others."""
    draw = random.Random(seed)
    for _ in range(draw.randint(1, 6)):
        a, b, c = sorted(draw.randint(0, len(text)) for _ in range(3))
        letter = chr(draw.choice([draw.randint(1, 127), draw.randint(1, 0x10FFFF)]))
        ways = [
            text[:a] + text[b:c] + text[a:b] + text[c:],
            text[:b] + text[a:b][:40] + text[b:],
            text[:a] + text[min(b, a + 8) :],
            text[:a] + draw.choice(WORDS) + text[a + draw.randint(0, 4) :],
            text[:a] + letter + text[a:],
        ]
        text = draw.choice(ways)
    return text


@hypothesis.settings(max_examples=max(300, hypothesis.settings().max_examples))
@given(st.sampled_from(TEXTS), st.integers(0, 2**32))
def test_shaken_equations_give_a_cell_or_an_equation_error(text: str, seed: int) -> None:
    began = time.thread_time()
    with contextlib.suppress(EquationError), nothing_runs():
        assert parse_cell(shaken(text, seed)).params is not None
    assert time.thread_time() - began < SECONDS


@given(st.sampled_from(OBJECTS), st.data())
def test_shaken_cells_give_a_cell_or_an_equation_error(cell: About, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(list(places(cell))))
    value = data.draw(st.sampled_from(VALUES) | PLAIN)
    with contextlib.suppress(EquationError), nothing_runs():
        assert cell_from_json(changed(cell, place, value)).graph.params is not None


# --- vocabularies --------------------------------------------------------------------------------

WORDS_JSON = vocab.Words([vocab.UNKNOWN_WORD, *"abc", "\n"]).to_json()
BYTES_JSON = vocab.Subwords.build(["ab abc\n" * 9], 260).to_json()


def retold(change: Callable[[About], object]) -> About:
    """The vocabulary of pieces with its tokenizer changed."""
    tokenizer = json.loads(BYTES_JSON["tokenizer"])
    change(tokenizer)
    return {"level": "subword", "tokenizer": json.dumps(tokenizer)}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (["a", "b"], "an object with its level"),
        (7, "an object with its level"),
        ({"level": "letter", "symbols": []}, "no level is called 'letter'"),
        ({"level": []}, "an object with its level"),
        ({"level": "character", "symbols": ["a", "b"]}, "begins with the unknown symbol"),
        ({"level": "character", "symbols": [vocab.UNKNOWN, "a", "a"]}, "differ from each other"),
        ({"level": "character", "symbols": [vocab.UNKNOWN, "ab"]}, "single characters"),
        ({"level": "character", "symbols": [vocab.UNKNOWN, "\ud800", *"abc"]}, "surrogates"),
        ({"level": "character", "symbols": [vocab.UNKNOWN, *"ab"]}, "3 symbols in the vocabulary, 5 in the model"),
        ({"level": "character", "symbols": vocab.UNKNOWN}, "a list of texts"),
        ({"level": "character", "symbols": [1, 2]}, "a list of texts"),
        ({"level": "word", "symbols": [vocab.UNKNOWN_WORD, "a b"]}, "words without white space"),
        ({"level": "word", "symbols": [vocab.UNKNOWN_WORD, "\ud800", *"abc"]}, "surrogates"),
        ({"level": "subword"}, "its tokenizer as text"),
        ({"level": "subword", "tokenizer": {}}, "its tokenizer as text"),
        ({"level": "subword", "tokenizer": "{"}, "no tokenizer"),
        ({"level": "subword", "tokenizer": "[" * 100_000}, "no tokenizer"),
        ({"level": "subword", "tokenizer": '{"model": {"vocab": [], "merges": {}}}'}, "no tokenizer"),
        (retold(lambda t: t["model"].update(vocab={"a": 0})), "lacks 255 of the 256 bytes"),
        (retold(lambda t: t["model"]["vocab"].update(a=10**30)), "numbered from 0"),
        (retold(lambda t: t["model"]["vocab"].update(a=-1)), "numbered from 0"),
        (retold(lambda t: t["model"]["vocab"].update(a=True)), "numbered from 0"),
        (retold(lambda t: t["model"]["vocab"].update(a="0")), "no tokenizer"),
        (retold(lambda t: t["model"].update(merges=[["a"]])), "merges are pairs"),
        (retold(lambda t: t["model"].update(merges=[[1, 2]])), "merges are pairs"),
        (retold(lambda t: t["model"].update(merges=["ab"])), "merges are pairs"),
        (retold(lambda t: t["model"].update(merges=[["nobody", "home"]])), "no tokenizer"),
        (BYTES_JSON, "259 symbols in the vocabulary, 5 in the model"),
    ],
    ids=lambda v: str(v)[:60],
)
def test_hostile_vocabularies_are_refused(good: Path, folder: Path, value: Any, reason: str) -> None:
    tensors, about = parts(good)
    path = signed(folder / "vocabulary", tensors, {**about, "vocabulary": value})
    assert reason in refused(path, load_language_model)


def test_of_a_tokenizer_only_pieces_and_merges_are_read() -> None:
    """A pattern or a normaliser in the file could take for ever, or change what is read: it has no effect."""
    plain = vocab.from_json(BYTES_JSON)
    bomb = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Removed", "invert": False}
    text = "ab abc\nca é\n" + "a" * 40
    for change in (
        lambda t: t.update(pre_tokenizer=bomb),
        lambda t: t.update(normalizer={"type": "Lowercase"}),
        lambda t: t.update(added_tokens=[{"id": 0, "content": "ab", "special": True}]),
        lambda t: t.update(truncation={"max_length": 1}),
        lambda t: t["model"].update(dropout=0.9),
        lambda t: t.pop("decoder"),
    ):
        again = vocab.from_json(retold(change))
        assert again == plain
        assert again.encode(text).tolist() == plain.encode(text).tolist()
        assert again.decode(again.encode(text).tolist()) == text


def test_settings_that_say_no_document(good: Path, folder: Path) -> None:
    tensors, about = parts(good)
    for value in ([], {"documents": "page"}, {"documents": []}, "line"):
        assert "what a document is" in refused(
            signed(folder / "config", tensors, {**about, "config": value}), load_language_model
        )


# --- the guards of these tests -------------------------------------------------------------------


def test_these_tests_would_notice(good: Path, folder: Path) -> None:
    """The good file loads, and with a guard taken away a bad one does too."""
    assert same(load_model(good)[0])
    assert load_language_model(good).documents == "line"
    tensors, about = parts(good)
    path = signed(folder / "resigned", tensors, about)
    assert same(load_model(path)[0])
    with pytest.raises(pytest.fail.Exception):
        refused(path)
    with pytest.raises(Executed), nothing_runs():
        subprocess.run(["true"], check=True)
