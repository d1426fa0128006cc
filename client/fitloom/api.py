"""`run` and `Campaign`: campaigns as users of Python hold them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from fitloom.campaign import DEFAULT_BATCH
from fitloom.driver import Driver
from fitloom.journal import open_journal, read_campaign, read_results
from fitloom.outcome import contour_of, draw, summary, write_outcome
from fitloom.pallet import REMOTE, open_pallet
from fitloom.plan import Plan, make_plan
from fitloom.pools import PoolSource
from fitloom.sources import choose_sources
from fitloom_core.errors import InputError
from fitloom_core.wire import FitOptions, FitResult

Json = dict[str, Any]
Paths = str | Path | Sequence[str | Path]


def run(
    pallet: str | Path,
    *,
    output: str | Path | None = None,
    executor: str | Sequence[str] = "local",
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    workers: int | None = None,
    batch: int = DEFAULT_BATCH,
    mu: float = 1.0,
    test_stat: Literal["qtilde", "q", "q0"] = "qtilde",
    measurement: str | None = None,
    points: str = "*",
    regions: Sequence[str] = (),
    labels: Sequence[str] = (),
    plot: Paths = (),
    axes: Sequence[str] = (),
    where: Mapping[str, float | str] | None = None,
    verify: bool = True,
    resume: bool = True,
) -> Campaign:
    """Fit every point of a pallet; returns at once, the results come as the campaign is iterated over.

    Args:
        pallet: a directory, an archive, a URL, ``doi:…``, ``hepdata:ins…`` or ``demo``.
        output: the campaign folder; ``./fitloom-<pallet>-<digest>`` unless given. What it holds is not fitted again.
        executor: where the fits run: ``local``, ``parsl``, ``globus``, ``http``, or several of them.
        settings: settings by executor, as `fitloom.executors` names them.
        workers: workers of the local executor; one a core unless given.
        batch: most points of one task.
        mu: tested value of the parameter of interest.
        test_stat: the test statistic.
        measurement: measurement of the workspace; the first unless given.
        points: glob on the points' names.
        regions: regions to fit; all unless given.
        labels: names for the numbers of the points.
        plot: figures to draw at the end (.png, .pdf, .svg).
        axes: two labels for the contour's plane.
        where: what the other labels are held at.
        verify: refuse a background that its patchset was not made for.
        resume: go on with what the output folder holds; otherwise that is set aside.

    Raises:
        InputError: the pallet or an option cannot be used.
        CampaignError: the output folder cannot be used.
    """
    opened = open_pallet(pallet, regions=regions, labels=labels, points=points, verify=verify)
    plan = make_plan(opened, make_options(mu=mu, test_stat=test_stat, measurement=measurement))
    kinds = [executor] if isinstance(executor, str) else list(executor)
    chosen = {kind: dict(its) for kind, its in (settings or {}).items()}
    if workers is not None:
        chosen.setdefault("local", {})["workers"] = workers
    folder = Path(output) if output is not None else default_folder(plan)
    campaign = Campaign(folder, plan)
    campaign._start(choose_sources(kinds, chosen), batch, resume, _paths(plot), axes, where)
    return campaign


def make_options(**given: Any) -> FitOptions:
    """Options of a campaign.

    Raises:
        InputError: a value that is not allowed.
    """
    from pydantic import ValidationError

    try:
        return FitOptions(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{where} = {first['input']!r} cannot be used: {first['msg'].lower()}") from None


def default_folder(plan: Plan) -> Path:
    """``./fitloom-<pallet>-<digest>``: the same for the same pallet and options."""
    return Path(f"fitloom-{plan.pallet.name}-{plan.digest[:8]}")


def fetch(source: str, *, offline: bool = False) -> Path:
    """Get a pallet to this machine, and see that it is one; where it is now.

    Raises:
        FetchError: it cannot be downloaded.
        InvalidPallet: it is no pallet.
    """
    from fitloom.archive import read_files
    from fitloom.layouts import find_regions, is_pallet_file

    path = Path(source)
    if source.startswith(REMOTE):
        from fitloom.remote import download

        path = Path(download(source, offline=offline))
    find_regions(read_files(path, is_pallet_file), source)
    return path


def open_campaign(folder: str | Path) -> Campaign:
    """A campaign that was run before, or is being run elsewhere.

    Raises:
        JournalError: no campaign is there.
    """
    read_campaign(folder)
    return Campaign(Path(folder), None)


class Campaign:
    """A campaign: iterate over it for the results, as they arrive; what is in the journal already comes first.

    It runs in a thread of its own. Leaving a ``with`` block ends it early; what was fitted stays, and the same `run`
    goes on from there.
    """

    def __init__(self, folder: Path, plan: Plan | None) -> None:
        self.folder = folder
        self._plan = plan
        self._driver: Driver | None = None
        self._thread: threading.Thread | None = None
        self._arrived = threading.Condition()
        self._results: list[FitResult] = []
        self._error: BaseException | None = None

    def __iter__(self) -> Iterator[FitResult]:
        if self._thread is None:
            yield from read_results(self.folder)
            return
        position = 0
        while (result := self._result(position)) is not None:
            yield result
            position += 1
        self._raise()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<fitloom.Campaign {self.folder}: {summary(self.results, self.planned)}>"

    @property
    def planned(self) -> int:
        """How many points there are."""
        return sum(len(region["points"]) for region in read_campaign(self.folder)["regions"])

    @property
    def results(self) -> list[FitResult]:
        """The results so far."""
        return list(self._results) if self._thread is not None else read_results(self.folder)

    def wait(self, timeout: float | None = None) -> list[FitResult]:
        """Wait for the end, with its contour and figures; the results.

        Raises:
            FitloomError: what ended the campaign early.
        """
        if self._thread is not None:
            self._thread.join(timeout)
        self._raise()
        return self.results

    def stop(self) -> None:
        """End early; what was fitted stays."""
        if self._driver is not None:
            self._driver.stop()
        if self._thread is not None:
            self._thread.join()

    def contour(self, *, axes: Sequence[str] = (), where: Mapping[str, float | str] | None = None) -> Json:
        """The contour of what was fitted so far, as ``contour.json`` has it."""
        return contour_of(self.folder, axes=axes, where=where)

    def plot(
        self, *paths: str | Path, axes: Sequence[str] = (), where: Mapping[str, float | str] | None = None
    ) -> None:
        """Draw the contour of what was fitted so far (.png, .pdf, .svg)."""
        draw(self.folder, self.contour(axes=axes, where=where), [Path(path) for path in paths])

    def _start(
        self,
        sources: Sequence[PoolSource],
        batch: int,
        resume: bool,
        plots: Sequence[Path],
        axes: Sequence[str],
        where: Mapping[str, float | str] | None,
    ) -> None:
        """Open the folder here, so that what is wrong with it is raised here; run in a thread."""
        assert self._plan is not None
        plan, ready = self._plan, threading.Event()

        def work() -> None:
            try:
                with open_journal(self.folder, plan.document(), resume=resume) as journal:
                    self._driver = Driver(plan, sources, journal, batch=batch)
                    self._add(self._driver.stored)
                    ready.set()
                    for result in self._driver.results():
                        self._add([result])
                    if self._driver.campaign.finished:
                        write_outcome(self.folder, plots, axes=axes, where=where)
            except BaseException as error:
                self._error = error
            finally:
                ready.set()
                self._add([])

        self._thread = threading.Thread(target=work, name="campaign")
        self._thread.start()
        ready.wait()
        if self._driver is None:
            self._thread.join()
            self._raise()

    def _add(self, results: Sequence[FitResult]) -> None:
        with self._arrived:
            self._results += results
            self._arrived.notify_all()

    def _result(self, position: int) -> FitResult | None:
        """The result at a position, when it is there; None after the last."""
        assert self._thread is not None
        with self._arrived:
            while len(self._results) <= position:
                if not self._thread.is_alive():
                    return None
                self._arrived.wait(timeout=0.2)
            return self._results[position]

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error


def _paths(given: Paths) -> list[Path]:
    return [Path(given)] if isinstance(given, str | Path) else [Path(path) for path in given]
