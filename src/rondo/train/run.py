"""Run: a training as a folder.

config.toml              every setting, resolved
data.json                the files that are trained on and validated with, each with its SHA-256
about.json               what the model file is to say besides, where something is: licence, data set, remarks
log.jsonl                a line for every `log_every`-th step, one for every validation, each with its time
checkpoint.safetensors   weights, optimiser, carried state, random state, position: what the next step needs
checkpoint.previous.safetensors   the one before, used where the newest is damaged
model.safetensors        the model alone, with the best validation so far
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

import rondo
from rondo import bundled
from rondo.files import FileError, load_tensors, save_tensors, write_aside
from rondo.kernels import build
from rondo.models.store import fill, load_model
from rondo.states import States
from rondo.train import group
from rondo.train.config import Config, read_toml
from rondo.train.fit import Progress, start

C = TypeVar("C", bound=Config)


@dataclass(frozen=True)
class Run(Generic[C]):
    """A run's folder and its configuration."""

    folder: Path
    config: C

    @classmethod
    def create(
        cls, folder: Path, config: C, data: dict[str, list[Path]], about: dict[str, Any] | None = None
    ) -> Run[C]:
        """A new folder with what is known before the first step; one in which a training has begun is refused."""
        if group.rank():
            return cls(folder, config)
        if (folder / "log.jsonl").exists() or (folder / "checkpoint.safetensors").exists():
            raise FileError(f"{folder} holds a run already: name another folder, or go on with --resume {folder}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"{folder} cannot be made: {error.strerror}") from None
        listed = {
            part: [{"file": str(f.resolve()), "sha256": _sha256(f)} for f in files] for part, files in data.items()
        }
        write_aside(folder / "data.json", (json.dumps(listed, indent=1, ensure_ascii=False) + "\n").encode())
        if about:
            write_aside(folder / "about.json", (json.dumps(about, indent=1) + "\n").encode())
        write_aside(folder / "config.toml", config.to_toml().encode())  # last: it makes the folder a run
        return cls(folder, config)

    @classmethod
    def open(cls, folder: Path, kind: type[C]) -> Run[C]:
        """The run in a folder."""
        return cls(folder, kind.of(_settings(folder)))

    @property
    def model_file(self) -> Path:
        return self.folder / "model.safetensors"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    @property
    def previous(self) -> Path:
        return self.folder / "checkpoint.previous.safetensors"

    @property
    def begun(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return self.checkpoint.exists() or self.previous.exists()

    def digests(self) -> dict[str, list[str]]:
        """The SHA-256 of the run's files, by what they are for."""
        return {part: [_sha256(file) for file in files] for part, files in self.data().items()}

    def data(self) -> dict[str, list[Path]]:
        """The files of the run, by what they are for. One that is gone or has changed is an error."""
        path = self.folder / "data.json"
        try:
            listed = json.loads(path.read_text(encoding="utf-8"))
            found = {part: [(Path(f["file"]), f["sha256"]) for f in files] for part, files in listed.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise FileError(f"{path} cannot be read: {error}") from None
        for file, known in (f for files in found.values() for f in files):
            if not file.is_file():
                raise FileError(f"{file} is gone, and the run was trained on it: put it back")
            if _sha256(file) != known:
                raise FileError(f"{file} has changed since the run began: put the old one back, or begin a new run")
        return {part: [file for file, _ in files] for part, files in found.items()}

    def about(self) -> dict[str, Any]:
        """What the model file is to say besides. Raises FileError."""
        path = self.folder / "about.json"
        try:
            return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
        except (OSError, ValueError, TypeError) as error:
            raise FileError(f"{path} cannot be read: {error}") from None

    def log(self, **line: Any) -> None:
        """Add one line to log.jsonl."""
        if group.rank():
            return
        try:
            with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps({**line, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}) + "\n")
        except OSError as error:
            raise FileError(
                f"log.jsonl cannot be written ({error.strerror}); the checkpoint before it is kept"
            ) from None

    def cut_log(self, step: int) -> None:
        """Drop what was logged after `step`, and a line that was cut off: a resumed run writes it again."""
        path = self.folder / "log.jsonl"
        if group.rank() or not path.exists():
            return
        kept = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if not isinstance(value, dict) or value.get("step", 0) <= step:
                kept.append(line + "\n")
        write_aside(path, "".join(kept).encode())

    def save_checkpoint(self, model: nn.Module, progress: Progress) -> None:
        """Write everything that the next step depends on; the checkpoint before is kept. All processes must call it."""
        carried = progress.state if self.config.window else None  # whole documents begin anew
        state, random = group.gathered(carried), group.stacked(torch.get_rng_state())
        if group.rank():
            return
        tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
        tensors |= {f"state.{k}": v for k, v in (state or {}).items()}
        tensors |= {f"average.{k}": v for k, v in progress.average.items()}
        tensors |= _optimiser_tensors(progress.optimiser) | {"random": random}
        about = {
            "step": progress.step,
            "seconds": progress.seconds,
            "cpu": progress.cpu,
            "best": progress.best if math.isfinite(progress.best) else None,
            "config": dataclasses.asdict(self.config),
            "machine": machine(),
        }
        save_tensors(self.checkpoint, "checkpoint", tensors, about, previous=self.previous)

    def begin_after(self, model: nn.Module, facts: Callable[[], dict[str, Any]]) -> None:
        """Put the weights of `after` into `model`: those that a run ended with, the running means where it kept them,
        or those of a model file, which must say the same `facts` of itself but for its metrics. Raises FileError,
        BundledError where there are none, they come from other data, or their network is another."""
        place = bundled.find(self.config.after)
        if not place.is_dir():
            _begin_with(model, place, facts())
            return
        other = Run.open(place, type(self.config))
        if not other.begun:
            raise FileError(f"{other.folder} has no checkpoint yet: `rondo train --resume {other.folder}` ends it")
        if other.digests() != self.digests():
            raise FileError(f"{other.folder} read other data: a run begins with the weights of one on the same data")
        tensors, _, _ = other._newest()
        fill(model, _below(tensors, "model.") | _below(tensors, "average."), other.checkpoint)

    def load_checkpoint(self, model: nn.Module) -> tuple[Progress, list[str]]:
        """Put the newest whole checkpoint's weights into `model`; where training stood, and warnings: of a damaged
        checkpoint, and of what differs from the machine, threads or versions that wrote it."""
        tensors, about, warnings = self._newest()
        try:
            progress, now = self._restored(model, tensors, about), machine()
            different = [(k, v) for k, v in about["machine"].items() if now.get(k) != v]
        except (LookupError, TypeError, AttributeError, RuntimeError) as error:
            raise FileError(f"{self.checkpoint} is no checkpoint of this run: {error}") from None
        return progress, [
            *warnings,
            *(f"{k} was {v}, now {now.get(k)}: the last bits may differ" for k, v in different),
        ]

    def _restored(self, model: nn.Module, tensors: dict[str, Tensor], about: dict[str, Any]) -> Progress:
        for name, value in dataclasses.asdict(self.config).items():
            if about["config"].get(name) != value:
                raise FileError(
                    f"the checkpoint was written with another {name} than config.toml has: {value!r}; restore it"
                )
        fill(model, _below(tensors, "model."), self.checkpoint)
        progress = start(model, self.config)  # type: ignore[arg-type]
        _fill_optimiser(progress.optimiser, _below(tensors, "optimiser."))
        like = next(model.parameters())
        progress.average = {k: v.to(like.device) for k, v in _below(tensors, "average.").items()}
        state = States(_below(tensors, "state."))
        progress.state = state.rows(group.share(len(next(iter(state.values()))))).to(like.device) if state else None
        progress.step, progress.seconds, progress.cpu = about["step"], about["seconds"], about["cpu"]
        progress.best = math.inf if about["best"] is None else about["best"]
        if group.size() == len(tensors["random"]):
            # a copy: torch reads it as a struct, which must be aligned
            torch.set_rng_state(tensors["random"][group.rank()].clone())
        return progress

    def _newest(self) -> tuple[dict[str, Tensor], dict[str, Any], list[str]]:
        if not self.checkpoint.exists():  # killed between two renames: nothing is lost
            return *load_tensors(self.previous, "checkpoint"), []
        try:
            return *load_tensors(self.checkpoint, "checkpoint"), []
        except FileError as error:
            if not self.previous.exists():
                raise
            found = load_tensors(self.previous, "checkpoint")
            if not group.rank():  # else the next checkpoint would take it for the one before
                self.checkpoint.unlink(missing_ok=True)
            return *found, [f"{error}; the checkpoint before it is used"]


def task_of(folder: Path) -> str:
    """What the run in a folder trains: "text", "poetry" ..."""
    return str(_settings(folder).get("task", "text"))


def _settings(folder: Path) -> dict[str, Any]:
    if not (folder / "config.toml").is_file():
        raise FileError(f"{folder} is no run: it has no config.toml")
    return read_toml(folder / "config.toml")


def machine() -> dict[str, Any]:
    """What the last bits of a training depend on, beside its configuration."""
    return {
        "rondo": rondo.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "march": build.march(),
        "threads": torch.get_num_threads(),
        "processes": group.size(),
        "backend": os.environ.get("RONDO_BACKEND", "auto"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}") from None


def _begin_with(model: nn.Module, file: Path, facts: dict[str, Any]) -> None:
    other, about = load_model(file, type(model))
    for name, value in json.loads(json.dumps(facts)).items():
        if name != "metrics" and about.get(name) != value:
            raise FileError(f"{file} has another {name}: a run begins with the weights of a model of the same data")
    fill(model, other.state_dict(), file)


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What the optimiser remembers of each parameter: optimiser.<number of the parameter>.<name>."""
    memory = optimiser.state_dict()["state"]
    return {
        f"optimiser.{i}.{name}": torch.as_tensor(v)
        for i, values in memory.items()
        for name, v in values.items()
        if v is not None
    }


def _fill_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    memory: dict[int, dict[str, Tensor]] = {}
    for name, t in tensors.items():
        number, _, key = name.partition(".")
        memory.setdefault(int(number), {})[key] = t
    optimiser.load_state_dict({**optimiser.state_dict(), "state": memory})


def files_of(paths: Sequence[Path]) -> list[Path]:
    """The paths as they are; a folder stands for all files in it, in the order of their names."""
    return [f for p in paths for f in (sorted(c for c in p.rglob("*") if c.is_file()) if p.is_dir() else [p])]
