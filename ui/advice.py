"""The advisor's page: the grade of a setup, and the rubric's findings about it, stage by stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

import streamlit as st

from gia_core import titles
from gia_core.advisor import Advice, Deployment, Setup, Severity, Stage, advise
from gia_core.advisor.evidence import after, before
from gia_core.attacks import InvertingGradients
from gia_core.defenses.stacking import promise
from gia_core.jobs import AUDIT
from gia_core.spec import AuditSpec
from gia_core.store import Run, Status

from . import counting, evidence, glossary, grading, kinds, location, remedies, session

STAGES = {
    Stage.NETWORK: "What the network gives away by its design.",
    Stage.TRAINING: "What the clients compute and send, and what the server sees of it.",
    Stage.VERIFICATION: "What the clients check before they train with a model that they receive.",
}
BADGES = {
    Severity.CRITICAL: ("red", ":material/dangerous:"),
    Severity.HIGH: ("orange", ":material/error:"),
    Severity.MEDIUM: ("yellow", ":material/warning:"),
    Severity.LOW: ("blue", ":material/arrow_downward:"),
    Severity.INFO: ("gray", ":material/info:"),
}
LOOKED_AT = 100
"""Runs of one data set and model among which evidence is looked for, those with the highest PSNR first."""
RECENT = 20
ASKED = "advice-epsilon"
"""Where a session keeps what it asked the accountant."""

Sprites = Mapping[str, tuple[bytes | None, bytes | None]]


def draw(spec: AuditSpec) -> None:
    """Everything below the title."""
    subject(spec)
    ticked = deployment()
    release = promise(spec.defenses)
    if release is None:
        judge(Setup(spec, ticked))
        return
    asked = counting.counting().rdp(release)
    counting.follow(lambda: judge(Setup(spec, ticked, epsilon(asked))), (asked,), ASKED)


def judge(setup: Setup) -> None:
    """The grade and every finding."""
    spec = setup.spec
    advice = advise(setup)
    runs = recorded([spec, *(a.changed for a in advice if a.changed is not None)])
    grading.draw(setup, runs)
    summary(advice)
    legend()
    findings = [Finding(alike, setup, runs) for alike in together(advice)]
    sprites = evidence.thumbnails([e for finding in findings for e in finding.measured.values() if e is not None])
    for stage in Stage:
        st.header(stage.capitalize(), anchor=False)
        st.caption(STAGES[stage])
        own = [finding for finding in findings if finding.rule.stage is stage]
        if not own:
            st.caption(f":material/check: {nothing(stage, spec)}")
        for finding in own:
            finding.draw(sprites)


def legend() -> None:
    """The words that the findings use, each explained once."""
    severity = glossary.link("severity", "Severity")
    evidence_here = glossary.link("evidence", "best evidence")
    adaptive = glossary.link("adaptive-attacker", "attackers who know the defense")
    st.caption(
        f"{severity} says how much a finding matters. As it is, and as recommended: the run of this installation that "
        f"is the {evidence_here} of either, {adaptive} first. Not measured: nobody has tried it here."
    )


def subject(spec: AuditSpec) -> None:
    """Which setup this is about: the lab's, or that of a run which is chosen here."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="subject"):
        with st.container(width="stretch", gap="xxsmall"):
            st.markdown(f"**About this setup:** {' · '.join(kinds.audit_parts(spec))}")
            st.caption(threat(spec))
        runs = [run for run in session.store().runs(limit=RECENT, kind=AUDIT) if run.spec is not None]
        if runs:
            st.selectbox(
                "Take the setup of a run",
                runs,
                index=None,
                key="advice-run",
                format_func=lambda run: " · ".join([kinds.in_short(run), *kinds.parts(run)[1:]]),
                placeholder="Choose a run",
                on_change=take,
                width=340,
            )


def threat(spec: AuditSpec) -> str:
    """Who attacks, in a sentence."""
    helpers = spec.knowledge.colluding_clients
    with_help = f", with the help of {titles.plural(helpers, 'colluding client')}" if helpers else ""
    if spec.knowledge.malicious_server:
        return f"Against a {glossary.link('malicious-server', 'malicious server')}, which may tamper{with_help}."
    return f"Against an {glossary.link('honest-but-curious', 'honest but curious')} server, which looks on{with_help}."


def take() -> None:
    """Look at the chosen run, here as in the lab."""
    run: Run | None = st.session_state["advice-run"]
    if run is not None and run.spec is not None:
        session.select_run(run.id)
        location.load(run.spec)
    st.session_state["advice-run"] = None


def deployment() -> Deployment:
    """What the user says of a real system."""
    fields = Deployment.model_fields
    with st.expander("What a setup cannot tell: tick what is true of your own system", icon=":material/domain:"):
        ticked = {
            name: st.checkbox(str(info.description), key=f"deployment-{name}", persist_state="session")
            for name, info in fields.items()
        }
    return Deployment(**ticked)


