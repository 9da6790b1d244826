"""Sentiment: upstream's own files -> the documented format, one function for each data set."""

from __future__ import annotations

import csv
import html
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from rondo.data.convert_parts import Row, by_split, pick, split_of, write_splits
from rondo.data.output import Output
from rondo.data.read import read_lines
from rondo.data.registry import DataSetError

# ---- ASAP: a CSV file of reviews, stars and 18 columns of polarities

ASPECTS = {  # the sample's name -> the full release's
    "location_traffic": "Location#Transportation",
    "location_distance_from_business_district": "Location#Downtown",
    "location_easy_to_find": "Location#Easy_to_find",
    "service_wait_time": "Service#Queue",
    "service_waiters_attitude": "Service#Hospitality",
    "service_parking_convenience": "Service#Parking",
    "service_serving_speed": "Service#Timely",
    "price_level": "Price#Level",
    "price_cost_effective": "Price#Cost_effective",
    "price_discount": "Price#Discount",
    "environment_decoration": "Ambience#Decoration",
    "environment_noise": "Ambience#Noise",
    "environment_space": "Ambience#Space",
    "environment_cleaness": "Ambience#Sanitary",
    "dish_portion": "Food#Portion",
    "dish_taste": "Food#Taste",
    "dish_look": "Food#Appearance",
    "dish_recommendation": "Food#Recommend",
}
NAMES = ASPECTS | {"index": "id", "reviewbody": "review"}
COLUMNS = ["id", "review", "star", *ASPECTS.values()]
POLARITIES = {"1": "positive", "0": "neutral", "-1": "negative", "-2": ""}
STARS = {written: str(n) for n in range(1, 6) for written in (f"{n}.0", str(n))}
BREAKS = re.compile(r"(?:\\+n|\s)+")  # upstream writes a line break as a backslash or two and an n


def asap(sources: Mapping[str, Path], output: Output) -> None:
    """`{train,dev,test}.csv` or `{train,dev,test}_sample.csv` -> `{train,valid,test}.jsonl.gz`."""
    splits = {split: partial(_asap_rows, files.values()) for split, files in by_split(sources).items()}
    write_splits(splits, output)


def _asap_rows(files: Iterable[Path]) -> Iterator[Row]:
    for file in files:
        for number, fields in _csv(file, ",", '"'):
            record = _review(fields, f"{file}:{number}")
            yield Row(record["text"], record)


def _review(fields: Mapping[str, str], where: str) -> dict[str, Any]:
    """A record of the documented format."""
    star = int(pick(STARS, fields["star"], "star", where))
    found = {name: pick(POLARITIES, fields[name], name, where) for name in ASPECTS.values()}
    aspects = {name: polarity for name, polarity in found.items() if polarity}
    text = BREAKS.sub(" ", fields["review"]).strip()
    return {"id": fields["id"], "text": text, "star": star, "aspects": aspects}


