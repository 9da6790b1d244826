"""Run folders, model files and configurations: what is written comes back, what does not fit is refused."""

from __future__ import annotations

import dataclasses
import inspect
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from rondo import files, tasks
from rondo.cell import Cell
from rondo.cells import shipped
from rondo.data.batch import Batch
from rondo.files import FileError, load_tensors, printable, save_tensors, write_aside, writing_aside
from rondo.models.classifier import Classifier
from rondo.models.generator import Generator
from rondo.models.seq2seq import Seq2Seq
from rondo.models.store import load_model, load_task, save_model
from rondo.models.tagger import Tagger
from rondo.train import config as config_module
from rondo.train import configs, text
from rondo.train.config import ConfigError, TextConfig
from rondo.train.fit import start
from rondo.train.run import Run, files_of

CONFIG = TextConfig(cell="lstm", hidden=6, layers=2)
OWN = "def Mine(x: input, h: hidden):\n    z = σ(W @ (h, x) + b)\n    return State(h=z * h + (1 - z) * tanh(V @ x))\n"
LOW_RANK = """def Low(x: input, h: hidden, m: memory):
    k = tanh(V @ x + A @ m + C @ h)
    return State(h=U @ k, m=m + B @ k)
"""
SYMBOLS = 7


def symbols(rows: int = 3, steps: int = 8) -> Tensor:
    return torch.randint(0, SYMBOLS, (rows, steps), generator=torch.Generator().manual_seed(5))


def source() -> Batch:
    return Batch(symbols(), symbols(steps=4), torch.tensor([8, 3, 5]))


LEGAL = [[i == 0 or j != 0 for j in range(5)] for i in range(5)]
# a model of each shape, with the arguments that its head or body depends on, and what it is asked
SHAPES: dict[str, tuple[Callable[..., nn.Module], Callable[[Any], Tensor]]] = {
    "generator": (lambda c, **s: Generator(c, SYMBOLS, [6, 5], embed=4, tied=True, **s), lambda m: m(symbols())[0]),
    "generator, one-hot": (lambda c, **s: Generator(c, SYMBOLS, 6, learn_initial=True, **s), lambda m: m(symbols())[0]),
    "generator, condition": (
        lambda c, **s: Generator(c, SYMBOLS, 6, embed=4, condition=3, **s),
        lambda m: m(symbols(), None, torch.ones(3, 3))[0],
    ),
    "classifier": (
        lambda c, **s: Classifier(c, SYMBOLS, 4, 6, 2, embed=5, bidirectional=True, pooling="attention", **s),
        lambda m: m(symbols(), torch.tensor([8, 3, 5])),
    ),
    "classifier, vectors": (
        lambda c, **s: Classifier(c, 3, 4, 6, head="sigmoid", **s),
        lambda m: m(torch.ones(2, 5, 3)),
    ),
    "tagger": (
        lambda c, **s: Tagger(c, SYMBOLS, 4, 6, embed=5, head="crf", legal=LEGAL, dropout=0.0, **s),
        lambda m: m.predict(symbols(), torch.tensor([8, 3, 5])),
    ),
    "seq2seq": (
        lambda c, **s: Seq2Seq(c, SYMBOLS, SYMBOLS, 6, begin=0, end=1, embed=4, attention="bahdanau", **s),
        lambda m: m(source()),
    ),
    "seq2seq, luong": (
        lambda c, **s: Seq2Seq(
            c, SYMBOLS, SYMBOLS, 6, 2, begin=0, end=1, embed=4, attention="luong", input_feeding=True, **s
        ),
        lambda m: m(source()),
    ),
}


def made(shape: str, cell: Any = "lstm", **sizes: int) -> nn.Module:
    torch.manual_seed(0)
    return SHAPES[shape][0](cell, **sizes)


