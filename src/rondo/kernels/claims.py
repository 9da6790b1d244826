"""A person's derivatives beside the derived ones: every line evaluated on a random case, in float64, and compared.

A line reads the derived values of the names that it uses, so one wrong line makes no other wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rondo.expr.adjoint import arriving
from rondo.expr.graph import Graph
from rondo.expr.nodes import Block, EquationError, Expr, intern, topological
from rondo.kernels import reference
from rondo.kernels.check import Case, case
from rondo.kernels.reference import TORCH, Value
from rondo.render.claims import PREVIOUS_INPUT, Claim, claims, is_total
from rondo.render.lines import INPUT, PARAMETER, Line, Symbol

STEPS, ROWS = 4, 3
CLASSES = {"softmax": 3, "sigmoid": 1}
LIMIT = 1e-9  # float64 beside float64 over four steps: rounding stays three digits below, a wrong term far above
FIRST_SIZES = {"input": 5, "hidden": 7}  # unequal, so that a wrong product is noticed

Known = dict[Expr, Value]


@dataclass(frozen=True)
class Verdict:
    """What became of one line.

    status  right | wrong | helper (a name of the person's own, not compared) | error (not read: `message` says why)
    error   max|claimed - derived| / max|derived| over all steps; `steps` the same of each step, first to last
    hint    "" | sign | factor | sum (right when summed over time and batch) | sum+ (the sum is missing, and more) |
            last (right at the last step only) | first (wrong at the first step only) | upstream (right when multiplied
            by a gradient that arrives)
    factor  where every number is this multiple of the derived one
    derived the name that it was compared with
    """

    number: int
    text: str
    name: str
    status: str
    error: float = 0.0
    steps: tuple[float, ...] = ()
    hint: str = ""
    factor: float = 1.0
    derived: str = ""
    message: str = ""


def judge(graph: Graph, text: str, head: str | None = None, seed: int = 0) -> list[Verdict]:
    """Each line of a person's derivation compared with the derived one. Raises EquationError where there is no line."""
    lines, found = claims(graph, text, head)
    truth = Truth(graph, lines, head, seed)
    helpers = [dict[Expr, Value]() for _ in truth.steps]
    return [_told(claim, truth, helpers) for claim in found]


def _told(claim: Claim, truth: Truth, helpers: list[Known]) -> Verdict:
    """The verdict, or why there is none."""
    try:
        if claim.error is not None:
            raise claim.error
        return _judged(claim, truth, helpers)
    except EquationError as error:
        place = "" if error.placed else f"claim, line {claim.number}: {claim.text[:100]}\n  "
        return Verdict(claim.number, claim.text, claim.name, "error", message=f"{place}{error}")


def _judged(claim: Claim, truth: Truth, helpers: list[Known]) -> Verdict:
    with torch.no_grad():
        values = [truth.value(claim.expr, {**known, **own}) for known, own in zip(truth.steps, helpers, strict=True)]
    if claim.about is None:
        for own, value in zip(helpers, values, strict=True):
            own[intern("helper", (), f"{claim.number}")] = value
        return Verdict(claim.number, claim.text, claim.name, "helper")
    compare = _total_verdict if is_total(claim.about) else _step_verdict
    return compare(claim, truth, [torch.as_tensor(v, dtype=torch.float64) for v in values])


def _step_verdict(claim: Claim, truth: Truth, values: list[Tensor]) -> Verdict:
    assert claim.about is not None
    wanted = [torch.as_tensor(known[claim.about.target], dtype=torch.float64) for known in truth.steps]
    shape = max((w.shape for w in wanted), key=torch.Size.numel)
    got = [_fitted(claim, v, shape, truth) for v in values]
    wanted = [w.expand(shape) for w in wanted]
    scale = max(_size(w) for w in wanted)
    steps = tuple(_error(g, w, scale) for g, w in zip(got, wanted, strict=True))
    hint, factor = _step_hint(torch.stack(got), torch.stack(wanted), steps)
    if not hint and max(steps) > LIMIT and claim.about.symbol.form:
        hint = truth.upstream(claim, got, wanted)
    return _verdict(claim, max(steps), steps, hint, factor)


def _total_verdict(claim: Claim, truth: Truth, values: list[Tensor]) -> Verdict:
    """Of a quantity that is summed over time and batch."""
    assert claim.about is not None
    wanted = truth.totals[claim.about.target]
    rows = [v if claim.summed else v.sum(-1) if v.dim() > wanted.dim() - (wanted.shape[-1] == 1) else v for v in values]
    whole = _reshaped(claim, torch.stack([r.expand_as(rows[0]) for r in rows]).sum(0), wanted)
    error = _error(whole, wanted, _size(wanted))
    if claim.summed:
        hint, factor = _plain_hint(whole, wanted)
        return _verdict(claim, error, (), hint, factor)
    one = values[-1][..., 0] if values[-1].shape[-1] == ROWS else values[-1]
    alone = _error(_reshaped(claim, one, wanted), wanted, _size(wanted))
    return _verdict(claim, alone, (), "sum" if error <= LIMIT else "sum+", 1.0)


def _verdict(claim: Claim, error: float, steps: tuple[float, ...], hint: str, factor: float) -> Verdict:
    assert claim.about is not None
    right = error <= LIMIT
    told = ("", 1.0) if right else (hint, factor)
    status = "right" if right else "wrong"
    return Verdict(claim.number, claim.text, claim.name, status, error, steps, *told, derived=claim.about.name)


def _fitted(claim: Claim, value: Tensor, shape: torch.Size, truth: Truth) -> Tensor:
    if value.dim() and (value.dim() != len(shape) or value.shape[0] not in (1, shape[0])):
        found, wanted = truth.shown(value.shape[:-1]), truth.shown(shape[:-1])
        raise EquationError(f"{claim.about.name if claim.about else claim.name} has the shape {wanted}, this {found}")
    return value.expand(shape)


def _reshaped(claim: Claim, value: Tensor, wanted: Tensor) -> Tensor:
    if value.numel() != wanted.numel():
        turned = "; it is transposed" if tuple(value.shape) == tuple(wanted.shape)[::-1] else ""
        raise EquationError(f"{claim.name} has the shape {list(wanted.shape)}, this {list(value.shape)}{turned}")
    if value.dim() == wanted.dim() == 2 and value.shape != wanted.shape:
        raise EquationError(
            f"{claim.name} has the shape {list(wanted.shape)}, this {list(value.shape)}; it is transposed"
        )
    return value.reshape(wanted.shape)


def _size(v: Tensor) -> float:
    return float(v.abs().max()) if v.numel() else 0.0


def _error(got: Tensor, wanted: Tensor, scale: float) -> float:
    worst = _size(got - wanted)
    return worst / max(scale, 1e-300) if math.isfinite(worst) else math.inf


def _plain_hint(got: Tensor, wanted: Tensor) -> tuple[str, float]:
    """A wrong sign, or a constant factor."""
    scale = _size(wanted)
    power = float((wanted * wanted).sum())
    factor = float((got * wanted).sum()) / power if power > 0 else math.nan
    if math.isfinite(factor) and abs(factor) > 1e-6 and _error(got, factor * wanted, scale) <= LIMIT:
        return ("sign", -1.0) if abs(factor + 1) < 1e-9 else ("factor", factor)
    return "", 1.0


def _step_hint(got: Tensor, wanted: Tensor, steps: Sequence[float]) -> tuple[str, float]:
    hint, factor = _plain_hint(got, wanted)
    if not hint and max(steps[:-1]) > LIMIT and steps[-1] <= LIMIT:
        return "last", 1.0
    if not hint and steps[0] > LIMIT and max(steps[1:]) <= LIMIT:
        return "first", 1.0
    return hint, factor


# --- the derived values ----------------------------------------------------------------------------


class Truth:
    """Every line of a derivation evaluated on a random case: `steps` hold the values of each step by node, first step
    first; `totals` those that are summed over time and batch."""

    def __init__(self, graph: Graph, lines: Sequence[Line], head: str | None, seed: int = 0) -> None:
        self.graph, self.lines, self.head = graph, lines, head
        self.sizes = sizes = {**FIRST_SIZES}
        if graph.square:
            sizes["input"] = sizes["hidden"]
        for k, name in enumerate(n for n in graph.size_names if n not in sizes):
            sizes[name] = 4 if k == 0 else 8 + k
        drawn = case(graph, STEPS, ROWS, sizes, seed=seed)
        self.params = {k: v.unsqueeze(1) if v.dim() == 1 else v for k, v in drawn.params.items()}
        self.random = torch.Generator().manual_seed(seed + 1)
        self._head()
        self.read = self._reader()
        self.totals: dict[Expr, Tensor] = {}
        with torch.no_grad():
            self.steps = self._run(drawn)

    def _head(self) -> None:
        """The output layer's matrix and bias, by the names that the lines give them."""
        if self.head is None:
            return
        classes, width = CLASSES[self.head], self.sizes[self.graph.output_size]
        for line in self.lines:
            name = line.symbol.name
            if line.symbol.role == PARAMETER and line.part == "gradients" and name not in self.graph.params:
                matrix = line.of is not None and line.of.op == "matrix"
                self.params[name] = self._normal(classes, width if matrix else 1)

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.random, dtype=torch.float64)

    def _reader(self) -> Callable[[Block], Tensor]:
        own = {k: v for k, v in self.params.items() if k in self.graph.params}
        blocks = reference.block_reader(self.graph, own, self.sizes)
        return lambda b: self.params[b.name] if b.count == 1 else blocks(b)

    def _run(self, drawn: Case) -> list[Known]:
        stored: list[Known] = []
        reference.scan(
            self.graph, drawn.params, drawn.x, drawn.state, watch=lambda t, values: stored.append(dict(values))
        )
        incoming: Known = {arriving(s): torch.zeros_like(v.T) for s, v in drawn.grad_state.items()}  # nothing after T
        for t in reversed(range(STEPS)):
            stored[t].update(incoming)
            stored[t].update(self._given(drawn, t))
            incoming = self._back(stored[t])
        return stored

    def _given(self, drawn: Case, t: int) -> Known:
        """Leaves of the lines that no equation computes: targets, parameters, the loss's own gradient, x<t-1>."""
        found: Known = {}
        for node in {n for line in self.lines for n in topological([line.expr]) if not n.args}:
            if node.op == "vector":
                found[node] = self.params[str(node.attr)]
            elif isinstance(node.attr, Symbol) and node.attr.role == INPUT:
                found[node] = self._target()
            elif isinstance(node.attr, Symbol) and node.op == "adjoint":
                found[node] = drawn.grad_y[:, t].T
        for name, x in drawn.x.items():
            before = x[:, t - 1].T if t else torch.zeros_like(x[:, 0].T)
            found[intern("input", (), name + PREVIOUS_INPUT)] = before
        return found

    def _target(self) -> Tensor:
        """A class for softmax, zeros and ones for sigmoid."""
        classes = CLASSES[self.head or "softmax"]
        if self.head == "sigmoid":
            return (self._normal(classes, ROWS) > 0).double()
        chosen = torch.randint(classes, (ROWS,), generator=self.random)
        return torch.nn.functional.one_hot(chosen, classes).double().T

    def _back(self, known: Known) -> Known:
        """One step back over all lines; gives what arrives at the step before."""
        incoming: Known = {}
        for line in self.lines:
            value = self.value(line.expr, known, own=True)
            if is_total(line):
                before = self.totals.get(line.target)
                tensor = torch.as_tensor(value, dtype=torch.float64)
                self.totals[line.target] = tensor if before is None else before + tensor
                continue
            known[line.target] = value
            if line.symbol.time == "t→t-1":
                incoming[arriving(line.symbol.name)] = value
        return incoming

    def value(self, root: Expr, known: Mapping[Expr, Value], own: bool = False) -> Value:
        """An expression on the values of a step. own: it is the line of its name, so that the name is no help."""
        values, own = dict(known), own and bool(root.args)
        for node in topological([root], known if not own else _Without(known, root)):
            if node in values and not (own and node is root):
                continue
            if node.op == "const":
                values[node] = node.attr  # type: ignore[assignment]
            elif node.op == "matrix":
                values[node] = self.read(node.attr)  # type: ignore[arg-type]
            elif node.op in ("matmul", "matmul_t"):
                values[node] = self._product(node, values[node.args[0]])
            elif not node.args:
                values[node] = self._leaf(node)
            else:
                values[node] = self._operation(node, [values[a] for a in node.args])
        return values[root]

    def _leaf(self, node: Expr) -> Value:
        if node.op == "vector":
            return self.params[str(node.attr)]
        raise EquationError(f"{node.attr} has no value here")

    def _product(self, node: Expr, operand: Value) -> Tensor:
        assert isinstance(node.attr, Block)
        matrix = self.read(node.attr) if node.op == "matmul" else self.read(node.attr).T
        vector = torch.as_tensor(operand, dtype=torch.float64)
        if vector.dim() != 2 or vector.shape[0] != matrix.shape[1]:
            sign = ".T" if node.op == "matmul_t" else ""
            found, wanted = self.shown(vector.shape[:1]), self.shown(matrix.shape[1:])
            raise EquationError(f"{node.attr}{sign} @ ...: the matrix takes size {wanted}, the vector has {found}")
        return matrix @ vector

    def _operation(self, node: Expr, values: list[Value]) -> Value:
        tensors = [v for v in values if isinstance(v, Tensor) and v.dim()]
        if node.op not in FREE:
            shapes = {(v.dim(), *v.shape[:-1]) for v in tensors if v.dim() != 2 or v.shape[0] != 1}
            if len(shapes) > 1:
                a, b = (self.shown(s[1:]) for s in sorted(shapes)[:2])
                raise EquationError(f"elementwise {node.op}: one side has size {a}, the other {b}")
        return LINE_OPS[node.op](*values)

    def shown(self, shape: Sequence[int]) -> str:
        """Sizes by their names."""
        names = {v: k for k, v in self.sizes.items()}
        return repr(" × ".join(names.get(int(n), str(int(n))) for n in shape) or "number")

    def upstream(self, claim: Claim, got: list[Tensor], wanted: list[Tensor]) -> str:
        """Whether the claim is the local derivative: multiplied by a gradient that arrives it is right."""
        scale = max(_size(w) for w in wanted)
        for line in self.lines:
            if line.part != "backward" or is_total(line):
                continue
            arrives = [torch.as_tensor(known[line.target], dtype=torch.float64) for known in self.steps]
            if all(a.shape == w.shape for a, w in zip(arrives, wanted, strict=True)):
                pairs = zip(got, arrives, wanted, strict=True)
                if max(_error(g * a, w, scale) for g, a, w in pairs) <= LIMIT:
                    return "upstream"
        return ""


