"""Speech recognition: connected digits, spelled words and commands, sentences; whole recordings and live sound."""
