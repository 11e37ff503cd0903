"""A chart that grows in place: a components-v2 component around ``Plotly.react``.

``st.plotly_chart`` builds its chart anew at every change, which flickers and loses the zoom; this one never remounts.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit as st

from .figures import Figure

HEIGHT = 300
SCRIPT = Path(__file__).with_name("live_plot.js").read_text()

_mount = st.components.v2.component(
    "gia.live_plot", html='<div class="live-plot"></div>', js=SCRIPT, isolate_styles=False
)


def live_plot(figure: Figure, *, key: str, run_id: str) -> None:
    """Draw ``figure`` where the chart with this ``key`` is; its zoom lasts as long as ``run_id`` stays the same."""
    module = plotly_module()
    if module is None:
        with st.container(height=1, border=False):
            st.plotly_chart({}, key=f"{key}-brings-plotly")  # Streamlit loads Plotly for it, and the chart uses it too
    data = {"figure": figure, "height": HEIGHT, "revision": run_id, "module": module}
    # In a list, because Streamlit searches a bare dictionary for data frames, for which it imports pandas.
    _mount(key=key, height=HEIGHT, data=[data])


@cache
def plotly_module() -> str | None:
    """Address of the script that holds Plotly among Streamlit's own; None where this Streamlit calls it otherwise."""
    scripts = Path(st.__file__).parent / "static" / "static" / "js"
    chunk = next(scripts.glob("PlotlyChart.*.js"), None)
    return f"static/js/{chunk.name}" if chunk else None
