"""Sentiment: how positive a text is, how strongly, and toward which of the things it speaks of."""
