"""Commands of biological sequences: train dna, dna, protein."""

from __future__ import annotations

import contextlib
import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, cast

import typer

from rondo.cli.app import app
from rondo.cli.settings import add_training
from rondo.cli.text import train
from rondo.tasks.dna.config import DnaConfig

if TYPE_CHECKING:
    from rondo.tasks.dna.marker import Marker


add_training(
    train,
    DnaConfig,
    "dna-splice",
    "Train a model of sequences: dna-splice (exons and introns), dna-promoters, or protein (secondary structure).",
)


@app.command()
def dna(
    sequence: Annotated[str, typer.Argument(metavar="[SEQUENCE]", help="bases, of any number from one")] = "",
    effects: Annotated[
        bool, typer.Option("--effects", help="what each replaced base would change (with --json)")
    ] = False,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FASTA", help="mark every record of a FASTA file, also .gz")
    ] = None,
    bed: Annotated[Path | None, typer.Option(metavar="FILE", help="with --file: segments and sites as BED")] = None,
    bedgraph: Annotated[
        Path | None, typer.Option(metavar="FILE", help="with --file: p(exon) of every base as bedGraph")
    ] = None,
    vcf: Annotated[
        Path | None, typer.Option(metavar="FILE", help="with --file, the reference: add the effects of variants")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="with --vcf: the new VCF; default: stdout")] = None,
    model: Annotated[str, typer.Option(metavar="RUN", help="a run, a model file, or a bundled model")] = "dna-splice",
    promoters: Annotated[
        str, typer.Option(metavar="RUN", help="a model of promoters, to look for them too; none: do not")
    ] = "dna-promoters",
    scan: Annotated[
        float | None,
        typer.Option(metavar="P", min=0, max=1, help="with --bed: promoters too, from this probability on"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Mark the exons and introns of a DNA sequence, its splice sites and promoters."""
    if bool(sequence) == (file is not None):
        raise typer.BadParameter("give a sequence, or --file with a FASTA file")
    if scan is not None and bed is None:
        raise typer.BadParameter("--scan writes into the file of --bed: name one")
    promoters = "" if promoters == "none" else promoters
    if file is None:
        _one(sequence, effects, model, promoters, as_json)
    elif vcf is not None:
        _variants(file, vcf, out, model)
    elif bed is None and bedgraph is None:
        raise typer.BadParameter("--file needs --bed, --bedgraph or --vcf: say what is to be written")
    else:
        _tracks(file, bed, bedgraph, _marker(model, promoters if scan is not None else ""), scan)


@app.command()
def protein(
    sequence: Annotated[str, typer.Argument(metavar="SEQUENCE", help="amino acids, one letter each")],
    model: Annotated[str, typer.Option(metavar="RUN", help="a run of `rondo train dna --config protein`, or its file")],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Say which residues of a protein are helix, strand, turn or loop."""
    from rondo.tasks.dna.protein import Folder, protein_request
    from rondo.tasks.dna.show import show_protein

    response = Folder.load(model)(protein_request(sequence=sequence))
    if as_json:
        print(json.dumps(response.model_dump(), ensure_ascii=False, indent=1))
    else:
        show_protein(response)


def _one(sequence: str, effects: bool, model: str, promoters: str, as_json: bool) -> None:
    from rondo.tasks.dna.request import dna_request

    request = dna_request(sequence=sequence, effects=effects)
    response = _marker(model, promoters)(request)
    if as_json:
        print(json.dumps(response.model_dump(exclude_none=True), ensure_ascii=False, indent=1))
    else:
        from rondo.tasks.dna.show import show

        show(response)


def _marker(model: str, promoters: str = "") -> Marker:
    from rondo.tasks.dna.marker import Marker

    return Marker.load(model, promoters)


def _tracks(file: Path, bed: Path | None, bedgraph: Path | None, marker: Marker, least: float | None) -> None:
    """The tracks of a FASTA file, written as they come."""
    from rondo.tasks.dna.fasta import records
    from rondo.tasks.dna.track import tracks

    count = total = 0
    with _aside(bed) as one, _aside(bedgraph) as two, _lines(file) as lines:
        for name, body in records(lines, str(file)):
            for size, rows, graph in tracks(marker, name, body, least):
                for out, written in ((one, rows), (two, graph)):
                    if out is not None:
                        out.writelines(f"{row}\n" for row in written)
                total += size
                print(f"\r{count + 1} {name}: {total:,} bases", end="", file=sys.stderr, flush=True)
            count += 1
    print(f"\n{count:,} record{'s' * (count != 1)}, {total:,} bases", file=sys.stderr)


def _variants(file: Path, vcf: Path, out: Path | None, model: str) -> None:
    from rondo.tasks.dna.fasta import records
    from rondo.tasks.dna.vcf import annotated

    marker = _marker(model)
    with _lines(file) as lines:
        reference = {name: "".join(body) for name, body in records(lines, str(file))}
    with _aside(out) as written, _lines(vcf) as lines:
        for line in annotated(lines, reference, marker.model, str(vcf)):
            print(line, file=written or sys.stdout)


@contextlib.contextmanager
def _lines(path: Path) -> Iterator[IO[str]]:
    """A text file, also .gz. Raises DnaError where it is no UTF-8."""
    from rondo.tasks.dna.letters import DnaError

    with cast(IO[str], (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8")) as file:
        try:
            yield file
        except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
            raise DnaError(f"{path} 不是文本文件，或已损坏 / {path} is no text, or damaged: {error}") from None


def _aside(path: Path | None) -> contextlib.AbstractContextManager[IO[str] | None]:
    """The file to write, if there is one."""
    from rondo.files import writing_aside

    return contextlib.nullcontext() if path is None else writing_aside(path)
