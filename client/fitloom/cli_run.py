"""``fitloom run``: every point of a pallet, into a campaign folder."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fitloom import cli_options as given
from fitloom.exits import INTERRUPTED, SOME_FAILED
from fitloom_core.errors import InputError
from fitloom_core.wire import FitResult

if TYPE_CHECKING:
    from fitloom.driver import Driver
    from fitloom.plan import Plan
    from fitloom.pools import PoolSource

MOST_FAILURES_SHOWN = 5


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)


def run(
    pallet: given.PalletSource,
    output: given.Output = None,
    as_json: given.AsJson = False,
    plot: given.Plots = None,
    axes: given.Axes = "",
    where: given.Where = None,
    mu: given.Mu = 1.0,
    test_stat: given.TestStat = "qtilde",
    calculator: given.Calculator = "asymptotics",
    measurement: given.Measurement = None,
    points: given.Points = "*",
    region: given.Regions = None,
    labels: given.Labels = "",
    no_verify: given.NoVerify = False,
    offline: given.Offline = False,
    executor: given.Executors = None,
    workers: given.Workers = None,
    batch: given.BatchSize = 32,
    url: given.Urls = None,
    endpoint: given.Endpoint = None,
    parsl: given.ParslConfig = None,
    settings: given.Settings = None,
    config: given.Config = None,
    dashboard: given.Dashboard = None,
    no_resume: given.NoResume = False,
) -> int:
    """Fit every point of a pallet: CLs observed and expected, a journal of results, the exclusion contour.

    An interrupted run goes on where it was when the same command is given again. With --json, standard output has the
    records of all points, those of earlier runs first.
    """
    begin = time.monotonic()
    sources = choose(executor or [], workers, url or [], endpoint, parsl, settings or [], config)
    from fitloom.api import default_folder, make_options
    from fitloom.driver import Driver
    from fitloom.figure import check_path
    from fitloom.journal import open_journal
    from fitloom.pallet import open_pallet
    from fitloom.plan import make_plan
    from fitloom.plane import parse_where

    options = make_options(mu=mu, test_stat=test_stat, calculator=asymptotics_only(calculator), measurement=measurement)
    ending = Ending([check_path(path) for path in plot or []], given.split(axes), parse_where(where or []))
    opened = open_pallet(
        pallet,
        regions=region or [],
        labels=given.split(labels),
        points=points,
        verify=not no_verify,
        offline=offline,
    )
    plan = make_plan(opened, options)
    ending.check(plan)
    folder = output or default_folder(plan)
    with open_journal(folder, plan.document(), resume=not no_resume) as journal, page(folder, dashboard) as served:
        finished = drive(Driver(plan, sources, journal, batch=batch), as_json, ending)
        if not finished:
            say(f"interrupted: what was fitted is kept in {folder}; the same command goes on from there")
            return INTERRUPTED
        status = ending.write(folder, plan, begin)
        if served and sys.stderr.isatty():
            say(f"the page stays at {served} until Ctrl-C")
            _wait_for_interrupt()
        return status


@dataclass(frozen=True)
class Ending:
    """What is made of the results when all are there."""

    plots: Sequence[Path]
    axes: Sequence[str]
    where: Mapping[str, float | str]

    def check(self, plan: Plan) -> None:
        """Refuse a plane that cannot be drawn before anything is fitted."""
        from fitloom.outcome import check_plane

        check_plane(plan.pallet.labels, [point.values for point in plan.points], self.axes, self.where)

    def write(self, folder: Path, plan: Plan, begin: float) -> int:
        """Write the contour and the figures, say how it went; the exit status."""
        from fitloom.journal import read_results
        from fitloom.outcome import failures, summary, write_outcome

        note = write_outcome(folder, self.plots, axes=self.axes, where=self.where)
        if note:
            say(note)
        results = [result for result in read_results(folder) if result.id in plan.by_id]
        failed = failures(results)
        for line in failed[:MOST_FAILURES_SHOWN]:
            say(f"failed: {line}")
        if len(failed) > MOST_FAILURES_SHOWN:
            say(f"and {len(failed) - MOST_FAILURES_SHOWN} more failed: fitloom show {folder}")
        drawn = "".join(f", {path}" for path in self.plots)
        say(f"{summary(results, len(plan.points))}, in {time.monotonic() - begin:.1f} s: {folder}{drawn}")
        return SOME_FAILED if failed else 0


def drive(driver: Driver, as_json: bool, ending: Ending) -> bool:
    """Run to the end, printing as asked; whether it came to the end."""
    from fitloom.outcome import import_ahead
    from fitloom.progress import ProgressLine

    total = len(driver.plan.points)
    with (
        _terminated_as_interrupted(),
        ProgressLine(total, len(driver.stored), quiet=as_json and sys.stdout.isatty()) as line,
    ):
        import_ahead(ending.plots)
        for result in driver.stored:
            _print_record(result, as_json)
        try:
            for result in driver.results():
                _print_record(result, as_json)
                line.advance(failed=result.status == "failed")
        except KeyboardInterrupt:
            return False
    return driver.campaign.finished


def choose(
    executors: Sequence[str],
    workers: int | None,
    urls: Sequence[str],
    endpoint: str | None,
    parsl: str | None,
    settings: Sequence[str],
    config: Path | None,
) -> list[PoolSource]:
    """The pools that the options ask for; an option that belongs to one executor also asks for that executor."""
    from fitloom.sources import choose_sources, parse_settings

    special: dict[str, dict[str, Any]] = {"http": {}, "globus": {}, "parsl": {}}
    if urls:
        special["http"]["urls"] = [one for given in urls for one in given.split(",") if one]
    if endpoint is not None:
        special["globus"]["endpoint"] = endpoint
    if parsl is not None:
        special["parsl"]["config"] = parsl
    kinds = list(executors) + [kind for kind, its in special.items() if its and kind not in executors]
    merged = parse_settings(settings, kinds)
    for kind, its in special.items():
        if its:
            merged[kind] = {**its, **merged.get(kind, {})}
    if workers is not None:
        for kind in set(kinds or ["local"]):
            merged.setdefault(kind, {})["workers"] = workers
    return choose_sources(kinds, merged, config)


@contextmanager
def page(folder: Path, address: str | None) -> Iterator[str | None]:
    """The live page while the campaign runs, where it is asked for; its address."""
    if address is None:
        yield None
        return
    from fitloom.dashboard.serve import Settings, parse_address, serving

    host, port = parse_address(address.removesuffix(":") if address == ":" else address)
    with serving([folder], Settings(host=host, port=port)) as served:
        say(f"dashboard: {served.url}")
        yield served.url


def say(text: str) -> None:
    """A line for people."""
    print(f"fitloom: {text}", file=sys.stderr, flush=True)


def _print_record(result: FitResult, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result.to_record()), flush=True)


def asymptotics_only(name: str) -> str:
    """The only calculator there is.

    Raises:
        InputError: another is asked for.
    """
    if name == "toys":
        raise InputError("--calculator toys is not available yet; use asymptotics")
    if name != "asymptotics":
        raise InputError(f"there is no calculator {name!r}; use asymptotics")
    return name


def _wait_for_interrupt() -> None:
    try:
        signal.pause()
    except KeyboardInterrupt:
        print(file=sys.stderr)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM, which batch systems send, ends a run as Ctrl-C does."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
