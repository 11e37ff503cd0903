"""The advisor and the glossary on a real store, as a browser would see them but without one."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import pytest
from seeded import seed_run
from streamlit.testing.v1 import AppTest
from test_advisor_rules import CHANGES
from test_architecture import EVERY_KIND

from gia_core import grade, report, titles
from gia_core.accounting import Release
from gia_core.advisor import Advice, Deployment, Rule, Setup, recommended
from gia_core.aggregation import CKKS
from gia_core.attacks import InvertingGradients
from gia_core.defenses import DPSGD, Pruning
from gia_core.models import LeNet
from gia_core.spec import AuditSpec, Knowledge
from gia_core.store import RunStore, Status
from ui import advice, glossary, location, session
from ui.address import to_query
from ui.counting import Counting
from ui.families import FAMILIES

APP = Path(__file__).parent.parent / "app.py"
LAB, ADVISOR, GLOSSARY = "pages/explore/lab.py", "pages/review/advisor.py", "pages/learn/glossary.py"


pytestmark = pytest.mark.usefixtures("installation")


@pytest.fixture
def store(installation: Path) -> RunStore:
    return RunStore(f"sqlite:///{installation / 'gia.db'}", home=installation)


def visit(page: str = ADVISOR, **query: str) -> AppTest:
    test = AppTest.from_file(str(APP), default_timeout=30)
    test.run()
    test.switch_page(page)
    for name, value in query.items():
        test.query_params[name.replace("__", ".")] = value
    test.run()
    assert not test.exception
    return test


def texts(test: AppTest) -> str:
    kinds = ("markdown", "caption", "info", "warning", "error", "header", "title", "html")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(test, kind))


def draft(test: AppTest) -> AuditSpec:
    return test.session_state[location.DRAFT]


def advice_on(spec: AuditSpec) -> AppTest:
    return visit(**{name.replace(".", "__"): value for name, value in to_query(spec).items()})


def pictures(test: AppTest) -> list[str]:
    return [picture.alt for image in test.image for picture in image.proto.imgs]


def test_an_empty_store_gives_findings_without_evidence_and_no_grade() -> None:
    said = texts(visit())
    assert "The activations are sigmoid or tanh" in said
    assert "**Not measured.**" in said
    assert "**As it is**" not in said
    assert "not graded" in said
    assert grade.CAVEAT in said


def test_the_setup_is_that_of_the_lab() -> None:
    test = visit(LAB)
    test.selectbox(key="setup.model").set_value("mlp").run()
    test.switch_page(ADVISOR).run()
    assert "The first layer is fully connected with a bias: one division" in texts(test)
    assert test.query_params["model"] == "mlp"


def test_a_link_brings_its_setup() -> None:
    test = advice_on(AuditSpec(model=LeNet(activation="relu"), attack=InvertingGradients(), batch_size=9))
    assert "9 images" in texts(test)
    assert "sigmoid" not in texts(test)


def test_stages_stand_in_order_and_severity_is_told_in_words_the_worst_first() -> None:
    test = advice_on(AuditSpec(defenses=(Pruning(),)))
    assert [stage.value for stage in test.header] == ["Network design", "Training protocol", "Client verification"]
    said = "\n".join(element.value for element in test.markdown)
    ranks = [
        said.index(words) for words in ("gradient of a single image", "Pruning and quantization save", "epsilon is")
    ]
    assert ranks == sorted(ranks)
    assert "dangerous: critical" in said or "dangerous:] critical" in said or " critical]" in said


def test_a_measured_finding_shows_its_run(store: RunStore) -> None:
    run_id = seed_run(store)
    test = visit()
    assert "**iDLG**: 100.0 dB PSNR, SSIM 1.000." in texts(test)
    assert "100 iterations in 10 s." in texts(test)
    assert {f"Original 1 of run {run_id}", f"Reconstruction 1 of run {run_id}"} <= set(pictures(test))
    assert "An attack copied a private image" in texts(test)


def test_what_left_nothing_to_invert_says_why(store: RunStore) -> None:
    spec = AuditSpec(aggregation=CKKS(), clients=3, attack=InvertingGradients())
    run_id = store.submit(spec)
    store.start(run_id, {})
    store.record(run_id, {"kind": "finished", "nothing_to_invert": "The server holds ciphertexts only."})
    store.finish(run_id, Status.FINISHED)
    assert "**Inverting Gradients**: The server holds ciphertexts only." in texts(advice_on(spec))


def test_what_the_recommendation_came_to_stands_beside_it(store: RunStore) -> None:
    helped = AuditSpec(model=LeNet(activation="relu"), attack=InvertingGradients())
    run_id = seed_run(store, helped, closeness=0.5)
    test = visit()
    assert "**As recommended**" in texts(test)
    assert f"Reconstruction 1 of run {run_id}" in pictures(test)


def test_more_knowledge_than_declared_gives_an_upper_bound_of_its_own(store: RunStore) -> None:
    seed_run(store, AuditSpec(attack=InvertingGradients()), closeness=0.2)
    assert "Upper bound" not in texts(visit())
    seed_run(store, AuditSpec(attack=InvertingGradients(), knowledge=Knowledge(labels=True)))
    said = texts(visit())
    assert "low, empirical only" in said or "medium" in said
    assert "Upper bound" in said
    assert "An attack copied a private image" in said


def test_a_defense_that_only_strangers_tried_has_a_preliminary_grade(store: RunStore) -> None:
    spec = AuditSpec(defenses=(Pruning(),), attack=InvertingGradients())
    seed_run(store, spec)
    assert "the grade is preliminary" in texts(advice_on(spec))
    seed_run(store, spec.model_copy(update={"knowledge": Knowledge(defense=True)}))
    assert "the grade is preliminary" not in texts(advice_on(spec))


def test_one_click_puts_the_recommendation_into_the_lab(installation: Path) -> None:
    test = visit()
    test.button(key="try-T1-critical").click().run()
    assert not test.exception
    assert draft(test).batch_size == 32
    assert draft(test).objections(installation) == []
    assert test.session_state[session.RUN] is None
    assert "press Start" in texts(test)


@pytest.mark.parametrize(("rule", "found"), CHANGES, ids=lambda value: value.id if isinstance(value, Rule) else "")
def test_every_recommendation_leads_to_a_setup_that_can_be_started(
    rule: Rule, found: Setup, installation: Path
) -> None:
    changed = recommended(rule, found.spec)
    if changed is None:  # what is wrong is not in the setup
        assert found.deployment != Deployment()
        return
    tried = advice.fitting(Advice(rule, changed), changed)
    assert tried.objections(installation) == []
    assert not rule.applies(Setup(tried))


def test_a_run_leads_to_advice_about_its_setup(store: RunStore) -> None:
    spec = AuditSpec(model=LeNet(activation="relu"), attack=InvertingGradients(), seed=3)
    test = visit(run=seed_run(store, spec))
    assert draft(test) == spec
    assert "sigmoid" not in texts(test)


def test_the_setup_of_another_run_is_taken_by_choosing_it(store: RunStore) -> None:
    spec = AuditSpec(model=LeNet(activation="relu"), attack=InvertingGradients())
    run_id = seed_run(store, spec)
    test = visit()
    (run,) = store.runs()
    test.selectbox(key="advice-run").set_value(run).run()
    assert draft(test) == spec
    assert test.session_state[session.RUN] == run_id


def test_what_is_told_of_a_real_system_adds_findings() -> None:
    test = visit()
    assert "Dropout is no protection" not in texts(test)
    test.checkbox(key="deployment-dropout_as_defense").check().run()
    assert "Dropout is no protection" in texts(test)


def test_epsilon_is_counted_for_the_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(_: object, release: Release) -> Future[float]:
        answer: Future[float] = Future()
        answer.set_result(50.0 if release.noise_multiplier < 1 else 2.0)
        return answer

    monkeypatch.setattr(Counting, "rdp", counted)
    weak, strong = (texts(advice_on(AuditSpec(defenses=(DPSGD(noise_multiplier=n),)))) for n in (0.5, 1.0))
    assert "The guarantee is weak" in weak
    assert "Formal mechanism" not in weak
    assert "The guarantee is weak" not in strong
    assert "Formal mechanism: differential privacy with epsilon 2 at delta 1e-05" in strong


def test_advice_does_not_wait_for_epsilon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counting, "rdp", lambda *_: Future())
    said = texts(advice_on(AuditSpec(defenses=(DPSGD(),))))
    assert "Counting epsilon" in said
    assert "The client sends the gradient of a single image" in said


def test_a_result_asks_what_would_help(store: RunStore) -> None:
    test = visit(LAB, run=seed_run(store))
    links = [element.proto.label for element in test.get("page_link")]
    assert "What would help?" in links


def test_nothing_is_called_safe(store: RunStore) -> None:
    seed_run(store, closeness=0.1)
    assert " safe" not in texts(visit()).lower()


# The glossary.


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.__name__)
def test_every_component_is_explained(kind: type) -> None:
    name = kind.model_fields["name"].default
    entry = glossary.entries()["no-aggregation" if name == "none" else name]
    assert entry.name == titles.title(kind)
    assert entry.plain.endswith(".")


@pytest.mark.parametrize("metric", [*report.METRICS, "labels"])
def test_every_metric_is_explained_and_its_formula_told(metric: str) -> None:
    entry = glossary.entries()[metric]
    assert entry.plain
    assert entry.expert


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_of_attacks_is_explained(family) -> None:
    assert family.name.replace(" ", "-") in glossary.entries()


def test_no_term_is_explained_twice() -> None:
    terms = [entry for terms in glossary.sections().values() for entry in terms]
    assert len({entry.anchor for entry in terms}) == len({entry.name for entry in terms}) == len(terms)


def test_references_stand_with_the_precise_wording() -> None:
    for terms in glossary.sections().values():
        assert [entry.name for entry in terms if "et al." in entry.plain] == []


def test_a_link_to_a_term_shows_it_first() -> None:
    test = visit(GLOSSARY, term="psnr")
    first = test.html[0].value if "gia-terms" in test.html[0].value else test.html[1].value
    assert first.count("<dt>") == 1
    assert "<dt>PSNR</dt>" in first
    with pytest.raises(KeyError):
        glossary.link("no such term")


def test_a_search_narrows_the_glossary() -> None:
    test = visit(GLOSSARY)
    test.text_input(key="glossary-search").input("poisson").run()
    said = texts(test)
    assert "<dt>Poisson sampling</dt>" in said
    assert "<dt>Client</dt>" not in said
    test.text_input(key="glossary-search").input("no such words").run()
    assert "No entry has these words" in texts(test)
