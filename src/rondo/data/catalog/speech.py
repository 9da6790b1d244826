"""Speech: spoken digits, and spelled names, numbers and commands as cepstra."""

from __future__ import annotations

from rondo.data.catalog.record import DataFile, DataSet, Origin, sources

DATA_SETS = (
    DataSet(
        name="fsdd",
        title="2,700 spoken English digits of six speakers, 8 kHz (Free Spoken Digit Dataset)",
        licence="CC BY-SA 4.0",
        terms="Creative Commons Attribution-ShareAlike 4.0 (README of the repository): what is derived from the "
        "recordings keeps the licence.",
        citation="Jackson et al. 2016, Free Spoken Digit Dataset, Zenodo",
        files=(
            DataFile("train.tar", None, "fda1c93d212be02bc6f4bdc9e72c4777654d8e25d887b4307a7cf0809df0bc19"),
            DataFile("valid.tar", None, "af27e0875f0114d8a24cf3f0e984dde531ad046fcc2a3ecde10925e0bcc9ea91"),
            DataFile(
                "connected_valid.jsonl.gz", 300, "cae181d257911bb632e9879aeee3c90985797f52e33ef43ce8f97d9dbc551cc2"
            ),
            DataFile("test.tar", None, optional=True),
        ),
        fields=(
            ("name", "in the archives {digit}_{speaker}_{take}.wav: mono, 16 bits, 8,000 Hz"),
            ("id, speaker", "of a string of digits of one speaker"),
            ("digits, text", "what is said"),
            ("parts", "its recordings in order, without .wav"),
            ("gaps_ms", "milliseconds of exact silence before the first, between, and after the last"),
        ),
        how="Takes 10 to 49 are train, 5 to 9 valid, 0 to 4 upstream's test. Every speaker is in every part: for a "
        "figure that does not know the speaker, leave one out (rondo train speech --left-out NAME). Rondo has no "
        "converter: use a copy of the published folder.",
        also=(
            Origin(
                "Jakobovski/free-spoken-digit-dataset",
                "26eb9aaf76e81b692f806f9140c2d2777410d7a1",
                "CC BY-SA 4.0",
                sources("recordings"),
            ),
        ),
    ),
    DataSet(
        name="an4-mfcc",
        title="948 utterances of 74 speakers as cepstra: spelled names, numbers, dates, commands (CMU AN4)",
        licence="AN4 licence",
        terms="AN4 licence terms: free for use for any purpose, commercial or otherwise; the notice of Carnegie Mellon "
        "University is kept (the file LICENSE of the folder).",
        citation="Acero 1993, Acoustical and Environmental Robustness in Automatic Speech Recognition, Kluwer",
        files=(
            DataFile("train.jsonl.gz", 857, "63ec7474edc60b847696bbc4fe1fd8aeeab2113aae7c5c59a0b45ba7f0b7aacd"),
            DataFile("train.mfcc.npy", None, "7f2956316a3b45ed77c669ed8eaa11c102e2cbc3e0dc9f76e48ff2ddc5812dd5"),
            DataFile("valid.jsonl.gz", 91, "d81b627f7fd2745d6be9fc0e4517d5504faea7d26386dceea5d6813fcb569c6f"),
            DataFile("valid.mfcc.npy", None, "34ebbb64e6edf90016f1a1a9f30a76cbb1848cb63d94cb5d2c83b4b4022cc6e2"),
            DataFile("an4.dic", None, "fc9bdde3129339f4cb7c0f8938e2dc569b640155cad994c8aab032b25fcccd5d"),
            DataFile("test.jsonl.gz", None, optional=True),
            DataFile("test.mfcc.npy", None, optional=True),
        ),
        fields=(
            ("id, speaker", "the speaker's first letter is f or m"),
            ("text", "what is said, in capitals"),
            ("start, frames", "its rows of the array beside the list: 13 cepstra (c0 first), 100 a second"),
        ),
        how="Sphinx's files of cepstra (16 kHz, 512-point FFT, 40 bands of 130 to 6,800 Hz) as one float16 array. "
        "Valid are seven whole speakers of the official training part. Rondo has no converter: use a copy of the "
        "published folder.",
        also=(
            Origin(
                "cphazen/Machine-Learning-Project-ASR",
                "5e478f0ee6c5b060edf702acdd563948cad5545f",
                "AN4 licence",
                sources("an4"),
            ),
        ),
    ),
)
