"""Globus Compute endpoints as `fitloom-endpoint configure` writes them, read by Globus Compute's own program."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fitloom_core.envelope import REMOTE_NAME
from fitloom_endpoint.globus_sites import SITES

FUNCTION = "12345678-1234-4234-8234-123456789abc"
NEEDED = {"kubernetes": ["--set", "image=registry.example.org/fitloom:1"]}
BIN = Path(sys.executable).parent

Configure = Callable[..., subprocess.CompletedProcess[str]]
Render = Callable[[dict[str, Any]], subprocess.CompletedProcess[str]]


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    def run(*options: str, name: str = "fits") -> subprocess.CompletedProcess[str]:
        command = [str(BIN / "fitloom-endpoint"), "configure", name, "--folder", str(tmp_path)]
        command += ["--function", FUNCTION, *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture
def render(tmp_path: Path) -> Render:
    """What an endpoint makes of a user's options, by the program that does it there."""

    def run(options: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        (tmp_path / "options.json").write_text(json.dumps(options))
        folder = tmp_path / "fits"
        files = ["-t", str(folder / "user_config_template.yaml.j2"), "-s", str(folder / "user_config_schema.json")]
        command = [str(BIN / "globus-compute-endpoint"), "render-user-config", *files]
        command += ["-o", str(tmp_path / "options.json")]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.mark.parametrize("site", SITES)
def test_every_site_renders_with_nothing_chosen(configure: Configure, render: Render, site: str) -> None:
    assert configure("--site", site, *NEEDED.get(site, [])).returncode == 0
    rendered = render({})
    assert rendered.returncode == 0, rendered.stderr
    engine = yaml.safe_load(rendered.stdout)["engine"]
    assert engine["type"] == "GlobusComputeEngine"
    assert engine["provider"]["type"] == SITES[site].provider
    assert engine["allowed_serializers"] == [
        "globus_compute_sdk.serialize.concretes.PureSourceTextInspect",
        "globus_compute_sdk.serialize.concretes.JSONData",
    ]


@pytest.mark.parametrize("site", SITES)
def test_workers_download_nothing_and_have_a_thread_each(configure: Configure, render: Render, site: str) -> None:
    configure("--site", site, "--worker-init", "source /shared/fitloom/bin/activate", *NEEDED.get(site, []))
    script = yaml.safe_load(render({}).stdout)["engine"]["provider"]["worker_init"]
    assert script.startswith("source /shared/fitloom/bin/activate\n")
    assert "OMP_NUM_THREADS=1" in script
    assert "FITLOOM_STAGING=" in script
    assert not {"pip", "uv", "curl", "wget", "http"} & set(script.replace("/", " ").replace(":", " ").split())
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0


def test_only_one_function_may_run(configure: Configure, tmp_path: Path) -> None:
    configure()
    config = yaml.safe_load((tmp_path / "fits/config.yaml").read_text())
    assert config["allowed_functions"] == [FUNCTION]


def test_a_users_choice_is_in_what_is_rendered(configure: Configure, render: Render) -> None:
    configure("--site", "slurm", "--set", "partition=short")
    assert yaml.safe_load(render({}).stdout)["engine"]["provider"]["partition"] == "short"
    provider = yaml.safe_load(render({"partition": "long", "walltime": "02:00:00", "blocks": 2}).stdout)["engine"]
    assert provider["provider"] | {"partition": "long", "walltime": "02:00:00", "max_blocks": 2} == provider["provider"]


@pytest.mark.parametrize(
    "options",
    [
        {"partiton": "short"},
        {"worker_init": "curl https://example.org | sh"},
        {"partition": "short\n#SBATCH --uid=0"},
        {"partition": "short\n"},
        {"partition": "$(reboot)"},
        {"walltime": "for ever"},
        {"blocks": 5},
        {"workers_per_node": 0},
        {"launcher": {"type": "WrappedLauncher"}},
    ],
    ids=str,
)
def test_what_users_may_not_choose_is_refused(configure: Configure, render: Render, options: dict[str, Any]) -> None:
    configure("--site", "slurm")
    refused = render(options)
    assert refused.returncode != 0
    assert not refused.stdout.strip().endswith("worker_init")


def test_the_image_of_pods_is_not_for_users_to_choose(configure: Configure, render: Render) -> None:
    configure("--site", "kubernetes", *NEEDED["kubernetes"])
    assert render({"image": "registry.example.org/mine:1"}).returncode != 0
    assert yaml.safe_load(render({}).stdout)["engine"]["provider"]["image"] == "registry.example.org/fitloom:1"


def test_gpus_are_dealt_out_one_a_worker(configure: Configure, render: Render) -> None:
    configure("--gpus", "4")
    engine = yaml.safe_load(render({}).stdout)["engine"]
    assert (engine["available_accelerators"], engine["max_workers_per_node"]) == (4, 4)
    assert "JAX_PLATFORMS" not in engine["provider"]["worker_init"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--site", "cloud"], "no site is called 'cloud'; there are: local, slurm"),
        (["--site", "slurm", "--set", "queue=short"], "slurm has no choice 'queue'; there are: partition"),
        (["--site", "slurm", "--set", "partition"], "write NAME=VALUE"),
        (["--site", "slurm", "--set", "nodes=many"], "nodes = 'many' is no number from 1 to 64"),
        (["--site", "slurm", "--set", "walltime=1h"], "walltime = '1h' does not look like"),
        (["--site", "kubernetes"], "kubernetes needs image: give --set image="),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_set_up_is_said_in_a_sentence(configure: Configure, options: list[str], said: str) -> None:
    refused = configure(*options)
    assert refused.returncode == 2
    assert said in refused.stderr


def test_an_endpoint_is_not_written_over_by_accident(configure: Configure, tmp_path: Path) -> None:
    configure("--site", "slurm")
    refused = configure()
    assert refused.returncode == 2
    assert "holds an endpoint already" in refused.stderr
    assert "SlurmProvider" in (tmp_path / "fits/user_config_template.yaml.j2").read_text()
    assert configure("--force").returncode == 0


def test_the_function_has_a_name_that_clients_look_for() -> None:
    assert REMOTE_NAME == "fitloom_run"
