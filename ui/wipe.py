"""Two pictures in one place, with a border between them that is moved by mouse, finger or arrow keys.

A components-v2 component around an input of type range that lies over both; moving it asks nothing of the server.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import streamlit as st

HTML = """
<div class="wipe">
  <div class="names"><span class="left"></span><span class="right"></span></div>
  <div class="pictures">
    <img class="right"><img class="left"><div class="border"></div>
    <input type="range" min="0" max="100" step="2" value="50" aria-label="Wipe between the two pictures">
  </div>
</div>
"""
STYLE = """
.wipe { --at: 50%; }
.wipe .names { display: flex; justify-content: space-between; gap: 1rem; font-size: 0.85rem; margin-bottom: 0.3rem; }
.wipe .names .right { text-align: right; }
.wipe .pictures { position: relative; border-radius: 0.25rem; }
.wipe .pictures:focus-within { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.wipe img { display: block; width: 100%; image-rendering: pixelated; border-radius: 0.25rem; }
.wipe img.left { position: absolute; inset: 0; height: 100%; clip-path: inset(0 calc(100% - var(--at)) 0 0); }
.wipe .border {
  position: absolute; inset: 0 auto 0 var(--at); width: 2px; translate: -1px; background: #fff; outline: 1px solid #000;
}
.wipe .border::after {
  content: "◂ ▸"; position: absolute; top: 50%; left: 50%; translate: -50% -50%; padding: 0.3em 0.5em;
  border-radius: 1em; background: #fff; color: #000; font-size: 0.75rem; line-height: 1; white-space: nowrap;
}
.wipe input {
  position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; appearance: none; cursor: ew-resize;
}
.wipe input::-webkit-slider-thumb { appearance: none; width: 2px; }
.wipe input::-moz-range-thumb { width: 2px; border: 0; }
"""
SCRIPT = Path(__file__).with_name("wipe.js").read_text()

_mount = st.components.v2.component("gia.wipe", html=HTML, css=STYLE, js=SCRIPT)


class Picture(NamedTuple):
    name: str
    uri: str
    alt: str


def wipe(left: Picture, right: Picture, *, key: str) -> None:
    """Show ``left`` up to the border and ``right`` beyond it; pictures of the same shape."""
    _mount(key=key, data=[left._asdict(), right._asdict()])
