"""What is known of the named data sets, as plain data: where each comes from, its licence, its files and fields.

Facts and checksums are of the published folders and their upstream repositories; what is not recorded is left out.
A checksum is the SHA-256 of a file's content, unpacked where the file is a .gz: two copies of one text are then the
same data, whatever packed them (`gzip -dc FILE | sha256sum`).
"""

from __future__ import annotations

from rondo.data.catalog import captions, dna, entities, music, sentiment, series, speech, texts, verse, video
from rondo.data.catalog.record import DataFile, DataSet, Origin, Source, sources

__all__ = ["DATA_SETS", "DataFile", "DataSet", "Origin", "Source", "sources"]

DATA_SETS = (
    verse.DATA_SETS
    + texts.DATA_SETS
    + sentiment.DATA_SETS
    + entities.DATA_SETS
    + captions.DATA_SETS
    + video.DATA_SETS
    + series.DATA_SETS
    + dna.DATA_SETS
    + speech.DATA_SETS
    + music.DATA_SETS
)
