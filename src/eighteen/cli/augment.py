"""Shows what augmentation does to one's own pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eighteen.cli import _options as opt


def command(
    data: opt.DataPath,
    out: Annotated[Path, typer.Option(help="Picture to write, .png.")] = Path("augmentation.png"),
    recipe: opt.RecipeName = None,
    settings: opt.Settings = None,
    as_json: opt.AsJson = False,
) -> None:
    """Draw a sheet that shows what each augmentation does to your pictures, at its strength.

    The first rows are what the network sees in training, several draws of each picture. Then comes each
    setting alone: those that the recipe uses, and those that are off, at a usual strength.
    """
    from eighteen import api
    from eighteen.cli import _display as show

    with show.progress_bars() as bars:
        sheet = api.augment(data, out, opt.make_recipe(recipe, settings), bars)
    if as_json:
        show.print_json({"sheet": out.as_posix(), "on": sheet.is_on, "size_px": sheet.size_px})
    else:
        typer.echo(out)
