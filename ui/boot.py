"""The first thing that the app does: import what it needs. This module itself imports next to nothing."""

from __future__ import annotations

import gc
from importlib import import_module
from types import ModuleType

import streamlit as st

PAGES_USE = (
    "advice",
    "compare_start",
    "compare_view",
    "controls",
    "gallery",
    "glossary",
    "health",
    "launch",
    "lessons.before_after",
    "lessons.matching_figure",
    "lessons.neuron_figures",
    "live",
    "presenter",
    "priors",
    "run_list",
    "sweep_start",
    "sweep_view",
    "welcome",
)


@st.cache_resource(show_spinner=False)
def shell() -> ModuleType:
    """``ui.shell``, with everything that the pages import loaded too and out of the garbage collector's sight.

    Streamlit collects garbage after every run of a script or fragment; going through all modules each time would cost
    more than everything else that the live view does. Imports make many objects and no garbage, so none is looked for.
    """
    gc.disable()
    for name in PAGES_USE:
        import_module(f"ui.{name}")
    found = import_module("ui.shell")
    gc.freeze()
    gc.enable()
    return found
