"""Who may talk to the page: the browser that was given its address, on this machine, and nobody else.

The server listens on the loopback address only. That does not keep other programs of the browser out: any
web page may send requests to 127.0.0.1, also under a name of its own (DNS rebinding). So every request must
name this host, come from this page, and carry the random token, which a web page elsewhere cannot know.
"""

from __future__ import annotations

import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 64 * 1024
METHODS = ("GET", "HEAD", "POST")

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Refuses what does not come from the page, and adds the headers that keep it to itself.

    Args:
        app: what is guarded.
        token: secret of this start of the server.
        port: where it listens.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost"))
        self.cookie = f"eighteen-review-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        entering = scope["path"] == "/" and self._token_in_query(scope)
        refused = self._refusal(scope, entering)
        answer = self._app if refused is None else PlainTextResponse(refused[1] + "\n", refused[0])
        body = _LimitedBody(receive)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
                if entering and refused is None:
                    headers.append("Set-Cookie", self._set_cookie())
            await send(message)

        await answer(scope, body.receive, guarded)

    def _refusal(self, scope: Scope, entering: bool) -> tuple[int, str] | None:
        """Status and reason; None where the request may pass."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if host not in self._hosts:
            return 421, "this page is not known under that name"
        if origin is not None and origin != f"http://{host}":
            return 403, "requests from other pages are refused"
        if not entering and headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return 403, "requests from other pages are refused"
        if scope["method"] not in METHODS:
            return 405, "only GET and POST are known"
        if not entering and not self._token_in_cookie(headers):
            return 401, "open the whole address that `eighteen review` printed, with its token"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            return 413, f"a body may have {MAX_BODY_BYTES} bytes"
        return None

    def _token_in_query(self, scope: Scope) -> bool:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        return self._is_token(query.get("token", [""])[0])

    def _token_in_cookie(self, headers: Headers) -> bool:
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False
        return self.cookie in cookies and self._is_token(cookies[self.cookie].value)

    def _is_token(self, given: str) -> bool:
        """In the same time, however much of it is right."""
        return secrets.compare_digest(given.encode("utf-8", "surrogateescape"), self._token)

    def _set_cookie(self) -> str:
        return f"{self.cookie}={self._token.decode()}; Path=/; HttpOnly; SameSite=Strict"


class _LimitedBody:
    """A body without a stated length ends at the limit: the rest is taken for a closed connection."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left = MAX_BODY_BYTES

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                return {"type": "http.disconnect"}
        return message
