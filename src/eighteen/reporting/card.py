"""The model card of a run: `README.md`, for people who meet the model without its maker.

In comes a `Report`, out goes Markdown. It says what the model is, how good it is and was shown to be, what it
must not be used for, and how to use it. No path of the maker's machine is in it. Whatever comes from outside
is escaped wherever it stands, so a class name is neither HTML nor Markdown.
"""

from __future__ import annotations

import json
import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from eighteen.core.findings import name_some
from eighteen.reporting import words
from eighteen.reporting.content import Report
from eighteen.reporting.results import Result

NAMED_CLASSES = 20
ROWS_MOST = 200
"""Classes named in the sentence, and rows of the table of classes."""

_SPECIAL = re.compile(r"([\\`*_\[\]|#~!])")


def card_text(report: Report) -> str:
    """The card as Markdown; the same report always gives the same text."""
    names = report.model.class_names
    return (
        _environment()
        .get_template("README.md.j2")
        .render(
            report=report,
            limits=limits(report),
            classes=name_some(names, NAMED_CLASSES),
            command=Verbatim(" ".join(report.public_command.split())),
        )
    )


def limits(report: Report) -> tuple[str, ...]:
    """What the model is for and what it is not, from what its run shows."""
    size = words.number(len(report.model.class_names))
    always = (
        "It is for pictures of the kind that it was trained on. Others were not measured.",
        f"Whatever a picture shows, the answer is one of its {size} classes; it cannot say “none of them”.",
    )
    found = [
        _finding_sentence(row.finding.message) for row in report.findings if row.finding.severity != "info"
    ]
    measured = [sentence for result in report.results for sentence in _result_limits(result)]
    unmeasured = () if report.results else ("It was never measured: do not use it.",)
    return (*always, *unmeasured, *measured, *_rare(report), *found)


class Verbatim(str):
    """Text for a code block, where nothing is markup."""

    __slots__ = ()


def markdown_text(value: Any) -> str:
    r"""Text as Markdown that shows just this text, on one line.

    >>> markdown_text("a|b <script> *c*")
    'a\\|b &lt;script&gt; \\*c\\*'
    """
    if isinstance(value, Verbatim):
        return str(value)
    plain = " ".join(str(value).split())
    escaped = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", escaped)


def _result_limits(result: Result) -> list[str]:
    weak = [f"“{row.name}” ({words.percent(row.recall.value or 0.0)})" for row in result.classes if row.weak]
    sentences = []
    if result.not_better:
        sentences.append(
            f"On {words.SPLIT_NAMES.get(result.split, result.split)} pictures it is {result.not_better}."
        )
    if weak:
        kind = words.SPLIT_NAMES.get(result.split, result.split)
        sentences.append(
            f"It recognises these classes clearly less often ({kind} recall): {name_some(weak)}."
        )
    return sentences


def _rare(report: Report, few: int = 30) -> list[str]:
    rare = [f"“{row.name}” ({row.by_split[0]})" for row in report.data.classes if row.by_split[0] < few]
    if not rare:
        return []
    return [f"Fewer than {few} training pictures stand behind these classes: {name_some(rare)}."]


def _finding_sentence(message: str) -> str:
    return f"Found in the data: {message.rstrip('.')}."


def _yaml(text: str) -> Verbatim:
    """A text in the card's head, where JSON is YAML."""
    return Verbatim(json.dumps(text))


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("eighteen.reporting"),
        finalize=markdown_text,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
    environment.globals.update(
        counted=words.counted,
        measure_names=words.MEASURE_NAMES,
        number=words.number,
        range_text=words.range_text,
        rows_most=ROWS_MOST,
        value_text=words.value_text,
        yaml=_yaml,
    )
    return environment
