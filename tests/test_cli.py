"""The command line, as a person or a script calls it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from gia_core import spec as specs
from gia_core import terminal
from gia_core.__main__ import app
from gia_core.spec import AuditSpec
from gia_core.store import RunStore, Status

ROOT = Path(__file__).parent.parent
SMALL = {
    "dataset": {"name": "digits"},
    "model": {"name": "mlp"},
    "batch_size": 2,
    "attack": {"name": "inverting-gradients", "iterations": 3},
}
COMMANDS = ["run", "catalog", "runs", "show", "report", "runner", "doctor", "fetch"]


@pytest.fixture
def call(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Calls a command in an installation of its own."""
    monkeypatch.setenv("GIA_HOME", str(home))
    monkeypatch.delenv("GIA_STORE_URL", raising=False)
    return lambda *words, stdin="": CliRunner().invoke(app, words, input=stdin)


@pytest.fixture
def run_small(call: Callable[..., Result]) -> Callable[..., Result]:
    """Carries out SMALL, with changes."""
    return lambda *words, **changes: call("run", "-", *words, stdin=json.dumps(SMALL | changes))


@pytest.fixture
def stored(home: Path) -> str:
    """Id of a queued run in the installation's store."""
    store = RunStore(f"sqlite:///{home / 'gia.db'}", home=home)
    run_id = store.submit(AuditSpec())
    store.close()
    return run_id


def last_line(result: Result) -> dict:
    return json.loads(result.stdout.splitlines()[-1])


def complaint(result: Result) -> str:
    """The one line on stderr."""
    (line,) = result.stderr.splitlines()
    return line


def test_a_run_prints_one_object_with_scores_per_image(run_small: Callable[..., Result]) -> None:
    result = run_small("--json")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1
    found = last_line(result)
    assert list(found) == ["status", "scores", "baselines", "iterations", "seconds", "spec", "provenance"]
    assert found["status"] == "finished"
    assert found["iterations"] == 3
    assert found["seconds"] > 0
    assert all(len(found["scores"][metric]) == 2 for metric in ("psnr", "ssim", "mse"))
    assert found["scores"]["lpips"] is None
    assert 0 <= found["scores"]["label_accuracy"] <= 1
    assert all(len(guess["psnr"]) == 2 for guess in found["baselines"].values())
    assert found["provenance"]["device"] in ("cpu", "cuda")


def test_a_run_tells_its_spec_whole_so_that_it_can_be_repeated(run_small: Callable[..., Result]) -> None:
    first = last_line(run_small("--json"))
    again = last_line(run_small("--json", **first["spec"]))
    assert AuditSpec.model_validate(first["spec"]) == AuditSpec.model_validate(SMALL)
    assert again["spec"] == first["spec"]
    assert again["scores"] == first["scores"]


def test_label_accuracy_is_null_where_labels_were_granted(run_small: Callable[..., Result]) -> None:
    found = last_line(run_small("--json", knowledge={"labels": True}))
    assert found["scores"]["label_accuracy"] is None


def test_images_are_written_in_the_order_of_the_scores(run_small: Callable[..., Result], tmp_path: Path) -> None:
    found = last_line(run_small("--json", "--out", str(tmp_path / "out")))
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        f"{name}-{index}.png" for name in ("original", "reconstruction") for index in range(2)
    }
    for index, mse in enumerate(found["scores"]["mse"]):
        original, reconstruction = (
            np.asarray(Image.open(tmp_path / "out" / f"{name}-{index}.png"), dtype=float) / 255
            for name in ("original", "reconstruction")
        )
        assert ((original - reconstruction) ** 2).mean() == pytest.approx(mse, abs=2 / 255)


def test_without_json_a_person_reads_scores_beside_blind_guesses(run_small: Callable[..., Result]) -> None:
    result = run_small()
    assert result.exit_code == 0
    for word in ("PSNR", "this attack", "mean-color", "recovered"):
        assert word in result.stdout


