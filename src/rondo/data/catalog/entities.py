"""Named entities: words or characters with BIO tags."""

from __future__ import annotations

from rondo.data.catalog.record import DataFile, DataSet, Origin, sources

NONE_STATED = "No licence is stated for the data: research use, do not pass on."
SAME = "Two texts are the same where they are equal after NFKC, in lower case, without white space"
TAGS = "a tag for each; B- begins an entity, I- goes on with it, O is none"
REPAIRED = "an I- that goes on with no entity of its type is made B- (as conlleval reads it)"

DATA_SETS = (
    DataSet(
        name="zh-ner-resume",
        title="Chinese entities, 8 types: resumes of executives (Resume NER)",
        licence="none stated",
        terms=f"{NONE_STATED} The texts name real people (public filings, Sina Finance).",
        citation="Zhang, Yang 2018, Chinese NER Using Lattice LSTM, ACL 2018",
        files=(
            DataFile("train.jsonl.gz", 3_814, "63735690307ec59844f0b5d2491686ca86d223c8221fc78f7c2f967feff0df13"),
            DataFile("valid.jsonl.gz", 462, "66319dd8a55df802a696d9070c1bf25650dc18c9ff44b6cf00793c1c8a75ba22"),
            DataFile("test.jsonl.gz", None, optional=True),
        ),
        fields=(
            ("tokens", "characters"),
            ("tags", f"{TAGS}: NAME, CONT (country), RACE, TITLE, EDU, PRO (profession), ORG, LOC"),
        ),
        how=f"BMES tags to BIO; {REPAIRED}. {SAME}: a sentence of train that is in test or valid, or of valid that is "
        "in test, is dropped. Converted here by the same rules.",
        raw=Origin(
            "jiesutd/LatticeLSTM",
            "24d17f4270f11d2f75046789d8b67eaa2b907dce",
            "none stated",
            sources("ResumeNER/train.char.bmes", "ResumeNER/dev.char.bmes", "ResumeNER/test.char.bmes"),
        ),
    ),
    DataSet(
        name="zh-ner-weibo",
        title="Chinese entities, 8 types: Weibo posts, names and nominal mentions",
        licence="CC BY-SA 3.0",
        terms="The annotations are CC BY-SA 3.0; the messages are selected from Weibo and follow Weibo's terms of "
        "service (README of the repository).",
        citation="Peng, Dredze 2015, Named Entity Recognition for Chinese Social Media with Jointly Trained "
        "Embeddings, EMNLP 2015; He, Sun, arXiv:1611.04234 (this revision)",
        files=(
            DataFile("train.jsonl.gz", 1_270, "caba30cf1be6d5507bd17e797e6859b193c9456c4000809d5dd67781f2550d59"),
            DataFile("valid.jsonl.gz", 262, "5fae604c56e797c625db80e7ba1dcfb8e3d90dd9f10d2438e64053e01f42cae9"),
            DataFile("test.jsonl.gz", None, optional=True),
        ),
        fields=(
            ("tokens", "characters; a few are longer"),
            ("tags", f"{TAGS}: PER, ORG, GPE, LOC, each .NAM (name) or .NOM (nominal mention)"),
        ),
        how=f"The digit that tells a character's place in its word removed; {REPAIRED}. {SAME}: a post of train that "
        "is in test or valid, or of valid that is in test, is dropped, so figures differ a little from those of the "
        "usual split. Converted here by the same rules.",
        raw=Origin(
            "hltcoe/golden-horse",
            "7a73c08e45ed94312af4ef2d97cc35a47d029e99",
            "CC BY-SA 3.0",
            sources(*(f"data/weiboNER_2nd_conll.{part}" for part in ("train", "dev", "test"))),
        ),
    ),
    DataSet(
        name="zh-ner-cluener",
        title="Chinese entities, 10 fine types: news (CLUENER2020)",
        licence="none stated",
        terms=f"{NONE_STATED} Neither the official repository nor the one that carries a copy states one.",
        citation="Xu et al. 2020, CLUENER2020: Fine-grained Named Entity Recognition for Chinese, arXiv:2001.04351",
        files=(
            DataFile("train.jsonl.gz", 9_674, "5051332702673ac7ec13219a3f63f1bdc360b757272a728bba7e9c5a703b245a"),
            DataFile("valid.jsonl.gz", 1_074, "ec69a7e3557eab6f95f8435dfd342d050f1b7d618ad7a060c76aa3e73a5ca49e"),
            DataFile("test.jsonl.gz", None, optional=True),
        ),
        fields=(
            ("tokens", "characters"),
            (
                "tags",
                f"{TAGS}: address, book, company, game, government, movie, name, organization, position, scene",
            ),
        ),
        how="Spans to BIO; an entity within another or again on it is left out. The official test has no labels: the "
        "official dev (1,343 sentences) is test, and a random tenth of train is valid. Converted here: the same, but "
        "SHA-1 of the text draws the tenth, so train and valid are cut otherwise.",
        raw=Origin(
            "StanleySun233/ChineseNER",
            "dc3c5cd2479fc3ef63ceb1c93db9b351508e974f",
            "none stated",
            sources("data/cluener/train.json", "data/cluener/dev.json"),
        ),
    ),
    DataSet(
        name="en-ner-btc",
        title="English entities, 3 types: tweets (Broad Twitter Corpus)",
        licence="CC BY 4.0",
        terms="CC BY 4.0 (LICENSE and README of the repository).",
        citation="Derczynski, Bontcheva, Roberts 2016, Broad Twitter Corpus: A Diverse Named Entity Recognition "
        "Resource, COLING 2016, 1169-1179",
        files=(
            DataFile("train.jsonl.gz", 6_335, "4152b810e0a75f50028bdabc010b5b33bb9cfd5ccc7d59a3810e8ebd3d873155"),
            DataFile("valid.jsonl.gz", 1_000, "82cf185bd47919c91a3d80a5f74a46da5630dd0d05824ce9dfc15aba5df1588c"),
            DataFile("test.jsonl.gz", None, optional=True),
        ),
        fields=(
            ("tokens", "words; @ and # stand alone"),
            ("tags", f"{TAGS}: PER, LOC, ORG. Names of users are entities in sections g and h: @/B-PER name/B-PER"),
            ("section", "a UK, b UK not directed, e MH17, f public figures, g news, h not UK"),
        ),
        how=f"The recommended split: section f is test, the second half of h valid, the rest train. {SAME}: a tweet of "
        "train that is in test or valid, or of valid that is in test, is dropped. Converted here by the same rules.",
        raw=Origin(
            "GateNLP/broad_twitter_corpus",
            "0c45ef7b1924a6b8115bceab388781590b1b553a",
            "CC BY 4.0",
            sources(*(f"{section}.conll" for section in "abefgh")),
        ),
    ),
    DataSet(
        name="en-ner-uner-ewt",
        title="English entities, 3 types: web texts (Universal NER, EWT)",
        licence="CC BY-SA 4.0",
        terms="CC BY-SA 4.0 (LICENSE.txt of the repository): share alike.",
        citation="Mayhew et al. 2024, Universal NER: A Gold-Standard Multilingual Named Entity Recognition Benchmark, "
        "NAACL 2024",
        files=(
            DataFile("train.jsonl.gz", 1_565, "d594ecc806e7146dc3b44c637caaf728693a259b0834aaa5fae13ff9685f559c"),
            DataFile("valid.jsonl.gz", 344, "2bcb5dd0d9b16c6e83c6e7dd4b93cd2cf208dc8d84b1f767d94affa6f6a6b4d2"),
            DataFile("test.jsonl.gz", None, optional=True),
        ),
        fields=(("tokens", "words"), ("tags", f"{TAGS}: PER, LOC, ORG"), ("doc", "name of the document")),
        how="The published copy cuts the official dev into train and valid, by document and at random, and holds the "
        f"official test out. {SAME}: repeated sentences of held-out files are dropped. Converted here: the official "
        "train, dev as valid and test, with what is in a held-out file dropped: much more to train on, other "
        "sentences in valid.",
        raw=Origin(
            "UniversalNER/UNER_English-EWT",
            "8ed072de2fd24022cc62458997fe96a8fe191ea4",
            "CC BY-SA 4.0",
            sources("en_ewt-ud-train.iob2", "en_ewt-ud-dev.iob2", "en_ewt-ud-test.iob2"),
        ),
    ),
    DataSet(
        name="en-ner-wnut17",
        title="English entities, 6 types, new and rare ones (WNUT-17)",
        licence="CC BY 4.0",
        terms="CC BY 4.0 (README of the repository).",
        citation="Derczynski, Nichols, van Erp, Limsopatham 2017, Results of the WNUT2017 Shared Task on Novel and "
        "Emerging Entity Recognition, W-NUT 2017",
        files=(
            DataFile("train.jsonl.gz", 3_394, "9089a68c1bb6ac2de9a0814fe41f7c75fa61aafa7ed10f8ce72bae090eca6278"),
            DataFile("valid.jsonl.gz", 1_009, "7583cbf9d17ebc60b5651aa41f3f1c6d310a6f2351b47c3a85415054deca88de"),
            DataFile("test.jsonl.gz", None, optional=True),
        ),
        fields=(
            ("tokens", "words"),
            ("tags", f"{TAGS}: person, location, group, creative-work, corporation, product"),
        ),
        how=f"Columns to lists; {REPAIRED}. Converted here by the same rules.",
        raw=Origin(
            "leondz/emerging_entities_17",
            "e52a2d2a71ac1a051ca2d532eef28653c5c02603",
            "CC BY 4.0",
            sources("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated"),
        ),
    ),
)
