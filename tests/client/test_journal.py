"""The journal: whole lines or none, resumed after any end, one driver, nothing destroyed."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fitloom.journal import Journal, LineLog, open_journal, read_campaign, read_events, read_results, tail
from fitloom.lock import DRIVER_FILE, read_driver
from fitloom_core.errors import CampaignLocked, CampaignMismatch, JournalError
from fitloom_core.wire import FitOptions, FitResult


def asked(mu: float = 1.0, digest: str = "d" * 64, names: tuple[str, ...] = ("a",), labels: tuple[str, ...] = ("m",)):
    """A campaign document."""
    points = [{"id": f"id-{name}", "name": name, "values": {"m": 1}} for name in names]
    return {
        "schema": "1",
        "fitloom": "0",
        "pallet": {"name": "p", "source": "p", "digest": digest, "labels": list(labels)},
        "regions": [{"name": None, "digest": "b" * 64, "points": points}],
        "options": FitOptions(mu=mu).model_dump(),
        "created": "2026-01-01T00:00:00+00:00",
    }


def result(name: str, cls_obs: float = 0.5) -> FitResult:
    """A result."""
    return FitResult(
        pallet="p", name=name, id=f"id-{name}", status="converged", mu=1.0, test_stat="qtilde", cls_obs=cls_obs
    )


def test_what_is_kept_can_be_read_at_once(tmp_path):
    with open_journal(tmp_path / "c", asked()) as journal:
        journal.keep([result("a"), result("b")])
        assert read_results(tmp_path / "c") == [result("a"), result("b")]
    assert read_campaign(tmp_path / "c") == asked()


def test_of_several_records_of_a_point_the_last_counts(tmp_path):
    with open_journal(tmp_path, asked()) as journal:
        journal.keep([result("a", 0.1), result("b")])
        journal.keep([result("a", 0.2)])
    assert {one.name: one.cls_obs for one in read_results(tmp_path)} == {"a": 0.2, "b": 0.5}


@pytest.mark.parametrize("cut", [1, 10, 50])
def test_a_last_line_that_is_cut_off_is_ignored_and_removed_on_resume(cut, tmp_path):
    with open_journal(tmp_path, asked()) as journal:
        journal.keep([result("a"), result("b")])
    path = tmp_path / "results.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    kept = ["a", "b"] if cut == 1 else ["a"]
    with open_journal(tmp_path, asked()) as journal:
        journal.keep([result("c")])
    assert [one.name for one in read_results(tmp_path)] == [*kept, "c"]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_line_that_is_damaged_costs_only_its_own_point(tmp_path):
    with open_journal(tmp_path, asked()) as journal:
        journal.keep([result("a"), result("b"), result("c")])
    path = tmp_path / "results.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:30], lines[2], '{"id": 3}']) + "\n")
    assert [one.name for one in read_results(tmp_path)] == ["a", "c"]


def test_tail_goes_on_where_it_was(tmp_path):
    path = tmp_path / "x.jsonl"
    assert tail(path, 0) == ([], 0)
    path.write_text('{"n": 1}\n{"n"')
    records, offset = tail(path, 0)
    assert records == [{"n": 1}]
    with path.open("a") as stream:
        stream.write(": 2}\n")
    assert tail(path, offset) == ([{"n": 2}], path.stat().st_size)


def test_events_are_numbered_across_runs(tmp_path):
    for _ in range(2):
        with open_journal(tmp_path, asked()) as journal:
            journal.log([("planned", {"points": []}), ("finished", {})])
    assert [(event["seq"], event["event"]) for event in read_events(tmp_path)] == [
        (1, "planned"),
        (2, "finished"),
        (3, "planned"),
        (4, "finished"),
    ]


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (asked(mu=2.0), "mu is 1.0 there and 2.0 here"),
        (asked(digest="e" * 64), "the pallet's digest is 'dddddddddddddddd' there"),
        (asked(labels=("n",)), "labels is 'm' there and 'n' here"),
    ],
)
def test_another_campaign_is_not_mixed_in(other, difference, tmp_path):
    with open_journal(tmp_path, asked()) as journal:
        journal.keep([result("a")])
    with pytest.raises(CampaignMismatch, match=difference) as refused, open_journal(tmp_path, other):
        pass
    assert "--output" in refused.value.message
    assert "--no-resume" in refused.value.message
    assert read_campaign(tmp_path) == asked()
    assert len(read_results(tmp_path)) == 1


def test_more_points_of_the_same_campaign_are_added(tmp_path):
    for names in (("a",), ("b", "a"), ("b",)):
        with open_journal(tmp_path, asked(names=names)):
            pass
    (region,) = read_campaign(tmp_path)["regions"]
    assert [point["name"] for point in region["points"]] == ["a", "b"]


def test_starting_afresh_sets_everything_aside(tmp_path):
    for number in range(3):
        with open_journal(tmp_path, asked(mu=float(number)), resume=False) as journal:
            assert journal.stored == []
            journal.keep([result("a", number / 10)])
    assert read_results(tmp_path)[0].cls_obs == 0.2
    assert [json.loads((tmp_path / f"results.jsonl.bak-{n}").read_text())["cls_obs"] for n in (1, 2)] == [0.0, 0.1]
    assert json.loads((tmp_path / "campaign.json.bak-1").read_text())["options"]["mu"] == 0.0


def test_a_second_driver_is_refused_and_told_who_the_first_is(tmp_path):
    with open_journal(tmp_path, asked()):
        driver = read_driver(tmp_path)
        assert driver is not None
        assert driver["pid"] == os.getpid()
        with pytest.raises(CampaignLocked, match=f"process {os.getpid()} on"), open_journal(tmp_path, asked()):
            pass
        assert read_driver(tmp_path) is not None
    assert read_driver(tmp_path) is None
    assert not (tmp_path / DRIVER_FILE).exists()


def test_a_driver_on_another_host_is_believed_while_its_heart_beats(tmp_path):
    beat = {"pid": 1, "host": "elsewhere", "started": 0, "heartbeat": time.time()}
    (tmp_path / DRIVER_FILE).write_text(json.dumps(beat))
    with pytest.raises(CampaignLocked, match="process 1 on elsewhere"), open_journal(tmp_path, asked()):
        pass
    (tmp_path / DRIVER_FILE).write_text(json.dumps({**beat, "heartbeat": time.time() - 60}))
    with open_journal(tmp_path, asked()):
        pass


def test_a_driver_that_was_killed_leaves_no_lock(tmp_path):
    program = (
        "import sys, time; from fitloom.journal import open_journal; import json\n"
        "with open_journal(sys.argv[1], json.loads(sys.argv[2])):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    held = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), json.dumps(asked())], stdout=subprocess.PIPE, text=True
    )
    assert held.stdout is not None
    assert held.stdout.readline() == "held\n"
    with pytest.raises(CampaignLocked), open_journal(tmp_path, asked()):
        pass
    held.kill()
    held.wait()
    held.stdout.close()
    with open_journal(tmp_path, asked()):
        pass


@pytest.fixture
def full_disk():
    """No file can grow beyond 4 kB, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_loses_nothing_that_was_written(tmp_path, full_disk):
    log = LineLog(tmp_path / "results.jsonl")
    for number in range(10):
        log.append([{"n": number, "text": "x" * 300}])
    with pytest.raises(JournalError, match="File too large; its 10 lines are safe: make room"):
        log.append([{"n": number, "text": "x" * 300} for number in range(10)])
    log.close()
    records, end = tail(tmp_path / "results.jsonl", 0)
    assert [record["n"] for record in records] == list(range(10))
    assert end == (tmp_path / "results.jsonl").stat().st_size


