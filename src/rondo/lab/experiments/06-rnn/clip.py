def clip(gradients, limit):
    """The gradients {name: array}, made smaller where their norm, that of all together, is above the limit."""
    grad_norm = sum((g * g).sum() for g in gradients.values())
    if grad_norm > limit:
        return {name: g * limit / grad_norm for name, g in gradients.items()}
    return gradients
