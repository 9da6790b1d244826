"""Image captions in Chinese, and the encoder of pictures that is fetched on request."""

from __future__ import annotations

from rondo.data.catalog.record import DataFile, DataSet, Origin, Source

DATA_SETS = (
    DataSet(
        name="flickr8k-cn",
        title="Chinese captions: 7,000 photographs with five Chinese and five English sentences each",
        licence="none stated",
        terms="The pictures were taken from Flickr, the copyright stays with the photographers; Flickr8k hands them "
        "out for non-commercial research and education. No licence is stated for the Chinese sentences. Do not put the "
        "pictures into what is distributed.",
        citation="Hodosh, Young, Hockenmaier 2013, Framing Image Description as a Ranking Task, JAIR 47; Li, Lan, "
        "Dong, Liu 2016, Adding Chinese Captions to Images, ICMR 2016",
        files=(
            DataFile("train.jsonl.gz", 6000, "36fddb0f07879fcb99d2e442d47388ee6897a11fffb7566d39ad681480cbc62f"),
            DataFile("valid.jsonl.gz", 1000, "2fb3081aaebdcf971c15d57428849d6855570825aa4213976ee73561b00de4f0"),
        ),
        fields=(
            ("id", "the picture's name in Flickr8k; ID.jpg in the archive beside"),
            ("zh", "five sentences written by native speakers while they looked at the picture"),
            ("en", "five English sentences"),
        ),
        how="The official split. Beside each .jsonl.gz lie the pictures at 128 x 128 pixels and bytes [N, 1280], the "
        "pooled features of MobileNetV2 (data set mobilenet-v2) for them at 224 x 224. There is no converter: the "
        "sentences are in github.com/li-xirong/flickr8kcn, the pictures on the Flickr8k page of the University of "
        "Illinois and its mirrors.",
    ),
)

ENCODER_SHA256 = "51e8256b05665529f8836fe6e8eeed41b2fc75a900d8eebda338d70a6726f8da"
# no data set of records: `rondo captions fetch` takes it from here
ENCODER = DataSet(
    name="mobilenet-v2",
    title="MobileNetV2 1.0 at 224 pixels, quantised, trained on ImageNet: features of pictures",
    licence="Apache-2.0",
    terms="Apache-2.0 (the repository's licence).",
    citation="Sandler, Howard, Zhu, Zhmoginov, Chen 2018, MobileNetV2: Inverted Residuals and Linear Bottlenecks, "
    "arXiv:1801.04381",
    files=(DataFile("mobilenet_v2_1.0_224_quant.tflite", None, ENCODER_SHA256),),
    fields=(),
    how="`rondo captions fetch` puts it into Rondo's cache folder and checks it; nothing in it is executed.",
    raw=Origin(
        "google-coral/edgetpu",
        "5020de9386ff370dcc1f63291a2d0f98eeb98adb",
        "Apache-2.0",
        (Source("test_data/mobilenet_v2_1.0_224_quant.tflite", ENCODER_SHA256),),
    ),
)
