"""Lines of lecture notes that invite a question: is this right? The bench judges each beside its cell's equations."""

from __future__ import annotations

from dataclasses import dataclass

from rondo.cells import find
from rondo.kernels.claims import Verdict, judge


@dataclass(frozen=True)
class Slip:
    """An exercise: the cell, what stands on it, the line in doubt and the right one; words read 中文 / English."""

    id: str
    cell: str
    head: str
    line: str
    right: str
    question: str
    why: str


SLIPS = (
    Slip(
        "loss",
        "elman",
        "sigmoid",
        "L<t> = -y<t> * log(ŷ<t>) - (1 - ŷ<t>) * log(1 - ŷ<t>)",
        "L<t> = -y<t> * log(ŷ<t>) - (1 - y<t>) * log(1 - ŷ<t>)",
        "二元交叉熵损失 / the binary cross entropy",
        "第二项的权重是真值的 1 − y，不是预测的 1 − ŷ：照错的写法，y = 0 时的损失几乎消失。 / "
        "The second term is weighted by the target, 1 − y, not by the prediction 1 − ŷ: written so, the loss of y = 0 "
        "nearly vanishes.",
    ),
    Slip(
        "step",
        "elman",
        "",
        "dh<t-1> = U.T @ (dh<t> * (1 - tanh(W @ x<t-1> + U @ h<t-1> + b) ** 2))",
        "dh<t-1> = U.T @ (dh<t> * (1 - tanh(W @ x<t> + U @ h<t-1> + b) ** 2))",
        "∂h<t>/∂h<t-1> 用的是哪一步的输入？ / which step's input stands in ∂h<t>/∂h<t-1>?",
        "h<t> 由 x<t> 与 h<t-1> 算出，所以 tanh 的导数要在 x<t> 处取值，不在 x<t-1>。 / "
        "h<t> is computed from x<t> and h<t-1>, so the derivative of tanh is taken at x<t>, not at x<t-1>.",
    ),
    Slip(
        "sum",
        "elman",
        "",
        "dW = (1 - h<t> ** 2) @ x<t>.T",
        "dW = sum((dh<t> * (1 - h<t> ** 2)) @ x<t>.T)",
        "参数的梯度 / a parameter's gradient",
        "这是局部导数：缺了传来的梯度 dh<t>，也缺了对时间和批的求和——参数每一步都用到。 / "
        "This is the local derivative: the gradient dh<t> that arrives is missing, and so is the sum over time and "
        "batch, since every step uses the parameter.",
    ),
    Slip(
        "output",
        "lstm",
        "",
        "h<t> = o * c<t>",
        "h<t> = o * tanh(c<t>)",
        "LSTM 的输出 / the output of the LSTM",
        "标准的 LSTM 输出 o ∘ tanh(c)；o ∘ c 是另一种单元（lstm-no-tanh）。 / "
        "The standard LSTM gives o ∘ tanh(c); o ∘ c is another cell (lstm-no-tanh).",
    ),
    Slip(
        "reset",
        "gru-cho",
        "",
        "c = tanh(W_c @ x<t> + r * (U_c @ h<t-1>) + b_c)",
        "c = tanh(W_c @ x<t> + U_c @ (r * h<t-1>) + b_c)",
        "重置门在乘积之前还是之后？ / does the reset gate act before or after the product?",
        "Cho 等人的 GRU 在乘积之前；PyTorch 在之后（gru）。名字相同，函数不同，权重不能互用。 / "
        "Before it in the GRU of Cho et al.; after it in PyTorch's (gru). The same name, another function: weights do "
        "not transfer.",
    ),
)


def check(id: str) -> tuple[Verdict, Verdict]:
    """The verdicts of the line in doubt and of the right one."""
    slip = next(s for s in SLIPS if s.id == id)
    doubtful, right = judge(find(slip.cell).graph, f"{slip.line}\n{slip.right}", slip.head or None)
    return doubtful, right
