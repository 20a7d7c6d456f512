"""Matching: which pictures show the same, though saved, cut, turned or lit otherwise.

A decoded picture becomes a small `sketch` once, in the scan. Everything after that works on arrays of
sketches: `near_groups` finds the sets of near copies in one collection, `near_matches` finds the pictures of
one collection in another. See `near.py` for the way and for how to use it.
"""

from eighteen.matching.near import Matches, Pairs, near_groups, near_matches, near_pairs
from eighteen.matching.sketch import SKETCH_BYTES, Sketches, sketch, sketches_in

__all__ = [
    "SKETCH_BYTES",
    "Matches",
    "Pairs",
    "Sketches",
    "near_groups",
    "near_matches",
    "near_pairs",
    "sketch",
    "sketches_in",
]