def comes_back(path: Path, shape: str, model: nn.Module) -> nn.Module:
    """The model from its file, after its outputs have been compared."""
    save_model(path, model, {"metrics": {"valid": 1.5}})
    before = torch.get_rng_state()
    again, about = load_model(path)
    assert torch.equal(torch.get_rng_state(), before), "loading drew random numbers"
    assert type(again) is type(model)
    assert about["metrics"] == {"valid": 1.5}
    assert not again.training
    assert not any(t.is_meta for t in [*again.parameters(), *again.buffers()])
    assert [n for n, _ in again.named_parameters()] == [n for n, _ in model.named_parameters()]
    assert all(p.requires_grad for p in again.parameters())
    ask = SHAPES[shape][1]
    assert torch.equal(ask(again), ask(model.eval()))
    assert again.arguments == json.loads(json.dumps(model.arguments))
    return again


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_comes_back(tmp_path: Path, shape: str) -> None:
    again = comes_back(tmp_path / "m.safetensors", shape, made(shape))
    comes_back(tmp_path / "n.safetensors", shape, again)  # and once more from there


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_comes_back_with_a_cell_of_ones_own(tmp_path: Path, shape: str) -> None:
    comes_back(tmp_path / "m.safetensors", shape, made(shape, Cell.parse(OWN)))


@pytest.mark.parametrize("name", list(shipped()))
def test_every_shipped_cell_comes_back(tmp_path: Path, name: str) -> None:
    comes_back(tmp_path / "m.safetensors", "generator", made("generator", name))


@pytest.mark.parametrize("shape", ["generator", "classifier", "tagger", "seq2seq, luong"])
def test_sizes_that_a_cell_adds_come_back(tmp_path: Path, shape: str) -> None:
    cell = Cell.parse(LOW_RANK, shapes={"V": ("rank", "input")})
    model = comes_back(tmp_path / "m.safetensors", shape, made(shape, cell, rank=2, memory=3))
    assert model.arguments["rank"] == 2
    cell.sizes = {"rank": 4, "memory": "hidden"}  # as defaults of the cell, which are no arguments
    model = comes_back(tmp_path / "m.safetensors", shape, made(shape, cell))
    assert model.cell.sizes == {"rank": 4, "memory": "hidden"}


def test_options_of_every_kind_come_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    options = {"zoneout": {"h": 0.1}, "locked": {"output", "input"}, "weight_dropout": 0.2, "clip_gradient": 1.0}
    model = Generator("lstm", SYMBOLS, (6, 5), embed=4, smoothing=0.1, activation=2.0, slowness=1.0, **options)
    again = comes_back(tmp_path / "m.safetensors", "generator", model)
    for m in (model, again):  # in training too: the same draws, the same loss
        m.train()
        torch.manual_seed(1)
        m.total = m.loss(Batch(symbols(), symbols())).total
    assert torch.equal(model.total, again.total)


def test_half_precision_halves_the_file(tmp_path: Path) -> None:
    model = made("generator").eval()
    for name in ("float32", "float16"):
        save_model(tmp_path / name, model, {}, name)
    sizes = [(tmp_path / name).stat().st_size for name in ("float32", "float16")]
    weights = sum(p.numel() for p in model.parameters())
    assert sizes[0] - sizes[1] == pytest.approx(2 * weights, abs=64)  # safetensors aligns its header
    again, _ = load_model(tmp_path / "float16")
    for (_, p), (_, q) in zip(model.named_parameters(), again.named_parameters(), strict=True):
        assert q.dtype == torch.float32
        assert torch.equal(q, p.half().float())


def test_bytes_take_a_quarter_of_the_file_and_round_each_row(tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = Tagger("gru", [600, 40], 5, 64, embed=[48, 16], bidirectional=True, head="crf").eval()
    for name in ("float32", "int8"):
        save_model(tmp_path / name, model, {}, name)
    assert (tmp_path / "int8").stat().st_size < 0.35 * (tmp_path / "float32").stat().st_size
    again, about = load_model(tmp_path / "int8")
    assert about["precision"] == "int8"
    for (name, p), (_, q) in zip(model.named_parameters(), again.named_parameters(), strict=True):
        assert q.dtype == torch.float32
        if p.dim() > 1 and p.numel() >= 4096:
            step = p.abs().amax(1, keepdim=True) / 127
            assert bool(((p - q).abs() <= 0.5001 * step).all()), name  # half a step, and the division's rounding
        else:
            assert torch.equal(q, p.half().float())


def test_bytes_without_their_scales_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_model(path, Tagger("gru", 600, 5, 64, embed=48).eval(), {}, "int8")
    tensors, about = load_tensors(path, "model")
    name = "body.embedding.weight"
    for wrong in ({}, {f"{name}.scale": torch.ones(3)}, {f"{name}.scale": torch.ones(600, dtype=torch.float64)}):
        kept = {k: v for k, v in tensors.items() if k != f"{name}.scale"}
        save_tensors(path, "model", kept | wrong, about)
        with pytest.raises(FileError, match=r"does not fit its description: body\.embedding\.weight is torch\.int8"):
            load_model(path)


class Doubled(nn.Module):
    """A task's own shape: two classifiers in one."""

    shape = "doubled"

    def __init__(self, cell: str, input: int, hidden: int) -> None:
        super().__init__()
        self.arguments = {"input": input, "hidden": hidden}
        self.one, self.two = (Classifier(cell, input, 2, hidden) for _ in range(2))
        self.cell = self.one.cell


def test_a_task_s_own_shape_is_saved_and_is_read_where_it_is_known(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    model = Doubled("gru", 5, 4)
    save_model(path, model, {"task": "double"})
    again, _ = load_model(path, Doubled)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), again.parameters(), strict=True))
    assert isinstance(load_task(path, "double", Doubled, "model of two")[0], Doubled)
    with pytest.raises(FileError, match="no shape is called 'doubled'"):
        load_model(path)
    with pytest.raises(FileError, match="is no model of three"):
        load_task(path, "triple", Doubled, "model of three")


