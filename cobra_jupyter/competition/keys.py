"""Finds the row key of sample and test: by the values of columns, before their names and their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, permutations, product

import pandas as pd

from cobra_jupyter.competition.columns import listed
from cobra_jupyter.competition.errors import CompetitionError
from cobra_jupyter.competition.loading import key_text

MOST_PARTS = 12  # columns that a made key may consist of
MOST_KEYS, MOST_COLUMNS, MOST_TRIED = 4, 40, 50  # columns of sample and test, and pairings that are tried
MARKS = ("_", "-", ":", "/", "|", ".", " ", "")


@dataclass(frozen=True)
class Key:
    """The row key: its name in train and test ("" for none), the reason, and its name in the sample.

    `parts` are columns whose joined values make the key, if the tables lack it. `pairs` are columns of
    sample and test that only together tell the rows apart."""

    name: str
    why: str
    sample_name: str = ""
    parts: tuple[str, ...] = ()
    separator: str = "_"
    by_position: bool = False
    pairs: tuple[tuple[str, str], ...] = ()

    @property
    def sample_columns(self) -> tuple[str, ...]:
        """The columns of the sample that hold it."""
        names = tuple(name for name, _ in self.pairs)
        return names or ((self.sample_name,) if self.sample_name else ())


def find_key(
    sample: pd.DataFrame, test: pd.DataFrame | None, names: tuple[str, str], asked: str | None
) -> Key:
    """Returns the submission's row key. `names` are the paths of sample and test. Raises CompetitionError."""
    first = str(sample.columns[0])
    if asked is not None and asked not in sample.columns and (test is None or asked not in test.columns):
        raise CompetitionError(
            f"id={asked}: {names[0]} has no such column; it has {listed(sample.columns, 20)}"
        )
    if test is None:
        name = asked or first
        why = "set by option" if asked else f"first column of {names[0]}; there is no table of test rows"
        return Key(name, why, name)
    found = _by_values(sample, test, names, asked)
    if found is not None:
        return found
    if asked is not None:
        lacks = asked not in test.columns
        return Key(asked, "set by option", asked if asked in sample.columns else first, by_position=lacks)
    shared = [name for name in sample.columns if name in test.columns]
    if several := _several(sample, test, names):
        return several
    if shared and not _named_id(shared) and _same(sample[shared], test[shared]):
        return Key("", f"{names[0]} has no key: its rows are those of {names[1]}, in order")
    if shared and (first in shared or _named_id(shared)):
        name = first if first in shared else shared[0]
        return Key(name, f"column of both {names[0]} and {names[1]}", name)
    return _made_key(sample, test, names)


def _by_values(
    sample: pd.DataFrame, test: pd.DataFrame, names: tuple[str, str], asked: str | None
) -> Key | None:
    """The first pair of columns that hold the same values, each once."""
    unique: dict[str, bool] = {}
    for left, right in _pairs(sample, test, asked):
        for side, frame, name in (("sample", sample, left), ("test", test, right)):
            if f"{side} {name}" not in unique:
                unique[f"{side} {name}"] = bool(frame[name].notna().all() and _is_unique(frame[name]))
        if not (unique[f"sample {left}"] and unique[f"test {right}"]):
            continue
        same_name = left.casefold() == right.casefold()
        if _hold_the_same(sample[left], test[right], part=same_name):
            if left == right:
                why = f"column of both {names[0]} and {names[1]}, each value once"
            else:
                why = f"{right} of {names[1]} holds the values of {left} in {names[0]}, each once"
            return Key(right, f"set by option; {why}" if asked else why, left)
    return None


def _pairs(sample: pd.DataFrame, test: pd.DataFrame, asked: str | None) -> Iterator[tuple[str, str]]:
    """Pairs of columns of sample and test, the likely ones first."""
    everything = [(str(left), str(right)) for left in sample.columns for right in test.columns]
    if asked is not None:
        everything = [pair for pair in everything if asked in pair]
    first = str(sample.columns[0])

    def unlikely(pair: tuple[str, str]) -> tuple[bool, ...]:
        left, right = pair
        return (
            left != right and left.casefold() != right.casefold(),
            left != right,
            left != first,
            not left.lower().endswith("id"),
            not right.lower().endswith("id"),
        )

    yield from sorted(everything, key=unlikely)


def _is_unique(values: pd.Series) -> bool:
    try:
        return bool(values.is_unique)
    except TypeError:  # lists
        return False


