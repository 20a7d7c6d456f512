"""Screening: which pictures of a pile are worth labelling, and why the others are not."""
