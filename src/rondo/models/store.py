"""Model files: one safetensors file that is the whole model.

The metadata (see `rondo.files`) holds

    shape      "generator", "classifier", "tagger" or "seq2seq"
    arguments  what the shape is constructed with, beside the cell
    cell       the cell's equations as text, with its sizes, shapes, initial values (`rondo.render.text.to_json`)
    precision  "float32"; "float16" where the weights are stored in half the room; "int8" where matrices are stored in
               a quarter of it: bytes q, and for each row a scale s beside them ("NAME.scale"), W[i] = s[i] q[i]

and whatever else the writer gives: vocabulary, settings, metrics, data and licence. The cell is read from its
equations, so the file needs no Python of its author's; nothing in it is executed.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from rondo import bundled
from rondo.data.vocab import Characters, from_json
from rondo.files import LONGEST, FileError, load_tensors, save_tensors
from rondo.models.classifier import Classifier
from rondo.models.generator import Generator
from rondo.models.seq2seq import Seq2Seq
from rondo.models.tagger import Tagger
from rondo.render.load import cell_from_json
from rondo.render.text import to_json
from rondo.rnn import RNN

M = TypeVar("M", bound=nn.Module)
SHAPES: dict[str, Any] = {"generator": Generator, "classifier": Classifier, "tagger": Tagger, "seq2seq": Seq2Seq}
LARGEST = 1 << 20  # of any number among the arguments: more is a slip, or a hostile file
PARTS = 1 << 14  # of any list or table among them: a longer one takes long to look through, and no model has it
DEEPEST = 100  # layers
PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "int8": torch.float16}
COARSE = 4096  # numbers of a matrix that "int8" stores as bytes; smaller ones, and vectors, stay float16
SCALE = ".scale"
NETWORK = set(inspect.signature(RNN).parameters)
# what a shape hands on to its networks: not how wide they are, nor where and how they run
WIDTHS, PLACES = (
    {"cell", "input", "hidden", "layers", "bidirectional", "sizes"},
    {"project", "backend", "device", "dtype"},
)
OPTIONS = NETWORK - WIDTHS - PLACES


def save_model(path: Path, model: nn.Module, about: dict[str, Any], precision: str = "float32") -> None:
    """Write a model with what is to be known about it (values that JSON can hold).

    A model is one of the four shapes, or a task's own: a module with `shape`, its name, beside `arguments` and `cell`.
    `precision` float16 halves the file and rounds the weights to 11 bits; int8 quarters it and rounds each row of a
    matrix to 255 values, of which the largest number of the row is one.
    """
    shape = {kind: name for name, kind in SHAPES.items()}.get(type(model), getattr(model, "shape", None))
    if shape is None:
        raise TypeError(f"a model file holds one of {', '.join(SHAPES)}, found {type(model).__name__}")
    sizes = {k: v for k, v in model.arguments.items() if k in _added(model.cell.graph)}  # type: ignore[union-attr, operator]
    own = {
        "shape": shape,
        "arguments": model.arguments,
        "cell": to_json(model.cell.graph, {**model.cell.sizes, **sizes}),  # type: ignore[union-attr, dict-item, arg-type]
        "precision": precision,
    }
    save_tensors(path, "model", _stored(model.state_dict(), precision), {**about, **own})


def load_model(path: Path, *shapes: type[nn.Module]) -> tuple[Any, dict[str, Any]]:
    """The model, in evaluation, and the metadata. `shapes`: a task's own, which it may be beside the four.

    Whatever does not fit together is refused with the reason.
    """
    tensors, about = load_tensors(path, "model")
    known = SHAPES | {str(getattr(shape, "shape", "")): shape for shape in shapes}
    try:
        # sizes cost nothing before they are compared with the weights that are there
        with torch.device("meta"), _Undrawn():
            model = build(about, len(tensors), known)
        precision = PRECISIONS[about["precision"]]
    except Exception as error:  # a constructor does not foresee every value that a file can hold
        raise FileError(f"{path} is no usable model: {_reason(error)}") from None
    if precision is not torch.float32:
        tensors = _read(tensors, precision)
    fill(model, tensors, path)
    return model.eval(), about


def _stored(tensors: dict[str, Tensor], precision: str) -> dict[str, Tensor]:
    """Weights as a file of this precision keeps them."""
    kept, stored = {}, PRECISIONS[precision]
    for name, t in tensors.items():
        if precision == "int8" and t.is_floating_point() and t.dim() > 1 and t.numel() >= COARSE:
            t = t.detach().float()
            scale = t.flatten(1).abs().amax(1).clamp(min=1e-12) / 127
            kept[name] = (t / scale.view(-1, *[1] * (t.dim() - 1))).round().to(torch.int8)
            kept[name + SCALE] = scale
        else:
            kept[name] = t.to(stored) if t.is_floating_point() else t
    return kept


def _read(tensors: dict[str, Tensor], precision: torch.dtype) -> dict[str, Tensor]:
    """The weights of a file in float32. A scale that does not fit its matrix is left, so that `fill` refuses both."""
    found = {k: v.float() if v.dtype == precision else v for k, v in tensors.items()}
    for name in [n for n in tensors if n.endswith(SCALE)]:
        q, scale = found.get(name.removesuffix(SCALE)), found[name]
        if q is not None and q.dtype is torch.int8 and scale.dtype is torch.float32 and scale.shape == q.shape[:1]:
            found[name.removesuffix(SCALE)] = q.float() * scale.view(-1, *[1] * (q.dim() - 1))
            del found[name]
    return found


def load_task(name: Path | str, task: str, shape: type[M], called: str) -> tuple[M, dict[str, Any]]:
    """The model of a task, of one of the four shapes or of its own, and the metadata: from a run folder, a model file,
    or the name of a bundled model. `called` names such a model in an error. Raises FileError."""
    path = bundled.model_file(name)
    model, about = load_model(path, *([] if shape in SHAPES.values() else [shape]))
    if not isinstance(model, shape) or about.get("task") != task:
        raise FileError(f"{path} is no {called}")
    return model, about


def load_task_model(name: Path | str, task: str, shape: type[M], called: str) -> tuple[M, Characters, dict[str, Any]]:
    """As `load_task`, and the model's vocabulary of characters."""
    path = bundled.model_file(name)
    model, about = load_task(path, task, shape, called)
    try:
        vocab = from_json(about["vocabulary"])
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path} is no {called}: {_reason(error)}") from None
    if not isinstance(vocab, Characters) or len(vocab) != model.head.symbols:  # type: ignore[union-attr]
        raise FileError(f"{path} is no {called}: its vocabulary is another")
    return model, vocab, about


