"""Runs the page until it is stopped: a socket on the loopback address, a random token, and Ctrl-C."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from eighteen.core.errors import EighteenError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Address:
    """Where the page is reached.

    Attributes:
        socket: bound to the loopback address.
        port: the one asked for, or a free one.
        token: secret of this start.
    """

    socket: socket.socket
    port: int
    token: str

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/?token={self.token}"


def reserve(port: int) -> Address:
    """Takes a port before any work is done.

    Args:
        port: 0 takes a free one.

    Raises:
        EighteenError: it is in use or may not be used.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((LOOPBACK, port))
        bound.listen(64)
    except OSError as error:
        bound.close()
        raise EighteenError(
            f"port {port} of this machine cannot be used ({error.strerror}); "
            f"name another one with --port, or --port 0 for any free one"
        ) from error
    return Address(bound, bound.getsockname()[1], secrets.token_urlsafe(32))


def serve(app: ASGIApp, address: Address, ready: Callable[[], None]) -> None:
    """Answers requests until Ctrl-C or SIGTERM.

    Args:
        app: the guarded application.
        address: from `reserve`.
        ready: called once, before the first request is answered; the socket takes connections already.
    """
    config = uvicorn.Config(app, lifespan="off", log_level="warning", access_log=False, server_header=False)
    ready()
    try:
        uvicorn.Server(config).run(sockets=[address.socket])
    except KeyboardInterrupt:
        # uvicorn has closed all connections and hands Ctrl-C on: the ordinary end of a review.
        return
    finally:
        address.socket.close()
