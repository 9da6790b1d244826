"""Poems, couplets and rhyme books."""

from __future__ import annotations

from rondo.data.catalog.record import OPENCC, DataFile, DataSet, Origin, sources

CCPC = Origin(
    "THUNLP-AIPoet/Datasets",
    "0a53d6a29c1dc5e3f69de446e8c94b28b3b2437b",
    "academic use only",
    sources("CCPC/ccpc_train_v1.0.json", "CCPC/ccpc_valid_v1.0.json", "CCPC/ccpc_test_v1.0.json"),
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
)
