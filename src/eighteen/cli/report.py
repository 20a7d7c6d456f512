"""Writes the report of a run anew and, if asked, opens it."""

from __future__ import annotations

from typing import Annotated

import typer

from eighteen.cli import _options as opt


def command(
    run: opt.RunPath,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    as_json: opt.AsJson = False,
) -> None:
    """Write report.html of a run, with its model card, or of a study."""
    import webbrowser

    from eighteen import api
    from eighteen.cli import _display as show

    path = api.report(run)
    if as_json:
        show.print_json({"run": run.as_posix(), "report": path.as_posix()})
    else:
        typer.echo(path)
    if open_it and not webbrowser.open(path.resolve().as_uri()):
        show.console().print("no browser can be opened here; open the file by hand", markup=False)
