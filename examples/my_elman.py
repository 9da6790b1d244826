"""A module of one's own for `rondo show elman --check examples/my_elman.py`."""

import torch
from torch import Tensor, nn


class MyElman(nn.Module):
    """h<t> = tanh(W x<t> + U h<t-1> + b), with the input map and the bias in a Linear."""

    mapping = {"W": "input_map.weight", "b": "input_map.bias"}

    def __init__(self, input: int, hidden: int) -> None:
        super().__init__()
        self.input_map = nn.Linear(input, hidden)
        self.U = nn.Parameter(torch.empty(hidden, hidden))

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return torch.tanh(self.input_map(x) + h @ self.U.T)
