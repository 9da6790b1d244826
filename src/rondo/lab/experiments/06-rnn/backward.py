import numpy as np


def backward(x, s, p, dy):
    """The gradients of L = Σ L<t>: x [T, input]; s["h"] [T + 1, hidden], s["h"][0] the first state;
    dy [T, hidden], dL<t>/da<t>; returns a dictionary with W, U, b."""
    d = {name: np.zeros_like(v) for name, v in p.items()}
    for t in reversed(range(len(x))):
        dz = dy[t]  # what else arrives here, and what does tanh make of it?
        d["b"] += dz
    return d