def epsilon(asked: Future[float]) -> float | None:
    """None while the accountant counts; where it cannot, this says why."""
    try:
        found = counting.answer(asked)
    except ValueError as unanswered:
        st.caption(f":material/error: {unanswered}")
        return None
    if found is None:
        st.caption(":material/hourglass_empty: Counting epsilon…")
    return found


def recorded(specs: Sequence[AuditSpec]) -> list[Run]:
    """Runs with a result on the data sets and models of these setups."""
    wanted = dict.fromkeys((spec.dataset.name, spec.model.name) for spec in specs)
    over = (Status.FINISHED, Status.STOPPED)
    return [
        run
        for dataset, model in wanted
        for run in session.store().runs(
            limit=LOOKED_AT, sort="psnr", kind=AUDIT, statuses=over, dataset=dataset, model=model
        )
    ]


def summary(advice: Sequence[Advice]) -> None:
    """How many findings of each severity."""
    counts = Counter(a.rule.severity for a in advice)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="severities"):
        st.markdown(f"**{titles.plural(len(advice), 'finding')}**", width="content")
        for severity in Severity:
            if counts[severity]:
                badge(severity, f"{counts[severity]} {severity}")


def badge(severity: Severity, words: str) -> None:
    color, icon = BADGES[severity]
    st.badge(words, color=color, icon=icon)


def together(advice: Sequence[Advice]) -> list[list[Advice]]:
    """Findings that one and the same recommendation meets, in their order."""
    groups: dict[tuple[Severity, str], list[Advice]] = {}
    for one in advice:
        groups.setdefault((one.rule.severity, one.rule.recommendation), []).append(one)
    return list(groups.values())


def nothing(stage: Stage, spec: AuditSpec) -> str:
    """What to read where there is no finding."""
    if stage is Stage.VERIFICATION and not spec.knowledge.malicious_server:
        return "This attacker only looks on: there is no tampering to check for. Grant a malicious server to see more."
    return "The rubric has nothing to say about this stage, which is no promise."


class Finding:
    """Findings of one severity that one recommendation meets, with what was measured of the first of them."""

    def __init__(self, alike: Sequence[Advice], setup: Setup, runs: Sequence[Run]) -> None:
        self.alike = alike
        self.first = alike[0]
        self.rule = self.first.rule
        self.measured = {"As it is": before(self.first, setup, runs)}
        if self.first.changed is not None:
            self.measured["As recommended"] = after(self.first, setup, runs)

    def draw(self, sprites: Sprites) -> None:
        rule, key = self.rule, f"{self.rule.id}-{self.rule.severity}"
        with st.container(border=True, key=f"finding-{key}", gap="small"):
            with st.container(horizontal=True, vertical_alignment="top", gap="small"):
                badge(rule.severity, str(rule.severity))
                st.markdown("  \n".join(f"**{a.rule.finding}**" for a in self.alike), width="stretch")
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(f":material/arrow_forward: {rule.recommendation}", width="stretch")
                hint = "Opens the lab with this change made."
                if self.first.changed is not None and st.button(
                    "Try it", key=f"try-{key}", icon=":material/science:", help=hint
                ):
                    try_out(self.first)
            if rule.costs:
                st.caption(f":material/balance: {rule.costs}")
            self.draw_measured(sprites, key)
            st.caption(self.cited())

    def draw_measured(self, sprites: Sprites, key: str) -> None:
        if not any(self.measured.values()):
            st.caption(":material/help: **Not measured.**")
            return
        for column, (heading, found) in zip(st.columns(2), self.measured.items(), strict=False):
            with column:
                st.caption(f"**{heading}**" + ("" if found else ": not measured."))
                if found is not None:
                    evidence.draw(found, sprites, f"{key}-{heading.rpartition(' ')[2]}")

    def cited(self) -> str:
        """The rules' numbers, and where they are from."""
        ids = dict.fromkeys(a.rule.id for a in self.alike)
        sources = dict.fromkeys(a.rule.source for a in self.alike)
        return f"Rule{'s' if len(ids) > 1 else ''} {', '.join(ids)}. Source: {'; '.join(sources)}."


def try_out(advice: Advice) -> None:
    """The lab with the recommended setup, and with an attack that can be carried out on it."""
    assert advice.changed is not None
    location.load(fitting(advice, advice.changed))
    session.select_run(None)
    st.switch_page(kinds.LAB)


def fitting(advice: Advice, changed: AuditSpec) -> AuditSpec:
    """The changed setup with what its attack asks for; with another attack where that would undo the change."""
    home = session.settings().home
    general = changed.model_copy(update={"attack": InvertingGradients()})
    for spec in (changed, general):
        met = remedies.all_met(spec, home)
        if met is not None and not advice.rule.applies(Setup(met)):
            return met
    return changed
