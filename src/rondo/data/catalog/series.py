"""Series: numbers over time, to be classified or continued."""

from __future__ import annotations

from rondo.data.catalog.record import DataFile, DataSet, Origin, sources

DATA_SETS = (
    DataSet(
        name="mnist",
        title="Handwritten digits, read row by row, pixel by pixel, or permuted (MNIST)",
        licence="CC BY-SA 3.0",
        terms="MNIST is commonly given as CC BY-SA 3.0 (not verified); the repository of the copy is MIT.",
        citation="LeCun, Bottou, Bengio, Haffner 1998, Gradient-based learning applied to document recognition; Le, "
        "Jaitly, Hinton 2015, arXiv:1504.00941 (read as a sequence)",
        files=(
            DataFile(
                "train-images-idx3-ubyte.gz", None, "5da96af1a93dbb10df00b0569a1bd217bc1a1b18d9dcbba8dbe52ae7f50191e4"
            ),
            DataFile(
                "train-labels-idx1-ubyte.gz", None, "028de4f79cbece41b800d31e6bdfba7a304a6bdd178828100e9d5c7eff8a96aa"
            ),
            DataFile(
                "valid-images-idx3-ubyte.gz", None, "3ab2d32f9b03724074549053fe6989f384d6d07a0332eb6e387445e7b974460f"
            ),
            DataFile(
                "valid-labels-idx1-ubyte.gz", None, "b9eb74c902323c6b5906440f1679b83076f6c1ccf714a6246b1db71c90ae75cc"
            ),
        ),
        fields=(
            ("images", "big-endian 2051, count, 28, 28, then bytes"),
            ("labels", "big-endian 2049, count, then bytes"),
        ),
        how="The first 55,000 of the official training images train, the last 5,000 valid; the official test images "
        "are the test part. Rondo has no converter: use the original files, cut so.",
        also=(
            Origin(
                "rasbt/mnist-pngs",
                "d26bd33bf1e454dd15bd4fe8b8ba64c76308f91c",
                "MIT",
                sources("mnist-pngs"),
            ),
        ),
    ),
    DataSet(
        name="japanese-vowels",
        title="Nine speakers told by twelve cepstra of a vowel (Japanese Vowels)",
        licence="CC BY 4.0",
        terms="UCI publishes the set under CC BY 4.0 (not verified); the repository of the copy is BSD-3-Clause.",
        citation="Kudo, Toyama, Shimbo 1999, Multidimensional Curve Classification Using Passing-Through Regions, "
        "Pattern Recognition Letters 20",
        files=(
            DataFile("train.jsonl.gz", 216, "812fd129749126dd5d86df6e8d63202ea9b3de3b76d9e3380e8a37d06b57ada4"),
            DataFile("valid.jsonl.gz", 54, "e7eabffad1dbc902295060c43a6722f8f85957fbf2fad902afd9d95c1ac1fc6e"),
            DataFile("test.jsonl.gz", None, optional=True),
        ),
        fields=(
            ("id", "of the utterance"),
            ("label", "the speaker, 1 to 9"),
            ("frames", "7 to 26 of them, 12 numbers each"),
        ),
        how="Upstream's values, time first; of the official training part 24 utterances a speaker train and 6 valid. "
        "Rondo has no converter: use a copy of the published folder.",
        also=(
            Origin(
                "sktime/sktime",
                "7bd7d1620c0656f3210eeb850bb1c0034159ee47",
                "BSD-3-Clause",
                sources("sktime/datasets/data/JapaneseVowels/JapaneseVowels_TRAIN.ts"),
            ),
        ),
    ),
    DataSet(
        name="classic-series",
        title="Airline passengers 1949-1960 and sunspots 1749-1983, a number a month",
        licence="none stated",
        terms="No licence is stated; published measurements, generally treated as facts.",
        citation="Box, Jenkins 1976, Time Series Analysis (airline); Andrews, Herzberg 1985, Data (sunspots)",
        files=(
            DataFile("airline_train.tsv", 96, "22c5d7bc2f6a18d1687825de6ed0baab9e65bdd92fe981af05e62c4cfb834b41"),
            DataFile("airline_valid.tsv", 24, "53ce2febc47218394e14bce74712a8869ff20ecd10a87d194cf2ad9988fa0522"),
            DataFile("sunspots_train.tsv", 2_256, "993313b268c74c906d6191b542166d555ea00bee7458292fa547ff5fc40e6fa2"),
            DataFile("sunspots_valid.tsv", 282, "8db5f32efe4dc729245a6f4b40ab3c21e2c7a48bb6cd3af693f709342d272aa5"),
            DataFile("airline_test.tsv", None, optional=True),
            DataFile("sunspots_test.tsv", None, optional=True),
        ),
        fields=(("month", "YYYY-MM"), ("value", "passengers in thousands; Zurich sunspot numbers")),
        how="Cut in time: the last 24 months (airline) and 282 (sunspots) are the test part, as many before them "
        "valid. Rondo has no converter: use a copy of the published folder.",
        also=(
            Origin(
                "jbrownlee/Datasets",
                "d20fcb6402ae34e653d4513b00f39257bb37ed7f",
                "none stated",
                sources("monthly-airline-passengers.csv", "monthly-sunspots.csv"),
            ),
        ),
    ),
)
