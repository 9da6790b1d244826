"""Model files: one safetensors file that is the whole model.

The metadata (see `rondo.files`) holds

    shape      "generator", "classifier", "tagger" or "seq2seq"
    arguments  what the shape is constructed with, beside the cell
    cell       the cell's equations as text, with its sizes, shapes, initial values (`rondo.render.text.to_json`)
    precision  "float32", or "float16" where the weights are stored in half the room

and whatever else the writer gives: vocabulary, settings, metrics, data and licence. The cell is read from its
equations, so the file needs no Python of its author's; nothing in it is executed.
"""

from __future__ import annotations

import inspect
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
PRECISIONS = {"float32": torch.float32, "float16": torch.float16}
NETWORK = set(inspect.signature(RNN).parameters)
# what a shape hands on to its networks: not how wide they are, nor where and how they run
WIDTHS, PLACES = (
    {"cell", "input", "hidden", "layers", "bidirectional", "sizes"},
    {"project", "backend", "device", "dtype"},
)
OPTIONS = NETWORK - WIDTHS - PLACES


def save_model(path: Path, model: nn.Module, about: dict[str, Any], precision: str = "float32") -> None:
    """Write a model with what is to be known about it (values that JSON can hold).

    `precision` float16 halves the file and rounds the weights to 11 bits.
    """
    shape = {kind: name for name, kind in SHAPES.items()}.get(type(model))
    if shape is None:
        raise TypeError(f"a model file holds one of {', '.join(SHAPES)}, found {type(model).__name__}")
    sizes = {k: v for k, v in model.arguments.items() if k in _added(model.cell.graph)}  # type: ignore[union-attr, operator]
    own = {
        "shape": shape,
        "arguments": model.arguments,
        "cell": to_json(model.cell.graph, {**model.cell.sizes, **sizes}),  # type: ignore[union-attr, dict-item, arg-type]
        "precision": precision,
    }
    stored = PRECISIONS[precision]
    tensors = {k: v.to(stored) if v.is_floating_point() else v for k, v in model.state_dict().items()}
    save_tensors(path, "model", tensors, {**about, **own})


def load_model(path: Path) -> tuple[Any, dict[str, Any]]:
    """The model, in evaluation, and the metadata. Whatever does not fit together is refused with the reason."""
    tensors, about = load_tensors(path, "model")
    try:
        # sizes cost nothing before they are compared with the weights that are there
        with torch.device("meta"), _Undrawn():
            model = build(about, len(tensors))
        precision = PRECISIONS[about["precision"]]
    except Exception as error:  # a constructor does not foresee every value that a file can hold
        raise FileError(f"{path} is no usable model: {_reason(error)}") from None
    if precision is not torch.float32:
        tensors = {k: v.float() if v.dtype == precision else v for k, v in tensors.items()}
    fill(model, tensors, path)
    return model.eval(), about


def load_task_model(name: Path | str, task: str, shape: type[M], called: str) -> tuple[M, Characters, dict[str, Any]]:
    """The model of a task, its vocabulary of characters, and the metadata: from a run folder, a model file, or the name
    of a bundled model. `called` names such a model in an error. Raises FileError."""
    path = bundled.model_file(name)
    model, about = load_model(path)
    if not isinstance(model, shape) or about.get("task") != task:
        raise FileError(f"{path} is no {called}")
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


def build(about: dict[str, Any], weights: int) -> nn.Module:
    """A model as the metadata describes it, with fresh weights; `weights` says how many tensors are to fill it."""
    shape, arguments = SHAPES.get(about["shape"]), about["arguments"]
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
