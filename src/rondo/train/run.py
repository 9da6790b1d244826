"""Run: a training as a folder.

config.toml              every setting, resolved
log.jsonl                a line for every `log_every`-th step, and one for every validation
checkpoint.safetensors   weights, optimiser, carried state, random state, position: what the next step needs
model.safetensors        the model alone: weights, configuration, the cell's equations, vocabulary, metrics
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rondo.cell import Cell, TextCell
from rondo.data.vocab import Vocab
from rondo.expr.graph import Graph
from rondo.models.generator import Generator
from rondo.render.text import from_json, to_json
from rondo.states import States
from rondo.train.config import Config
from rondo.train.fit import Progress, start
from rondo.train.store import FileError, load_tensors, save_tensors, write_aside


@dataclass(frozen=True)
class Run:
    """A run's folder and its configuration."""

    folder: Path
    config: Config

    @classmethod
    def create(cls, folder: Path, config: Config) -> Run:
        """A new folder with its config.toml; a folder in which a training has begun is refused."""
        if (folder / "log.jsonl").exists():
            raise FileError(f"{folder} holds a run already: name another folder, or remove it")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"{folder} cannot be made: {error.strerror}") from None
        write_aside(folder / "config.toml", config.to_toml().encode())
        return cls(folder, config)

    @classmethod
    def open(cls, folder: Path) -> Run:
        """The run in a folder."""
        if not (folder / "config.toml").is_file():
            raise FileError(f"{folder} is no run: it has no config.toml")
        return cls(folder, Config.load(folder / "config.toml"))

    @property
    def model_file(self) -> Path:
        return self.folder / "model.safetensors"

    def log(self, **line: Any) -> None:
        """Add one line to log.jsonl."""
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def save_checkpoint(self, model: Generator, progress: Progress) -> None:
        """Write everything that the next step depends on."""
        tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
        tensors |= {f"state.{k}": v for k, v in (progress.state or {}).items()}
        tensors |= _optimiser_tensors(progress.optimiser) | {"random": torch.get_rng_state()}
        about = {"step": progress.step, "seconds": progress.seconds, "config": dataclasses.asdict(self.config)}
        save_tensors(self.folder / "checkpoint.safetensors", "checkpoint", tensors, about)

    def load_checkpoint(self, model: Generator) -> Progress:
        """Put the checkpoint's weights into `model` and return where training stood."""
        path = self.folder / "checkpoint.safetensors"
        tensors, about = load_tensors(path, "checkpoint")
        for name, value in dataclasses.asdict(self.config).items():
            if about["config"].get(name) != value:
                raise FileError(f"{path} was written with another {name} than config.toml has: {value!r}; restore it")
        fill(model, _below(tensors, "model."), path)
        progress = start(model, self.config)
        _fill_optimiser(progress.optimiser, _below(tensors, "optimiser."))
        progress.state = States(_below(tensors, "state.")) or None
        progress.step, progress.seconds = about["step"], about["seconds"]
        torch.set_rng_state(tensors["random"])
        return progress

    def save_model(self, model: Generator, vocab: Vocab, metrics: dict[str, Any]) -> None:
        """Write the one-file model."""
        save_model(self.model_file, model, self.config, vocab, metrics)


def save_model(path: Path, model: Generator, config: Config, vocab: Vocab, metrics: dict[str, Any]) -> None:
    """One file that is the whole model: see `load_model`."""
    graph, sizes = model.rnn.cell.graph, model.rnn.part("l0").sizes
    about = {
        "config": dataclasses.asdict(config),
        "cell": to_json(graph, {name: sizes[name] for name in _added(graph)}),
        "vocabulary": list(vocab.symbols),
        "metrics": metrics,
    }
    save_tensors(path, "model", model.state_dict(), about)


def load_model(path: Path) -> tuple[Generator, Vocab, dict[str, Any]]:
    """The model, its vocabulary and its metadata. The cell is read from its equations, so the file needs no Python
    of its author's; whatever does not fit together is refused with the reason."""
    tensors, about = load_tensors(path, "model")
    try:
        config, vocab = Config.of(about["config"]), Vocab(about["vocabulary"])
        cell, sizes = TextCell(from_json(about["cell"])), about["cell"]["sizes"]
        if sizes.keys() != _added(cell.graph):
            raise ValueError(f"the sizes of the cell are {', '.join(_added(cell.graph)) or 'none'}, given {sizes}")
        with torch.device("meta"):  # sizes cost nothing before they are compared with the weights that are there
            model = build(config, cell, len(vocab), sizes)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:  # RuntimeError: torch's, of sizes beyond 64 bits
        raise FileError(f"{path} is no usable model: {error}") from None
    fill(model, tensors, path)
    return model.eval(), vocab, about


def build(config: Config, cell: Cell, symbols: int, sizes: dict[str, int] | None = None) -> Generator:
    """The model that a configuration describes; `sizes` are those that the cell adds, where not its defaults."""
    return Generator(cell, symbols, config.hidden, config.layers, config.embed, **(sizes or {}))


def _added(graph: Graph) -> set[str]:
    """The names of the sizes that the cell adds."""
    return set(graph.size_names) - {"input", "hidden"}


def fill(model: Generator, tensors: dict[str, Tensor], path: Path) -> None:
    """Put the tensors in as the model's weights; every name, shape and type must fit."""
    wanted = model.state_dict()
    for name in sorted(wanted.keys() | tensors.keys()):
        expected, found = _describe(wanted.get(name)), _describe(tensors.get(name))
        if expected != found:
            raise FileError(f"{path} does not fit its configuration: {name} is {found}, expected {expected}")
    model.load_state_dict(tensors, assign=any(t.is_meta for t in wanted.values()))


def _describe(t: Tensor | None) -> str:
    return "absent" if t is None else f"{t.dtype} {list(t.shape)}"


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What the optimiser remembers of each parameter: optimiser.<number of the parameter>.<name>."""
    memory = optimiser.state_dict()["state"]
    return {f"optimiser.{i}.{name}": v for i, values in memory.items() for name, v in values.items() if v is not None}


def _fill_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    memory: dict[int, dict[str, Tensor]] = {}
    for name, t in tensors.items():
        number, _, key = name.partition(".")
        memory.setdefault(int(number), {})[key] = t
    optimiser.load_state_dict({**optimiser.state_dict(), "state": memory})
