"""A Component class becomes widgets, and the widgets a Component again; no page knows a method by name."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field
from streamlit.testing.v1 import AppTest

from gia_core import aggregation, attacks, clients, datasets, defenses, models, titles
from gia_core.component import Component
from gia_core.spec import kinds

CATALOGS = [
    aggregation.Aggregation,
    attacks.Attack,
    clients.Client,
    datasets.Dataset,
    defenses.Defense,
    models.Model,
]


def is_complete(kind: type[Component]) -> bool:
    """Whether nothing has to be given first, as a folder or pictures have."""
    return not any(info.is_required() for info in kind.model_fields.values())


EVERY_KIND = [kind for catalog in CATALOGS for kind in kinds(catalog).values()]


def one_form(module: str, kind: str, changes: dict | None = None, *, empty: bool = False) -> None:
    """The page under test: the form of one component, begun with what differs from its defaults."""
    import importlib

    import streamlit as st

    from ui import forms

    chosen = getattr(importlib.import_module(module), kind)
    problems = forms.Problems()
    seed = None if empty else chosen(**(changes or {}))
    st.session_state["result"] = forms.component(chosen, "setup.it", seed, problems, {})
    st.session_state["problems"] = problems.sentences


def drawn(kind: type[Component], changes: dict | None = None, *, empty: bool = False) -> AppTest:
    where = {"module": kind.__module__, "kind": kind.__name__, "changes": changes, "empty": empty}
    test = AppTest.from_function(one_form, default_timeout=20, kwargs=where).run()
    assert not test.exception
    return test


class Everything(Component):
    """Everything: each type of field that a component may have."""

    name: Literal["everything"] = "everything"
    flag: bool = True
    """A yes or no."""
    count: int = Field(3, ge=1, le=9)
    """A number of things."""
    weight: float = Field(1e-6, gt=0)
    """A small number."""
    mode: Literal["a", "b"] = "a"
    """One of two."""
    place: Literal["first-of-many", "second-of-many", "third-of-many"] = "first-of-many"
    """One of three."""
    size: Literal[32, 64] = 32
    """One of two numbers."""
    maybe: int | None = Field(None, ge=0)
    """A number or nothing."""
    several: tuple[int, ...] = ()
    """Some numbers."""
    text: str = "x"
    """A text."""


class Inner(Component):
    """Inner: a part of another one."""

    name: Literal["inner"] = "inner"
    depth: int = Field(1, ge=0)
    """How deep."""
    weight: float = Field(1.0, gt=0)
    """How heavy."""


class Other(Component):
    """Other: takes the place of the inner one."""

    name: Literal["other"] = "other"
    width: int = Field(5, ge=0)
    """How wide."""


class Outer(Component):
    """Outer: holds others."""

    name: Literal["outer"] = "outer"
    only: Inner = Inner()
    """A part without a choice."""
    either: Annotated[Inner | Other, Field(discriminator="name")] = Other(width=8)
    """A part with a choice."""
    odd: tuple[float, ...] = (0.5,)
    """A field that has no input."""


def test_a_part_has_its_own_fields_and_a_choice_where_there_is_one() -> None:
    test = drawn(Outer)
    assert test.session_state["result"] == Outer()
    assert [box.key for box in test.selectbox] == ["setup.it.either"]
    test.number_input(key="setup.it.only.inner.depth").set_value(3).run()
    test.selectbox(key="setup.it.either").set_value("inner").run()
    test.number_input(key="setup.it.either.inner.depth").set_value(4).run()
    assert test.session_state["result"] == Outer(only=Inner(depth=3), either=Inner(depth=4))


def test_a_part_shows_what_it_is_given_and_what_has_no_input_is_kept() -> None:
    changes = {"only": {"depth": 2}, "either": {"name": "inner", "depth": 9}, "odd": [1.5, 2.5]}
    assert drawn(Outer, changes).session_state["result"] == Outer.model_validate(changes)


def test_what_is_wrong_with_a_part_is_said_once() -> None:
    test = drawn(Outer)
    test.number_input(key="setup.it.only.inner.weight").set_value(0.0).run()
    assert test.session_state["result"] is None
    assert test.session_state["problems"] == ["“Weight” should be greater than 0."]


@pytest.mark.parametrize("kind", list(filter(is_complete, EVERY_KIND)), ids=lambda kind: kind.__name__)
def test_every_component_comes_back_from_its_form(kind: type[Component]) -> None:
    assert drawn(kind).session_state["result"] == kind()


def test_a_form_shows_what_it_is_given() -> None:
    changes = {"flag": False, "count": 7, "weight": 0.25, "mode": "b", "place": "third-of-many", "size": 64}
    changes |= {"maybe": 0, "several": (4, 2), "text": "y"}
    assert drawn(Everything, changes).session_state["result"] == Everything(**changes)


def test_each_type_of_field_has_its_widget() -> None:
    test = drawn(Everything)
    assert {toggle.label for toggle in test.toggle} == {"Flag"}
    assert {box.label for box in test.number_input} == {"Count", "Weight", "Maybe"}
    assert {box.label for box in test.selectbox} == {"Place"}
    assert {control.label for control in test.get("segmented_control")} == {"Mode", "Size"}
    assert {box.label for box in test.text_input} == {"Several", "Text"}


def test_the_docstring_under_a_field_is_its_help() -> None:
    assert drawn(Everything).number_input(key="setup.it.count").help == "A number of things."


def test_a_very_small_number_can_be_entered_and_is_kept_to_the_digit() -> None:
    test = drawn(Everything)
    assert test.number_input(key="setup.it.weight").value == 1e-6
    test.number_input(key="setup.it.weight").set_value(2.5e-9).run()
    assert test.session_state["result"].weight == 2.5e-9


def test_bounds_are_the_fields_own() -> None:
    box = drawn(Everything).number_input(key="setup.it.count")
    assert (box.min, box.max) == (1, 9)


def test_whole_numbers_are_written_as_people_write_them() -> None:
    test = drawn(Everything)
    test.text_input(key="setup.it.several").set_value(" 0, 5 7,").run()
    assert test.session_state["result"].several == (0, 5, 7)


def test_what_cannot_be_read_is_said_in_one_sentence() -> None:
    test = drawn(Everything)
    test.text_input(key="setup.it.several").set_value("five").run()
    assert test.session_state["problems"] == [
        "Several: write whole numbers with commas between them, for example 0, 5, 7."
    ]


def test_what_the_browser_lets_through_is_checked_again() -> None:
    test = drawn(Everything)
    test.number_input(key="setup.it.weight").set_value(0.0).run()
    assert test.session_state["result"] is None
    assert test.session_state["problems"] == ["“Weight” should be greater than 0."]


def test_what_has_to_be_filled_in_is_asked_for() -> None:
    from gia_core.datasets import ImageFolder

    test = drawn(ImageFolder, empty=True)
    assert test.session_state["problems"] == ["Fill in “Root” under Advanced."]
    test.text_input(key="setup.it.root").set_value("pictures").run()
    assert test.session_state["result"] == ImageFolder(root="pictures")


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.__name__)
def test_every_method_has_a_short_title_and_a_sentence(kind: type[Component]) -> None:
    assert 0 < len(titles.title(kind)) <= 40
    assert titles.summary(kind)[0].isupper() or titles.summary(kind)[0].isdigit()
    assert titles.summary(kind)[-1] == "."