def test_after_a_full_disk_the_same_journal_goes_on(tmp_path, full_disk):
    log = LineLog(tmp_path / "results.jsonl")
    with pytest.raises(JournalError):
        log.append([{"text": "x" * 5000}])
    log.append([{"n": 1}])
    log.close()
    assert tail(tmp_path / "results.jsonl", 0)[0] == [{"n": 1}]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(JournalError, match=r"cannot make the folder .*file/c.*--output"),
        open_journal(tmp_path / "file" / "c", asked()),
    ):
        pass


def test_a_folder_without_a_campaign_is_named(tmp_path):
    with pytest.raises(JournalError, match=r"no campaign folder: it has no campaign\.json"):
        read_campaign(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": "99"}'])
def test_a_campaign_that_cannot_be_read_is_named_and_left_alone(content, tmp_path):
    (tmp_path / "campaign.json").write_text(content)
    with pytest.raises(JournalError, match=r"campaign\.json"), open_journal(tmp_path, asked()):
        pass
    assert (tmp_path / "campaign.json").read_text() == content


def test_requests_are_taken_once_and_oldest_first(tmp_path):
    with open_journal(tmp_path, asked()) as journal:
        assert journal.requests() == []
        folder = tmp_path / "requests"
        folder.mkdir()
        for age, (name, content) in enumerate([("b", '{"action": "stop"}'), ("a", '{"action": "start"}'), ("c", "[")]):
            (folder / f"{name}.json").write_text(content)
            os.utime(folder / f"{name}.json", (age, age))
        assert journal.requests() == [{"action": "stop"}, {"action": "start"}]
        assert journal.requests() == []
        assert list(folder.iterdir()) == []


def test_a_journal_reads_back_ten_thousand_points_quickly(tmp_path: Path):
    with open_journal(tmp_path, asked()) as journal:
        journal.keep([result(f"p{number}") for number in range(10_000)])
    begin = time.perf_counter()
    assert len(Journal(tmp_path).stored) == 10_000
    assert time.perf_counter() - begin < 5
