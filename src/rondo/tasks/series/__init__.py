"""Series: sequences of numbers, classified, or continued with intervals."""
