"""Data: batches, vocabularies, streams of text."""

LEVELS = ("character", "word", "subword")  # what a symbol is
DOCUMENTS = ("none", "file", "line")  # where the state starts anew
