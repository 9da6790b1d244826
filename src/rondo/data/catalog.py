"""What is known of the named data sets, as plain data: where each comes from, its licence, its files and fields.

Facts and checksums are of the published folders and their upstream repositories; what is not recorded is left out.
A checksum is the SHA-256 of a file's content, unpacked where the file is a .gz: two copies of one text are then the
same data, whatever packed them (`gzip -dc FILE | sha256sum`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """One of upstream's files: its path in the repository; its SHA-256 as downloaded, "" where none is recorded."""

    path: str
    sha256: str = ""


@dataclass(frozen=True)
class Origin:
    """A public git repository on github.com at a commit, and those of its files that are used."""

    repo: str
    commit: str
    licence: str
    files: tuple[Source, ...]


@dataclass(frozen=True)
class DataFile:
    """A file in the documented format.

    records   lines, without a header; None: it depends on who made the file
    sha256    of the content of the published copy; "" where none is recorded
    optional  not every copy has it
    """

    name: str
    records: int | None
    sha256: str = ""
    optional: bool = False


@dataclass(frozen=True)
class DataSet:
    """A named data set.

    licence  in a word, for a table; `terms` says it in full
    raw      what `--get` downloads and converts; None: there is no converter, and `how` says what to do instead
    also     other sources of the published copy
    how      how the published copy was made of it, and in what a converted one differs
    fields   of a record, each with what it holds
    """

    name: str
    title: str
    licence: str
    terms: str
    citation: str
    files: tuple[DataFile, ...]
    fields: tuple[tuple[str, str], ...]
    how: str
    raw: Origin | None = None
    also: tuple[Origin, ...] = ()


def sources(*paths: str) -> tuple[Source, ...]:
    """Files without a recorded checksum."""
    return tuple(map(Source, paths))


RNNLM = "e26dff5d8f4b5d07ee459f192ee2131923d7584f"
OPENCC = Origin(
    "BYVoid/OpenCC",
    "5249273a3e5606852f088c9a8b23522145d94f78",
    "Apache-2.0",
    sources("data/dictionary/TSCharacters.txt", "data/dictionary/TSPhrases.txt"),
)
CCPC = Origin(
    "THUNLP-AIPoet/Datasets",
    "0a53d6a29c1dc5e3f69de446e8c94b28b3b2437b",
    "academic use only",
    sources("CCPC/ccpc_train_v1.0.json", "CCPC/ccpc_valid_v1.0.json", "CCPC/ccpc_test_v1.0.json"),
)
TATOEBA_TERMS = "CC BY 2.0 France, sentence by sentence; attribution: tatoeba.org and www.manythings.org/anki."
TATOEBA_CITATION = "Tatoeba, tatoeba.org; the pairs as selected by Charles Kelly, manythings.org/anki."
TATOEBA_HOW = (
    "Pairs that share a sentence stand in one split; the split was drawn at random and cannot be drawn again from "
    "upstream's file, so Rondo has no converter: use a copy of the published folder."
)

