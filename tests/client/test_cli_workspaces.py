"""Commands on single files: what they print, as text and as JSON, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fitloom.cli import app, run
from fitloom_core import Workspace, hypotest
from fitloom_core.workspace import digest
from small_pallets import background, name, patch, patchset, write_patchset


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_patchset(tmp_path)
    (tmp_path / "patch.json").write_text(json.dumps(patch(200, 100)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin, catch_exceptions=False, standalone_mode=False)


def answer(*arguments: str, stdin: str | None = None) -> dict:
    return json.loads(call(*arguments, "--json", stdin=stdin).stdout)


def test_the_digest_is_printed_like_pyhfs(folder):
    assert call("digest", "BkgOnly.json").stdout == f"sha256:{digest(background())}\n"
    assert answer("digest", "BkgOnly.json", "-a", "md5") == {"md5": digest(background(), "md5")}


def test_a_workspace_is_read_from_standard_input(folder):
    text = (folder / "BkgOnly.json").read_text()
    assert answer("digest", "-", stdin=text) == {"sha256": digest(background())}


def test_inspect_shows_channels_parameters_and_measurements(folder):
    found = answer("inspect", "BkgOnly.json", "--patch", "patch.json")
    assert [parameter["name"] for parameter in found["parameters"]] == ["bkg_norm", "mu"]
    text = call("inspect", "BkgOnly.json").stdout
    assert "bkg_norm" in text
    assert "SR" in text


@pytest.mark.parametrize("given", ["patch.json", f"patchset.json:{name(200, 100)}"])
def test_hypotest_gives_the_numbers_of_the_library(given, folder):
    found = answer("hypotest", "BkgOnly.json", "--patch", given, "--mu", "0.7")
    workspace = Workspace(background()).patched(patch(200, 100))
    model = workspace.model()
    expected = hypotest(0.7, workspace.data(model), model)
    assert found["cls_obs"] == expected.cls_obs
    assert found["cls_exp"] == list(expected.cls_exp)
    assert found["mu"] == 0.7
    assert found["certificate"]["kkt"] < 1e-6
    assert f"{expected.cls_obs:.6g}" in call("hypotest", "BkgOnly.json", "--patch", given, "--mu", "0.7").stdout


def test_fit_gives_parameters_and_a_certificate(folder):
    found = answer("fit", "BkgOnly.json", "--patch", "patch.json")
    assert set(found["parameters"]) == {"mu", "bkg_norm"}
    assert found["twice_nll"] == pytest.approx(2 * found["nll"])
    fixed = answer("fit", "BkgOnly.json", "--patch", "patch.json", "--mu", "1")
    assert fixed["parameters"]["mu"] == 1.0
    assert fixed["nll"] >= found["nll"]
    assert "certified" in call("fit", "BkgOnly.json", "--patch", "patch.json").stdout


@pytest.mark.parametrize(("file", "kind"), [("BkgOnly.json", "workspace"), ("patchset.json", "patchset")])
def test_validate_says_what_a_file_is(file, kind, folder):
    assert answer("validate", file) == {"file": file, "kind": kind, "valid": True}
    assert f"a valid {kind}" in call("validate", file).stdout


def test_patchsets_are_inspected_taken_apart_applied_and_verified(folder):
    assert answer("patchset", "inspect", "patchset.json")["labels"] == ["m1", "m2"]
    assert name(200, 100) in call("patchset", "inspect", "patchset.json").stdout
    taken = call("patchset", "extract", "patchset.json", "--name", name(200, 100)).stdout
    assert json.loads(taken) == patch(200, 100)
    call("patchset", "extract", "patchset.json", "--name", name(200, 100), "--with-metadata", "-o", "out.json")
    written = json.loads((folder / "out.json").read_text())
    assert written["metadata"]["values"] == [200, 100]
    assert written["patch"] == patch(200, 100)
    applied = call("patchset", "apply", "BkgOnly.json", "patchset.json", "--name", name(200, 100)).stdout
    assert json.loads(applied) == Workspace(background()).patched(patch(200, 100)).document
    assert "is the background of" in call("patchset", "verify", "BkgOnly.json", "patchset.json").stdout


def spoiled(document: dict) -> str:
    document["channels"][0]["samples"][0]["modifiers"][0]["type"] = "normsyss"
    return json.dumps(document)


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (None, ("digest", "nowhere.json"), "nowhere.json"),
        ("{", ("inspect", "file.json"), "file.json"),
        ("[]", ("inspect", "file.json"), "a JSON list"),
        (spoiled(background()), ("validate", "file.json"), "/channels/0/samples/0/modifiers/0"),
        ("{}", ("hypotest", "BkgOnly.json", "--patch", "file.json"), "no JSON patch"),
        ('[{"op": "remove", "path": "/channels/9"}]', ("fit", "BkgOnly.json", "--patch", "file.json"), "/channels/9"),
        (None, ("fit", "BkgOnly.json", "--patch", "patchset.json:nothing"), "nothing"),
        (None, ("hypotest", "BkgOnly.json"), "mu"),
        (None, ("hypotest", "BkgOnly.json", "--patch", "patch.json", "--measurement", "other"), "other"),
        (None, ("hypotest", "BkgOnly.json", "--patch", "patch.json", "--calculator", "toys"), "asymptotics"),
        (None, ("hypotest", "BkgOnly.json", "--patch", "patch.json", "--test-stat", "x"), "test_stat"),
        (None, ("digest", "BkgOnly.json", "-a", "crc"), "crc"),
        (None, ("patchset", "extract", "patchset.json", "--name", "x"), "no patch with name"),
        (None, ("patchset", "verify", "other.json", "patchset.json"), "is not the one"),
        (None, ("patchset", "extract", "patchset.json", "--name", name(200, 100), "-o", "no/x"), "cannot write"),
        (None, ("frobnicate",), "no such command 'frobnicate'"),
        (None, ("validdate", "x"), "validate"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(content, arguments, message, folder, capfd):
    (folder / "other.json").write_text(json.dumps(background((1.0, 2.0))))
    if content is not None:
        (folder / "file.json").write_text(content)
    assert run(arguments) == 2
    out, errors = capfd.readouterr()
    assert out == ""
    assert errors.startswith("fitloom: error: ")
    assert errors.count("\n") == 1
    assert message in errors


def test_a_patchset_that_does_not_fit_is_applied_only_when_told_to(folder):
    (folder / "other.json").write_text(json.dumps(background((1.0, 2.0))))
    assert run(["patchset", "apply", "other.json", "patchset.json", "--name", name(200, 100)]) == 2
    done = call("patchset", "apply", "other.json", "patchset.json", "--name", name(200, 100), "--no-verify")
    assert json.loads(done.stdout)["observations"][0]["data"] == [1.0, 2.0]


def test_a_fault_of_ours_is_no_traceback_either(monkeypatch, capsys, folder):
    from fitloom import inspection

    monkeypatch.setattr(inspection, "render", None)
    assert run(["inspect", "BkgOnly.json"]) == 2
    assert "This is a fault of fitloom" in capsys.readouterr().err


def test_patchset_of_another_background_has_another_digest():
    assert patchset()["metadata"]["digests"]["sha256"] == digest(background())


def test_a_background_alone_is_fitted_without_its_poi(folder):
    patched = answer("fit", "BkgOnly.json", "--patch", "patch.json")
    found = call("fit", "BkgOnly.json", "--json")
    assert "fitting without it" in found.stderr
    assert len(json.loads(found.stdout)["parameters"]) < len(patched["parameters"])
