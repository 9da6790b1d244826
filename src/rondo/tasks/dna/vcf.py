"""Variants: a VCF and its reference in, the same VCF out with what each variant does to the sites around it.

INFO gets RONDO=ALLELE|EFFECT|GAIN|LOSS for each alternative: the effect of `rondo.tasks.dna.effects`, and of the sites
within reach the largest rise and the largest fall of a probability. Variants other than small ones written in letters
(<DEL>, *, breakends) are left as they are. Format: Danecek et al. 2011, doi:10.1093/bioinformatics/btr330, VCF 4.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from torch import Tensor

from rondo.tasks.dna.effects import around, log_odds
from rondo.tasks.dna.letters import DnaError, bases
from rondo.tasks.dna.model import GeneModel
from rondo.tasks.dna.readings import Genes, genes

HEADER = (
    '##INFO=<ID=RONDO,Number=.,Type=String,Description="Splice sites: ALLELE|largest change of log odds|largest rise '
    'of a probability|largest fall">'
)
LONGEST = 50  # bases of an allele
LETTERS = set("ACGTUNRYSWKMBDHVacgtunryswkmbdhv")


def annotated(lines: Iterable[str], reference: Mapping[str, str], model: GeneModel, called: str) -> Iterator[str]:
    """The lines of a VCF with the effects. Raises DnaError, naming the line, for what is no VCF, a chromosome that the
    reference lacks, or a reference allele that is not what stands there."""
    begun = False
    for number, line in enumerate((v.rstrip("\r\n") for v in lines), 1):
        where = f"{called}:{number}"
        if number == 1 and not line.startswith("##fileformat=VCF"):
            raise DnaError(f"{where}: 不是 VCF 文件 / no VCF: the first line is ##fileformat=VCFv4...")
        if line.startswith("#CHROM"):
            begun = True
            yield HEADER
        if line.startswith("#") or not line:
            yield line
            continue
        if not begun:
            raise DnaError(f"{where}: 缺少 #CHROM 一行 / the line #CHROM is missing before the first variant")
        yield _record(line, reference, model, where)
    if not begun:
        raise DnaError(f"{called}: 不是 VCF 文件 / no VCF: there is no line #CHROM")


def _record(line: str, reference: Mapping[str, str], model: GeneModel, where: str) -> str:
    fields = line.split("\t")
    if len(fields) < 8 or not fields[1].isdecimal() or fields[1] == "0":
        raise DnaError(f"{where}: 一行要有八栏，用制表符分开，第二栏是位置 / a variant has eight fields between tabs, "
                       "the second its place from 1")  # fmt: skip
    name, at, allele = fields[0], int(fields[1]) - 1, fields[3]
    if name not in reference:
        raise DnaError(f"{where}: 参考序列里没有 {name!r} / the reference has no sequence {name!r}")
    sequence = reference[name]
    if sequence[at : at + len(allele)].upper() != allele.upper():
        found = sequence[at : at + len(allele)] or "nothing"
        raise DnaError(f"{where}: 参考序列此处是 {found} / the reference has {found} there, not {allele}")
    said = [_effect(sequence, at, allele, other, model) for other in fields[4].split(",")]
    if kept := [text for text in said if text]:
        info = "" if fields[7] in (".", "") else fields[7] + ";"
        fields[7] = f"{info}RONDO={','.join(kept)}"
    return "\t".join(fields)


def _effect(sequence: str, at: int, allele: str, other: str, model: GeneModel) -> str:
    """ALLELE|EFFECT|GAIN|LOSS, or "" for an allele that is not read."""
    if not set(allele + other) <= LETTERS or max(len(allele), len(other)) > LONGEST:
        return ""
    first, last = around(at, at + len(allele), len(sequence))
    piece = sequence[first:last]
    mutant = piece[: at - first] + other + piece[at - first + len(allele) :]
    before, after = genes(model, bases(piece)), genes(model, bases(mutant))
    odds, rise, fall = 0.0, 0.0, 0.0
    for a, b in zip(_sites(before), _sites(after), strict=True):
        # what stands before the variant, and what stands behind it: the same places in both
        head, tail = at - first, len(piece) - (at - first) - len(allele)
        for one, two in ((a[:head], b[:head]), (a[len(a) - tail :], b[len(b) - tail :])):
            if len(one):
                moved, shift = two - one, log_odds(two) - log_odds(one)
                rise, fall = max(rise, float(moved.max())), min(fall, float(moved.min()))
                largest = float(shift[shift.abs().argmax()])
                odds = largest if abs(largest) > abs(odds) else odds
    return f"{other}|{odds:.2f}|{rise:.3f}|{abs(fall):.3f}"


def _sites(read: Genes) -> tuple[Tensor, Tensor]:
    return read.donor, read.acceptor
