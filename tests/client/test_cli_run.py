"""``fitloom run`` as a process: exit status, what goes where, resuming, folders that cannot be used."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from fitloom.journal import read_results
from fitloom.lock import read_driver
from small_pallets import PLANE, write_loose, write_patchset


@pytest.fixture
def pallet(tmp_path: Path) -> Path:
    return write_patchset(tmp_path / "search")


def records(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_writes_its_folder_and_says_so_in_one_line(cli, pallet, tmp_path):
    done = cli("run", pallet, "--workers", "1")
    assert done.returncode == 0
    assert done.stdout == ""
    (folder,) = tmp_path.glob("fitloom-search-*")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"fitloom: {len(PLANE)} points: {len(PLANE)} converged, in ")
    assert line.endswith(folder.name)
    assert {"campaign.json", "results.jsonl", "contour.json", "events.jsonl"} <= {
        path.name for path in folder.iterdir()
    }
    assert len(read_results(folder)) == len(PLANE)


def test_json_puts_one_record_a_line_on_standard_output(cli, pallet, tmp_path):
    done = cli("run", pallet, "--json", "--output", "c", "--plot", "a.png", "--plot", "b.pdf")
    found = records(done.stdout)
    assert Counter(record["name"] for record in found) == Counter(f"signal_{a}_{b}" for a, b in PLANE)
    assert found[0].keys() >= {
        "schema",
        "pallet",
        "region",
        "values",
        "id",
        "status",
        "cls_obs",
        "cls_exp",
        "certificate",
    }
    assert (tmp_path / "a.png").exists()
    assert (tmp_path / "b.pdf").exists()
    assert records((tmp_path / "c" / "results.jsonl").read_text()) == found


def test_the_same_command_again_fits_nothing_and_prints_the_same_records(cli, pallet):
    first = cli("run", pallet, "--json")
    again = cli("run", pallet, "--json")
    assert again.returncode == 0
    assert sorted(again.stdout.splitlines()) == sorted(first.stdout.splitlines())


def test_a_point_that_fails_makes_the_exit_status_3(cli, tmp_path):
    folder = write_loose(tmp_path / "p")
    (folder / "patch.nothing_1_2.json").write_text("[]")
    done = cli("run", folder, "--json")
    assert done.returncode == 3
    (failed,) = [record for record in records(done.stdout) if record["status"] == "failed"]
    assert failed["error"]["code"] == "no_poi"
    assert "fitloom: failed: nothing_1_2: no_poi:" in done.stderr
    assert cli("run", folder).returncode == 3


def test_options_reach_the_fit(cli, pallet):
    done = cli(
        "run", pallet, "--json", "--mu", "0.5", "--test-stat", "q", "--points", "*_200_*", "--measurement", "main"
    )
    found = records(done.stdout)
    assert len(found) == 3
    assert {(record["mu"], record["test_stat"]) for record in found} == {(0.5, "q")}


def test_labels_name_the_values(cli, tmp_path):
    done = cli("run", write_loose(tmp_path / "p", PLANE[:4]), "--json", "--labels", "m_a,m_b")
    assert records(done.stdout)[0]["values"].keys() == {"m_a", "m_b"}


def bad_json(folder: Path) -> None:
    (folder / "BkgOnly.json").write_text('{"channels": [')


def wrong_digest(folder: Path) -> None:
    text = (folder / "BkgOnly.json").read_text()
    (folder / "BkgOnly.json").write_text(text.replace("51.0", "52.0"))


def no_files(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (bad_json, (), "BkgOnly.json"),
        (wrong_digest, (), "is not the background"),
        (no_files, (), "holds no background workspace"),
        (None, ("--mu", "-1"), "mu = -1.0 cannot be used"),
        (None, ("--mu", "lots"), "--mu lots cannot be used"),
        (None, ("--test-stat", "r"), "test_stat = 'r' cannot be used"),
        (None, ("--calculator", "toys"), "use asymptotics"),
        (None, ("--points", "nothing*"), "no point's name matches"),
        (None, ("--region", "A"), "it has only one region"),
        (None, ("--labels", "a"), "labels"),
        (None, ("--labels", "a,,b"), "not a list of names"),
        (None, ("--axes", "m1,m7"), "m7"),
        (None, ("--where", "m1"), "not a condition"),
        (None, ("--plot", "a.gif"), "a.gif"),
        (None, ("--executor", "slurm"), "choose one of local"),
        (None, ("--executor", "http"), ""),
        (None, ("--executor", "parsl", "--set", "http.slots=1"), "add --executor http"),
        (None, ("--config", "nowhere.toml"), "nowhere.toml"),
        (None, ("--workers", "0"), "--workers 0 cannot be used"),
        (None, ("--batch", "0"), "--batch 0 cannot be used"),
        (None, ("--mue", "1"), "did you mean --mu"),
        (None, ("extra",), "extra"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line_and_nothing_is_run(
    spoil: Callable[[Path], None] | None, options, message, cli, pallet, tmp_path
):
    if spoil is not None:
        spoil(pallet)
    done = cli("run", pallet, "--output", "c", *options)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("fitloom: error: ")
    assert message in line
    assert not (tmp_path / "c" / "results.jsonl").exists() or not (tmp_path / "c" / "results.jsonl").read_text()


def test_another_campaign_in_the_folder_is_refused_and_left_alone(cli, pallet, tmp_path):
    cli("run", pallet, "--output", "c")
    before = {path.name: path.read_bytes() for path in (tmp_path / "c").iterdir()}
    refused = cli("run", pallet, "--output", "c", "--mu", "2")
    assert refused.returncode == 2
    assert "mu is 1.0 there and 2.0 here" in refused.stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / "c").iterdir()} == before
    afresh = cli("run", pallet, "--output", "c", "--mu", "2", "--no-resume", "--json")
    assert afresh.returncode == 0
    assert {record["mu"] for record in records(afresh.stdout)} == {2.0}
    assert (tmp_path / "c" / "results.jsonl.bak-1").read_bytes() == before["results.jsonl"]


class Running:
    """``fitloom run demo`` with one point a task, as a process to be mistreated."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-m", "fitloom", "run", "demo", "--output", str(folder), "--batch", "1", *options]
        self.folder = folder
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def until(self, points: int) -> Running:
        """Wait until so many points are in the journal."""
        deadline = time.monotonic() + 120
        while len(read_results(self.folder)) < points:
            assert time.monotonic() < deadline
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.02)
        return self

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; the exit status and standard error."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """The demo's observed CLs, from a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("calm") / "c"
    command = [sys.executable, "-m", "fitloom", "run", "demo", "--output", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return {result.name: result.cls_obs for result in read_results(folder)}


@pytest.mark.heavy
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_ends_early_goes_on_where_it_was(number, calm, cli, tmp_path):
    folder = tmp_path / "c"
    status, errors = Running(folder).until(8).end(number)
    if number == signal.SIGKILL:
        assert status == -signal.SIGKILL
    else:
        assert status == 130
        assert "interrupted: what was fitted is kept" in errors
        assert "Traceback" not in errors
    kept = (folder / "results.jsonl").read_bytes()
    before = len(read_results(folder))
    assert 8 <= before < len(calm)
    done = cli("run", "demo", "--output", folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "results.jsonl").read_bytes().startswith(kept[: kept.rfind(b"\n") + 1])
    lines = records((folder / "results.jsonl").read_text())
    assert Counter(line["name"] for line in lines) == Counter(list(calm))
    assert {line["name"]: line["cls_obs"] for line in lines} == pytest.approx(calm, abs=1e-9)


@pytest.mark.heavy
def test_a_second_driver_is_refused_and_the_first_unharmed(calm, cli, tmp_path):
    first = Running(tmp_path / "c").until(1)
    first.process.send_signal(signal.SIGSTOP)  # the demo would be over before a second driver has started
    driver = read_driver(tmp_path / "c")
    assert driver is not None
    assert driver["pid"] == first.process.pid
    second = cli("run", "demo", "--output", "c")
    assert second.returncode == 2
    assert f"is being written by another fitloom (process {first.process.pid} on" in second.stderr
    first.process.send_signal(signal.SIGCONT)
    _, errors = first.process.communicate(timeout=300)
    assert first.process.returncode == 0, errors
    assert len(read_results(tmp_path / "c")) == len(calm)


def in_own_mounts(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a shell script that may mount; skips where that is not allowed."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount: run as root, or with user namespaces")
    command = ["unshare", "-m", "sh", "-ec", script, "sh", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.heavy
def test_a_full_disk_ends_a_run_and_a_larger_one_lets_it_go_on(pallet, tmp_path):
    script = """
    mkdir disk; mount -t tmpfs -o size=32k tmpfs disk
    set +e; "$1" -m fitloom run demo --output disk/c; echo "status $?"
    mount -o remount,size=10M disk; "$1" -m fitloom run demo --output disk/c; echo "status $?"
    cp -r disk/c kept
    """
    done = in_own_mounts(f"cd '{tmp_path}'; {script}", sys.executable)
    assert done.stdout.split() == ["status", "2", "status", "0"], done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    lines = records((tmp_path / "kept" / "results.jsonl").read_text())
    assert len(lines) == len({line["id"] for line in lines}) == 99


@pytest.mark.heavy
def test_a_folder_that_may_not_be_written_is_named_and_unharmed(cli, pallet, tmp_path):
    cli("run", pallet, "--output", tmp_path / "c")
    before = (tmp_path / "c" / "results.jsonl").read_bytes()
    script = (
        'mount --bind "$2" "$2"; mount -o remount,ro,bind "$2"; set +e; "$1" -m fitloom run "$3" --output "$2"; exit $?'
    )
    done = in_own_mounts(script, sys.executable, tmp_path / "c", pallet)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("fitloom: error: cannot write in ")
    assert "Read-only file system" in line
    assert (tmp_path / "c" / "results.jsonl").read_bytes() == before


@pytest.mark.heavy
def test_a_reader_that_closes_the_pipe_ends_the_run_quietly(tmp_path):
    first = subprocess.run(
        f"{sys.executable} -m fitloom run demo --batch 1 --json --output {tmp_path}/c | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert len(first.stdout.splitlines()) == 1
    assert "Traceback" not in first.stderr
    assert len(read_results(tmp_path / "c")) >= 1


@pytest.mark.heavy
def test_progress_is_shown_on_a_terminal_only(pallet, tmp_path):
    import pty

    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "fitloom", "run", str(pallet), "--output", str(tmp_path / "c")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=follower) as process:
        os.close(follower)
        shown = b""
        while True:
            try:
                chunk = os.read(leader, 4096)
            except OSError:
                break
            if not chunk:
                break
            shown += chunk
        process.wait(timeout=120)
    os.close(leader)
    assert f"/{len(PLANE)}".encode() in shown
    assert f"{len(PLANE)} converged".encode() in shown