class _Without:
    """The nodes that are known, but for one."""

    def __init__(self, known: Mapping[Expr, Value], node: Expr) -> None:
        self.known, self.node = known, node

    def __contains__(self, node: object) -> bool:
        return node is not self.node and node in self.known


def _where(condition: Value, a: Value, b: Value) -> Tensor:
    first, second = (torch.as_tensor(v, dtype=torch.float64) for v in (a, b))
    return torch.where(condition, first, second)  # type: ignore[arg-type]


def _stack(*parts: Value) -> Tensor:
    return torch.cat([torch.as_tensor(p, dtype=torch.float64).expand(-1, ROWS) for p in parts])


def _total(v: Value) -> Tensor:
    """Over the rows of a batch; time is added by who calls."""
    tensor = torch.as_tensor(v, dtype=torch.float64)
    return tensor.sum(-1, keepdim=tensor.dim() == 2)


def _outer(d: Value, v: Value) -> Tensor:
    left, right = (torch.as_tensor(a, dtype=torch.float64) for a in (d, v))
    if left.dim() != 2 or right.dim() != 2:
        raise EquationError("an outer product is of two vectors: d @ v.T")
    return left.unsqueeze(1) * right.unsqueeze(0)


LINE_OPS: dict[str, Callable[..., Value]] = {
    **TORCH,
    **{op: (lambda v, f=f: f(torch.as_tensor(v, dtype=torch.float64))) for op, f in (
        ("sigmoid", torch.sigmoid), ("tanh", torch.tanh), ("exp", torch.exp), ("log", torch.log))},
    "where": _where,
    "softmax": lambda v: v.softmax(0),
    "sum": lambda v: v.sum(0, keepdim=True),
    "outer": _outer,
    "stack": _stack,
    "columns": lambda *m: torch.cat(m, 1),
    "total": _total,
    "alias": lambda v: v,
}  # fmt: skip
FREE = {"outer", "stack", "columns", "total", "alias", "sum", "softmax", "where"}
