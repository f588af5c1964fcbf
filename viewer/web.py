"""Serve the page: `countenance demo --web`. Needs the extra `demo` (gradio).

    with PageServer(page, port=0) as server:
        print(server.url)

Binds to loopback unless told otherwise, answers only to this computer's names, and lets the browser
load nothing from elsewhere: no analytics, no fonts, no content network.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from ..errors import CountenanceError, MissingDependencyError, RenderError
from .export import packaged_head
from .export_head import Head
from .page import Page
from .page_play import play_answer
from .web_head import PAGE_FILES, find_three, head_files, head_names

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
try:
    import gradio as gr
    import uvicorn
    from fastapi import FastAPI, Request, Response
    from fastapi.concurrency import run_in_threadpool
    from fastapi.responses import JSONResponse
    from starlette.middleware.trustedhost import TrustedHostMiddleware
except ImportError as error:
    raise MissingDependencyError(
        f"the page needs gradio ({error.name} is missing); "
        "install the extra: pip install 'countenance[demo]'"
    ) from error

from .web_layout import CSS, THEME, lay_out

LOOPBACK = "127.0.0.1"
_SECONDS_TO_START = 30
_MOST_BYTES = 2_000_000
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; media-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'"
)


class PageServer:
    """The page on a port of its own; `with` starts it and ends it.

    Args:
        page: What is shown.
        port: 0 for any free one.
        host: The address to bind; loopback by default.
        rig: A head of one's own; the packaged one by default.

    Raises:
        RenderError: The port cannot be had.
    """

    def __init__(
        self, page: Page, *, port: int = 0, host: str = LOOPBACK, rig: Head | None = None
    ) -> None:
        self._folder = TemporaryDirectory(prefix="countenance-page-")
        os.environ["GRADIO_TEMP_DIR"] = self._folder.name
        self.three = find_three()
        head = rig or packaged_head()
        blocks = lay_out(page, head, rig, has_head=self.three is not None)
        self.app = _app(page, blocks, self.three, head, only_local=host == LOOPBACK)
        try:
            self._socket = socket.create_server((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RenderError(f"port {port}: {reason}; choose another --port, or 0") from error
        self.host, self.port = host, self._socket.getsockname()[1]
        config = uvicorn.Config(
            self.app, log_level="warning", access_log=False, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{self.host}:{self.port}/"

    def run(self) -> None:
        """Serve until a signal ends it."""
        import torch

        # One thread each: two that wait for a third one's core take ten times as long.
        torch.set_num_threads(1)
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._folder.cleanup()

    def __enter__(self) -> PageServer:
        """Serve in a thread."""
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )
        self._thread.start()
        end = time.monotonic() + _SECONDS_TO_START
        while not self._server.started:
            if time.monotonic() > end or not self._thread.is_alive():
                raise RenderError(f"the page did not start on {self.url}; choose another --port")
            time.sleep(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._folder.cleanup()


def _app(page: Page, blocks: Any, three: Path | None, head: Head, *, only_local: bool) -> FastAPI:  # noqa: ANN401
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _add_answers(app, page, three, head)

    @app.middleware("http")
    async def guard(request: Request, answer: Any) -> Any:  # noqa: ANN401
        response = await answer(request)
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    if only_local:  # a page of another name that points here (DNS rebinding) gets no answer
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"])
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        show_error=True,
        pwa=False,
        enable_monitoring=False,
        theme=THEME,
        css=CSS,
        head='<script type="module" src="countenance/page.js"></script>',
    )
    return mounted


def _add_answers(app: FastAPI, page: Page, three: Path | None, head: Head) -> None:
    """Everything below /countenance/, which is ours: the head's frame, the page's script, plays."""
    files = {"page.js": ((PAGE_FILES / "page.js").read_bytes(), "text/javascript")}
    files |= head_files(three, head) if three else {}
    names = head_names(head)

    @app.get("/countenance/head.json")
    def shape_names() -> JSONResponse:
        return JSONResponse(names)

    @app.post("/countenance/play")
    async def play(request: Request) -> JSONResponse:
        # A foreign page cannot send this type without asking first, and gets no leave.
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return JSONResponse({"problem": "JSON is expected"}, status_code=415)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BYTES:
                return JSONResponse({"problem": "that is too much text"}, status_code=413)
        try:
            return JSONResponse(await run_in_threadpool(play_answer, page, body))
        except CountenanceError as error:
            return JSONResponse({"problem": str(error)}, status_code=422)

    @app.get("/countenance/{name:path}")
    def file(name: str) -> Response:
        if name not in files:
            return Response("there is nothing here", status_code=404, media_type="text/plain")
        content, kind = files[name]
        return Response(content, media_type=kind)
