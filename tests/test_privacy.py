"""Epsilon beside the control of the noise, as the lab shows it; counted by a real accountant in its process."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from waiting import eventually

from gia_core.accounting import POISSON, Epsilon, Release, count
from gia_core.defenses import Clipping, Defense, GaussianNoise, LaplaceNoise, Precode, Pruning, Soteria
from gia_core.defenses.dp_sgd import DPSGD
from gia_core.defenses.stacking import without_promise
from gia_core.defenses.user_level_dp import UserLevelDP
from gia_core.models import ConvNet, LeNet, Model
from gia_core.spec import AuditSpec
from ui import counting, privacy
from ui.address import to_query
from ui.counting import Counting
from ui.keeper import Keeper
from ui.preflight import network_changes
from ui.privacy import COUNTING, explained, rounded_up

APP = Path(__file__).parent.parent / "app.py"
SAMPLED = Release(1.0, 0.01, 1000, 1e-5)
"""As DP-SGD has it by default: epsilon 2.1014 by RDP and 1.8384 by PRV (the vectors of tests/test_dp.py)."""
NOISE = "setup.defenses.dp-sgd.noise_multiplier"


@pytest.fixture(scope="module")
def counts() -> Iterator[Counting]:
    """One accountant for all tests, since its process takes seconds to begin."""
    made = Counting()
    made.epsilon(SAMPLED).result(timeout=60)
    yield made
    made.close()


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counts: Counting) -> Iterator[type]:
    """An installation of its own that starts nothing, but counts."""
    monkeypatch.setenv("GIA_HOME", str(tmp_path))
    monkeypatch.delenv("GIA_STORE_URL", raising=False)
    monkeypatch.setattr(Keeper, "_keep", lambda self: None)
    monkeypatch.setattr(privacy, "counting", lambda: counts)
    st.cache_resource.clear()
    yield Lab
    st.cache_resource.clear()


class Lab:
    """The lab with some defenses."""

    def __init__(self, *defenses: Defense, model: Model | None = None) -> None:
        spec = AuditSpec(defenses=defenses, model=model or LeNet())
        self.test = AppTest.from_file(str(APP), default_timeout=30)
        for name, value in to_query(spec).items():
            self.test.query_params[name] = value
        self.look()

    def look(self) -> None:
        self.test.run()
        assert not self.test.exception

    def settled(self) -> Lab:
        """Once nothing is being counted any more; a browser looks again by itself."""

        def done() -> bool:
            self.look()
            return COUNTING not in self.text

        eventually(done, within=60)
        return self

    @property
    def text(self) -> str:
        kinds = ("caption", "markdown", "warning", "metric")
        return "\n".join(str(element.value) for kind in kinds for element in self.test.get(kind))

    @property
    def epsilon(self) -> list[str]:
        return [metric.value for metric in self.test.metric if metric.label.startswith("Epsilon")]

    def press(self, label: str) -> None:
        next(button for button in self.test.button if label in button.label).click()
        self.look()


def test_epsilon_stands_beside_the_noise_with_all_that_it_assumes(lab: type[Lab]) -> None:
    page = lab(DPSGD()).settled()
    assert page.epsilon == ["2.1", "1.84"]
    assert "epsilon 2.1 at delta 1e-5 by RDP, 1.84 by PRV" in page.text.replace("Epsilon", "epsilon")
    assert "1,000 steps, in each of which every image takes part with a chance of 0.01" in page.text
    assert POISSON in page.text


def test_epsilon_follows_every_control_that_it_depends_on(lab: type[Lab]) -> None:
    page = lab(DPSGD()).settled()
    found = [page.epsilon]
    for name, value in [("noise_multiplier", 2.0), ("steps", 100), ("sample_rate", 0.02), ("delta", 1e-3)]:
        page.test.number_input(f"setup.defenses.dp-sgd.{name}").set_value(value)
        found.append(page.settled().epsilon)
    changed = Release(2.0, 0.02, 100, 1e-3)
    assert found[-1][0] == f"{count(changed, 'rdp'):.3g}"
    assert len({tuple(pair) for pair in found}) == len(found)


def test_no_noise_is_an_infinite_epsilon(lab: type[Lab]) -> None:
    page = lab(DPSGD(noise_multiplier=0)).settled()
    assert page.epsilon == ["∞", "—"]
    assert "Without noise nothing is promised." in page.text


def test_the_noise_for_a_wanted_epsilon_is_taken_over_by_a_click(lab: type[Lab]) -> None:
    page = lab(DPSGD()).settled()
    page.press("Set this noise")
    # The vector for epsilon 3.
    assert page.test.number_input(NOISE).value == pytest.approx(0.8655, abs=2e-3)
    rdp = float(page.settled().epsilon[0])
    assert 2.95 < rdp <= 3.0
    page.test.number_input(privacy.WANTED).set_value(1.0)
    page.settled().press("Set this noise")
    assert 0.95 < float(page.settled().epsilon[0]) <= 1.0


def test_an_epsilon_out_of_reach_is_refused_in_a_sentence(lab: type[Lab]) -> None:
    page = lab(DPSGD()).settled()
    page.test.number_input(privacy.WANTED).set_value(0.01)
    assert "No noise is shown to give an epsilon of 0.01; ask for more, or raise delta." in page.settled().text
    page.press("Set this noise")
    assert page.test.number_input(NOISE).value == 1.0


def test_user_level_dp_speaks_of_clients(lab: type[Lab]) -> None:
    page = lab(UserLevelDP()).settled()
    assert page.epsilon == ["4.73", "4.39"]
    assert "whether one client took part" in page.text
    assert "1 step, in which every client takes part." in page.text
    assert POISSON not in page.text


@pytest.mark.parametrize("defense", [GaussianNoise(std=1.0), LaplaceNoise(std=1.0)], ids=lambda d: d.name)
def test_noise_without_clipping_is_told_from_differential_privacy(lab: type[Lab], defense: Defense) -> None:
    page = lab(defense)
    assert f"No epsilon: {defense.name} is not differential privacy, because nothing bounds" in page.text
    assert page.epsilon == []


@pytest.mark.parametrize(
    ("defenses", "words"),
    [
        ((), None),
        ((Pruning(),), None),
        ((Soteria(),), None),
        ((DPSGD(), Pruning()), None),
        ((DPSGD(), GaussianNoise(std=1.0)), None),
        ((Clipping(),), "adds no noise"),
        ((GaussianNoise(),), "is not differential privacy"),
        ((Clipping(), GaussianNoise()), "Take user-level-dp"),
    ],
)
def test_what_promises_nothing_says_why(defenses: tuple[Defense, ...], words: str | None) -> None:
    reason = without_promise(defenses)
    assert reason is None if words is None else reason is not None and words in reason


def test_one_click_leads_from_batch_norm_to_a_network_that_dp_allows(lab: type[Lab]) -> None:
    page = lab(DPSGD(), model=ConvNet(width=8))
    assert "needs a network in which no image changes what is computed from another" in page.text
    assert page.epsilon == []
    assert "Epsilon" not in page.text.replace("Wanted epsilon", "")
    assert next(button for button in page.test.button if button.label == "Start").disabled
    page.press("Set the normalization to group")
    assert "**The network changed:** GroupNorm takes the place of BatchNorm" in page.text
    assert not next(button for button in page.test.button if button.label == "Start").disabled


@pytest.mark.parametrize(
    ("defenses", "model", "changes"),
    [
        ((), ConvNet(normalization="group"), 0),
        ((Pruning(),), ConvNet(normalization="group"), 0),
        ((DPSGD(),), ConvNet(normalization="group"), 1),
        ((DPSGD(),), ConvNet(normalization="none"), 1),
        ((DPSGD(),), LeNet(), 0),
        ((Precode(),), LeNet(), 1),
        ((Precode(), DPSGD()), ConvNet(normalization="group"), 2),
    ],
)
def test_only_a_defense_that_changes_the_network_is_said_to(
    defenses: tuple[Defense, ...], model: Model, changes: int
) -> None:
    assert len(network_changes(AuditSpec(defenses=defenses, model=model))) == changes


# The accountant in the background.


class Stuck:
    """An accountant that gives no answer until it is let go."""

    def __init__(self) -> None:
        self.free: Future[None] = Future()
        self.asked: list[Release] = []

    def rdp(self, release: Release) -> float:
        self.asked.append(release)
        self.free.result(timeout=30)
        return release.noise_multiplier

    def epsilon(self, release: Release) -> Epsilon:
        return Epsilon(self.rdp(release), None)

    def noise_for(self, wanted: float, release: Release) -> float:
        self.rdp(release)
        return 1.0

    def close(self) -> None:
        self.free.cancel()


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Counting, Stuck]]:
    slow = Stuck()
    monkeypatch.setattr(counting, "Accountant", lambda: slow)
    made = Counting()
    yield made, slow
    if not slow.free.done():
        slow.free.set_result(None)
    made.close()


def test_the_page_is_drawn_before_anything_is_counted(
    lab: type[Lab], monkeypatch: pytest.MonkeyPatch, stuck: tuple[Counting, Stuck]
) -> None:
    monkeypatch.setattr(privacy, "counting", lambda: stuck[0])
    page = lab(DPSGD())
    assert page.epsilon == [COUNTING, COUNTING]
    assert f"Epsilon: {COUNTING}" in page.text
    assert f"the wanted epsilon takes {COUNTING}" in page.text
    stuck[1].free.set_result(None)
    assert page.settled().epsilon == ["1", "—"]


def test_what_nobody_asks_for_any_more_is_not_counted(stuck: tuple[Counting, Stuck]) -> None:
    """Like a control that is moved on while the first answer takes its time."""
    counts, slow = stuck
    releases = [SAMPLED._replace(noise_multiplier=noise) for noise in (1.0, 2.0, 3.0)]
    first = counts.rdp(releases[0])
    eventually(lambda: slow.asked, within=10)
    skipped, last = counts.rdp(releases[1]), counts.rdp(releases[2])
    skipped.cancel()
    slow.free.set_result(None)
    assert (first.result(10), last.result(10)) == (1.0, 3.0)
    assert slow.asked == [releases[0], releases[2]]
    assert counts.rdp(releases[1]).result(10) == 2.0  # another session may want it still


def test_the_same_question_is_asked_once_and_few_are_kept(stuck: tuple[Counting, Stuck]) -> None:
    counts, slow = stuck
    slow.free.set_result(None)
    assert counts.rdp(SAMPLED) is counts.rdp(SAMPLED)
    for noise in range(counting.KEPT + 5):
        counts.rdp(SAMPLED._replace(noise_multiplier=float(noise)))
    assert len(counts._asked) == counting.KEPT


# Numbers in words.


@pytest.mark.parametrize("noise", [0.0123456, 0.86554, 1.0, 7.03181, 1234.56])
def test_a_noise_multiplier_is_rounded_up_and_by_little(noise: float) -> None:
    assert noise <= rounded_up(noise) <= noise * 1.001


def test_an_epsilon_is_explained_by_the_odds_that_it_bounds() -> None:
    one_step = Release(1.0, 1.0, 1, 1e-5)
    means, guess, assumes = explained(one_step, "image", math.log(4))
    assert "at most 4.00 times as likely" in means
    assert "chance of at most 39%" in guess  # Hayes et al.: Φ(Φ⁻¹(0.1) + 1) = 0.389
    assert "1 step, in which every image takes part." in assumes
    assert "promises little" not in means
    assert "promises little" in next(explained(one_step, "image", 11.0))