class _Undrawn(TorchFunctionMode):
    """Inside, initial values from a normal distribution and the identity are not made: for them torch imports its
    compiler on the meta device, for seconds, and there is nothing to make."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (nn.init.normal_, Tensor.normal_):
            return args[0] if args else kwargs["tensor"]
        return torch.empty(args) if func is torch.eye else func(*args, **(kwargs or {}))


def build(about: dict[str, Any], weights: int, shapes: Mapping[str, Any] = SHAPES) -> nn.Module:
    """A model as the metadata describes it, with fresh weights; `weights` says how many tensors are to fill it."""
    shape, arguments = shapes.get(about["shape"]), about["arguments"]
    if shape is None:
        raise ValueError(f"no shape is called {about['shape']!r}")
    cell = cell_from_json(about["cell"])
    _check(arguments, shape, _added(cell.graph))
    if _layers(arguments) * len(cell.graph.params) > weights:
        raise ValueError("it has fewer weights than its layers need")
    model: nn.Module = shape(cell, **arguments)
    return model


def _check(arguments: Any, shape: Any, sizes: set[str]) -> None:
    """Names that the shape has, and plain values of sane size."""
    if not isinstance(arguments, dict):
        raise ValueError("the arguments are not named")
    own = set(inspect.signature(shape).parameters) - {"cell", "options"}
    if taken := sizes & (own | NETWORK):
        raise ValueError(f"the cell has a size {min(taken)!r}, which means something else: rename it")
    if unknown := arguments.keys() - (own | OPTIONS | sizes):
        raise ValueError(f"a {shape.__name__} has no argument {min(unknown)!r}")
    if _layers(arguments) > DEEPEST:
        raise ValueError(f"more than {DEEPEST} layers")
    for name, value in arguments.items():
        _check_value(name, value)


def _layers(arguments: dict[str, Any]) -> int:
    """How deep the network is."""
    hidden, layers = arguments.get("hidden"), arguments.get("layers")
    return max(len(hidden) if isinstance(hidden, list) else 1, layers if isinstance(layers, int) else 1)


def _check_value(name: str, value: Any) -> None:
    if isinstance(value, list | dict):
        if len(value) > PARTS:
            raise ValueError(f"{name} has too many parts")
        for part in value.values() if isinstance(value, dict) else value:
            _check_value(name, part)
    elif not isinstance(value, str | bool | int | float | None):
        raise ValueError(f"{name} is not a plain value")
    elif isinstance(value, int | float) and not abs(value) <= LARGEST:  # also refuses nan
        raise ValueError(f"{name} cannot be {value}")


def fill(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Put the tensors in as the model's weights; every name, shape and type must fit."""
    wanted = model.state_dict()
    for name in sorted(wanted.keys() | tensors.keys()):
        expected, found = _describe(wanted.get(name)), _describe(tensors.get(name))
        if expected != found:
            raise FileError(f"{path} does not fit its description: {name} is {found}, expected {expected}")
    model.load_state_dict(tensors, assign=any(t.is_meta for t in wanted.values()))


def _describe(t: Tensor | None) -> str:
    return "absent" if t is None else f"{t.dtype} {list(t.shape)}"


def _reason(error: Exception) -> str:
    text = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def _added(graph: Any) -> set[str]:
    """The names of the sizes that the cell adds."""
    return set(graph.size_names) - {"input", "hidden"}
