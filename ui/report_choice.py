"""The page that makes reports: which runs, what becomes of the pictures, and the file; and runs from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from gia_core import bundle, titles
from gia_core.defenses.stacking import promise
from gia_core.reports import page, subject
from gia_core.reports.choice import Pictures
from gia_core.store import Run, Status, StoreError

from . import address, kinds, session
from .counting import counting
from .run_list import moment

CHOSEN = "report-runs"
ARRIVED = "report arrived"
"""The part of the address that this session has taken over."""
TAKEN_IN = "bundle taken in"
"""(id of the run that was imported, None), or (None, why it was not)."""
RECENT = 100
"""Runs to choose from, the newest first."""
OVER = tuple(status for status in Status if status.is_over)
WORDS = {Pictures.SHOW: "Show", Pictures.BLUR: "Blur", Pictures.LEAVE_OUT: "Leave out"}


def draw() -> None:
    """Everything below the title."""
    missing = arrive()
    runs = {run.id: run for run in session.store().runs(limit=RECENT, statuses=OVER)}
    chosen = st.session_state.setdefault(CHOSEN, [])
    runs |= {run.id: run for run in known(chosen) if run.id not in runs}
    st.session_state[CHOSEN] = [run_id for run_id in chosen if run_id in runs]
    if missing:
        gone = f"{titles.plural(missing, 'run')} of this link {'is' if missing == 1 else 'are'} not there any more"
        st.warning(f"{gone}; the report goes without.", icon=":material/link_off:")
    if runs:
        report(runs)
    else:
        st.info("A report tells of runs that are over, and there are none yet.", icon=":material/description:")
        st.page_link(kinds.LAB, label="Start the first one in the lab", icon=":material/science:")
    bring_in()


def arrive() -> int:
    """Choose what the address names, once; how many of these runs there are not."""
    asked = st.query_params.get(address.REPORT, "")
    wanted = address.run_ids(asked)[: subject.MOST_RUNS]
    there = [run.id for run in known(wanted)]
    if asked and st.session_state.get(ARRIVED) != asked:
        st.session_state[ARRIVED] = asked
        st.session_state[CHOSEN] = there
    return len(wanted) - len(there)


def known(run_ids: Sequence[str]) -> list[Run]:
    """Those of them that there are."""
    found = []
    for run_id in run_ids:
        try:
            found.append(session.store().run(run_id))
        except KeyError:
            continue
    return found


def report(runs: dict[str, Run]) -> None:
    """The choices, and the button that writes the file."""
    chosen = st.multiselect(
        "Runs in the report",
        list(runs),
        key=CHOSEN,
        format_func=lambda run_id: described(runs[run_id]),
        placeholder="Choose one run, or several to compare",
        max_selections=subject.MOST_RUNS,
    )
    ask_ahead([runs[run_id] for run_id in chosen])
    pictures = st.segmented_control(
        "Pictures",
        list(Pictures),
        key="report-pictures",
        default=Pictures.SHOW,
        required=True,
        format_func=WORDS.get,
        help="Blurred pictures keep four by four colors each. Class names and scores stay in any case.",
    )
    if pictures is Pictures.SHOW:
        st.caption(":material/warning: The file will hold the private pictures and what was recovered of them.")
    st.download_button(
        "Write the report",
        data=lambda: written(chosen, pictures),
        file_name="gia-lab-report.html" if len(chosen) != 1 else f"gia-lab-report-{chosen[0]}.html",
        mime="text/html",
        key="write-report",
        type="primary",
        icon=":material/description:",
        on_click="ignore",
        disabled=not chosen,
    )
    st.caption(
        "One file that opens in any browser without a network: question, answer, grade, pictures beside blind "
        "guesses, scores, what was not tested, setting, costs, provenance and the terms used. Print it to get a PDF."
    )


def ask_ahead(runs: Sequence[Run]) -> None:
    """Have every epsilon counted while the choices are made: the first one takes seconds."""
    for run in runs:
        if run.spec is not None and (release := promise(run.spec.defenses)) is not None:
            counting().rdp(release)


def written(chosen: Sequence[str], pictures: Pictures) -> str:
    """The file, without runs that were deleted since the page was drawn."""
    subjects = subject.read(session.store(), [run.id for run in known(chosen)])
    return page.write(subjects, pictures, count=lambda release: counting().rdp(release).result())


def described(run: Run) -> str:
    return " · ".join([kinds.in_short(run), *kinds.parts(run)[2:], moment(run.created_at)])


def bring_in() -> None:
    """A run that was exported elsewhere."""
    with st.expander("Import a run of another installation", icon=":material/upload_file:"):
        st.caption(
            "Takes the zip that Export writes. It is checked as a stranger's file: one that was changed since, or "
            "holds anything that no run leaves behind, is refused whole. Imported runs say so in their provenance."
        )
        file = st.file_uploader("Bundle", type="zip", key="bundle", on_change=forget)
        if file is not None:
            icon = ":material/download:"
            st.button("Import", key="import-bundle", icon=icon, on_click=take_in, args=(file.getvalue(),))
        told()


def forget() -> None:
    """Another file, another answer."""
    st.session_state.pop(TAKEN_IN, None)


def take_in(content: bytes) -> None:
    """Import a run, or note why it is refused."""
    try:
        st.session_state[TAKEN_IN] = bundle.take_in(content, session.store()), None
    except (bundle.BundleError, StoreError) as error:
        st.session_state[TAKEN_IN] = None, str(error)


def told() -> None:
    """What became of the file; it stays until there is another one."""
    run_id, error = st.session_state.get(TAKEN_IN, (None, None))
    if error:
        st.error(error, icon=":material/block:")
    elif run_id:
        st.success("The run was imported.", icon=":material/check:")
        st.page_link(kinds.LAB, label="Open it", icon=":material/open_in_full:", query_params={address.RUN: run_id})
