"""A student's own folder: a file for each answer, to be filled in with any editor.

FOLDER/lab.toml                 which experiment
FOLDER/1-forward/text.md        the text of a part
FOLDER/1-forward/program.py     an answer: .py a program, .cell equations, .txt anything else
"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path

from rondo.files import FileError, writing_aside
from rondo.lab import experiment as experiments
from rondo.lab.experiment import Answer, Experiment, ExperimentError, Part
from rondo.lab.report import LONGEST

ENDINGS = {"python": ".py", "cell": ".cell"}
HEADER = "# The experiment that this folder answers: a shipped one's name, or a folder.\n"


class WorkError(ValueError):
    """A folder of answers that cannot be begun or read; the message says what to do."""


def shipped() -> dict[str, Path]:
    """The folders of the experiments that ship with Rondo, by name: 06-rnn."""
    here = Path(str(files("rondo.lab") / "experiments"))
    return {p.name: p for p in sorted(here.iterdir()) if (p / "experiment.toml").is_file()}


def find(name: str) -> Experiment:
    """A shipped experiment by its name (06-rnn) or number, or one in a folder. Raises ExperimentError."""
    for own, path in shipped().items():
        if name in (own, own.split("-")[0].lstrip("0")):
            return experiments.load(path)
    if (Path(name) / "experiment.toml").is_file():
        return experiments.load(Path(name))
    raise ExperimentError(
        f"there is no experiment {name!r}: take {', '.join(shipped())}, or a folder with experiment.toml"
    )


def begin(folder: Path, name: str) -> Experiment:
    """Write the folder with every answer as it starts. Raises WorkError where it is not empty."""
    found = find(name)
    if folder.exists() and any(folder.iterdir()):
        raise WorkError(f"{folder} 里已经有文件，不会覆盖 / {folder} is not empty; nothing is overwritten")
    for number, part in enumerate(found.parts, 1):
        own = folder / _name(number, part)
        own.mkdir(parents=True, exist_ok=True)
        _write(own / "text.md", _text(part))
        for answer in part.answers:
            _write(own / file_name(answer), answer.start)
    shown = str(Path(name).resolve()) if (Path(name) / "experiment.toml").is_file() else name
    _write(folder / "lab.toml", f"{HEADER}experiment = {_quoted(shown)}\n")
    return found


def read(folder: Path) -> tuple[Experiment, dict[str, dict[str, str]]]:
    """The experiment that a folder answers, and its answers. Raises WorkError and ExperimentError."""
    try:
        name = str(tomllib.loads((folder / "lab.toml").read_text(encoding="utf-8"))["experiment"])
    except FileNotFoundError:
        raise WorkError(
            f"{folder} 不是实验的文件夹 / {folder} answers no experiment: `rondo lab begin {folder}`"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError) as error:
        raise WorkError(f"{folder / 'lab.toml'}: {error}") from None
    found = find(name)
    return found, {
        part.id: {a.id: _answer(folder / _name(number, part) / file_name(a)) for a in part.answers}
        for number, part in enumerate(found.parts, 1)
    }


def file_name(answer: Answer) -> str:
    """Of an answer."""
    return answer.id + ENDINGS.get(answer.kind, ".txt")


def _text(part: Part) -> str:
    """The text of a part, and what there is to choose from."""
    lines = [f"# {part.title.zh} / {part.title.en}", part.text.zh, "---", part.text.en]
    for answer in part.answers:
        lines.append(f"**{file_name(answer)}**: {answer.title.zh} / {answer.title.en}")
        lines += [f"- `{o.id}`: {o.title.zh} / {o.title.en}" for o in answer.options]
    return "\n\n".join(lines) + "\n"


def _name(number: int, part: Part) -> str:
    return f"{number}-{part.id}"


def _answer(path: Path) -> str:
    """What stands in a file; nothing where there is none. Raises WorkError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise WorkError(f"{path}: 请存为 UTF-8 / save it as UTF-8") from None
    if len(text) > LONGEST:
        raise WorkError(f"{path}: 太长 / {len(text)} characters, at most {LONGEST}")
    return text


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing_aside(path) as file:
            file.write(text)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror}") from None


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
