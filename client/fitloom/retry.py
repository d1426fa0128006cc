"""Which failures are tried again: how often, after how long, where not, and in what company."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_DELAY = 60.0


@dataclass(frozen=True)
class Rule:
    """What one kind of failure deserves."""

    attempts: int
    """How often a point that stands alone may fail so before it is given up."""
    delay: float = 0.0
    """Seconds before the second try; doubled for each further one."""
    split_from: int = 1
    """From which failure on a batch is halved until the bad point stands alone."""
    isolate_from: int | None = None
    """From which failure on a batch gets a pool to itself, so that it cannot take others down."""


RULES = {
    "task_lost": Rule(attempts=3, delay=0.5),
    "bad_reply": Rule(attempts=3, delay=0.5),
    "worker_died": Rule(attempts=3),
    "timeout": Rule(attempts=2),
    "time_limit": Rule(attempts=2),
    "pool_down": Rule(attempts=3, split_from=2, isolate_from=2),
    "too_large": Rule(attempts=2),
    "internal": Rule(attempts=2),
}
"""Failures of the way to a worker or of the worker itself. Any other code is the worker's own refusal."""

REFUSAL = Rule(attempts=2)
FINAL = Rule(attempts=1)

SILENT_TASKS = 3
"""So many time-outs or refusals in a row, and a pool counts as down."""
POOL_DEATHS = 10
"""So often a pool is opened again without a single answer in between."""


@dataclass(frozen=True)
class Decision:
    """What happens to the points of a failed task."""

    again: bool
    after: float = 0.0
    split: bool = False
    isolate: bool = False


def decide(code: str, *, failures: int, alone: int, refused: bool) -> Decision:
    """Decide on points that failed ``failures`` times, ``alone`` of them with nobody else to blame.

    ``refused`` says that a worker answered for the points and would not fit them: only what may be the
    worker's fault is then worth another try, with another worker.
    """
    rule = RULES.get(code, REFUSAL if refused else FINAL)
    if alone >= rule.attempts:
        return Decision(again=False)
    isolate = rule.isolate_from is not None and failures >= rule.isolate_from
    return Decision(True, backoff(rule.delay, failures), failures >= rule.split_from, isolate)


def backoff(first: float, failures: int) -> float:
    """Seconds to wait after so many failures: doubled each time, up to a minute."""
    return float(min(first * 2 ** min(max(failures - 1, 0), 10), LONGEST_DELAY))


def is_transient(code: str) -> bool:
    """Whether a stored failure was the machinery's, so that running the campaign again should try the point again."""
    return code in RULES and code != "too_large"
