"""Where the trials of a search are kept: SQLite in the study's folder, or a PostgreSQL server of the user.

Both take several processes at once. A password is never written into a study: it comes with the URL each
time, or from where PostgreSQL's own programs take it (PGPASSWORD, ~/.pgpass).
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import optuna
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from eighteen.core.errors import RunError

_SQLITE_WAIT_S = 120
FILE = "trials.db"


def opened(url: str | None) -> BaseStorage:
    """The storage at a URL; None keeps trials in memory.

    Raises:
        RunError: it cannot be reached, or the URL is none of a database.
    """
    # What optuna would log of each trial, progress says already.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url is None:
        return InMemoryStorage()
    arguments = {"connect_args": {"timeout": _SQLITE_WAIT_S}} if url.startswith("sqlite") else {}
    try:
        # Trials take minutes: a connection for each word is cheap, and none is left open between them.
        return RDBStorage(with_driver(url), engine_kwargs={"poolclass": NullPool, **arguments})
    except ArgumentError as error:
        raise RunError(
            f"--storage {without_password(url)} is no database; expected postgresql://user@host/name"
        ) from error
    except (SQLAlchemyError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(
            f"the storage {without_password(url)} cannot be used ({reason}); is the server running, and may "
            f"you open that database and make tables in it?"
        ) from error


def sqlite_url(folder: Path) -> str:
    """The database in a study's folder."""
    return f"sqlite:///{(folder / FILE).absolute().as_posix()}"


def without_password(url: str) -> str:
    """The URL as it may be shown and stored.

    >>> without_password("postgresql://ann:secret@host:5432/trials")
    'postgresql://ann@host:5432/trials'
    """
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.split(':')[0]}@{host}"))


def with_driver(url: str) -> str:
    """The URL as SQLAlchemy takes it, with the driver for PostgreSQL that the extra `tune` brings."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return f"postgresql+psycopg://{url.removeprefix(scheme)}"
    return url
