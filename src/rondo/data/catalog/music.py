"""Music: folk tunes in ABC notation, chorales in four voices."""

from __future__ import annotations

from rondo.data.catalog.record import DataFile, DataSet, Origin, sources

JSB = (
    "Boulanger-Lewandowski, Bengio, Vincent 2012, Modeling Temporal Dependencies in High-Dimensional Sequences, ICML "
    "2012; for the four voices: Huang, Cooijmans, Roberts, Courville, Eck 2017, Counterpoint by Convolution, ISMIR 2017"
)

DATA_SETS = (
    DataSet(
        name="folk-tunes",
        title="British, American and Irish folk tunes in ABC notation",
        licence="mixed",
        terms="nottingham: GNU GPL v3, as its copy states; irish: MIT (introtodeeplearning.com, whose repository does "
        "not say where the transcriptions come from). Most tunes are traditional, some are by living composers.",
        citation="E. Foxley, Nottingham Music Database, https://github.com/jukedeck/nottingham-dataset; MIT 6.S191 "
        "Introduction to Deep Learning, https://github.com/aamini/introtodeeplearning",
        files=(
            DataFile("train.jsonl.gz", 1_553, "e726a02e8cc063997264dde8731095efdd7c920ff6ebdcfa78f363e4e281ad69"),
            DataFile("valid.jsonl.gz", 91, "5ef490636a95746b74b627a98b4227f688a45b9b6d69064566cbd496e23733ea"),
            DataFile("test.jsonl.gz", None, optional=True),
        ),
        fields=(
            ("id", "of the tune: irish-1038"),
            ("source", "nottingham or irish"),
            ("book", "upstream's file"),
            ("title", "of the tune"),
            ("meter", "4/4, 6/8 ..."),
            ("key", "tonic and maj, min, dor or mix"),
            ("parts", "the order in which parts are played, where given"),
            ("abc", "the tune, from M:, L: and K: on"),
        ),
        how="Comments and spoken remarks dropped, key names unified, the default length made explicit; variants of a "
        "tune lie in one split. There is no converter.",
        also=(
            Origin("jukedeck/nottingham-dataset", "0992bb6cd864f6d4b90d6663e08c0ef53ffaa08f", "GPL-3.0", ()),
            Origin(
                "aamini/introtodeeplearning",
                "fd8023c7804bd352fc7212ac3aa587bd90912653",
                "MIT",
                sources("mitdeeplearning/data/irish.abc"),
            ),
        ),
    ),
    DataSet(
        name="jsb-chorales",
        title="J. S. Bach's chorales: sets of keys, and four voices",
        licence="none stated",
        terms="No licence is stated for the encoding; the music is in the public domain.",
        citation=JSB,
        files=(
            DataFile("quarter_train.jsonl.gz", 229, "19107c6a775a375ef78557984f95dc10963ca5951b407f95628011d29d36f8c7"),
            DataFile("quarter_valid.jsonl.gz", 76, "5fcb28d055b89d096930039c9e62bc3ee9bff24169f5a6d56ee2f282b8c8b3e5"),
            DataFile("satb16_train.jsonl.gz", 229, "0802ef99b558fba53593db4e002345af8d3e77534ec375fac897d03e16261e53"),
            DataFile("satb16_valid.jsonl.gz", 76, "ac6fd2c5bf5a11e5fd4ff128a5961375a7ead83667ab5b0aa130201c59f88e28"),
        ),
        fields=(
            ("id", "of the piece; the two forms have different orders"),
            ("steps", "quarter: the MIDI pitches that sound at each quarter, moved to a common key"),
            ("steps", "satb16: soprano, alto, tenor, bass at each sixteenth in the original key, -1 for silence"),
        ),
        how="Upstream's pieces, a record each, with the standard split. There is no converter.",
        also=(
            Origin(
                "czhuang/JSB-Chorales-dataset",
                "9a7f733ddb4ed91f48da64ac7f0f621c34aadd4d",
                "none stated",
                sources("jsb-chorales-quarter.json", "Jsb16thSeparated.json"),
            ),
        ),
    ),
)
