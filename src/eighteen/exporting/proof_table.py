"""The proof of an export as a table for its page: what was compared, and how it came out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def proof_table(parity: Mapping[str, Any]) -> str:
    """A Markdown table.

    Args:
        parity: what stands in `parity.json`.

    >>> equal = {"n": 2, "top1_agreement": 1.0, "max_probability_difference": 0.0, "size_bytes": 5e6}
    >>> print(proof_table(equal))
    | checked | came out |
    |---|---|
    | Same answer as the trained model | 100.00 % of 2 real pictures |
    | Largest difference of a probability | none |
    | Size | 5.0 MB |
    """
    rows = [("checked", "came out"), ("---", "---"), *_rows(parity)]
    return "\n".join("|---|---|" if key == "---" else f"| {key} | {value} |" for key, value in rows)


def _rows(parity: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not parity.get("compared", True):
        yield "Same answer as the trained model", f"**not compared**: {parity['reason']}"
        for holds in parity["checked"]:
            yield "Read in the files", holds
        yield "Size", f"{parity['size_bytes'] / 1e6:.1f} MB"
        return
    yield "Same answer as the trained model", f"{_agreement(parity)} real pictures"
    yield "Largest difference of a probability", _difference(parity["max_probability_difference"])
    if "bare_probability_difference" in parity:
        yield "The same through the tensor entry", _difference(parity["bare_probability_difference"])
    for key, entry in (
        ("accuracy_difference", ""),
        ("bare_accuracy_difference", ", through the tensor entry"),
    ):
        accuracy = parity.get(key)
        if accuracy and accuracy.get("value") is not None:
            range_ = f"{accuracy['low']:+.4f} to {accuracy['high']:+.4f}, n = {accuracy['n']}"
            what = f"Accuracy on validation, exported minus trained{entry}"
            yield what, f"{accuracy['value']:+.4f} ({range_})"
    if parity.get("note"):
        yield "Note", parity["note"]
    page = parity.get("page")
    if page and page["n"]:
        yield (
            f"The page itself, in {page['browser']}",
            f"same answer on {_agreement(page)} real pictures, probabilities differ by at most "
            f"{_difference(page['max_probability_difference'])}",
        )
    yield "Size", f"{parity['size_bytes'] / 1e6:.1f} MB"
    source = parity.get("source_latency_ms", {})
    for size, times in parity.get("latency_ms", {}).items():
        what = "one picture" if size == "1" else f"{size} pictures"
        trained = f"; the trained model {source[size]['p50']:.1f} ms" if size in source else ""
        yield (
            f"Time for {what}",
            f"{times['p50']:.1f} ms (95th percentile {times['p95']:.1f} ms){trained}",
        )
    memory = parity.get("memory")
    if memory:
        before = f"{memory['before_bytes'] / 1e6:.0f} MB of it before the model is opened"
        yield "Peak memory of a program that answers", f"{memory['peak_bytes'] / 1e6:.0f} MB, {before}"


def _agreement(proof: Mapping[str, Any]) -> str:
    return f"{100 * proof['top1_agreement']:.2f} % of {proof['n']:,}"


def _difference(value: float) -> str:
    return f"{value:.1e}" if value else "none"
