"""Biological sequences: exons and introns base by base, promoters, the structure of proteins."""
