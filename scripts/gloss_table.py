"""Count the uses of every word of src/rondo/verse/tables/gloss.tsv in a folder of poems, and sort its rows by them.

    python scripts/gloss_table.py --data FOLDER

FOLDER holds tang-song-poems/train.jsonl.gz. The glosses are written by hand in the table itself: to add one, write a
row with 0 uses and run this. A character counts wherever it stands; a pair only where a foot of two begins, for in the
last three characters of a line two that stand together need not be a word (无|人家). Same input, same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import Counter
from pathlib import Path

from rondo.verse.tables import FOLDER

TABLE = FOLDER / "gloss.tsv"


def counts(poems: Path) -> Counter[str]:
    """Uses of every character, and of every pair of characters at the places 1-2 (3-4) before the last three."""
    uses: Counter[str] = Counter()
    with gzip.open(poems, "rt", encoding="utf-8") as file:
        for record in file:
            for line in json.loads(record)["content"].split("|"):
                uses.update(line)
                uses.update(line[i : i + 2] for i in range(0, len(line) - 3, 2))
    return uses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of data sets")
    uses = counts(parser.parse_args().data / "tang-song-poems" / "train.jsonl.gz")
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    head = [line for line in lines if line.startswith("#")]
    rows = [line.split("\t")[:3] for line in lines if not line.startswith("#")]
    rows.sort(key=lambda row: (len(row[0]), -uses[row[0]], row[0]))
    body = ["\t".join((*row, str(uses[row[0]]))) for row in rows]
    TABLE.write_text("\n".join([*head, *body]) + "\n", encoding="utf-8")
    print(f"{TABLE}: {len(rows):,} words")


if __name__ == "__main__":
    main()
