"""What the house looks like, as tables: read them before changing them."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gia_core import aggregation, attacks, clients, datasets, defenses, models, priors, spec
from gia_core.component import Component

ROOT = Path(__file__).parent.parent

MAY_IMPORT = {
    "types": "",
    "component": "",
    "accounting": "",
    "protection": "",
    "settings": "",
    "aggregation": "component models types",
    "clients": "component types",
    "defenses": "accounting component models types",
    "attacks": "clients component models priors types",
    "datasets": "component types",
    "models": "component datasets types",
    "verification": "aggregation clients component models types",
    "metrics": "types",
    "baselines": "metrics types",
    "spec": "aggregation attacks clients component datasets defenses models priors types verification",
    "recovery": "",
    "bundle": "bundle_contents jobs report spec store",
    "bundle_contents": "spec store",
    "reports": "accounting advisor attacker_card component defenses glossary grade jobs protection provenance report "
    "setups spec store terms titles utility",
    "report_commands": "bundle console report reports",
    "titles": "component",
    "terms": "",
    "glossary": "component spec terms titles",
    "attacker_card": "attacks clients component spec titles",
    "setups": "attacker_card component spec titles",
    "diagnosis": "aggregation metrics recovery spec types",
    "federation": "aggregation defenses spec types verification",
    "exchange": "aggregation datasets defenses federation spec types",
    "rehearsal": "aggregation defenses models spec types",
    "other_clients": "aggregation datasets defenses exchange federation spec threat_model types verification",
    "control": "spec types",
    "threat_model": "aggregation control defenses exchange federation metrics models spec types",
    "audit": "aggregation baselines chronicle control datasets defenses diagnosis exchange federation metrics models "
    "other_clients priors rehearsal spec threat_model types verification",
    "jobs": "priors spec utility",
    "utility": "accounting chronicle clients component datasets defenses models spec types",
    "priors": "chronicle component datasets models provenance types",
    "storage": "jobs spec sweep",
    "sweep": "attacks clients component defenses spec",
    "sweep_outcome": "spec store sweep",
    "store": "jobs storage",
    "report": "recovery store",
    "grade": "recovery",
    "advisor": "aggregation clients component defenses grade models report spec store verification",
    "gate": "report store",
    "doctor": "datasets settings spec store",
    "console": "faults jobs settings store",
    "faults": "priors spec",
    "provenance": "",
    "chronicle": "",
    "bodies": "audit chronicle models report store",
    "stories": "audit chronicle jobs priors utility",
    "worker": "audit bodies chronicle models provenance settings spec store stories types",
    "cluster": "settings spec store worker",
    "runner": "cluster settings store",
    "terminal": "audit bodies chronicle provenance report spec store",
    "prior_commands": "console priors provenance settings terminal",
    "utility_commands": "chronicle console provenance report store terminal utility",
    "theory": "attacks audit component datasets exchange federation models spec store sweep sweep_outcome threat_model "
    "types",
    "gallery": "aggregation attacks audit bundle chronicle clients datasets defenses models provenance report spec "
    "store titles worker",
    "gallery_commands": "console gallery",
    "__main__": "console datasets doctor gallery_commands gate jobs prior_commands priors report report_commands "
    "runner settings spec store terminal utility utility_commands",
}
"""Of its own package, what each part of gia_core may import; of others, see MAY_NOT_IMPORT."""

MAY_NOT_IMPORT = {
    "gia_core": "streamlit ui pages app pickle cloudpickle joblib random",
    "ui": "torch torchvision ray sqlalchemy pages pickle",
    "ui/figures.py": "streamlit",
    "ui/compare_figures.py": "streamlit",
    "pages": "torch torchvision ray sqlalchemy pickle",
    "app.py": "torch torchvision ray sqlalchemy gia_core",
    "tests": "pickle",
    "benchmarks": "pickle streamlit ui pages",
}

PACKAGE_OF = {
    "PIL": "pillow",
    "annotated_types": "pydantic",
    "pydantic_core": "pydantic",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}
"""Where the package that brings a module has another name."""

PAGES_MAY_IMPORT = (
    "accounting advisor aggregation attacker_card attacks bundle clients component control datasets defenses doctor "
    "gallery glossary grade jobs models priors protection report reports settings setups spec store sweep "
    "sweep_outcome terms theory titles types utility verification"
)
"""Of gia_core; nothing of it needs torch."""

NEEDS_NO = {
    "gia_core.__main__": "torch torchvision ray sqlalchemy streamlit",
    "gia_core.accounting": "torch torchvision opacus numpy scipy",
    "gia_core.spec": "torch torchvision ray sqlalchemy streamlit",
    "gia_core.store": "torch torchvision ray streamlit",
    "gia_core.report": "torch torchvision ray streamlit",
    "gia_core.reports.page": "torch torchvision ray streamlit",
    "gia_core.bundle": "torch torchvision ray streamlit",
    "gia_core.advisor.evidence": "torch torchvision ray streamlit",
    "gia_core.doctor": "torch torchvision ray streamlit",
    "gia_core.gallery": "torch torchvision ray streamlit",
    "gia_core.runner": "torch torchvision streamlit",
    "gia_core.theory.recorded": "torch torchvision ray streamlit scipy",
}
"""What a fresh interpreter has not loaded after importing the module."""

CATALOGS = {
    aggregation: spec.kinds(aggregation.Aggregation),
    attacks: spec.kinds(attacks.Attack),
    clients: spec.kinds(clients.Client),
    datasets: spec.kinds(datasets.Dataset),
    defenses: spec.kinds(defenses.Defense),
    models: spec.kinds(models.Model),
}
EVERY_KIND = [kind for kinds in CATALOGS.values() for kind in kinds.values()]
OF_PRIORS = [priors.Card, priors.PriorSpec, priors.GradientsSpec, priors.DCGAN, priors.VAE, priors.FromGradients]


def sources(place: str) -> list[Path]:
    return [ROOT / place] if place.endswith(".py") else sorted((ROOT / place).rglob("*.py"))


def imports(file: Path) -> set[str]:
    """Absolute names of all that ``file`` imports, those for the type checker included."""
    package = file.relative_to(ROOT).parent.parts
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *((node.module,) if node.module else ())))
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def parts_of_gia_core(modules: set[str]) -> set[str]:
    """gia_core.attacks.dlg and the like, cut down to attacks."""
    return {parts[1] for module in modules if (parts := module.split("."))[0] == "gia_core" and len(parts) > 1}


def part(file: Path) -> str:
    return file.relative_to(ROOT / "gia_core").parts[0].removesuffix(".py")


def inside(file: Path) -> str:
    return str(file.relative_to(ROOT))


CORE = [file for file in sources("gia_core") if part(file) != "__init__"]
PRODUCT = [*sources("gia_core"), *sources("ui"), *sources("pages"), *sources("app.py")]


@pytest.mark.parametrize("file", CORE, ids=inside)
def test_each_part_of_the_core_imports_only_what_the_table_grants(file: Path) -> None:
    names = {path.stem for path in (ROOT / "gia_core").iterdir()}
    used = parts_of_gia_core(imports(file)) & names - {part(file), "__init__"}
    assert used <= set(MAY_IMPORT[part(file)].split())


@pytest.mark.parametrize("place", MAY_NOT_IMPORT)
def test_nothing_forbidden_is_imported(place: str) -> None:
    forbidden = set(MAY_NOT_IMPORT[place].split())
    for file in sources(place):
        assert not {name.split(".")[0] for name in imports(file)} & forbidden, inside(file)


def test_every_package_that_is_imported_is_asked_for() -> None:
    asked = set(re.findall(r"^[\w-]+", (ROOT / "requirements.in").read_text(), re.MULTILINE))
    modules = {name.split(".")[0] for file in PRODUCT for name in imports(file)} - {"gia_core", "ui"}
    others = modules - sys.stdlib_module_names
    assert {PACKAGE_OF.get(name, name) for name in others} <= asked


@pytest.mark.parametrize("file", [*sources("ui"), *sources("pages")], ids=inside)
def test_pages_know_the_light_half_of_the_core(file: Path) -> None:
    assert parts_of_gia_core(imports(file)) <= set(PAGES_MAY_IMPORT.split())


@pytest.mark.parametrize("module", NEEDS_NO)
def test_a_fresh_import_leaves_the_heavy_packages_alone(module: str) -> None:
    assert not loaded_after(f"import {module}") & set(NEEDS_NO[module].split())


def test_the_imports_of_all_pages_leave_torch_and_ray_alone() -> None:
    statements = {
        ast.unparse(node)
        for file in [*sources("ui"), *sources("pages"), *sources("app.py")]
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom) and not getattr(node, "level", 0)
    }
    modules = {".".join(file.relative_to(ROOT).with_suffix("").parts) for file in sources("ui")}
    script = "\n".join(
        sorted(s for s in statements if "__future__" not in s) + [f"import {m}" for m in sorted(modules)]
    )
    assert not loaded_after(script) & {"torch", "torchvision", "ray"}


def loaded_after(script: str) -> set[str]:
    """Top-level packages that a fresh interpreter has loaded after ``script``."""
    script += "\nimport sys; print('loaded:', *{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("loaded: ")[2].split())


def test_only_the_settings_read_the_environment() -> None:
    read = re.compile(r"\bgetenv\(|\benviron\.(get|items|copy)\(|\benviron\[[^]]*\](?! =)")
    readers = [inside(file) for file in PRODUCT if read.search(ast.unparse(ast.parse(file.read_text())))]
    assert readers == ["gia_core/settings.py"]


def test_no_global_random_state_is_used() -> None:
    for file in CORE:
        code = ast.unparse(ast.parse(file.read_text()))
        assert not re.search(r"\btorch\.(manual_seed|seed)\b|\b(np|numpy)\.random\.(?!default_rng)", code), inside(file)


def test_no_pickle_is_opened_or_written() -> None:
    opens = re.compile(r"\btorch\.(load|save)\b|allow_pickle=True|\bhub\.load|\bget_state_dict\(")
    found = [inside(file) for file in PRODUCT if opens.search(ast.unparse(ast.parse(file.read_text())))]
    # The trunk of LPIPS is published in no other form; it is opened once, after its checksum was compared.
    assert found == ["gia_core/datasets/fetch.py"]
    assert "weights_only=True" in (ROOT / found[0]).read_text()


def components(package: object) -> Iterator[type[Component]]:
    """Every choice that is defined in ``package`` or below it, whether a catalog lists it or not."""
    folder = getattr(package, "__path__", None)
    found = pkgutil.walk_packages(folder, f"{package.__name__}.") if folder else []
    for module in [package, *(importlib.import_module(info.name) for info in found)]:
        for _, kind in inspect.getmembers(module, inspect.isclass):
            ours = issubclass(kind, Component) and kind.__module__ == module.__name__
            if ours and (field := kind.model_fields.get("name")) and not field.is_required():
                yield kind


@pytest.mark.parametrize("package", CATALOGS, ids=lambda package: package.__name__)
def test_every_component_is_in_its_catalog(package: object) -> None:
    assert set(components(package)) == set(CATALOGS[package].values())


@pytest.mark.parametrize(
    "kind",
    [*EVERY_KIND, spec.AuditSpec, spec.Knowledge, spec.Verification, spec.Victim, *OF_PRIORS],
    ids=lambda k: k.__name__,
)
def test_every_choice_explains_itself(kind: type[Component]) -> None:
    assert kind.__doc__
    assert [n for n, field in kind.model_fields.items() if n != "name" and not field.description] == []


@pytest.mark.parametrize("kinds", CATALOGS.values(), ids=[package.__name__ for package in CATALOGS])
def test_names_are_kebab_case_and_said_once(kinds: dict[str, type[Component]]) -> None:
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) for name in kinds)
    assert all(kind.model_json_schema()["properties"]["name"]["const"] == name for name, kind in kinds.items())


@pytest.mark.parametrize("file", [*sources("pages")], ids=inside)
def test_a_page_is_a_thin_script(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 60


@pytest.mark.parametrize("file", PRODUCT, ids=inside)
def test_files_and_functions_stay_short(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 300
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, node.name


def test_files_are_named_after_their_content() -> None:
    nameless = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "handler"}
    assert not [inside(file) for file in PRODUCT if file.stem in nameless]


def test_the_shipped_streamlit_configuration_is_safe() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    server = config["server"]
    assert server["address"] == "127.0.0.1"
    assert server["enableXsrfProtection"] is True
    assert server["enableCORS"] is True
    assert server["maxUploadSize"] <= 10
    assert config["browser"]["gatherUsageStats"] is False
    assert config["client"]["showErrorDetails"] in ("none", "type", False)
