"""Index a fingerprint by parts of its words, to find rows of another one that are nearly equal.

A *key* is a row's word of which only some bits are kept. Two recordings of the same sound differ in
a few bits, so several choices of bits are used: a row is found if all bits of one choice agree (P.
Indyk and R. Motwani, "Approximate Nearest Neighbors", STOC 1998).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipping.repeats.fingerprint import Fingerprint
from clipping.repeats.memory_cache import MemoryCache

_SOUND_KEYS = tuple(
    (0, mask) for mask in (0x000FFFFF, 0xFFFFF000, 0x3FF003FF, 0xF0F0FFF0, 0x55BB5DB7, 0xDB6EAA6D)
)
_PICTURE_KEYS = ((0, 0x3FFFFFFF), (1, 0x3FFFFFFF), (0, 0x00007FFF | 1 << 31), (1, 0x00007FFF))
"""(word, mask) of each choice of bits: all bits of the mask must agree."""

_MOST_ALIKE = 24
"""A key that more rows of a file have is left out: a loop has thousands of equal rows, which say
nothing about the offset."""
_HASH_BITS = 18


class Index:
    """A fingerprint with its rows sorted by keys; made once for all comparisons of a file."""

    def __init__(self, fingerprint: Fingerprint) -> None:
        self.fingerprint = fingerprint
        self.words = fingerprint.words
        self.blank = self.words[:, 0] == 0
        self.has_blanks = bool(self.blank.any())

    @property
    def tables(self) -> tuple[_Table, ...]:
        """One table for each choice of bits. They take 25 times the memory of the words, so only
        those used last are kept; others are made again."""
        return _TABLES.take(self, "tables", self._make_tables)

    def _make_tables(self) -> tuple[_Table, ...]:
        choices = _SOUND_KEYS if self.fingerprint.kind == "sound" else _PICTURE_KEYS
        rows = np.flatnonzero(~self.blank).astype(np.uint64)
        tables = []
        for word, mask in choices:
            keys = self.words[~self.blank, word] & np.uint32(mask)
            # Sort key and row as one 64-bit number: twice as fast as argsort of the keys.
            both = np.sort(keys.astype(np.uint64) << np.uint64(32) | rows)
            keys = (both >> np.uint64(32)).astype(np.uint32)
            begins = np.flatnonzero(np.diff(keys, prepend=~keys[:1]))
            counts = np.diff(begins, append=len(keys))
            rare = counts <= _MOST_ALIKE
            begins = begins[rare]
            has_hash = np.zeros(1 << _HASH_BITS, bool)
            has_hash[_hashed(keys[begins])] = True
            tables.append(
                _Table(
                    keys[begins],
                    begins.astype(np.int32),
                    counts[rare].astype(np.int32),
                    (both & np.uint64(0xFFFFFFFF)).astype(np.int32),
                    has_hash,
                )
            )
        return tuple(tables)


@dataclass(frozen=True, eq=False)
class _Table:
    """The rows of a fingerprint by one choice of bits; keys that many rows have are left out."""

    keys: np.ndarray
    """uint32, ascending, each once."""
    begins: np.ndarray
    """Index in ``rows`` at which the rows of each key begin."""
    counts: np.ndarray
    """Number of rows of each key."""
    rows: np.ndarray
    """Row numbers, sorted by key."""
    has_hash: np.ndarray
    """bool (1 << _HASH_BITS,): True if one of ``keys`` has this hash (see ``_hashed``)."""

    @property
    def bytes(self) -> int:
        """Bytes of memory that it takes."""
        parts = (self.keys, self.begins, self.counts, self.rows, self.has_hash)
        return sum(each.nbytes for each in parts)

    def alike(self, other: _Table) -> tuple[np.ndarray, np.ndarray]:
        """All pairs of a row of this table and a row of the other with the same key."""
        # Most keys are missing in the other table. The table of hashes shows that for seven in
        # eight of them with one look, while a binary search needs 16.
        maybe = np.flatnonzero(other.has_hash[_hashed(self.keys)])
        keys = self.keys[maybe]
        at = np.searchsorted(other.keys, keys)
        inside = np.flatnonzero(at < len(other.keys))
        same = inside[other.keys[at[inside]] == keys[inside]]
        mine, others = maybe[same], at[same]
        wide = other.counts[others]
        # A key with m rows here and n rows there gives m * n pairs: number them all, and split the
        # number within its key into (row here, row there).
        pairs = self.counts[mine] * wide
        begins = np.cumsum(pairs, dtype=np.int32) - pairs
        turn = np.arange(pairs.sum(), dtype=np.int32) - np.repeat(begins, pairs)
        step, rest = np.divmod(turn, np.repeat(wide, pairs))
        rows = self.rows[np.repeat(self.begins[mine], pairs) + step]
        return rows, other.rows[np.repeat(other.begins[others], pairs) + rest]


def _hashed(keys: np.ndarray) -> np.ndarray:
    """Hashes of ``_HASH_BITS`` bits of uint32 keys.

    Multiplicative hashing by 2**32 divided by the golden ratio (D. Knuth, The Art of Computer
    Programming 3, section 6.4).
    """
    return keys * np.uint32(2654435769) >> np.uint32(32 - _HASH_BITS)


_TABLES: MemoryCache[tuple[_Table, ...]] = MemoryCache(
    1 << 28, lambda tables: sum(each.bytes for each in tables)
)
"""Tables of the files that were compared last; those of a sound of 24 minutes take 3 MB."""
