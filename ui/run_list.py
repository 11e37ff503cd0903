"""Every run there is: filtered, sorted, a page at a time; each with what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, get_args

import streamlit as st

from gia_core import report, titles
from gia_core.component import Component
from gia_core.spec import AuditSpec
from gia_core.store import Run, Sort, Status, StoreError

from . import compare_selection, images, kinds, live, location, recorded, session, setup
from .comparison import mean

PER_PAGE = 12
ANY = "any"
ORDER = {"newest": "newest first", "oldest": "oldest first", "psnr": "highest PSNR first", "status": "by status"}


def filters() -> dict[str, Any]:
    """The choices above the list, as the store takes them; they stay while other pages are visited."""
    catalogs = {"attack": setup.CATALOGS["attack"], "dataset": setup.CATALOGS["dataset"]}
    catalogs |= {"model": setup.CATALOGS["model"], "defense": setup.DEFENSES}
    with st.grid("auto", min_column_width=150, key="filters"):
        statuses = st.multiselect("Status", list(Status), key="runs-status", placeholder=ANY, persist_state="session")
        kind = st.selectbox(
            "Kind", ["", *kinds.KINDS], key="runs-kind", format_func=kind_named, persist_state="session"
        )
        chosen = {name: one_of(name, catalog) for name, catalog in catalogs.items()}
        sort = st.selectbox("Order", get_args(Sort), key="runs-sort", format_func=ORDER.get, persist_state="session")
    return {"statuses": tuple(statuses), "sort": sort, "kind": kind, **chosen}


def kind_named(kind: str) -> str:
    return kinds.KINDS[kind].title if kind else ANY


def one_of(name: str, catalog: dict[str, type[Component]]) -> str:
    """A filter by kind; the empty string lets everything through."""
    label = setup.LABELS.get(name, name.capitalize())
    options = ["", *catalog]
    return st.selectbox(
        label,
        options,
        key=f"runs-{name}",
        format_func=lambda option: titles.title(catalog[option]) if option else ANY,
        persist_state="session",
    )


def draw() -> None:
    """Filters, a page of runs, and the pages."""
    store = session.store()
    chosen = filters()
    total = store.count(**{name: value for name, value in chosen.items() if name != "sort"})
    if not total:
        nothing(anything=bool(store.count()))
        return
    pages = -(-total // PER_PAGE)
    compare_selection.bar()
    place = st.container(key="runs", gap="small")
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(titles.plural(total, "run"))
        page = st.pagination(pages, key=f"runs-page-{pages}") if pages > 1 else 1
    runs = store.runs(limit=PER_PAGE, offset=(page - 1) * PER_PAGE, **chosen)
    thumbnails = store.thumbnails([run.id for run in runs])
    with place:
        for run in runs:
            row(run, *thumbnails.get(run.id, (None, None)))


def nothing(*, anything: bool) -> None:
    """The list is empty: because of the filters, or because nobody has started a run."""
    if anything:
        st.info("No run matches these filters.", icon=":material/filter_alt_off:")
        return
    with st.container(key="no-runs", horizontal_alignment="center"):
        st.header("No runs yet", anchor=False)
        st.markdown("Every run that is started in the lab is kept here, with all its frames, until you delete it.")
        st.page_link(kinds.LAB, label="Start the first one in the lab", icon=":material/science:")


def row(run: Run, truth: bytes | None, reconstruction: bytes | None) -> None:
    with (
        st.container(border=True, key=f"run-{run.id}"),
        st.container(horizontal=True, vertical_alignment="center", gap="medium"),
    ):
        compare_selection.checkbox(run)
        with st.container(horizontal=True, width=152, gap="xsmall", key=f"thumbnails-{run.id}"):
            for name, sprite in {"Original": truth, "Reconstruction": reconstruction}.items():
                thumbnail(run, name, sprite)
        with st.container(gap="xxsmall", width="stretch"):
            described(run)
        actions(run)


def thumbnail(run: Run, name: str, sprite: bytes | None) -> None:
    if sprite is None:
        st.html(f'<div class="gia-nothing" role="img" aria-label="{name}: not there"></div>', width=72)
    else:
        count = run.spec.images_attacked if run.spec else 1
        st.image(images.grid(sprite, count), width=72, alt=f"{name} of run {run.id}")


def described(run: Run) -> None:
    """What was attacked with what, how it ended, and how close it came."""
    status = str(run.status)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(status, color=live.COLORS[status])
        recorded.badge(run)
        psnr = mean((run.scores or (run.progress or {}).get("scores") or {}).get("psnr"))
        st.markdown(
            f"**{kinds.in_short(run)}**" + (f" · PSNR {titles.number(psnr, 'psnr')}" if psnr is not None else "")
        )
    st.caption(" · ".join([*kinds.parts(run), f"started {moment(run.started_at or run.created_at)}", run.id]))
    if answer := (run.scores or {}).get("sentence"):  # of a run that is no audit
        st.caption(answer)
    if run.error:
        st.caption(f":material/error: {run.error}")


def moment(seconds: float) -> str:
    """In the time zone of the server, which is the user's own machine by default."""
    return datetime.fromtimestamp(seconds).strftime("%d %b %Y, %H:%M")


def actions(run: Run) -> None:
    with st.container(horizontal=True, width="content", gap="small", vertical_alignment="center"):
        st.page_link(kinds.page_of(run), label="Open", icon=":material/open_in_full:", query_params={"run": run.id})
        if run.spec is not None:
            button(run, "Run again", ":material/replay:", "Open the lab with the setup of this run.", again, run.spec)
        st.download_button(
            "Export",
            data=lambda: report.archive(session.store(), run.id),
            file_name=f"gia-lab-{run.id}.zip",
            mime="application/zip",
            key=f"export-{run.id}",
            type="tertiary",
            icon=":material/download:",
            on_click="ignore",
            help="A zip with the setup, the scores and every picture. It holds recovered training data.",
        )
        button(run, "Delete", ":material/delete:", "Delete the run with all its pictures.", confirm, run)


def button(run: Run, label: str, icon: str, help: str, action: Callable[[Any], None], subject: object) -> None:
    key = f"{label.split()[-1].lower()}-{run.id}"
    if st.button(label, key=key, type="tertiary", icon=icon, help=help):
        action(subject)


def again(spec: AuditSpec) -> None:
    """The lab with this setup, and without a run; not by a link, since uploaded pictures do not fit into one."""
    location.load(spec)
    session.select_run(None)
    st.switch_page(kinds.LAB)


@st.dialog("Delete this run?", icon=":material/delete:")
def confirm(run: Run) -> None:
    st.markdown(f"**{kinds.heading(run)}** · {' · '.join(kinds.parts(run))}")
    st.caption("The run goes with its setup, its scores and all its pictures. This cannot be undone.")
    with st.container(horizontal=True):
        if st.button("Delete for good", type="primary", key="delete-for-good"):
            delete(run.id)
        if st.button("Keep it", key="keep-it"):
            st.rerun()


def delete(run_id: str) -> None:
    """A live run is refused; one that somebody else has deleted already is fine."""
    try:
        session.store().delete(run_id)
    except (ValueError, StoreError) as error:
        st.error(str(error), icon=":material/block:")
        return
    except KeyError:
        pass
    st.toast("The run is deleted.", icon=":material/delete:")
    st.rerun()
