"""The review page talks to the one browser that was given its address; everything else is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from eighteen import api
from eighteen.reviewing.app import make_app
from eighteen.reviewing.guard import MAX_BODY_BYTES
from eighteen.reviewing.journal import Journal
from eighteen.reviewing.renditions import Renditions
from eighteen.reviewing.suspects import Shown, Suspects

PORT, TOKEN = 8018, "the-right-token"
HOME = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(8):
            colour = (30 * number, 200 if name == "cat" else 20, 90)
            Image.new("RGB", (20, 20), colour).save(tmp_path / "photos" / name / f"{number}.png")
    Image.new("RGB", (20, 20)).save(tmp_path / "secret.png")
    return tmp_path / "photos"


@pytest.fixture
def stranger(photos: Path, tmp_path: Path) -> TestClient:
    """Knows the port and nothing else."""
    suspects = api.review(photos).suspects
    renditions = Renditions(suspects, 10**6, False)
    app = make_app(suspects, Journal(tmp_path / "c.csv", "ann"), renditions, "photos", TOKEN, PORT)
    return TestClient(app, base_url=HOME)


@pytest.fixture
def guest(stranger: TestClient) -> TestClient:
    """Has opened the page."""
    assert stranger.get(f"/?token={TOKEN}").status_code == 200
    return stranger


PATHS = ("/", "/page/main.js", "/api/review", "/api/thumbnail/0", "/api/picture/0", "/nowhere")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", f"?token={TOKEN}x", "?token=%ff%fe"])
def test_nothing_is_answered_without_the_token(path: str, query: str, stranger: TestClient) -> None:
    answer = stranger.get(path + query)
    assert answer.status_code == 401
    assert "photos" not in answer.text


def test_the_token_opens_only_the_page_itself(stranger: TestClient) -> None:
    assert stranger.get(f"/api/review?token={TOKEN}").status_code == 401
    assert stranger.post("/api/decide", json={"picture": 0, "action": "drop"}).status_code == 401


@pytest.mark.parametrize("value", ["", "wrong", TOKEN + "x", '"', "\x7f"])
def test_a_wrong_cookie_is_refused(value: str, stranger: TestClient) -> None:
    headers = {"Cookie": f"eighteen-review-{PORT}={value}"}
    assert stranger.get("/api/review", headers=headers).status_code == 401


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(stranger: TestClient) -> None:
    cookie = stranger.get(f"/?token={TOKEN}").headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        f"evil.example:{PORT}",
        "127.0.0.1",
        "127.0.0.1:1",
        f"127.0.0.1.evil.example:{PORT}",
        "",
    ],
)
def test_other_names_of_this_machine_are_refused(host: str, guest: TestClient) -> None:
    """DNS rebinding: a page elsewhere makes its own name point here."""
    for path in (f"/?token={TOKEN}", "/api/review"):
        assert guest.get(path, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"https://127.0.0.1:{PORT}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_pages_are_refused(headers: dict[str, str], guest: TestClient, tmp_path: Path) -> None:
    assert guest.get("/api/review", headers=headers).status_code == 403
    body = {"picture": 0, "action": "drop"}
    answer = guest.post("/api/decide", json=body, headers=headers)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    assert not (tmp_path / "c.csv").exists()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(method: str, guest: TestClient) -> None:
    answer = guest.request(method, "/api/decide")
    assert answer.status_code == 405
    assert "access-control-allow-methods" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/page/../app.py",
        "/page/%2e%2e/app.py",
        "/page/..%2fapp.py",
        "/page/%2e%2e%2f%2e%2e%2fcore%2fstore.py",
        "/page//etc/passwd",
        "/page/..\\app.py",
        "/page/main.js%00.html",
        "/api/picture/../../secret.png",
        "/api/picture/%2e%2e%2fsecret.png",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_path_leads_out(path: str, guest: TestClient) -> None:
    answer = guest.get(path)
    assert answer.status_code in (404, 422)
    assert b"import" not in answer.content and b"root:" not in answer.content


@pytest.mark.parametrize("number", ["-1", "16", "999999999999999999999999", "x", "0.5", "1e3", "%00"])
def test_unknown_pictures_are_refused(number: str, guest: TestClient, tmp_path: Path) -> None:
    assert guest.get(f"/api/picture/{number}").status_code in (404, 422)
    assert guest.get(f"/api/thumbnail/{number}").status_code in (404, 422)
    body = f'{{"picture": {number}, "action": "drop"}}'
    answer = guest.post("/api/decide", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (404, 422)
    assert not (tmp_path / "c.csv").exists()


@pytest.mark.parametrize(
    "body",
    [
        {"picture": 0, "action": "delete"},
        {"picture": 0, "action": "relabel", "label": "bird"},
        {"picture": 0, "action": "relabel"},
        {"picture": 0, "action": "drop", "label": "dog"},
        {"picture": "0", "action": "drop"},
        {"picture": 0, "action": "drop", "path": "../secret.png"},
        {"picture": 0, "action": "drop", "reason": "x" * 501},
        [],
        "drop",
    ],
)
def test_decisions_that_mean_nothing_are_refused(body: object, guest: TestClient, tmp_path: Path) -> None:
    assert guest.post("/api/decide", json=body).status_code == 422
    assert not (tmp_path / "c.csv").exists()


def test_a_form_of_another_page_is_no_decision(guest: TestClient, tmp_path: Path) -> None:
    body = '{"picture": 0, "action": "drop"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert guest.post("/api/decide", content=body, headers={"Content-Type": kind}).status_code == 422
    assert not (tmp_path / "c.csv").exists()


def test_oversized_bodies_are_refused(guest: TestClient, tmp_path: Path) -> None:
    large = b'{"picture": 0, "action": "drop", "reason": "' + b"x" * MAX_BODY_BYTES + b'"}'
    kind = {"Content-Type": "application/json"}
    assert guest.post("/api/decide", content=large, headers=kind).status_code == 413
    assert (
        guest.post("/api/decide", content=b"{}", headers={**kind, "Content-Length": "-5"}).status_code == 413
    )

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 4096

    assert guest.post("/api/decide", content=endless(), headers=kind).status_code in (400, 413)
    assert not (tmp_path / "c.csv").exists()


def test_words_cannot_break_out_of_their_cell(guest: TestClient, tmp_path: Path) -> None:
    reason = 'a\n"evil.png","drop"\r\n=cmd()'
    body = {"picture": 0, "action": "keep", "reason": reason}
    assert guest.post("/api/decide", json=body).status_code == 200
    lines = (tmp_path / "c.csv").read_text("utf-8").splitlines()
    assert len(lines) == 2
    assert [row.path for row in Journal(tmp_path / "c.csv", "").decisions.values()] == ["cat/0.png"]


def test_every_answer_keeps_to_itself(guest: TestClient) -> None:
    for path in (*PATHS, "/api/picture/99"):
        headers = guest.get(path).headers
        policy = headers["content-security-policy"]
        assert (
            "default-src 'none'" in policy
            and "script-src 'self'" in policy
            and "frame-ancestors 'none'" in policy
        )
        assert "unsafe" not in policy and "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers


def test_no_document_is_served_as_one(photos: Path, tmp_path: Path) -> None:
    """A file that is HTML or SVG is no picture, whatever its name, and a file outside is not read."""
    (photos / "cat" / "page.png").write_text("<html><script>alert(1)</script></html>")
    (photos / "cat" / "drawing.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>')
    (photos / "cat" / "link.png").symlink_to(tmp_path / "secret.png")
    names = ("cat/page.png", "cat/drawing.svg", "../secret.png", str(tmp_path / "secret.png"), "cat/link.png")
    pictures = tuple(Shown(name, name, -1, "cat", "train") for name in names)
    suspects = Suspects(pictures, ("cat", "dog"), photos, (), 0)
    app = make_app(
        suspects, Journal(tmp_path / "c.csv", ""), Renditions(suspects, 10**6, False), "x", TOKEN, PORT
    )
    client = TestClient(app, base_url=HOME)
    client.get(f"/?token={TOKEN}")
    for number in range(len(names)):
        for kind in ("picture", "thumbnail"):
            answer = client.get(f"/api/{kind}/{number}")
            assert answer.status_code == 404, names[number]
            assert answer.headers["content-type"] == "application/json"
