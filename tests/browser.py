"""A headless Chromium that is driven by chromedriver over HTTP (WebDriver of the W3C), and a server of static files."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar
from urllib.request import ProxyHandler, Request, build_opener

PACKAGES = "chromium and chromium-driver"
MISSING = next(
    (f"{each} is not installed: install {PACKAGES}" for each in ("chromium", "chromedriver") if not shutil.which(each)),
    "",
)
"""Why no browser can be driven here; "" where one can."""

QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--autoplay-policy=no-user-gesture-required"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
)
DIRECT = build_opener(ProxyHandler({}))  # without the proxies of the environment
SECONDS = 300  # for one answer of the driver; a busy machine is slow
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element, by the standard


@dataclass(frozen=True)
class Browser:
    """A session of a browser."""

    url: str

    def open(self, address: str) -> None:
        """Load a page."""
        self._call("POST", "/url", {"url": address})

    def script(self, code: str, *arguments: object) -> Any:
        """The value of a body of JavaScript, or of its promise; an error there is one here."""
        return self._call("POST", "/execute/sync", {"script": code, "args": arguments})

    def click(self, css: str) -> None:
        """Click an element."""
        self._call("POST", f"/element/{self._element(css)}/click", {})

    def type(self, css: str, text: str) -> None:
        """Send keys to an element; a path to an input of files."""
        self._call("POST", f"/element/{self._element(css)}/value", {"text": text})

    def _element(self, css: str) -> str:
        element: dict[str, str] = self._call("POST", "/element", {"using": "css selector", "value": css})
        return element[ELEMENT]

    def _call(self, method: str, path: str, body: object = None) -> Any:
        return call(method, self.url + path, body)


def call(method: str, url: str, body: object = None) -> Any:
    """One command of the driver -> its value."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with DIRECT.open(request, timeout=SECONDS) as answer:
            return json.load(answer)["value"]
    except OSError as error:
        if not hasattr(error, "read"):
            raise
        raise RuntimeError(json.loads(error.read())["value"]["message"]) from error


@contextmanager
def browser(folder: Path, *options: str) -> Iterator[Browser]:
    """A browser with a new profile in a folder."""
    arguments = [*QUIET, f"--user-data-dir={folder / 'profile'}", *options]
    chrome = {"binary": shutil.which("chromium"), "args": arguments}
    capabilities = {"alwaysMatch": {"goog:chromeOptions": chrome, "timeouts": {"script": 1000 * SECONDS}}}
    with subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True) as driver:
        try:
            assert driver.stdout is not None
            port = next(match[1] for line in driver.stdout if (match := re.search(r"successfully on port (\d+)", line)))
            address = f"http://127.0.0.1:{port}"
            session = call("POST", f"{address}/session", {"capabilities": capabilities})["sessionId"]
            try:
                yield Browser(f"{address}/session/{session}")
            finally:
                call("DELETE", f"{address}/session/{session}")
        finally:
            driver.terminate()


class Isolated(SimpleHTTPRequestHandler):
    """Files whose pages have the finer clock: nothing of another origin may be in their process."""

    extensions_map: ClassVar = {
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def end_headers(self) -> None:
        """Add the two headers."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server of a folder on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Isolated, directory=folder)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