DATA_SETS = (
    DataSet(
        name="tang-song-poems",
        title="Poems of four or eight lines of Tang and Song (绝句, 律诗); Song lyrics (词)",
        licence="MIT",
        terms="MIT (Copyright 2016 JackeyGao); the poems are in the public domain. The keywords of the published copy "
        "were fitted on THU's CCPC (academic use only): drop that field if its origin matters to you.",
        citation="chinese-poetry: the most comprehensive database of Chinese poetry, "
        "https://github.com/chinese-poetry/chinese-poetry",
        files=(
            DataFile("train.jsonl.gz", 193_665, "681c7d8036143156c0e428957c2a114f2691a812e2a784aad6b79c349cbd9608"),
            DataFile("valid.jsonl.gz", 8_488, "4610039b9128415f2e1f01c523b87bad2d9d7608f45c2d3dfcb293fe918b1655"),
            DataFile("test.jsonl.gz", None, optional=True),
            DataFile(
                "ci_train.jsonl.gz",
                17_138,
                "fecb66fd28e3abb1588de1807f243fc0190b736c0ecb7f942e82da9e899bdf78",
                optional=True,
            ),
            DataFile(
                "ci_valid.jsonl.gz",
                408,
                "e5e44ce5b74c790550ffd9303450e440e2bb192ca3265b33585d1d04d0302e81",
                optional=True,
            ),
        ),
        fields=(
            ("title", "simplified characters, as all of the record"),
            ("author", "the poet"),
            ("dynasty", "唐 or 宋"),
            ("form", "五绝 七绝 五律 七律, by shape alone"),
            ("content", "the lines, joined by |"),
            ("keywords", "up to 6 words, best first (published copy only)"),
            ("tags", "anthologies that hold it (few records)"),
            ("rhythmic", "in ci_*.jsonl.gz, instead of title and form: the tune (词牌); content is punctuated"),
        ),
        how="Notes in brackets removed; empty poems, lost characters (□) and other shapes dropped; simplified; each "
        "poem once. Converted here: 2% of the poems are valid and 10% test, by SHA-1 of the text; poems that share two "
        "lines with one of CCPC valid or test go to that split, if ccpc lies beside; a train poem that shares two "
        "lines with a held-out one is dropped. Not the published split, no keywords, no ci.",
        raw=Origin(
            "chinese-poetry/chinese-poetry",
            "99ebbef7e1345c0985c44b9fd96a3f9e776f117b",
            "MIT",
            sources(*(f"全唐诗/poet.tang.{n}.json" for n in range(0, 58_000, 1000)))
            + sources(*(f"全唐诗/poet.song.{n}.json" for n in range(0, 255_000, 1000))),
        ),
        also=(OPENCC, CCPC),
    ),
    DataSet(
        name="ccpc",
        title="THU Chinese Classical Poetry Corpus: quatrains, the standard splits",
        licence="academic use only",
        terms='"all our datasets are released for academic use only" (upstream README). The poems, written before '
        "1644, are in the public domain; the selection and the keywords are THU's.",
        citation="Guo et al. 2019, Jiuge: A Human-Machine Collaborative Chinese Classical Poetry Generation System, "
        "ACL 2019 System Demonstrations, 25-30",
        files=(
            DataFile("train.jsonl.gz", 109_727, optional=True),
            DataFile("valid.jsonl.gz", 7_979, "8646442ceb5ad132c46626b8b2387c91f54a796192d9f6ee5477e0e3b5f94a2b"),
            DataFile("test.jsonl.gz", 9_976, optional=True),
        ),
        fields=(
            ("dynasty", "Tang, Song, Yuan, Ming, Jin, Sui; a few in lower case"),
            ("author", "the poet"),
            ("content", "four lines of 5 or of 7 characters, joined by |"),
            ("title", "of the poem"),
            ("keywords", "1-4 words, separated by blanks"),
        ),
        how="Upstream's lines, unchanged.",
        raw=CCPC,
    ),
    DataSet(
        name="couplets",
        title="Chinese couplets (对联), spring couplets with 横批",
        licence="mixed",
        terms="Old couplets are in the public domain; many are of the 20th century, and their collectors state no "
        "licence. Rows of source wb14123 come from an Apache-2.0 copy; a card of wb14123 says AGPL-3.0.",
        citation="wb14123/couplet-dataset, https://github.com/wb14123/couplet-dataset; v-zich/couplet-clean-dataset, "
        "https://github.com/v-zich/couplet-clean-dataset",
        files=(
            DataFile("train.tsv.gz", 102_742, "69e2731281dd6e9cb3cd39f26209899818c590a08c4c6cca84d49d0acbe56578"),
            DataFile("valid.tsv.gz", 2_285, "d801718e2349a9275718d731134467e47017069d75447be39b55eed722820ebd"),
            DataFile("test_wb14123.tsv.gz", None, optional=True),
            DataFile(
                "spring.tsv.gz",
                176,
                "729930e83b9e5ae391807632b9b3348d7f57ca1c79a7517c7313a3114bc3a961",
                optional=True,
            ),
            DataFile(
                "hengpi.tsv.gz",
                304,
                "e151873a22b2eaa3034793af35836c0239fdede1f74f022af54a417fc9e18fe9",
                optional=True,
            ),
        ),
        fields=(
            ("up", "上联: 2-40 characters, with ， where both lines have it"),
            ("down", "下联, as long"),
            ("kind", "spring, wedding, funeral, ...; empty: not known"),
            ("source", "who collected it, separated by commas"),
            ("hengpi", "in spring.tsv.gz and hengpi.tsv.gz: the 横批"),
        ),
        how="The published copy joins six collections. Converted here: the 740,000 pairs of wb14123 as cleaned by "
        "v-zich (or wb14123's own 770,000: the same in/out files), notes and marks removed, pairs of unequal length "
        "dropped, each pair once, swapped where the first line ends 平 and the second 仄; 2% of the first lines are "
        "valid, by SHA-1; a train pair that shares a line with a held-out one is dropped. Nothing is dropped for what "
        "it says: v-zich left out pairs with abusive words, wb14123 did not.",
        raw=Origin(
            "v-zich/couplet-clean-dataset",
            "68506b371c23cf14ef3f04521ed244fe8e11a280",
            "MIT",
            sources("couplets/train/in.txt", "couplets/train/out.txt", "couplets/test/in.txt", "couplets/test/out.txt"),
        ),
        also=(
            Origin("shibing624/textgen", "172fc00a", "Apache-2.0", sources("examples/data/zh_couplet_train.tsv")),
            Origin("ziaoang/duilian", "29763d11", "none stated", ()),
            Origin("ZiJianZhao/Couplet-Machine", "13440541", "none stated", ()),
            Origin("zysyy/LingxiCouplet", "c43c69d7", "none stated", ()),
        ),
    ),
    DataSet(
        name="rhyme",
        title="Rhyme groups and tones of characters in four rhyme books",
        licence="mixed",
        terms="Which character stands in which group of an old or official book is a fact. The row's own sources: C "
        "academic use only, W and P MIT, S none stated.",
        citation="平水韵 1252/1711, 词林正韵 1821, 中华新韵 2005, 中华通韵 2019",
        files=(
            DataFile("rhyme.tsv.gz", 54_507, "f5c0f7ce83d00930443dd92ca3476fda459c1ad633df635d3b3d1512032aa9bf"),
            DataFile("tone.tsv.gz", 22_091, "8deab520ee7931828d9e44857412a972d98e6f4ca062d5979ce0648337813d30"),
            DataFile("groups.tsv", 155, "db1fd5c4f346115239925d1f0a9f3908477cfdff5c19223037bcdfddb5ac6445"),
            DataFile("variants.tsv.gz", 3_486, "b5dadf4195197f790d395c4accb47dc419a71a2f2f63d89ae3f36521ab923f2d"),
        ),
        fields=(
            ("rhyme.tsv.gz", "book gid group tone pz char sources ok evidence"),
            ("tone.tsv.gz", "char pingshui xinyun ru pinyin p_ping n"),
            ("groups.tsv", "book gid group tone chars"),
            ("variants.tsv.gz", "variant standard"),
        ),
        how="Made of four sources and of poems. Nothing to get: Rondo ships the tables that its verse needs, made of "
        "the rows that are free (src/rondo/verse/tables).",
        also=(
            Origin(
                "charlesix59/chinese_word_rhyme",
                "ff0e9c13",
                "MIT",
                sources(
                    "data/Pingshui_Rhyme.json", "data/Cilin_Rhyme.json", "data/Xinyun_Rhyme_FourRhyme_Edition.json"
                ),
            ),
            Origin("mozillazg/pinyin-data", "82759f96", "MIT", sources("pinyin.txt")),
            Origin("ZiJianZhao/Couplet-Machine", "13440541", "none stated", sources("data/origin/诗韵合璧UTF-8.txt")),
            Origin(CCPC.repo, CCPC.commit, CCPC.licence, sources("CRRD/pingsheng.txt", "CRRD/zesheng.txt")),
            OPENCC,
        ),
    ),
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
)
