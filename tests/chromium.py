"""A headless Chromium behind its debugging pipe (JSON, each message ended by a zero byte): no driver is needed."""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest


def find() -> str:
    """Path of the browser; skips the test where there is none."""
    for name in ('chromium', 'chromium-browser', 'google-chrome'):
        if path := shutil.which(name):
            return path
    pytest.skip('no Chromium (Debian: apt-get install chromium)')


def _above_50(descriptor: int) -> int:
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 50)
    os.close(descriptor)
    return moved


class Browser:
    """One page of one browser.

    Args:
        profile: An empty folder for what the browser wants to write.
    """

    def __init__(self, profile: Path) -> None:
        read, self._out, inward, write = (_above_50(end) for end in (*os.pipe(), *os.pipe()))
        # the browser takes commands from descriptor 3 and answers on 4; ours are above 50, not to be in the way
        shell = f'exec "$0" "$@" 3<&{read} 4>&{write} {read}<&- {write}>&-'
        flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--remote-debugging-pipe']
        self._process = subprocess.Popen(
            ['bash', '-c', shell, find(), *flags, f'--user-data-dir={profile}', 'about:blank'],
            pass_fds=(read, write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read)
        os.close(write)
        self._in = os.fdopen(inward, 'rb')
        self._number, self._rest = 0, b''
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = next(t for t in self('Target.getTargets')['targetInfos'] if t['type'] == 'page')
        self._session = self('Target.attachToTarget', targetId=target['targetId'], flatten=True)['sessionId']
        for domain in ('Page', 'Runtime', 'Network', 'Log'):
            self(f'{domain}.enable')

    def __enter__(self) -> 'Browser':
        return self

    def __exit__(self, *_: Any) -> None:
        self._session = None
        self('Browser.close')
        self._process.wait(timeout=30)
        os.close(self._out)
        self._in.close()

    def __call__(self, method: str, **params: Any) -> dict[str, Any]:
        """Sends a command and waits for its answer; events that come before it are kept."""
        self._number += 1
        message = dict(id=self._number, method=method, params=params)
        if self._session:
            message['sessionId'] = self._session
        os.write(self._out, json.dumps(message).encode() + b'\0')
        while (answer := self._next()).get('id') != self._number:
            self.events.append(answer)
        assert 'error' not in answer, answer
        return answer['result']

    def _next(self) -> dict[str, Any]:
        while b'\0' not in self._rest:
            piece = self._in.raw.read(65536)  # type: ignore[attr-defined]
            assert piece, 'the browser has ended'
            self._rest += piece
        message, _, self._rest = self._rest.partition(b'\0')
        return json.loads(message)

    def open(self, page: Path | str, width: int, height: int = 800, dark: bool = False) -> None:
        """Shows a file, or an address, in a window of that many CSS pixels and waits until it is loaded."""
        self('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = [dict(name='prefers-color-scheme', value='dark' if dark else 'light')]
        self('Emulation.setEmulatedMedia', features=scheme)
        self.events.clear()
        self('Page.navigate', url=page if isinstance(page, str) else page.resolve().as_uri())
        while not any(event.get('method') == 'Page.loadEventFired' for event in self.events):
            self.events.append(self._next())

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        return self('Runtime.evaluate', expression=expression, returnByValue=True)['result'].get('value')

    def wait(self, expression: str, seconds: float = 60) -> Any:
        """The value of an expression as soon as it is true in JavaScript."""
        until = time.monotonic() + seconds
        while not (found := self.evaluate(expression)):
            assert time.monotonic() < until, f'{expression} is not true: {self.evaluate("document.body.innerText")}'
            time.sleep(0.1)
        return found

    def click(self, selector: str) -> None:
        """Clicks the first element of a CSS selector."""
        assert self.evaluate(f'!!document.querySelector({selector!r})'), f'there is no {selector}'
        self.evaluate(f'document.querySelector({selector!r}).click()')

    def choose(self, selector: str, file: Path) -> None:
        """Chooses a file for a file input, as its dialogue would."""
        root = self('DOM.getDocument')['root']['nodeId']
        node = self('DOM.querySelector', nodeId=root, selector=selector)['nodeId']
        self('DOM.setFileInputFiles', nodeId=node, files=[str(file.resolve())])

    def requests(self) -> list[str]:
        """Addresses that the page asked for."""
        return [e['params']['request']['url'] for e in self.events if e.get('method') == 'Network.requestWillBeSent']

    def complaints(self) -> list[dict[str, Any]]:
        """What stands in the console, and exceptions."""
        kinds = ('Runtime.consoleAPICalled', 'Runtime.exceptionThrown', 'Log.entryAdded')
        return [event for event in self.events if event.get('method') in kinds]

    def screenshot(self, path: Path) -> None:
        """Saves the whole page as a PNG."""
        size = self('Page.getLayoutMetrics')['cssContentSize']
        clip = dict(x=0, y=0, width=size['width'], height=size['height'], scale=1)
        data = self('Page.captureScreenshot', captureBeyondViewport=True, clip=clip)['data']
        path.write_bytes(base64.b64decode(data))

    def pdf(self, path: Path) -> None:
        """Prints the page."""
        path.write_bytes(
            base64.b64decode(self('Page.printToPDF', preferCSSPageSize=True, printBackground=False)['data'])
        )
