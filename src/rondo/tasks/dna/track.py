"""Marks of whole files: BED for segments and sites, bedGraph for the probability of an exon at every base.

BED and bedGraph count from 0 and leave the end out (UCSC Genome Browser, file formats). Pieces of a long record are
read with their neighbours' bases around them; a segment that runs over their border is written once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rondo.tasks.dna.fasta import Piece, pieces
from rondo.tasks.dna.letters import bases
from rondo.tasks.dna.marker import Marker, segments
from rondo.tasks.dna.readings import Genes, genes
from rondo.tasks.dna.request import Segment
from rondo.tasks.dna.scan import Scan


def tracks(
    marker: Marker, name: str, body: Iterable[str], promoters: float | None = None
) -> Iterator[tuple[int, list[str], list[str]]]:
    """Of a record piece by piece: how many bases, and the lines of BED and of bedGraph that they settle. `promoters`:
    these are looked for too, and written from this probability on (it needs a marker that has their model)."""
    track = Track(marker, name)
    scan = None if promoters is None or marker.promoters is None else Scan(marker.promoters, name, promoters)
    for piece in pieces(name, body):
        bed, graph = track.piece(piece)
        if scan is not None:
            bed += scan.feed(piece.sequence[piece.first : piece.last], piece.end)
        yield piece.last - piece.first, bed, graph


def read_piece(marker: Marker, piece: Piece) -> tuple[Genes, Genes]:
    """A piece's own bases, and the sites behind them; and the same with its context."""
    whole = genes(marker.model, bases(piece.sequence))
    own = slice(piece.first, piece.last)
    after = slice(piece.first, piece.last if not piece.end else max(piece.first, piece.last - 1))
    return Genes(whole.exon[own], whole.donor[after], whole.acceptor[after]), whole


class Track:
    """The lines of a record's tracks as its pieces come. `least`: of a site, to be written."""

    def __init__(self, marker: Marker, name: str, least: float = 0.5) -> None:
        self._marker, self._name, self._least = marker, name, least
        self._open: Segment | None = None

    def piece(self, piece: Piece) -> tuple[list[str], list[str]]:
        """The lines of BED and of bedGraph that a piece settles."""
        own, _ = read_piece(self._marker, piece)
        bed = [line for one in self._closed(own, piece) for line in [self._segment(one)]]
        bed += list(self._sites(own, piece.offset))
        return bed, list(self._graph(own, piece.offset))

    def _closed(self, own: Genes, piece: Piece) -> Iterator[Segment]:
        inner = Genes(own.exon, own.donor[: len(own.exon) - 1], own.acceptor[: len(own.exon) - 1])
        for one in segments(inner, piece.offset):
            last = self._open
            if last is not None and last.kind == one.kind:
                a, b = last.end - last.start, one.end - one.start
                p = (a * last.p + b * one.p) / (a + b)
                self._open = Segment(start=last.start, end=one.end, kind=one.kind, p=p)
                continue
            if last is not None:
                yield last
            self._open = one
        if piece.end and self._open is not None:
            yield self._open
            self._open = None

    def _segment(self, one: Segment) -> str:
        return f"{self._name}\t{one.start}\t{one.end}\t{one.kind}\t{round(1000 * one.p)}\t."

    def _sites(self, own: Genes, offset: int) -> Iterator[str]:
        for kind, p in (("donor", own.donor), ("acceptor", own.acceptor)):
            for t in (p >= self._least).nonzero().flatten().tolist():
                at = offset + t
                yield f"{self._name}\t{at}\t{at + 2}\t{kind}\t{round(1000 * float(p[t]))}\t."

    def _graph(self, own: Genes, offset: int) -> Iterator[str]:
        """Neighbours with the same value share a line."""
        values = [f"{v:.3f}" for v in own.exon.tolist()]
        first = 0
        for t in range(1, len(values) + 1):
            if t == len(values) or values[t] != values[first]:
                yield f"{self._name}\t{offset + first}\t{offset + t}\t{values[first]}"
                first = t
