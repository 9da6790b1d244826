"""Video: actions of people, as joints and as frames."""

from __future__ import annotations

from rondo.data.catalog.record import DataFile, DataSet, Origin, sources

DATA_SETS = (
    DataSet(
        name="jhmdb14-pose",
        title="609 clips of 14 human actions as joints of the body (JHMDB)",
        licence="MIT (the copy)",
        terms="The repository of the copy is MIT, its author's work; JHMDB's own terms are not in it. Joint "
        "coordinates alone, no picture of a person.",
        citation="Jhuang et al. 2013, Towards understanding action recognition, ICCV; Yang et al. 2019, Make "
        "Skeleton-based Action Recognition Model Smaller, Faster and Better, ACM MM Asia",
        files=(
            DataFile("train.jsonl.gz", 321, "73102e47a1c80ff60105a920a32e5eb5fb6d88527f82f7da423d43af3d50aeb0"),
            DataFile("valid.jsonl.gz", 112, "cc0e919d0d43823acd5375d7f8dfe449aa998ac74680870c83e758cdcb1fa8b9"),
            DataFile("test.jsonl.gz", None, optional=True),
        ),
        fields=(
            ("id", "a hash: the clips' names are not in upstream's file"),
            ("label, label_zh", "the action, one of 14, in English and in Chinese"),
            ("frames", "15 to 40, 25 to 30 a second"),
            (
                "pose",
                "of each frame 15 joints x, y (y down), centred and scaled by JHMDB's makers: neck, belly, face, "
                "then right and left shoulder, hip, elbow, knee, wrist, ankle",
            ),
        ),
        how="Train and valid are the training part of official split 1; valid are those of it that split 2 tests on, "
        "so they share no source video. Only the 14 actions whose name is one word: results on all 21 are not "
        "comparable. "
        "Rondo has no converter (upstream's files are pickles): use a copy of the published folder.",
        also=(
            Origin(
                "fandulu/DD-Net",
                "f26a9994b0bafc41096fa269eab89c2757d71499",
                "MIT",
                sources("data/JHMDB/GT_train_1.pkl", "data/JHMDB/GT_test_1.pkl", "data/JHMDB/GT_test_2.pkl"),
            ),
        ),
    ),
    DataSet(
        name="weizmann4-frames",
        title="36 clips of 4 actions by 9 persons, 64x64 frames (Weizmann)",
        licence="none stated",
        terms="The repository of the copy states no licence; the Weizmann Institute asks for citation: research use.",
        citation="Gorelick, Blank, Shechtman, Irani, Basri 2007, Actions as Space-Time Shapes, PAMI 29(12); "
        "Tulyakov et al. 2018, MoCoGAN, CVPR (the copy)",
        files=(
            DataFile("train.jsonl", 20, "053133da9436788e19b79f1046b6eddb6fa826b989fe00910dc2617ad6401b17"),
            DataFile("train.tar", None, "6bd98019d6fb986a898eacd93c297d72c147e1651286da1d8c2d4bfff1b0337c"),
            DataFile("valid.jsonl", 4, "328ccfd7bebe4c51b0ff5c87a0616553a6f0cb29c02253f0619e61025775072d"),
            DataFile("valid.tar", None, "e0f94e5e7c0a5b09ce88388a9243e9128b13c3078378db12aa8d4f9ef82fd2fe"),
            DataFile("test.jsonl", None, optional=True),
            DataFile("test.tar", None, optional=True),
        ),
        fields=(
            ("file", "a picture in the archive of the same name: 64 high, 64 x frames wide, frames from left to right"),
            ("label, label_zh", "wave1, wave2, jack (jumping jack), bend"),
            ("person", "a number; a person is in one split alone"),
            ("frames, fps", "how many, and 25 a second"),
        ),
        how="The copy's pictures turned into RGB JPEG strips, the mirrored twin of each clip left out. Persons were "
        "numbered from the order of the files and checked by eye. Rondo has no converter: use a copy of the published "
        "folder.",
        also=(
            Origin(
                "sergeytulyakov/mocogan",
                "937a99de73a3385fe0c0d1cde65dfa8a2c4177ec",
                "none stated",
                sources("data/actions/0/*.jpg", "data/actions/1/*.jpg", "data/actions/3/*.jpg", "data/actions/4/*.jpg"),
            ),
        ),
    ),
)
