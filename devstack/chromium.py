"""A Chromium for the browser tests and screenshots.

First match wins: `CHROMIUM`, an installed one, the one of Playwright; and where we are root and apt is there, Debian's
chromium is installed. That is the only system package devstack ever installs, and only when a browser is asked for.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from devstack.progress import step

NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
HOW_TO_GET_IT: Final = (
    "no Chromium found. Get one with `apt-get install chromium` (as root), or `.venv/bin/playwright install chromium`,"
    " or name one with CHROMIUM=/path/to/chromium"
)


class ChromiumMissing(Exception):
    """There is none and none could be installed; the message says how to get one."""


def find_chromium() -> Path | None:
    """The path of a Chromium, or None."""
    if given := os.environ.get("CHROMIUM"):
        return Path(given)
    for name in NAMES:
        if path := shutil.which(name):
            return Path(path)
    browsers = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache/ms-playwright")
    return next(iter(sorted(browsers.glob("chromium-*/chrome-linux*/chrome"), reverse=True)), None)


def find_or_install_chromium() -> Path:
    """The path of a Chromium, installed from Debian when allowed and needed.

    Raises:
        ChromiumMissing: See the class.
    """
    if (found := find_chromium()) is not None:
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        with step("Chromium: installing Debian's package", expected_s=60):
            _install()
        if (installed := find_chromium()) is not None:
            return installed
    raise ChromiumMissing(HOW_TO_GET_IT)


def _install() -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", "chromium", "fonts-noto-cjk"]):
        result = subprocess.run(
            ["apt-get", "-qq", *arguments], env=environment, capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            raise ChromiumMissing(f"apt-get {arguments[0]} failed: {result.stderr.strip()[-1000:]}\n{HOW_TO_GET_IT}")
