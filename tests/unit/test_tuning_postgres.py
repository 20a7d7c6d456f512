"""The same search on a real PostgreSQL server, which the tests start for themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from eighteen.core.errors import RunError
from eighteen.tuning import storage
from eighteen.tuning.search import Budget, new_search, open_search, records, run_trials
from eighteen.tuning.space import Parameter
from eighteen.tuning.trial import Report, Trial

SPACE = (Parameter("lr", 0.001, 1.0, log=True),)
USER = "trials"


def programs() -> Path | None:
    """The folder of the newest server that is installed; Debian keeps it out of the path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    named = shutil.which("pg_ctl")
    return folders[-1].parent if folders else Path(named).parent if named else None


def as_nobody(command: list[str]) -> subprocess.CompletedProcess[str]:
    """The server refuses to run as root, so root lends it to a user without rights."""
    if os.getuid() == 0:
        command = ["runuser", "-u", "nobody", "--", *command]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd="/")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """URL of a server in a temporary folder that listens on a socket there and on no port."""
    folder = programs()
    if folder is None:
        pytest.skip("no PostgreSQL: pg_ctl is not installed (Debian's package postgresql has it)")
    if os.getuid() == 0 and shutil.which("runuser") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no runuser to become another user with")
    # A socket's path may have 100 characters, which pytest's own folders exceed.
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as home:
        if os.getuid() == 0:
            shutil.chown(home, "nobody")
        data = f"{home}/data"
        as_nobody([f"{folder}/initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"])
        options = f"-c listen_addresses='' -c unix_socket_directories={home} -c fsync=off"
        control = [f"{folder}/pg_ctl", "-D", data, "-w", "-t", "120"]
        as_nobody([*control, "-o", options, "-l", f"{home}/log", "start"])
        try:
            yield f"postgresql://{USER}@/postgres?host={home}"
        finally:
            as_nobody([*control, "-m", "immediate", "stop"])


def worth(trial: Trial, report: Report) -> float:
    return -abs(SPACE[0].share(trial.point["lr"]) - 0.5)


JOIN = """
import sys
from eighteen.tuning.search import Budget, open_search, run_trials
from eighteen.tuning.space import Parameter

space = (Parameter("lr", 0.001, 1.0, log=True),)
search = open_search(sys.argv[1], space, name="shared", method="tpe", seed=7, most_steps=1)
run_trials(search, lambda trial, report: -abs(space[0].share(trial.point["lr"]) - 0.5), Budget(trials=12))
"""


def test_two_processes_share_a_search_on_postgresql(server: str) -> None:
    new_search(server, SPACE, {"lr": 0.5}, name="shared", maximise=True, method="tpe")
    search = open_search(server, SPACE, name="shared", method="tpe", seed=0, most_steps=1)
    other = subprocess.Popen([sys.executable, "-c", JOIN, server])
    run_trials(search, worth, Budget(trials=12))
    assert other.wait() == 0
    rows = records(search)
    assert len(rows) == 12 and {row.state for row in rows} == {"complete"}
    assert rows[0].is_default and sum(row.is_default for row in rows) == 1


def test_a_search_goes_on_after_its_process_is_gone(server: str) -> None:
    new_search(server, SPACE, {"lr": 0.5}, name="later", maximise=True, method="random")
    for trials in (3, 5):
        search = open_search(server, SPACE, name="later", method="random", seed=0, most_steps=1)
        run_trials(search, worth, Budget(trials=trials))
    points = {row.point["lr"] for row in records(search)}
    assert len(records(search)) == len(points) == 5, "the second part draws other points than the first"


def test_a_database_that_is_not_there_is_a_clear_error(server: str) -> None:
    with pytest.raises(RunError, match=r"cannot be used.*does not exist"):
        storage.opened(server.replace("/postgres?", "/absent?"))
