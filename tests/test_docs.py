"""What is promised in words is there, and what is there is told in words."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from gia_core.__main__ import app
from gia_core.attacks import Attack
from gia_core.clients import Client
from gia_core.datasets import Dataset
from gia_core.defenses import Defense
from gia_core.gallery import CARDS
from gia_core.models import Model
from gia_core.spec import AuditSpec, kinds

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = sorted(ROOT.glob("*.md"))


def variables() -> list[str]:
    """Names of the environment variables that the settings read."""
    tree = ast.parse((ROOT / "gia_core" / "settings.py").read_text())
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return sorted({text for text in texts if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", text)})


def targets() -> list[str]:
    return re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_lists_below_are_not_empty() -> None:
    assert {"GIA_HOME", "RAY_ADDRESS"} <= set(variables())
    assert {"run", "test", "setup"} <= set(targets())


@pytest.mark.parametrize("command", [command.name for command in app.registered_commands])
def test_every_command_is_documented(command: str) -> None:
    assert f"python -m gia_core {command}" in README


@pytest.mark.parametrize("variable", [*variables(), "PORT"])
def test_every_environment_variable_is_documented(variable: str) -> None:
    assert f"`{variable}`" in README


@pytest.mark.parametrize("target", targets())
def test_every_make_target_is_documented(target: str) -> None:
    assert f"make {target}" in README


@pytest.mark.parametrize("union", [Attack, Defense, Client, Model, Dataset], ids=lambda union: next(iter(kinds(union))))
def test_every_component_is_named(union: object) -> None:
    assert [name for name in kinds(union) if f"`{name}`" not in README] == []


def test_every_spec_in_the_readme_can_be_carried_out(home: Path) -> None:
    examples = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    assert examples
    for example in examples:
        assert AuditSpec.model_validate(json.loads(example)).objections(home) == []


def test_the_questions_to_click_first_are_on_the_screen() -> None:
    questions = re.findall(r"\*\*([^*]+\?)\*\*", " ".join(README.split()))
    assert questions
    assert set(questions) <= {card.question for card in CARDS}


def test_every_python_example_compiles_and_imports() -> None:
    for example in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        tree = ast.parse(example)
        imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), "README.md", "exec"), {})


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text())
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_file_that_is_named_exists(document: Path) -> None:
    named = re.findall(r"`((?:gia_core|ui|pages|tests|benchmarks|assets)/[\w./]*)`", document.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_dependency_is_given_a_reason_and_a_version() -> None:
    wanted = [line for line in (ROOT / "requirements.in").read_text().splitlines() if line and line[0] != "#"]
    assert [line for line in wanted if "  # " not in line] == []
    locked = (ROOT / "requirements.txt").read_text()
    pins = set(re.findall(r"^([a-z0-9-]+)(?:\[\w+\])?==[\w.]+", locked, re.MULTILINE))
    assert {re.split(r"[\[>= ]", line)[0] for line in wanted} <= pins
    assert "://" not in locked
