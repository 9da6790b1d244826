"""Texts of language models, pairs of sentences of translation."""

from __future__ import annotations

from rondo.data.catalog.record import OPENCC, DataFile, DataSet, Origin, Source, sources

RNNLM = "e26dff5d8f4b5d07ee459f192ee2131923d7584f"
TATOEBA_TERMS = "CC BY 2.0 France, sentence by sentence; attribution: tatoeba.org and www.manythings.org/anki."
TATOEBA_CITATION = "Tatoeba, tatoeba.org; the pairs as selected by Charles Kelly, manythings.org/anki."
TATOEBA_HOW = (
    "Pairs that share a sentence stand in one split; the split was drawn at random and cannot be drawn again from "
    "upstream's file, so Rondo has no converter: use a copy of the published folder."
)
MULTI30K_TESTS = ("test_2016_flickr", "test_2017_flickr", "test_2017_mscoco", "test_2018_flickr")

DATA_SETS = (
    DataSet(
        name="lm-ptb",
        title="Penn Treebank as processed by Mikolov, words and characters",
        licence="not open",
        terms="Wall Street Journal text under LDC's licence; the processed files have been passed on for research "
        "since 2010, and nobody has granted a licence for them. Research use only; do not ship.",
        citation="Marcus, Santorini, Marcinkiewicz 1993, Building a Large Annotated Corpus of English: The Penn "
        "Treebank; Mikolov et al. 2010, Interspeech",
        files=(
            DataFile("train.txt.gz", 42_068, "5145926136ee9aef6f359b267ac09cc8a920879cd71725de17c490dd111d2998"),
            DataFile("valid.txt.gz", 3_370, "fadf6277290823f881b7bf39b84e88536c87a859cd629dcfd1d2dfdef06097cf"),
            DataFile("test.txt.gz", None, optional=True),
        ),
        fields=(("a line", "a sentence; words separated by one blank, rare ones <unk>, numbers N"),),
        how="The blanks at both ends of a line removed.",
        raw=Origin("timbmg/RNNLM", RNNLM, "none stated", sources("data/ptb.zip")),
    ),
    DataSet(
        name="lm-tinyshakespeare",
        title="1.1 MB of Shakespeare's plays (char-rnn)",
        licence="public domain",
        terms="The text is in the public domain; the repository that holds it is under BSD-3-Clause.",
        citation="Andrej Karpathy 2015, char-rnn",
        files=(
            DataFile("train.txt.gz", 31_496, "8564bb90b6305620187b212d62ee40694e1b3639401878b3fdc4ec395016ec4a"),
            DataFile("valid.txt.gz", 4_029, "ef3b6eb3897a96dde32bc0b42686ea22f84dbf93746e611936b431d2a9524fac"),
            DataFile("test.txt.gz", None, optional=True),
        ),
        fields=(("text", "plain; the splits are consecutive pieces"),),
        how="The first 80% of the characters train, the next 10% valid, the last 10% test.",
        raw=Origin(
            "pytorch/examples",
            "77f55b912142e11fcfdf5b530231fb9c52f181e8",
            "BSD-3-Clause",
            (
                Source(
                    "distributed/minGPT-ddp/mingpt/data/input.txt",
                    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
                ),
            ),
        ),
    ),
    DataSet(
        name="lm-warpeace",
        title="War and Peace in English, 3.2 MB",
        licence="public domain",
        terms="Public domain in the USA (Project Gutenberg no. 2600); its header, footer and name are cut off, as its "
        "licence asks of copies passed on without it.",
        citation="Karpathy, Johnson, Li 2015, Visualizing and Understanding Recurrent Networks, arXiv:1506.02078; "
        "Leo Tolstoy, War and Peace, translated by Louise and Aylmer Maude",
        files=(
            DataFile("train.txt.gz", 50_848, "f6e4c87d9296f111befd195814b3517f4492bbb4a70990bf13db549ead130455"),
            DataFile("valid.txt.gz", 6_248, "6549352f53fa06e8c79ba0e5ba52c6caab112bc16b38e7f8df4e68d9cdad256f"),
            DataFile("test.txt.gz", None, optional=True),
        ),
        fields=(("text", "plain, lines wrapped as in the book; the splits are consecutive pieces"),),
        how="From BOOK ONE to the end of the novel, runs of empty lines to one; the first 80% of the characters "
        "train, the next 10% valid, the last 10% test.",
        raw=Origin("timbmg/RNNLM", RNNLM, "none stated", sources("data/warandpeace.txt")),
    ),
    DataSet(
        name="mt-tatoeba-fra-eng",
        title="French-English sentence pairs of Tatoeba",
        licence="CC BY 2.0 FR",
        terms=TATOEBA_TERMS,
        citation=TATOEBA_CITATION,
        files=(
            DataFile("train.tsv.gz", 147_172, "c6ff875a4511c565f294cb24443717f79573d67f9c7461d9ddb0fac99cc0b707"),
            DataFile("valid.tsv.gz", 3_331, "8cfa211bc710bd042ecec8c3c29b6b92fb69b27d06ac116812be602655bd579e"),
            DataFile("test.tsv.gz", None, optional=True),
        ),
        fields=(("en", "English"), ("fr", "French")),
        how=TATOEBA_HOW,
        also=(
            Origin(
                "modelexlab/data",
                "adddaf33ac35572bcfeb421efec29435e7ea9332",
                "CC BY 2.0 FR",
                sources("fra-eng.zip"),
            ),
        ),
    ),
    DataSet(
        name="mt-tatoeba-cmn-eng",
        title="Chinese-English sentence pairs of Tatoeba",
        licence="CC BY 2.0 FR",
        terms=TATOEBA_TERMS,
        citation=TATOEBA_CITATION,
        files=(
            DataFile("train.tsv.gz", 20_643, "279b79e9ce08c3c7d2aa1b9f31e26deb2e153fcc6d69bd0d6cf4e2c1d363ed8a"),
            DataFile("valid.tsv.gz", 468, "b82f8048f0205e349017c079c43a0375bc24b4c408d388cc2f029e8228a4a873"),
            DataFile("test.tsv.gz", None, optional=True),
        ),
        fields=(
            ("en", "English"),
            ("zh", "Chinese, simplified"),
            ("zh_original", "as in the source"),
            ("tatoeba_attribution", "sentence numbers and authors"),
        ),
        how=TATOEBA_HOW,
        also=(
            Origin(
                "zhourongchang399/cn_en",
                "03f237b768201fde6d119d160888b3771e60a4c6",
                "CC BY 2.0 FR",
                sources("data/cmn-eng.zip"),
            ),
            OPENCC,
        ),
    ),
    DataSet(
        name="mt-multi30k",
        title="English, French, German captions of photographs (Multi30k)",
        licence="none stated",
        terms="No licence is stated for the texts: research use, do not pass on. They derive from Flickr30k, whose "
        "images are for researchers and educators, for non-commercial research or educational purposes.",
        citation="Elliott, Frank, Sima'an, Specia 2016, Multi30K: Multilingual English-German Image Descriptions, VL "
        "2016; Elliott et al. 2017, Findings of the Second Shared Task on Multimodal Machine Translation, WMT 2017 "
        "(French)",
        files=(
            DataFile("train.tsv.gz", 28_988, "2b8add1c1e83807bef08aefdc18c76e075a2df39858063adfd0c73db6d98c234"),
            DataFile("valid.tsv.gz", 1_014, "430c8b43b002f7eaa3ec443a26cc7dfa098fbf4d5cf188cb965f17f54067c9b6"),
            *(DataFile(f"{name}.tsv.gz", None, optional=True) for name in MULTI30K_TESTS),
        ),
        fields=(("en", "English"), ("fr", "French"), ("de", "German")),
        how="Runs of white space to one blank, HTML entities resolved. A row of train is dropped where one of its "
        "sentences is in valid or in a test (equal after NFKC, in lower case, without white space). Converted here by "
        "the same rules.",
        raw=Origin(
            "multi30k/dataset",
            "a3d2e0d26b56f3846f66a952536ffed4e401d05a",
            "none stated",
            sources(
                *(
                    f"data/task1/raw/{part}.{language}.gz"
                    for part in ("train", "val", *MULTI30K_TESTS)
                    for language in ("en", "fr", "de")
                )
            ),
        ),
    ),
)
