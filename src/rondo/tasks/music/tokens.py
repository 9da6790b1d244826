"""A tune as symbols, in the manner of ABC: metre, mode, then sections of bars.

    <s> M:6/8 K:maj |: L12 4 | L12 7 5 4 L24 4 L12 2 | ... :| |: ... :| </s>

A length Ln (n ticks) holds until another comes or the bar ends, a number is a degree of the scale (with ^ or _ before
it, raised or lowered against the signature), z a rest, - a tie. `|:` begins a repeated section and `[|` one that is
played once; `[1`, `[2` and `|]` are its endings. A bar's symbols do not depend on what stands before it, and the tune
is the same in every key: each is all of its transpositions at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rondo.tasks.music.theory import METRES, MODES, Key, MusicError
from rondo.tasks.music.tune import Bar, Note, Section, Tune

LOW, HIGH = -10, 16  # degrees
LENGTHS = (3, 4, 6, 8, 9, 12, 16, 18, 24, 36, 48, 60, 72, 84, 96, 108, 144)
STRUCTURE = ("<pad>", "<s>", "</s>", "|", "|:", "[|", "[1", ":|", "[2", "|]", "z", "-")
NAMES = (
    *STRUCTURE,
    *(f"M:{metre}" for metre in METRES),
    *(f"K:{mode}" for mode in MODES),
    *(f"L{ticks}" for ticks in LENGTHS),
    *(f"{sign}{degree}" for degree in range(LOW, HIGH + 1) for sign in ("", "^", "_")),
)
IDS = {name: k for k, name in enumerate(NAMES)}
PAD, START, END, LINE, REPEAT, ONCE, FIRST, CLOSE, SECOND, DOUBLE, REST, TIE = range(len(STRUCTURE))
METRE0, MODE0, LENGTH0 = IDS["M:" + METRES[0]], IDS["K:" + MODES[0]], IDS[f"L{LENGTHS[0]}"]
PITCH0 = LENGTH0 + len(LENGTHS)
SYMBOLS = len(NAMES)
ALTERS = {0: 0, 1: 1, -1: 2}


def is_metre(symbol: int) -> bool:
    return METRE0 <= symbol < MODE0


def is_mode(symbol: int) -> bool:
    return MODE0 <= symbol < LENGTH0


def is_length(symbol: int) -> bool:
    return LENGTH0 <= symbol < PITCH0


def is_pitch(symbol: int) -> bool:
    """Whether a note or a rest stands there."""
    return symbol >= PITCH0 or symbol == REST


def pitch_symbol(note: Note) -> int:
    """Raises MusicError for a note out of reach."""
    if note.degree is None:
        return REST
    if not LOW <= note.degree <= HIGH or note.alter not in ALTERS:
        raise MusicError(
            f"音级 {note.degree} 超出范围 / the degree {note.degree} (altered by {note.alter}) is out of the range "
            f"{LOW} to {HIGH} that the model knows"
        )
    return PITCH0 + 3 * (note.degree - LOW) + ALTERS[note.alter]


def note_of(symbol: int, ticks: int) -> Note:
    if symbol == REST:
        return Note(None, 0, ticks)
    degree, sign = divmod(symbol - PITCH0, 3)
    return Note(degree + LOW, (0, 1, -1)[sign], ticks)


def bar_symbols(bar: Bar) -> list[int]:
    """The symbols of a bar, its line left out. Raises MusicError for lengths and notes that there are no symbols for;
    `representable` brings lengths into a form that there are."""
    found, held = [], 0
    for note in bar:
        if note.ticks not in LENGTHS:
            raise MusicError(
                f"时值 {note.ticks}/96 不支持 / a note of {note.ticks}/96 of a whole note is not supported"
            )
        if note.ticks != held:
            held = note.ticks
            found.append(LENGTH0 + LENGTHS.index(held))
        found.append(pitch_symbol(note))
        if note.tie:
            found.append(TIE)
    return found


def representable(bar: Bar) -> Bar:
    """The bar with notes of other lengths than `LENGTHS` cut into tied ones."""
    found: list[Note] = []
    for note in bar:
        left = note.ticks
        while left not in LENGTHS and left > 0:
            part = max((n for n in LENGTHS if n < left and (left - n) % 3 == 0 and n % 3 == 0), default=0)
            if not part:
                raise MusicError(f"时值 {left}/96 不支持 / a note of {left}/96 of a whole note is not supported")
            found.append(note._replace(ticks=part, tie=note.degree is not None))
            left -= part
        found.append(note._replace(ticks=left))
    return tuple(found)


def section_symbols(section: Section) -> Iterator[tuple[int, Bar | None]]:
    """The parts of a section in order: (structure symbol, None) or (0, a bar)."""
    yield REPEAT if section.repeat else ONCE, None
    parts = [(section.bars, FIRST if section.first else CLOSE if section.repeat else DOUBLE)]
    if section.first:
        parts += [(section.first, CLOSE), (section.second, DOUBLE)]
    for k, (bars, close) in enumerate(parts):
        if k == 2:
            yield SECOND, None
        for n, bar in enumerate(bars):
            yield 0, bar
            yield (close if n == len(bars) - 1 else LINE), None


def symbols(tune: Tune) -> list[int]:
    """The whole tune, from <s> to </s>."""
    found = [START, METRE0 + METRES.index(tune.metre), MODE0 + MODES.index(tune.key.mode)]
    for section in tune.sections:
        for symbol, bar in section_symbols(section):
            found += [symbol] if bar is None else bar_symbols(bar)
    return [*found, END]


def tune_of(given: Sequence[int], letter: int = 0, accidental: int = 0, octave: int = 4, title: str = "") -> Tune:
    """The tune that symbols spell, on a tonic. Raises MusicError where they are not a whole tune."""
    names = list(given)
    if len(names) < 6 or names[0] != START or names[-1] != END or not is_metre(names[1]) or not is_mode(names[2]):
        raise MusicError("符号不成一首曲子 / these symbols are not a whole tune")
    key = Key(letter, accidental, MODES[names[2] - MODE0])
    sections, parts, bar, ticks = [], [[]], [], 0  # type: ignore[var-annotated]
    repeat = False
    for s in names[3:-1]:
        if s in (REPEAT, ONCE):
            parts, repeat = [[]], s == REPEAT
        elif is_length(s):
            ticks = LENGTHS[s - LENGTH0]
        elif is_pitch(s):
            bar.append(note_of(s, ticks))
        elif s == TIE:
            bar[-1] = bar[-1]._replace(tie=True)
        elif s == SECOND:
            parts.append([])
        else:
            parts[-1].append(tuple(bar))
            bar, ticks = [], 0
            if s == FIRST:
                parts.append([])
            elif s == DOUBLE or (s == CLOSE and len(parts) == 1):
                sections.append(Section(tuple(parts[0]), repeat, *(tuple(p) for p in parts[1:])))
    return Tune(METRES[names[1] - METRE0], key, tuple(sections), octave, title)
