"""The words of the charts in two languages, by key; and how layers, states and symbols are written."""

from __future__ import annotations

from collections.abc import Sequence

from rondo.charts import ChartError

LANGUAGES = ("en", "zh")

WORDS: dict[str, tuple[str, str]] = {
    "gradient flow": ("Gradient through time", "梯度穿过时间"),
    "gradient flow reading": (
        "How to read it: each line is the gradient left so many steps back from the loss (median over "
        "rows). Falling: it vanishes. Rising: it explodes. A dot marks where it stays under 1 % of its start.",
        "怎样读：每条线是从损失往回走若干步后剩下的梯度（各行的中位数）。下降为消失，上升为爆炸。"
        "圆点处起梯度不再超过起点的 1%。",
    ),
    "gradient flow band": (" Band: 10 to 90 % of the rows.", "色带为各行的 10% 到 90%。"),
    "distance": ("steps back from the loss", "离损失的步数"),
    "gradient norm": ("norm of ∂L/∂s", "∂L/∂s 的范数"),
    "state": ("state", "状态"),
    "layer": ("layer {}", "第 {} 层"),
    "reverse": ("layer {} reverse", "第 {} 层反向"),
    "singular values": ("Product of the step Jacobians", "逐步雅可比矩阵之积"),
    "singular values reading": (
        "How to read it: singular values of ∂s⟨T⟩/∂s⟨T−k⟩. A gradient k steps back lies between the largest and the "
        "smallest. σᵏ is what the largest singular value of the layer's matrices alone would allow.",
        "怎样读：∂s⟨T⟩/∂s⟨T−k⟩ 的奇异值。往回 k 步的梯度在最大与最小之间。σᵏ 只看该层矩阵的最大奇异值。",
    ),
    "k": ("k, steps of the product", "k，相乘的步数"),
    "singular value": ("singular value", "奇异值"),
    "largest": ("largest", "最大"),
    "median": ("median", "中位"),
    "smallest": ("smallest", "最小"),
    "bound": ("rule σᵏ", "规则 σᵏ"),
    "exponents": ("Lyapunov exponents", "李雅普诺夫指数"),
    "exponents reading": (
        "How to read it: the mean growth of a small change of the state, in nats per step, by direction. Above 0 it "
        "explodes, far below 0 it is forgotten; near 0 it is kept.",
        "怎样读：状态的微小变化在各方向上每步的平均增长（奈特）。大于 0 为爆炸，远小于 0 为遗忘，接近 0 为保留。",
    ),
    "rank": ("rank of the direction", "方向的序号"),
    "growth": ("growth [nats per step]", "增长（奈特/步）"),
    "eigenvalues": ("Eigenvalues of the recurrent matrices", "循环矩阵的特征值"),
    "eigenvalues reading": (
        "How to read it: each dot is an eigenvalue; ρ is the largest modulus, σ the largest singular value. Inside the "
        "unit circle a linear recurrence forgets, outside it explodes; tanh and gates pull inward.",
        "怎样读：每点是一个特征值；ρ 是最大模，σ 是最大奇异值。线性循环在单位圆内遗忘，在圆外爆炸；tanh 和门向内拉。",
    ),
    "real": ("real part", "实部"),
    "imaginary": ("imaginary part", "虚部"),
    "modulus": ("modulus", "模"),
    "histograms": ("What the gates do", "门的取值"),
    "histograms reading": (
        "How to read it: the distribution of each gate over all units and steps. Mass in the shaded ends is "
        "saturation: the gate is fully shut or open there, and passes almost no gradient itself.",
        "怎样读：每个门在全部单元和时间步上的分布。阴影两端为饱和：门几乎全关或全开，自身几乎不传梯度。",
    ),
    "value": ("value", "取值"),
    "share": ("share of values", "占比"),
    "saturation": ("Saturation by unit", "各单元的饱和"),
    "saturation reading": (
        "How to read it: a dot is a unit; how much of the time its gate is shut (right) and open (up). On the diagonal "
        "it is always one or the other, a switch; near the origin it works in between.",
        "怎样读：每点是一个单元；横轴为门关闭的时间占比，纵轴为打开的占比。在对角线上是开关，近原点则介于其间。",
    ),
    "left": ("time saturated low", "低端饱和的时间"),
    "right": ("time saturated high", "高端饱和的时间"),
    "unit": ("unit", "单元"),
    "heatmap": ("Gates over a text", "门随文字的变化"),
    "heatmap reading": (
        "How to read it: a column is a symbol as it is read, a row one of the units that vary most; dark is high.",
        "怎样读：每列是读到的一个符号，每行是变化最大的单元之一；越深值越高。",
    ),
    "position": ("position in the text", "文中位置"),
    "symbol": ("symbol", "符号"),
    "contexts": ("Loss by length of context", "损失与上文长度"),
    "contexts reading": (
        "How to read it: the model reads only so many symbols before the one it is to predict. Where the line turns "
        "flat, more past no longer helps. Bars: standard error of the difference to the longest.",
        "怎样读：模型只读预测之前的这么多符号。线变平之处，更长的上文不再有用。竖线为与最长上文之差的标准误。",
    ),
    "context": ("symbols of context", "上文的符号数"),
    "loss": ("loss [nats per symbol]", "损失（奈特/符号）"),
    "effective": ("within 0.01 nats from here on", "从这里起相差不超过 0.01 奈特"),
    "saliency": ("What a prediction depends on", "预测依赖于哪些字"),
    "saliency reading": (
        "How to read it: the darker a symbol, the more the log-probability of the boxed symbol changes with it "
        "(norm of the gradient by its input vector, relative to the largest).",
        "怎样读：颜色越深，框中符号的对数概率对它越敏感（对输入向量的梯度范数，以最大者为 1）。",
    ),
    "evidence": ("What speaks for a prediction, and what against it", "哪些字支持预测，哪些反对"),
    "signed saliency reading": (
        "How to read it: blue symbols speak for the boxed symbol, red underlined ones against it (gradient × input).",
        "怎样读：蓝色的字支持框中的符号，带下划线的红色的字反对它（梯度乘输入）。",
    ),
    "gradient": ("gradient norm", "梯度范数"),
    "product": ("gradient × input", "梯度 × 输入"),
    "training": ("Training", "训练过程"),
    "training reading": (
        "How to read it: left, the loss of the training windows (thin: each logged step) and of the validation text; "
        "right, the gradient's norm before clipping and the learning rate.",
        "怎样读：左图为训练窗口的损失（细线为每次记录）和验证文本的损失；右图为截断前的梯度范数和学习率。",
    ),
    "step": ("step", "步"),
    "train": ("training", "训练"),
    "valid": ("validation", "验证"),
    "norm": ("gradient norm", "梯度范数"),
    "lr": ("learning rate", "学习率"),
    "lecture": ("Vanishing and exploding gradients, and what helps", "梯度消失与爆炸，以及对策"),
    "lecture reading": (
        "How to read it: top, the gradient by distance in an Elman network with spectral radius {0:g} and one with "
        "{1:g}, after clipping, and in gated networks of the same size. Clipping moves the whole line and keeps its "
        "slope; gates make it flat. Bottom left: the largest singular value of both matrices is above 1, yet only one "
        "explodes, because tanh′ ≤ 1 counts too. Bottom right: the exploding network in training.",
        "怎样读：上排为谱半径 {0:g} 和 {1:g} 的 Elman 网络中梯度随距离的变化，截断之后，以及同样大小的门控网络。"
        "截断把整条线平移而斜率不变；门使线变平。左下：两个矩阵的最大奇异值都大于 1，却只有一个爆炸，因为 tanh′ ≤ 1 "
        "也在起作用。右下：爆炸的网络在训练中。",
    ),
    "vanishing": ("Vanishing", "梯度消失"),
    "exploding": ("Exploding", "梯度爆炸"),
    "clipped": ("{}, clipped", "{} 截断后"),
    "products": ("The rule of the largest singular value", "最大奇异值的规则"),
    "rule": ("{}: rule σᵏ", "{}：规则 σᵏ"),
    "measured": ("{}: measured", "{}：实测"),
    "updates": ("Update per training step (exploding case)", "每步训练的更新量（爆炸的情形）"),
    "update": ("norm of the update / rate", "更新量的范数／学习率"),
    "network": ("network", "网络"),
}


def words(lang: str) -> dict[str, str]:
    """Every word in one language. Raises ChartError for a language that there is not."""
    if lang not in LANGUAGES:
        raise ChartError(f"charts speak {' and '.join(LANGUAGES)}, not {lang!r}")
    return {key: both[LANGUAGES.index(lang)] for key, both in WORDS.items()}


def label(name: str, lang: str) -> str:
    """A layer, or something of a layer, as it is written: "l0.h" is "layer 0 · h"."""
    unit, _, own = name.partition(".")
    number, _, back = unit.removeprefix("l").partition("_")
    layer = words(lang)["reverse" if back else "layer"].format(number)
    return f"{layer} · {own}" if own else layer


def shown(symbols: Sequence[str]) -> list[str]:
    """Symbols as something to see: a blank is ␣, the end of a line ↵, a tab ⇥."""
    return [s.translate(VISIBLE) or "∅" for s in symbols]


VISIBLE = str.maketrans({" ": "␣", "\n": "↵", "\t": "⇥"})
