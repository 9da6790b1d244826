def probabilities(scores, temperature):
    """softmax(scores / temperature)."""
    return scores