def _csv(file: Path, delimiter: str, quote: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The records of a table with the columns of ASAP, under the full release's names, and the lines they end in."""
    reader = csv.reader((f"{line}\n" for _, line in read_lines(file)), delimiter=delimiter, quotechar=quote)
    try:
        names = [NAMES.get(name, name) for name in next(reader, [])]
        if sorted(names) != sorted(COLUMNS):
            raise DataSetError(f"{file}:1: the columns should be {', '.join(COLUMNS[:4])}, ... ({len(COLUMNS)})")
        for fields in reader:
            if fields and len(fields) != len(names):
                raise DataSetError(f"{file}:{reader.line_num}: {len(fields)} fields, not {len(names)}")
            if fields:
                yield reader.line_num, dict(zip(names, fields, strict=True))
    except csv.Error as error:
        raise DataSetError(f"{file}:{reader.line_num}: {error}") from None


# ---- UER-py: tables of a label and a text

EMOTIONS = dict(zip("012345", ("neutral", "angry", "happy", "sad", "fear", "surprise"), strict=True))
POLARITY = {"happy": "positive", "neutral": "neutral", "angry": "negative", "sad": "negative", "fear": "negative"}
CLASSES = {"0": "negative", "1": "positive"}


def smp2020(sources: Mapping[str, Path], output: Output) -> None:
    """`{usual,virus}/{train,dev,test}.tsv` -> `{train,valid,test}.jsonl.gz`."""
    write_splits({split: partial(_posts, files) for split, files in by_split(sources).items()}, output, once=True)


def _posts(files: Mapping[str, Path]) -> Iterator[Row]:
    for path, file in files.items():
        domain, split = PurePosixPath(path).parent.name, PurePosixPath(path).stem
        for number, label, written in _labelled(file):
            emotion = pick(EMOTIONS, label, "label", f"{file}:{number}")
            text = _plain(html.unescape(html.unescape(written)))  # some are written twice over
            record = {"id": f"{domain}-{split}-{number - 2}", "text": text, "label3": POLARITY.get(emotion)}
            yield Row(text, record | {"emotion": emotion, "domain": domain}, emotion)


def chnsenticorp(sources: Mapping[str, Path], output: Output) -> None:
    """`{train,dev,test}.tsv` -> `{train,valid,test}.jsonl.gz`."""
    write_splits({split: partial(_reviews, files) for split, files in by_split(sources).items()}, output, once=True)


def _reviews(files: Mapping[str, Path]) -> Iterator[Row]:
    for file in files.values():
        for number, written, review in _labelled(file):
            label, text = pick(CLASSES, written, "label", f"{file}:{number}"), _plain(html.unescape(review))
            yield Row(text, {"text": text, "label": label}, label)


def _plain(text: str) -> str:
    return text.replace("\xa0", " ").strip()


def _labelled(file: Path) -> Iterator[tuple[int, str, str]]:
    """The number of a line, its label and its text, under the header `label text_a`."""
    for number, line in read_lines(file):
        label, tab, text = line.partition("\t")
        if number == 1 and (label, text) != ("label", "text_a"):
            raise DataSetError(f"{file}:1: the columns should be label and text_a")
        if number > 1 and line:
            if not tab:
                raise DataSetError(f"{file}:{number}: a label, a tab and a text are expected")
            yield number, label, text


# ---- Stanford Sentiment Treebank: a line is a label, a blank and a sentence


def sst(sources: Mapping[str, Path], output: Output) -> None:
    """`stsa.fine.{train,dev,test}` -> `{train,valid,test}.jsonl.gz`."""
    write_splits({split_of(path): partial(_sentences, file) for path, file in sources.items()}, output)


def _sentences(file: Path) -> Iterator[Row]:
    for number, line in read_lines(file):
        if line:
            written, _, text = line.partition(" ")
            label = int(pick(dict(zip("01234", "01234", strict=True)), written, "label", f"{file}:{number}"))
            label2 = None if label == 2 else int(label > 2)
            yield Row(text, {"text": text, "label5": label, "label2": label2})


# ---- Chinese EmoBank: tables of texts with mean ratings, in five folds

KINDS = {"CVAT": "text", "CVAS": "sentence", "CVAP": "phrase"}
FOLDS = {1: "train", 2: "train", 3: "train", 4: "valid", 5: "test"}
RATINGS = {"valence": "Valence_Mean", "arousal": "Arousal_Mean"}
DEVIATIONS = {"valence_sd": "Valence_SD", "arousal_sd": "Arousal_SD"}


def emobank(sources: Mapping[str, Path], output: Output) -> None:
    """`{CVAT,CVAS,CVAP}_{1..5}*.csv` -> `{train,valid,test}.jsonl.gz`."""
    splits: dict[str, dict[str, Path]] = {}
    for path, file in sources.items():
        splits.setdefault(FOLDS[_fold(path)], {})[path] = file
    write_splits({split: partial(_rated, files) for split, files in splits.items()}, output)


def _fold(path: str) -> int:
    return int(PurePosixPath(path).stem.split("_")[1])


def _rated(files: Mapping[str, Path]) -> Iterator[Row]:
    for path, file in files.items():
        kind = KINDS[PurePosixPath(path).name[:4]]
        lines = ((number, line.split("\t")) for number, line in read_lines(file) if line)
        _, names = next(lines, (1, []))
        for number, fields in lines:
            if len(fields) != len(names):
                raise DataSetError(f"{file}:{number}: {len(fields)} fields, not {len(names)} as in its first line")
            record = _rating(dict(zip(names, fields, strict=True)), kind, f"{file}:{number}")
            yield Row(record["text_hant"], record | {"fold": _fold(path)})


def _rating(fields: Mapping[str, str], kind: str, where: str) -> dict[str, Any]:
    """A record of the documented format."""
    from rondo.verse.script import simplify

    original = fields.get("Phrase" if kind == "phrase" else "Text", "")
    try:
        numbers = {name: float(fields[column]) for name, column in (RATINGS | DEVIATIONS).items()}
    except (KeyError, ValueError) as fault:
        raise DataSetError(f"{where}: no number of {', '.join((RATINGS | DEVIATIONS).values())}: {fault}") from None
    if not original or not all(1 <= numbers[name] <= 9 for name in RATINGS):
        raise DataSetError(f"{where}: a text and ratings from 1 to 9 are expected")
    about = {"text": simplify(original), "text_hant": original, "kind": kind, "category": fields.get("Category")}
    valence = numbers["valence"]
    polarity = "negative" if valence < 4.5 else "neutral" if valence <= 5.5 else "positive"
    rating5 = 1 + sum((valence >= 3, valence >= 4.5, valence > 5.5, valence > 7))
    return about | numbers | {"polarity": polarity, "rating5": rating5}