def _hold_the_same(left: pd.Series, right: pd.Series, part: bool) -> bool:
    """Whether two columns hold the same values; with `part`, whether the first has only values of the
    second."""
    if len(left) != len(right) and not (part and len(left) < len(right)):
        return False
    few = key_text(left.iloc[:: max(1, len(left) // 20)])
    fractions = pd.api.types.is_float_dtype(right.dtype) and bool((right % 1 != 0).any())
    if fractions and not pd.api.types.is_float_dtype(left.dtype):
        return False
    texts = key_text(right)
    if not few.isin(set(texts)).all():
        return False
    wanted = key_text(left)
    return bool(texts.is_unique and wanted.is_unique and wanted.isin(set(texts)).all())


def _several(sample: pd.DataFrame, test: pd.DataFrame, names: tuple[str, str]) -> Key | None:
    """A key of several columns that both tables have, in any order of columns and rows."""
    by_name = {str(name).casefold(): str(name) for name in test.columns}
    pairs = [(str(n), by_name[str(n).casefold()]) for n in sample.columns if str(n).casefold() in by_name]
    pairs = [(a, b) for a, b in pairs if sample[a].notna().all() and test[b].notna().all()]
    pairs = [(a, b) for a, b in pairs if set(key_text(sample[a])) <= set(key_text(test[b]))]
    if not _tell_apart(sample, test, pairs):
        pairs = _several_by_values(sample, test, names)
    if not pairs:
        return None
    shown = " and ".join(b for _, b in pairs)
    renamed = [a for a, b in pairs if a.casefold() != b.casefold()]
    own = f" ({listed([a for a, _ in pairs])} in {names[0]})" if renamed else ""
    why = f"{shown} together{own} tell the rows of {names[0]} and {names[1]} apart"
    return Key("", why, pairs=tuple(pairs))


def _tell_apart(sample: pd.DataFrame, test: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether columns together have each combination once, and all those of the sample stand in test."""
    if len(pairs) < 2:
        return False
    wanted = joined(sample[[a for a, _ in pairs]].apply(key_text), [a for a, _ in pairs])
    known = joined(test[[b for _, b in pairs]].apply(key_text), [b for _, b in pairs])
    return bool(wanted.is_unique and known.is_unique and set(wanted) <= set(known))


def _several_by_values(
    sample: pd.DataFrame, test: pd.DataFrame, tables: tuple[str, str]
) -> list[tuple[str, str]]:
    """The one way in which columns of other names hold the sample's key; [] if there is none.

    Raises CompetitionError if there are several."""
    texts = {str(name): set(key_text(test[name])) for name in test.columns[:MOST_COLUMNS]}
    full = [str(name) for name in sample.columns if sample[name].notna().all()]
    varying = {name: set(key_text(sample[name])) for name in full if sample[name].nunique() > 1}
    hold = {name: [own for own in texts if wanted <= texts[own]] for name, wanted in varying.items()}
    names = [name for name in hold if hold[name]][:MOST_KEYS]
    for count in range(len(names), 1, -1):
        found = [
            list(zip(chosen, own, strict=True))
            for chosen in combinations(names, count)
            for own in islice(product(*(hold[name] for name in chosen)), MOST_TRIED)
            if len(set(own)) == count
        ]
        found = [pairs for pairs in found if _tell_apart(sample, test, pairs)]
        if len(found) > 1:
            ways = " or ".join(listed([own for _, own in pairs]) for pairs in found[:2])
            asked = listed([name for name, _ in found[0]])
            raise CompetitionError(
                f"{tables[0]}: {asked} may be {ways} of {tables[1]}; give them the names that they have there"
            )
        if found:
            return found[0]
    return []


def joined(frame: pd.DataFrame, names: Sequence[str], separator: str = "\n") -> pd.Series:
    """Returns the texts of several columns, joined."""
    text = frame[names[0]].astype(str)
    for name in names[1:]:
        text = text + separator + frame[name].astype(str)
    return text


def _named_id(names: Sequence[str]) -> bool:
    """Whether there is one column and it is named like a row key, so that its values should not repeat."""
    return len(names) == 1 and names[0].lower().endswith("id")


def _same(left: pd.DataFrame, right: pd.DataFrame) -> bool:
    if len(left) != len(right):
        return False
    left, right = left.reset_index(drop=True), right.reset_index(drop=True)
    return bool(((left == right) | (left.isna() & right.isna())).all(axis=None))


def _made_key(sample: pd.DataFrame, test: pd.DataFrame, names: tuple[str, str]) -> Key:
    """Returns a key that the test table lacks: made of two or three of its columns, or the position."""
    name = str(sample.columns[0])
    first = sample[name].astype(str)
    usable = [str(c) for c in test.columns if not pd.api.types.is_float_dtype(test[c].dtype)][:MOST_PARTS]
    texts = {c: test[c].head(100).astype(str) for c in usable}
    wanted = set(first)
    for count in (2, 3):
        for parts in permutations(usable, count):
            for mark in MARKS:
                few = texts[parts[0]].str.cat([texts[part] for part in parts[1:]], sep=mark)
                if few.iloc[0] not in wanted or not set(few) <= wanted:
                    continue
                made = test[parts[0]].astype(str).str.cat([test[p].astype(str) for p in parts[1:]], sep=mark)
                if made.is_unique and set(made) >= wanted:
                    shown = " and ".join(parts)
                    why = f"{name} of {names[0]} is {shown} of {names[1]}, joined by {mark!r}"
                    return Key(name, why, name, parts, mark)
    if len(sample) != len(test):
        raise CompetitionError(
            f"{names[1]}: no column holds the values of {name} in {names[0]}, and they differ in"
            f" length ({len(test)} and {len(sample)} rows); add the column {name} to {names[1]}"
        )
    why = f"{names[1]} lacks {name}: its rows are those of {names[0]}, in order"
    return Key(name, why, name, by_position=True)