def test_a_text_written_aside_stands_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    with writing_aside(path) as file:
        file.write("whole\n")
    with pytest.raises(TypeError), writing_aside(path) as file:
        file.writelines(["a part", 1])  # type: ignore[list-item]
    assert path.read_text() == "whole\n"
    assert [p.name for p in tmp_path.iterdir()] == ["t.txt"]
    with pytest.raises(FileError, match="cannot be written"), writing_aside(tmp_path / "none" / "t.txt") as file:
        file.write("a part")
    with pytest.raises(FileNotFoundError), writing_aside(path) as file:
        (tmp_path / "other").open()


def test_metadata_may_not_take_a_file_s_own_names(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a file's own metadata is called 'kind'"):
        save_tensors(tmp_path / "m", "model", {}, {"kind": "splice"})


def test_only_model_shapes_are_saved(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="holds one of generator, classifier, tagger, seq2seq, found Linear"):
        save_model(tmp_path / "m", nn.Linear(2, 2), {})


def test_foreign_newer_and_missing_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.safetensors"
    with pytest.raises(FileError, match="No such file"):
        load_model(path)
    with pytest.raises(FileError, match="Is a directory"):
        load_model(tmp_path)
    path.write_bytes(safetensors.torch.save({"w": torch.zeros(2)}))
    with pytest.raises(FileError, match="was not written by Rondo"):
        load_model(path)
    path.write_bytes(b"PK\x03\x04 a pickle in a zip")
    with pytest.raises(FileError, match="damaged or no safetensors file"):
        load_model(path)
    monkeypatch.setattr(files, "FORMAT", 2)
    save_model(path, made("generator"), {})
    monkeypatch.undo()
    with pytest.raises(FileError, match="format 2, this Rondo reads up to 1: update Rondo"):
        load_model(path)


def test_tensors_of_every_type_come_back(tmp_path: Path) -> None:
    given = {
        "a": torch.arange(6.0).reshape(2, 3).T,
        "b": torch.tensor(True),
        "c": torch.zeros(0, 3, dtype=torch.bfloat16),
        "d": torch.tensor([1, -2], dtype=torch.int64),
    }
    save_tensors(tmp_path / "t", "checkpoint", given, {"step": 3, "name": "é\x00"})
    tensors, about = load_tensors(tmp_path / "t", "checkpoint")
    assert about == {"step": 3, "name": "é\x00"}
    assert tensors.keys() == given.keys()
    for name, t in given.items():
        assert tensors[name].dtype == t.dtype
        assert torch.equal(tensors[name], t)


def test_errors_can_be_printed() -> None:
    assert str(FileError("a\x1b[2J\u202eb\ud800\n中")) == "a\\x1b[2J\\u202eb\\ud800\n中"
    assert printable("plain ŷ") == "plain ŷ"


# --- runs ----------------------------------------------------------------------------------------


def made_run(folder: Path, config: TextConfig = CONFIG) -> tuple[Run[TextConfig], Generator]:
    torch.manual_seed(0)
    return Run.create(folder, config, {}), Generator("lstm", SYMBOLS, config.hidden, config.layers)


def test_a_checkpoint_is_no_model(tmp_path: Path) -> None:
    run, model = made_run(tmp_path / "run")
    run.save_checkpoint(model, start(model, CONFIG))
    with pytest.raises(FileError, match="is a checkpoint file, a model file is needed"):
        load_model(run.checkpoint)
    save_model(run.checkpoint, model, {})
    with pytest.raises(FileError, match="is a model file, a checkpoint file is needed"):
        run.load_checkpoint(model)


def test_a_checkpoint_of_other_settings(tmp_path: Path) -> None:
    run, model = made_run(tmp_path / "run")
    run.save_checkpoint(model, start(model, CONFIG))
    other = Run(run.folder, dataclasses.replace(CONFIG, lr=0.5))
    with pytest.raises(FileError, match=r"another lr than config\.toml has: 0\.5"):
        other.load_checkpoint(model)
    with pytest.raises(FileError, match=r"does not fit its description: head\.bias is torch\.float32 \[7\], expected"):
        run.load_checkpoint(Generator("lstm", 8, 6, 2))


@pytest.mark.parametrize("lost", ["config", "machine", "step", "best", "random"])
def test_a_checkpoint_that_lacks_something(tmp_path: Path, lost: str) -> None:
    run, model = made_run(tmp_path / "run")
    run.save_checkpoint(model, start(model, CONFIG))
    tensors, about = load_tensors(run.checkpoint, "checkpoint")
    save_tensors(
        run.checkpoint,
        "checkpoint",
        {k: v for k, v in tensors.items() if k != lost},
        {k: v for k, v in about.items() if k != lost},
    )
    with pytest.raises(FileError, match=f"no checkpoint of this run: '{lost}'"):
        run.load_checkpoint(model)


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    run, _ = made_run(tmp_path / "run")
    made_run(tmp_path / "run")  # nothing has been trained yet
    run.log(step=1)
    with pytest.raises(FileError, match="holds a run already: name another folder, or go on with --resume"):
        made_run(tmp_path / "run")
    assert Run.open(tmp_path / "run", TextConfig).config == CONFIG
    with pytest.raises(FileError, match="no run: it has no"):
        Run.open(tmp_path, TextConfig)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be made"):
        made_run(tmp_path / "file" / "run")


def test_the_data_of_a_run(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("one")
    run = Run.create(tmp_path / "run", CONFIG, {"train": [text]})
    assert run.data() == {"train": [text]}
    text.write_text("two")
    with pytest.raises(FileError, match=r"a\.txt has changed since the run began: put the old one back"):
        run.data()
    text.unlink()
    with pytest.raises(FileError, match=r"a\.txt is gone"):
        run.data()
    for broken in ("{", "[]", '{"train": [{"file": 1}]}'):
        (run.folder / "data.json").write_text(broken)
        with pytest.raises(FileError, match=r"data\.json cannot be read"):
            run.data()
    with pytest.raises(FileError, match=r"none\.txt cannot be read"):
        Run.create(tmp_path / "other", CONFIG, {"train": [tmp_path / "none.txt"]})
    assert not (tmp_path / "other" / "config.toml").exists()  # it is no run


def test_a_folder_stands_for_its_files(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "c/d.txt"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text("")
    found = files_of([tmp_path / "in", tmp_path / "x.txt"])
    assert [str(f.relative_to(tmp_path)) for f in found] == ["in/a.txt", "in/b.txt", "in/c/d.txt", "x.txt"]


def test_writing_aside_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    write_aside(path, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FileError, match=r"No space left on device.*is kept"):
        write_aside(path, b"new", previous=tmp_path / "b")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    write_aside(path, b"new", previous=tmp_path / "b")
    assert (path.read_bytes(), (tmp_path / "b").read_bytes()) == (b"new", b"old")
    for folder in ("none", "a"):
        with pytest.raises(FileError, match="cannot be written"):
            write_aside(tmp_path / folder / "a", b"")


def test_log_is_one_json_object_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = made_run(tmp_path / "run")
    run.log(step=1, loss=2.5)
    run.log(step=2, valid=2.25)
    path = run.folder / "log.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [{k: v for k, v in line.items() if k != "time"} for line in lines] == [
        {"step": 1, "loss": 2.5},
        {"step": 2, "valid": 2.25},
    ]
    assert all(line["time"].endswith("Z") for line in lines)
    with path.open("a") as file:
        file.write('{"step": 3, "lo')  # killed here
    run.cut_log(1)
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1]
    path.unlink()
    path.mkdir()
    with pytest.raises(FileError, match=r"log\.jsonl cannot be written \(Is a directory\)"):
        run.log(step=4)


# --- configurations ------------------------------------------------------------------------------


def test_config_file_then_flags(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('cell = "elman"\nhidden = 8\nclip = 2\nlocked = false\n')
    config = TextConfig.load(file, hidden=9, layers=None)
    assert (config.cell, config.hidden, config.layers, config.clip, config.locked) == ("elman", 9, 1, 2.0, False)
    file.write_text(config.to_toml())
    assert TextConfig.load(file) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hiden": 8}, "no setting 'hiden'; did you mean 'hidden'"),
        ({"hidden": "8"}, "hidden must be of type int, found '8'"),
        ({"hidden": True}, "hidden must be of type int"),
        ({"hidden": 8.0}, "hidden must be of type int"),
        ({"hidden": 0}, "hidden must be between 1 and"),
        ({"layers": 1000}, "layers must be between 1 and 100"),
        ({"lr": float("nan")}, "lr must be at least 0"),
        ({"lr": float("inf")}, "lr must be at least 0"),
        ({"reach": -1}, "reach must be at least 0"),
        ({"optimiser": "adamv"}, "optimiser cannot be 'adamv'; did you mean 'adam"),
        ({"schedule": "cos"}, "schedule cannot be 'cos'"),
        ({"valid_share": 0.0}, "valid_share must be between"),
        ({"level": "letter"}, "level cannot be 'letter'"),
        ({"documents": "lines"}, "documents cannot be 'lines'; did you mean 'line'"),
        ({"precision": "float64"}, "precision cannot be 'float64'"),
        ({"window": 0}, "window = 0 reads whole documents: say what one is"),
        ({"dropout": 1.0}, "dropout must be between 0 and 0.999"),
        ({"embed_dropout": -0.1}, "embed_dropout must be between"),
        ({"smoothing": 1.0}, "smoothing must be between"),
        ({"ema": 1.0}, "ema must be between 0 and 0.999999"),
        ({"vary": 0.6}, "vary must be between 0 and 0.5"),
        ({"accumulate": 33}, "accumulate must be between 1 and 32"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"clip_value": -1.0}, "clip_value must be at least 0"),
    ],
)
def test_bad_settings(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TextConfig.of(values)


def test_bad_config_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        TextConfig.load(tmp_path / "none.toml")
    for content in (b"hidden 8", b"\xff"):
        (tmp_path / "c.toml").write_bytes(content)
        with pytest.raises(ConfigError, match=r"c\.toml is not TOML"):
            TextConfig.load(tmp_path / "c.toml")


@pytest.mark.parametrize("task", ["text", *tasks.names()])
def test_every_setting_has_a_comment(task: str) -> None:
    module = config_module if task == "text" else tasks.part(task, "config")
    kind = TextConfig if task == "text" else module.CONFIG
    source = inspect.getsource(module) + inspect.getsource(config_module)
    for field in dataclasses.fields(kind):
        line = next(t for t in source.splitlines() if t.startswith(f"    {field.name}: "))
        assert "  # " in line


@pytest.mark.parametrize("name", configs.names())
def test_shipped_configs_load_and_build(name: str) -> None:
    path = configs.find(Path(name))
    task = tomllib.loads(path.read_text(encoding="utf-8")).get("task", "text")
    config = (TextConfig if task == "text" else tasks.part(task, "config").CONFIG).load(path)
    with torch.device("meta"):
        if task == "text":
            text.build(config, 50)
        if task == "poetry":
            tasks.part(task, "train").build(config, 50)
        if task == "dna":
            tasks.part(task, "train").build(config)
    assert (configs.FOLDER / f"{name}.toml").read_text(encoding="utf-8").startswith("# ")  # what it is for


def test_shipped_configs_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert configs.names()
    with pytest.raises(ConfigError, match="no shipped configuration is called 'shakespear'; did you mean 'shakespeare"):
        configs.find(Path("shakespear"))
    monkeypatch.chdir(tmp_path)
    assert configs.find(Path("a.toml")) == Path("a.toml")
    (tmp_path / "mine").write_text("")
    assert configs.find(Path("mine")) == Path("mine")
