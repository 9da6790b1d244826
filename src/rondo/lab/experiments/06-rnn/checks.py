"""Checks of the sixth experiment in Python: each gets the student's program and seed, and raises WrongError."""

import numpy as np

from rondo.lab.outcome import WrongError

LIMIT = 1e-9  # float64: one formula, another order of additions


def check_shapes(step, seed):
    """Other sizes than those of the visible check, and numbers at which exp would overflow."""
    random = np.random.default_rng(seed)
    for size, hidden, scale in ((1, 1, 1.0), (7, 2, 1.0), (2, 5, 400.0)):
        p = {"W": random.normal(size=(hidden, size)), "U": random.normal(size=(hidden, hidden))}
        p["b"], x, h = random.normal(size=hidden), scale * random.normal(size=size), random.normal(size=hidden)
        found = step("step", x, {"h": h}, p)
        found = np.asarray(found["h"] if isinstance(found, dict) else found, dtype=float)
        right = np.tanh(p["W"] @ x + p["U"] @ h + p["b"])
        if found.shape != right.shape or not np.abs(found - right).max() <= LIMIT:
            raise WrongError(
                f"x 有 {size} 个数、a 有 {hidden} 个单元时不对 / wrong where x has {size} numbers and a {hidden} units"
            )


def _clipped(clip, gradients, limit):
    found = clip("clip", gradients, limit)
    if not isinstance(found, dict) or found.keys() != gradients.keys():
        raise WrongError("clip 要返回同样名字的字典 / clip must return a dictionary of the same names")
    return {name: np.asarray(v, dtype=float) for name, v in found.items()}


def norm(gradients):
    return float(np.sqrt(sum((v**2).sum() for v in gradients.values())))


def check_clip(clip, seed):
    """Large gradients are brought to the limit, in the same direction."""
    random = np.random.default_rng(seed)
    for limit in (1.0, 0.25, 5.0):
        gradients = {"W": 10 * random.normal(size=(3, 4)), "b": 10 * random.normal(size=3)}
        size, found = norm(gradients), _clipped(clip, gradients, limit)
        after = norm(found)
        if abs(after - limit) > 1e-6 * limit:
            if abs(after - limit / size) < 1e-6 * after:
                raise WrongError("比较的是范数的平方：少了开方 / this is the squared norm: the square root is missing")
            own = {name: round(float(np.sqrt((v**2).sum())), 6) for name, v in found.items()}
            if all(abs(v - limit) < 1e-6 * limit for v in own.values()):
                raise WrongError(
                    "每个参数各自裁剪了：范数要把所有参数放在一起算 / each parameter is clipped by itself: the "
                    "norm is that of all together"
                )
            raise WrongError(
                f"裁剪后的范数是 {after:.4g}，应为 {limit:g} / the norm after clipping is {after:.4g}, not {limit:g}"
            )
        if any(np.abs(found[n] * size - gradients[n] * limit).max() > 1e-6 * size for n in gradients):
            raise WrongError(
                "方向变了：所有数要乘同一个因子 / the direction changed: every number is multiplied by one factor"
            )


def check_clip_small(clip, seed):
    """Gradients below the limit stay as they are; nothing is divided by zero."""
    random = np.random.default_rng(seed)
    for scale in (0.01, 0.0):
        gradients = {"W": scale * random.normal(size=(3, 4)), "b": scale * random.normal(size=3)}
        found = _clipped(clip, gradients, 1.0)
        if any(not np.abs(found[n] - gradients[n]).max() <= LIMIT for n in gradients):
            raise WrongError("范数不到上限的梯度不该改变 / gradients below the limit must not change")


def check_sample(sample, seed):
    """softmax(scores / temperature), also where scores are large."""
    random = np.random.default_rng(seed)
    for temperature in (1.0, 0.5, 2.0, 0.1):
        for shift in (0.0, 1000.0):
            scores = random.normal(size=6) + shift
            found = np.asarray(sample("probabilities", scores, temperature), dtype=float)
            e = np.exp((scores - scores.max()) / temperature)
            if found.shape != e.shape or not np.abs(found - e / e.sum()).max() <= 1e-9:
                if shift and not np.isfinite(found).all():
                    raise WrongError(
                        "分数大时 exp 溢出了：先减去最大的 / exp overflows for large scores: take off the largest first"
                    )
                raise WrongError(f"温度 {temperature:g} 时不对 / wrong at temperature {temperature:g}")