def test_a_spec_may_come_from_a_file(call: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    file.write_text(json.dumps(SMALL))
    assert last_line(call("run", str(file), "--json"))["status"] == "finished"


def interrupting(monkeypatch: pytest.MonkeyPatch, *, times: int) -> None:
    """Press Ctrl-C when the first event is shown."""
    presses = iter(range(times))

    def press(*_: object) -> None:
        for _ in presses:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(terminal, "show", press)


def test_ctrl_c_stops_a_run_and_keeps_the_best(
    run_small: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupting(monkeypatch, times=1)
    result = run_small("--json", attack={"name": "inverting-gradients", "iterations": 100_000})
    assert result.exit_code == 0
    found = last_line(result)
    assert found["status"] == "stopped"
    assert found["iterations"] == 1
    assert len(found["scores"]["psnr"]) == 2


def test_ctrl_c_during_the_training_of_the_model_leaves_no_scores(
    run_small: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    interrupting(monkeypatch, times=1)
    result = run_small("--json", "--out", str(tmp_path / "out"), model={"name": "mlp", "training": 2})
    assert result.exit_code == 0
    found = last_line(result)
    assert (found["status"], found["scores"], found["iterations"]) == ("stopped", None, 0)
    assert not list((tmp_path / "out").iterdir())


def test_a_second_ctrl_c_ends_the_program(run_small: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    interrupting(monkeypatch, times=2)
    assert run_small("--json").exit_code != 0


def test_ctrl_c_means_what_it_meant_before_once_a_run_is_over(run_small: Callable[..., Result]) -> None:
    before = signal.getsignal(signal.SIGINT)
    run_small("--json")
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        ('{"attack": {"name": "magic"}}', "attack", "'dlg'"),
        ('{"defenses": [{"name": "magic"}]}', "defenses.0", "'pruning'"),
        ('{"attack": {}}', "attack", "name is missing"),
        ('{"attack": {"name": "dlg", "iterations": 0}}', "attack.iterations", "greater than or equal to 1"),
        ('{"batch_size": "many"}', "batch_size", "valid integer"),
        ('{"sede": 1}', "sede", "there is no such field"),
        ('{"sede": 1, "batch_size": 0}', "batch_size", "(and 1 more)"),
        ('{"attack"', "spec", "Invalid JSON"),
        ("[]", "spec", "should be an object"),
        ('{"dataset": {"name": "cifar10"}}', "dataset", "fetch cifar10"),
        ('{"attack": {"name": "idlg", "labels": "idlg"}, "batch_size": 2}', "attack.labels", "batch size"),
    ],
)
def test_an_invalid_spec_is_refused_with_one_line_that_names_field_and_reason(
    call: Callable[..., Result], text: str, field: str, reason: str
) -> None:
    result = call("run", "-", stdin=text)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert complaint(result).startswith(f"{field}: ")
    assert reason in complaint(result)


def test_a_spec_that_is_not_there_or_not_text_is_refused(call: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"\xff\xfe\xff")
    for file in ("missing.json", "picture", "."):
        result = call("run", str(tmp_path / file))
        assert result.exit_code == 2
        assert complaint(result)


def test_a_folder_for_images_that_cannot_be_made_ends_the_run_before_it_begins(
    run_small: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    result = run_small("--json", "--out", str(tmp_path / "file"))
    assert result.exit_code == 1
    assert complaint(result).startswith("FileExistsError")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("The batch is\ntoo large."), "The batch is too large."),
        (RuntimeError("out of memory"), "RuntimeError: out of memory"),
    ],
)
def test_a_run_that_fails_on_its_way_ends_with_one_line(
    run_small: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, error: Exception, line: str
) -> None:
    def fail(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(terminal, "carry_out", fail)
    result = run_small("--json")
    assert (result.exit_code, result.stdout, complaint(result)) == (1, "", line)


def test_the_catalog_gives_the_schema_of_every_component(call: Callable[..., Result]) -> None:
    found = json.loads(call("catalog", "--json").stdout)
    assert list(found) == ["datasets", "models", "clients", "aggregations", "defenses", "attacks"]
    unions = (specs.Dataset, specs.Model, specs.Client, specs.Aggregation, specs.Defense, specs.Attack)
    for title, union in zip(found, unions, strict=True):
        assert list(found[title]) == list(specs.kinds(union))
        assert all(schema["type"] == "object" for schema in found[title].values())
    assert "inverting-gradients" in call("catalog").stdout


def test_runs_are_listed(call: Callable[..., Result], stored: str) -> None:
    assert [run["id"] for run in json.loads(call("runs", "--json").stdout)] == [stored]
    assert stored in call("runs").stdout


def test_a_run_is_shown(call: Callable[..., Result], stored: str) -> None:
    found = json.loads(call("show", stored, "--json").stdout)
    assert found["id"] == stored
    assert found["status"] == Status.QUEUED
    assert AuditSpec.model_validate(found["spec"]) == AuditSpec()
    assert "photos" in call("show", stored).stdout


def test_a_report_is_written(call: Callable[..., Result], stored: str, tmp_path: Path) -> None:
    file = tmp_path / "report.zip"
    result = call("report", stored, "--out", str(file))
    assert "handle it as the original data" in result.stdout
    with zipfile.ZipFile(file) as archive:
        assert "spec.json" in archive.namelist()


@pytest.mark.parametrize("command", ["show", "report"])
def test_a_run_that_is_not_there_is_refused(call: Callable[..., Result], command: str) -> None:
    for run_id in ("0" * 16, "../../etc/passwd"):
        result = call(command, run_id)
        assert result.exit_code == 2
        assert complaint(result).startswith("There is no run")


def test_a_store_that_cannot_be_used_ends_a_command_with_one_line(
    call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIA_STORE_URL", "nonsense")
    assert call("runs").exit_code == 1
    assert complaint(call("runs")).startswith("GIA_STORE_URL must be")


def test_a_setting_that_makes_no_sense_ends_a_command_with_one_line(
    call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIA_CPUS_PER_RUN", "all")
    assert call("runs").exit_code == 2
    assert "GIA_CPUS_PER_RUN" in complaint(call("runs"))


def test_a_data_set_that_cannot_be_fetched_is_refused_with_the_names_that_can(call: Callable[..., Result]) -> None:
    result = call("fetch", "photos")
    assert result.exit_code == 1
    assert "cifar10" in result.stderr


def test_help_lists_every_command(call: Callable[..., Result]) -> None:
    shown = call("--help").stdout
    assert all(f" {command} " in shown for command in COMMANDS)


def test_help_starts_without_the_heavy_packages() -> None:
    script = "import sys; sys.argv = ['gia', '--help']; from gia_core.__main__ import app; app(standalone_mode=False)"
    script += "; assert not {'torch', 'ray', 'sqlalchemy', 'numpy', 'pydantic'} & set(sys.modules), sys.modules.keys()"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True)


def test_a_limit_ends_the_program_only_where_the_audit_is_beyond_it(run_small: Callable[..., Result]):
    assert run_small("--fail-if", "psnr > 100", "--fail-if", "recovered>2").exit_code == 0
    beyond = run_small("--fail-if", "psnr > 100", "--fail-if", "psnr >= 1", "--json")
    assert beyond.exit_code == 3
    assert beyond.stderr.splitlines()[-1] == "The audit found more than it may: psnr >= 1."
    assert max(last_line(beyond)["scores"]["psnr"]) >= 1


def test_a_limit_on_what_was_not_measured_is_no_pass(run_small: Callable[..., Result]):
    unknown = run_small("--fail-if", "label_accuracy > 0.5", knowledge={"labels": True})
    assert unknown.exit_code == 1
    assert unknown.stderr.splitlines()[-1].startswith("label_accuracy: this audit did not measure it")
    refused = run_small("--fail-if", "beauty > 3")
    assert refused.exit_code == 2
    assert "is no limit" in refused.stderr
