"""The page's requests: what is there to see, pictures by number, a decision, and taking the last one back."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Path, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, StringConstraints

from eighteen.core.corrections import Correction
from eighteen.core.errors import EighteenError, UnreadableImage
from eighteen.reviewing.guard import Guard
from eighteen.reviewing.journal import Journal
from eighteen.reviewing.renditions import Renditions
from eighteen.reviewing.suspects import Suspects

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
"""Of the files in `page/`; there are no others."""

Number = Annotated[int, Path(ge=0)]


class Decision(BaseModel):
    """What the page sends: the number of a picture and what is decided about it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    picture: int
    action: Literal["keep", "relabel", "drop", "unsure"]
    label: str = ""
    reason: Annotated[str, StringConstraints(max_length=500)] = ""


def make_app(
    suspects: Suspects, journal: Journal, renditions: Renditions, name: str, token: str, port: int
) -> Guard:
    """The guarded application.

    Args:
        suspects: what is shown.
        journal: where decisions go.
        renditions: its pictures.
        name: what the page is called: the run or the data set.
        token: secret of this start.
        port: where it will listen.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    page = {file.name: file.read_bytes() for file in (files("eighteen.reviewing") / "page").iterdir()}
    number_of = {shown.image: n for n, shown in enumerate(suspects.pictures)}

    def known(number: int) -> int:
        if not 0 <= number < len(suspects.pictures):
            raise HTTPException(404, f"there is no picture {number}; there are {len(suspects.pictures)}")
        return number

    @app.get("/")
    def index() -> Response:
        return _file(page, "index.html")

    @app.get("/page/{file}")
    def static(file: str) -> Response:
        return _file(page, file)

    @app.get("/api/review")
    def review() -> Response:
        return JSONResponse({**as_json(suspects), **_about(journal, name, number_of)})

    @app.get("/api/thumbnail/{number}")
    def thumbnail(number: Number) -> Response:
        return _picture(renditions.thumbnail(known(number)))

    @app.get("/api/picture/{number}")
    def picture(number: Number) -> Response:
        return _picture(renditions.large(known(number)))

    @app.post("/api/decide")
    def decide(decision: Decision) -> dict[str, Any]:
        shown = suspects.pictures[known(decision.picture)]
        if (decision.action == "relabel") != (decision.label in suspects.class_names):
            raise HTTPException(422, f"'{decision.label}' is no label for the action {decision.action}")
        row = journal.decide(shown.image, decision.action, decision.label, decision.reason)
        return {"picture": decision.picture, "decision": _decision(row)}

    @app.post("/api/undo")
    def undo() -> dict[str, Any]:
        gone = journal.undo(number_of)
        if gone is None:
            return {"picture": None, "decision": None}
        now = journal.decisions.get(gone.path)
        return {"picture": number_of[gone.path], "decision": None if now is None else _decision(now)}

    @app.exception_handler(RequestValidationError)
    def malformed(_: Any, error: RequestValidationError) -> Response:
        # FastAPI's own answer repeats what came, perhaps halves of characters, which UTF-8 cannot hold.
        wrong = (f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in error.errors())
        return JSONResponse({"detail": "; ".join(wrong)}, 422)

    @app.exception_handler(UnreadableImage)
    def unreadable(_: Any, error: UnreadableImage) -> Response:
        return JSONResponse({"detail": error.reason}, 404)

    @app.exception_handler(EighteenError)
    def refused(_: Any, error: EighteenError) -> Response:
        return JSONResponse({"detail": str(error)}, 500)

    return Guard(app, token, port)


def as_json(suspects: Suspects) -> dict[str, Any]:
    """What the page needs to know, with the many pictures as short rows."""
    classes = {label: k for k, label in enumerate(suspects.class_names)}
    return {
        "classes": list(suspects.class_names),
        "hidden": suspects.hidden,
        "pictures": [
            [shown.image, classes.get(shown.label, -1), shown.split, shown.left_out]
            for shown in suspects.pictures
        ],
        "topics": [
            {
                "key": topic.key,
                "title": topic.title,
                "text": topic.text,
                "sets": topic.sets,
                "hints": {str(n): [hint.suggested, hint.score] for n, hint in topic.hints.items()},
            }
            for topic in suspects.topics
        ],
    }


def _about(journal: Journal, name: str, number_of: dict[str, int]) -> dict[str, Any]:
    decided = {number_of[image]: row for image, row in journal.decisions.items() if image in number_of}
    return {
        "name": name,
        "corrections": journal.path.as_posix(),
        "decisions": {str(n): _decision(row) for n, row in decided.items()},
    }


def _decision(row: Correction) -> list[str]:
    return [row.action, row.label]


def _file(page: dict[str, bytes], name: str) -> Response:
    kind = TYPES.get(name.rpartition(".")[2])
    if kind is None or name not in page:
        raise HTTPException(404, "there is no such file")
    return Response(page[name], media_type=kind)


def _picture(content: bytes) -> Response:
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})
