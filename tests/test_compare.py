"""`rondo show CELL --check FILE.py`: a right module agrees, a wrong term is found, a broken contract is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from rondo import Cell, State, cli, tanh
from rondo.cells import find
from rondo.compare import CompareError, compare, load_class

from shown import shown

GRU = """
import torch
from torch import nn

class MyGRU(nn.Module):
    mapping = {"W_r": "gate.weight", "U_r": ("recurrent", 0, 2), "U_u": ("recurrent", 1, 2)}

    def __init__(self, input, hidden):
        super().__init__()
        self.gate = nn.Linear(input, hidden, bias=False)
        self.recurrent = nn.Parameter(torch.zeros(2 * hidden, hidden))
        self.U_c = nn.Parameter(torch.zeros(hidden, hidden))
        self.W_u, self.W_c = (nn.Parameter(torch.zeros(hidden, input)) for _ in "uc")
        self.b_r, self.b_u, self.b_c = (nn.Parameter(torch.zeros(hidden)) for _ in "ruc")

    def forward(self, x, h):
        of_r, of_u = (h @ self.recurrent.T).chunk(2, -1)
        r = torch.sigmoid(self.gate(x) + of_r + self.b_r)
        u = torch.sigmoid(x @ self.W_u.T + of_u + self.b_u)
        c = torch.tanh(x @ self.W_c.T + (r * h) @ self.U_c.T + self.b_c)
        return u * c + (1 - u) * h
"""
MISTAKES = {
    "reset after the product": ("(r * h) @ self.U_c.T", "r * (h @ self.U_c.T)"),
    "update gate turned": ("u * c + (1 - u) * h", "u * h + (1 - u) * c"),
    "a bias forgotten": (" + of_u + self.b_u", " + of_u"),
    "a detached state": ("r * h", "r * h.detach()"),
    "gates exchanged": ("of_r, of_u =", "of_u, of_r ="),
}


def load(folder: Path, text: str) -> type[nn.Module]:
    (folder / "mine.py").write_text(text, encoding="utf-8")
    return load_class(folder / "mine.py")


def test_a_right_module_agrees(tmp_path: Path) -> None:
    report = compare(find("gru-cho"), load(tmp_path, GRU))
    for line in report.lines:
        shown("a user's module = equations", "GRUCho", (4, 3, 5, 7), line.quantity, line.error)
    assert report.agrees
    assert {"h<4>", "dL/dW_r", "dL/db_c", "dL/dx", "dL/dh<0>"} <= {line.quantity for line in report.lines}
    assert next(line for line in report.lines if line.quantity == "dL/dU_c").equation.startswith("c = tanh(")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_term_is_found(tmp_path: Path, mistake: str) -> None:
    right, wrong = MISTAKES[mistake]
    assert right in GRU
    report = compare(find("gru-cho"), load(tmp_path, GRU.replace(right, wrong)))
    assert not report.agrees
    assert "DIFFERS" in str(report)


def test_a_wrong_gradient_alone_is_found(tmp_path: Path) -> None:
    report = compare(find("gru-cho"), load(tmp_path, GRU.replace("r * h", "r * h.detach()")))
    assert all(line.agrees for line in report.lines if line.quantity.startswith("h<"))
    assert not report.agrees


class Own(Cell):
    """Two states and an output of its own."""

    states = {"h": "hidden", "c": "hidden"}

    def step(self, x, s):
        c = tanh(self.W @ x + self.U @ s.h + s.c)
        return State(h=c * s.h, c=c), c + s.h


class OwnModule(nn.Module):
    def __init__(self, input: int, hidden: int) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.zeros(hidden, input))
        self.U = nn.Parameter(torch.zeros(hidden, hidden))
        self.unused = nn.Parameter(torch.ones(1))

    def forward(self, x, h, c):
        new = torch.tanh(x @ self.W.T + h @ self.U.T + c)
        return new * h, new, new + h


class OwnTuple(OwnModule):
    def forward(self, x, state):
        return super().forward(x, *state)


@pytest.mark.parametrize("module", [OwnModule, OwnTuple])
def test_states_apart_or_as_a_tuple(module: type[nn.Module]) -> None:
    report = compare(Own(), module)
    assert report.agrees
    assert report.unused == ("unused",)
    assert "not in the equations, set to zero: unused" in str(report)


BROKEN = {
    "no module class": ("class MyGRU(nn.Module)", "class MyGRU", "must define one torch.nn.Module class, found none"),
    "an exception": ("import torch\n", "import torch\n1 / 0\n", "does not run: ZeroDivisionError"),
    "a constructor": ("self, input, hidden)", "self)", r"must be constructed as MyGRU\(input, hidden\)"),
    "a mapping": ('{"W_r"', '{"W_x"', "no parameter of GRUCho; did you mean 'W_"),
    "a name": ("self.U_c", "self.u_c", "the module has no 'U_c': rename, or add mapping"),
    "a shape": ("torch.zeros(hidden, input)", "torch.zeros(input, hidden)", "it is transposed"),
    "a result": ("return u * c", "return h, u * c", r"forward must return 1 tensor\(s\) \(h\), found 2"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_contract_is_told(tmp_path: Path, what: str) -> None:
    right, wrong, message = BROKEN[what]
    assert right in GRU
    with pytest.raises(CompareError, match=message):
        compare(find("gru-cho"), load(tmp_path, GRU.replace(right, wrong)))


@pytest.mark.parametrize(("text", "code"), [(GRU, 0), (GRU.replace("r * h", "h"), 1)])
def test_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, code: int) -> None:
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["rondo", "show", "gru-cho", "--check", str(tmp_path / "mine.py")])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == code
