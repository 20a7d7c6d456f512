"""The command `eighteen`: one short file a command, found by its name.

Commands import only what they need inside their functions, so that `--help` answers at once. Exit codes:
0 fine, 1 a clear error, 2 usage, 3 a gate said no, 129, 130, 143 interrupted (a
closed terminal, Ctrl-C, SIGTERM) with the state saved.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from eighteen.core import plugins
from eighteen.core.errors import EighteenError
from eighteen.core.findings import one_line
from eighteen.training.stopping import ending_signals

app = typer.Typer(
    name="eighteen",
    help="From a folder of labelled images to an honestly measured ResNet-18 classifier.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from eighteen.core.run import package_version

        typer.echo(f"eighteen {package_version()}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


for _name in plugins.names("eighteen.cli"):
    if _name != "main":
        app.command(_name)(plugins.load("eighteen.cli", _name, "command").command)


def _end(number: int, _frame: FrameType | None) -> None:
    """A signal ends a command as Ctrl-C does, where nothing listens that saves more (training, a server)."""
    # A terminal that is closed says so twice: the second time must not disturb what the first one ends.
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def run() -> None:
    """Runs the command line and exits; an `EighteenError` becomes one line and its exit code."""
    numbers = ending_signals()
    before = {number: signal.signal(number, _end) for number in numbers}
    try:
        app()
    except EighteenError as error:
        sys.stderr.write(f"eighteen: {one_line(str(error))}\n")
        raise SystemExit(error.exit_code) from None
    except SystemExit as ended:
        # typer turns Ctrl-C into the bare exit code.
        if ended.code in [128 + number for number in (signal.SIGINT, *numbers)]:
            sys.stderr.write("eighteen: stopped; what was saved before is whole\n")
        raise
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: nothing is left to tell it.
        sys.stderr.close()
        raise SystemExit(0) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
