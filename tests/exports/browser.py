# SPDX-License-Identifier: Apache-2.0
"""Chromium without a window, steered through a pair of pipes. Only what the standard library has."""

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

DEADLINE_S = 30


def find_chromium():
    """Path of the browser; None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One browser with an empty profile, ended by close()."""

    def __init__(self, path):
        self.profile = tempfile.mkdtemp(prefix="pqleash-browser-")
        to_read, self.to_browser = os.pipe()
        self.from_browser, to_write = os.pipe()
        # The browser reads from 3 and writes to 4.
        command = ["bash", "-c", f'exec "$@" 3<&{to_read} 4>&{to_write}', "bash", path, "--headless=new", "--disable-gpu",
                   "--no-first-run", "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
                   f"--user-data-dir={self.profile}", "--remote-debugging-pipe"]
        if os.geteuid() == 0:
            command.append("--no-sandbox")  # which root may not have
        self.process = subprocess.Popen(command, pass_fds=(to_read, to_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.ids = itertools.count(1)
        self.buffer = b""
        self.events = []

    def close(self):
        try:
            self.call("Browser.close")
        except (OSError, AssertionError):
            self.process.terminate()
        os.close(self.to_browser)
        os.close(self.from_browser)
        try:
            self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def call(self, method, session=None, **parameters):
        """The result of a command; events that come first are kept."""
        number = next(self.ids)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        bytes_left = json.dumps(message).encode() + b"\0"
        while bytes_left:
            bytes_left = bytes_left[os.write(self.to_browser, bytes_left):]
        deadline = time.monotonic() + DEADLINE_S
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def _receive(self, deadline):
        while b"\0" not in self.buffer:
            left = max(0, deadline - time.monotonic())
            assert select.select([self.from_browser], [], [], left)[0], "the browser does not answer"
            part = os.read(self.from_browser, 1 << 16)
            assert part, "the browser has ended"
            self.buffer += part
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)


class Page:
    """One tab. `problems` and `requests` are what it has caused so far."""

    def __init__(self, browser, width=1280, height=900, dark=False):
        self.browser = browser
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def resize(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)

    def open(self, url):
        # From an empty page: a change of the fragment alone would load nothing.
        self.call("Page.navigate", url="about:blank")
        self.wait("location.href === 'about:blank'")
        self.call("Page.navigate", url=url)
        self.wait("document.documentElement.dataset.ready === 'true'")

    def evaluate(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, f"{expression}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def wait(self, expression, what=None):
        """Until `expression` is true."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                if self.evaluate(expression):
                    return
            except AssertionError:  # the page is just being replaced
                if time.monotonic() > deadline:
                    raise
            assert time.monotonic() < deadline, f"not in {DEADLINE_S} s: {what or expression}"
            select.select([], [], [], 0.05)

    def click(self, selector):
        """With the mouse, as a reader does."""
        quoted = json.dumps(selector)
        self.evaluate(f"document.querySelector({quoted}).scrollIntoView({{block: 'center', behavior: 'instant'}})")
        x, y = self.evaluate(f"(() => {{ const r = document.querySelector({quoted}).getBoundingClientRect();"
                             " return [r.left + Math.min(20, r.width / 2), r.top + r.height / 2]; })()")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key):
        text = {"Enter": "\r"}.get(key)
        codes = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9}
        parameters = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        if text:
            parameters["text"] = text
        self.call("Input.dispatchKeyEvent", type="keyDown", **parameters)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=codes[key])

    def screenshot(self, path):
        height = self.evaluate("document.documentElement.scrollHeight")
        width = self.evaluate("innerWidth")
        self.resize(width, min(height, 8000))
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def _events(self, method):
        return [event["params"] for event in self.browser.events
                if event.get("sessionId") == self.session and event.get("method") == method]

    @property
    def requests(self):
        urls = [event["request"]["url"] for event in self._events("Network.requestWillBeSent")]
        return [url for url in urls if not url.startswith(("data:", "about:"))]

    @property
    def problems(self):
        found = [str(event["exceptionDetails"]) for event in self._events("Runtime.exceptionThrown")]
        found += [event["entry"]["text"] for event in self._events("Log.entryAdded") if event["entry"]["level"] == "error"]
        found += [str(event["args"]) for event in self._events("Runtime.consoleAPICalled") if event["type"] == "error"]
        return found
