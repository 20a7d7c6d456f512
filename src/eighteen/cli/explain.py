"""Shows where a network looked, what it takes for similar, and whether that can be believed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eighteen.cli import _options as opt


def command(
    run: opt.RunPath,
    sources: Annotated[
        list[Path], typer.Argument(metavar="FILES-OR-FOLDERS", help="Pictures, or folders of them.")
    ],
    occlusion: Annotated[
        bool,
        typer.Option(
            "--occlusion",
            help="Also cover part after part of each picture: what does that cost its answer? Slow.",
        ),
    ] = False,
    as_json: opt.AsJson = False,
) -> None:
    """Explain answers: maps, similar training pictures, and checks that can fail.

    The page is written into the next free folder below RUN/explanations. Use pictures of validation or new
    ones: whoever learns from test pictures has trained on them.
    """
    from eighteen import api
    from eighteen.cli import _display as show

    with show.progress_bars() as bars:
        found, page = api.explain(run, sources, bars, occlusion=occlusion)
    if as_json:
        show.print_json({**found.to_json(), "page": page.as_posix()})
    out = show.console()
    for check in found.checks:
        out.print(f"{'passed' if check.passed else 'FAILED'}  {check.sentence}", markup=False)
    if found.shortcuts is not None:
        out.print(found.shortcuts.sentence, markup=False)
    out.print(f"\npage    {page}", markup=False)
