"""Biological sequences: splice junctions, promoters, proteins with their secondary structure."""

from __future__ import annotations

from rondo.data.catalog.record import DataFile, DataSet, Origin, sources

NO_CONVERTER = "Rondo has no converter: use a copy of the published folder."

DATA_SETS = (
    DataSet(
        name="dna-splice",
        title="Windows of 60 bases around splice junctions of primates (UCI 1992)",
        licence="none stated",
        terms="The repository of the copy states no licence; the UCI repository publishes the set under CC BY 4.0. The "
        "sequences are from GenBank 64.1.",
        citation="Noordewier, Towell, Shavlik 1991, Training Knowledge-Based Neural Networks to Recognize Genes in DNA "
        "Sequences, NIPS 3",
        files=(
            DataFile("train.jsonl.gz", 2_404, "de3882cbc850f1f6ab3ba88e7871bd2e60cb96ad14e6ebf47d7ff6b3a1d40857"),
            DataFile("valid.jsonl.gz", 300, "29a2cf5371a9c9b1fcf9772a6d438f89bcd3f17ee062b36b6cd9034e0269fdec"),
            DataFile("test.jsonl.gz", None, optional=True),
        ),
        fields=(
            ("id", "the name in the original file"),
            ("sequence", "60 bases A C G T, rarely N D R S; the junction is between the 30th and the 31st"),
            ("label", "EI exon|intron (donor), IE intron|exon (acceptor), N neither"),
        ),
        how="184 exact repeats of a sequence dropped, and 2 whose one sequence has two labels; a tenth each for test "
        "and valid by a hash of the sequence. Related genes remain: 8 of the 300 test sequences differ from one of "
        f"train in at most 3 bases. {NO_CONVERTER}",
        also=(
            Origin(
                "renatopp/arff-datasets",
                "c59f172882592bb58982cc54d2d3c8a2b57e9b73",
                "none stated",
                sources("classification/splice.arff"),
            ),
        ),
    ),
    DataSet(
        name="dna-promoters",
        title="Promoters and other sequences in five tasks: plants, mouse, bacteria (CNNProm)",
        licence="none stated",
        terms="The repository states no licence; it is the deposit of a PLOS ONE article (CC BY 4.0). The promoters "
        "are from EPDnew, RegulonDB (academic use) and DBTBS, which have terms of their own: research use.",
        citation="Umarov, Solovyev 2017, Recognition of prokaryotic and eukaryotic promoters using convolutional deep "
        "learning neural networks, PLOS ONE 12(2), arXiv:1610.00121",
        files=(
            DataFile("train.jsonl.gz", 25_383, "63cab7eac880f55caedc96a38f2ad0fe9f5508e03b6bf01697ab01b9bdbfd529"),
            DataFile("valid.jsonl.gz", 3_171, "c5ea2b3d87de4fdad666e5d619d9b6d44b4f40d515081c2965c74d7986e4bbc5"),
            DataFile("test.jsonl.gz", None, optional=True),
        ),
        fields=(
            ("task", "arabidopsis_non_tata, arabidopsis_tata, mouse_tata (251 bases), ecoli_sigma70, bacillus (81)"),
            ("label", "1 promoter, 0 not"),
            ("name", "the start of upstream's FASTA header"),
            ("sequence", "A C G T, two N in all; the start of transcription is 200 (81 bases: 60) from the left"),
        ),
        how="12 exact repeats within an organism dropped. The split is by cluster: two sequences of one organism that "
        "share a run of 32 bases are in the same split (the article split at random). The larger files (human, mouse "
        f"without TATA) are left out. {NO_CONVERTER}",
        also=(
            Origin(
                "solovictor/CNNPromoterData",
                "b4d2949e9bc5206f3049b35a488b036125ccc653",
                "none stated",
                sources("*.fa"),
            ),
        ),
    ),
    DataSet(
        name="protein-ss8",
        title="Proteins with their secondary structure, one of eight kinds for each residue (CullPDB)",
        licence="MIT (the copy)",
        terms="The repository of the copy is MIT. Its source, the CullPDB and CB513 files of Princeton, states no "
        "licence; they are made from the PDB, which is public, with DSSP.",
        citation="Zhou, Troyanskaya 2014, Deep Supervised and Convolutional Generative Stochastic Network for Protein "
        "Secondary Structure Prediction, ICML 2014, arXiv:1403.1347",
        files=(
            DataFile("train.jsonl.gz", 5_108, "72ad83082d6f184917fb997ffd9891ada5f30f0ddf37c30dbe7162540a1e3651"),
            DataFile("valid.jsonl.gz", 256, "ab05c1983c30060e9dc77fa6c91e3ef630b38758d2f280bc19b5b4d481a4bda5"),
            DataFile("test.jsonl.gz", None, optional=True),
        ),
        fields=(
            ("id", "split and number"),
            ("sequence", "20 amino acids and X (unknown or modified); 12 to 696 residues"),
            ("labels", "a letter a residue: H E L T S G B I, as DSSP has them (L: none of the others)"),
        ),
        how="Amino acids and labels alone, no profiles: figures published with profiles are higher. 170 repeated "
        "sequences dropped; valid are 256 by hash. The official test, CB513, was kept apart by upstream's makers. "
        f"{NO_CONVERTER}",
        also=(
            Origin(
                "idrori/cu-ssp",
                "9fb9d1a54afa87e75fc9d70fb3bb7cc7d4009a73",
                "MIT",
                sources("model_3/cb6133filtered.npy.csv", "model_3/cb513.npy.csv"),
            ),
        ),
    ),
)
