"""Opens a local page on which suspect pictures are looked at and decided."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eighteen.cli import _options as opt

if TYPE_CHECKING:
    from eighteen.reviewing.suspects import Suspects


def command(
    context: typer.Context,
    path: Annotated[
        Path, typer.Argument(metavar="RUN|STUDY|DATA", help="A run or study, or a data set to audit for it.")
    ],
    corrections: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File that decisions are added to; by default the run's, or corrections.csv here.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Show one split; test pictures are shown only so, and that is written down."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the pictures of a run lie now.")
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="Print the suspects as CSV (or JSON) and end; no page.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes a free one.")] = 8018,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Whether to open the page in the browser.")
    ] = True,
    recipe: opt.RecipeName = None,
    settings: opt.Settings = None,
    image_column: opt.ImageColumn = None,
    label_column: opt.LabelColumn = None,
    split_column: opt.SplitColumn = None,
    group_column: opt.GroupColumn = None,
    as_json: opt.AsJson = False,
) -> None:
    """Look at suspect pictures on a local page, and keep, relabel or drop each.

    Decisions are written to the file of corrections at once; pictures and labels stay untouched. The page is
    served to this machine only and needs no network. Ctrl-C ends it; nothing is lost.
    """
    from eighteen import api
    from eighteen.cli import _display as show
    from eighteen.core.errors import EighteenError

    columns = {"--image-column": image_column, "--label-column": label_column}
    columns |= {"--split-column": split_column, "--group-column": group_column}
    given = [name for name, value in {**columns, "--recipe": recipe, "--set": settings}.items() if value]
    was_read = any((path / name).exists() for name in ("run.json", "study.json"))
    if given and was_read:
        raise typer.BadParameter(f"{path} was read already; leave out {', '.join(given)}")
    if data is not None and not was_read:
        raise typer.BadParameter(
            f"--data says where the pictures of a run or study lie now, and {path} is neither; leave it out"
        )
    opt.require_sections(settings, ["data"], idle=["data.accept", "data.strict"])
    if listing and (unused := _unused_by_list(context, as_json)):
        raise typer.BadParameter(f"--list opens no page; leave out {', '.join(unused)}")
    chosen = opt.make_recipe(
        recipe,
        settings,
        image_column=image_column,
        label_column=label_column,
        split_column=split_column,
        group_column=group_column,
    )
    if not listing:
        from eighteen.reviewing.serving import reserve

        address = reserve(port)
    with show.progress_bars() as bars:
        found = api.review(
            path, corrections=corrections, split=split, recipe=chosen, data=data, progress=bars
        )
    out, file = show.console(), found.corrections
    about = {"review": found.name, "corrections": file.as_posix(), "pictures": len(found.suspects.pictures)}
    if listing:
        if as_json:
            show.print_json({**about, "suspects": list(found.suspects.rows())})
        else:
            _print_rows(found.suspects)
        return
    if not sys.stdout.isatty() and not as_json and not opt.was_given(context, "open_browser"):
        open_browser = False

    def ready() -> None:
        if as_json:
            show.print_json({**about, "url": address.url})
            sys.stdout.flush()
        _tell(found.suspects, out)
        out.print(f"\npage      {address.url}\ndecisions {file}\nCtrl-C ends it", markup=False)

    try:
        decided = api.serve_review(found, address, ready, open_browser)
    except EighteenError:
        address.socket.close()
        raise
    out.print(f"{decided} pictures decided in {file}; use them with --corrections {file}", markup=False)


def _unused_by_list(context: typer.Context, as_json: bool) -> list[str]:
    """Options of the page that were given; the file of decisions stands in the JSON, and nowhere else."""
    names = {"port": "--port", "open_browser": "--open/--no-open"}
    names |= {} if as_json else {"corrections": "--corrections"}
    return [told for name, told in names.items() if opt.was_given(context, name)]


def _tell(suspects: Suspects, out: Any) -> None:
    for topic in suspects.topics:
        count = sum(map(len, topic.sets))
        out.print(f"{count:6}  {topic.title}", markup=False)
    if suspects.hidden:
        out.print(f"{suspects.hidden:6}  test pictures stay hidden; --split test shows them", markup=False)


def _print_rows(suspects: Suspects) -> None:
    """CSV on standard output."""
    names = ("finding", "set", "path", "label", "split", "suggested", "score")
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(suspects.rows())
