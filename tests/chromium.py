"""The browser of the browser tests: Chromium or Chrome, whichever is installed."""

from __future__ import annotations

import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MISSING = "There is no Chromium or Chrome on this machine: the browser tests cannot run."


def installed() -> str | None:
    """Path of its program; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)
