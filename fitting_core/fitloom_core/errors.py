"""Every error fitloom raises on purpose, each with a stable code.

::

    FitloomError                     internal
    ├── InputError                   bad_input            what was given cannot be used (exit status 2)
    │   ├── UnreadableDocument       unreadable           not there, not JSON, truncated, too large
    │   ├── InvalidSpecification     invalid_specification   JSON that is no workspace or patchset
    │   ├── InvalidModel             invalid_model        a workspace whose model makes no sense
    │   │   ├── InvalidModifier      invalid_modifier     a modifier's data do not fit its sample
    │   │   ├── InvalidNameReuse     invalid_name_reuse   one name, two incompatible parameter sets
    │   │   └── NoPOI                no_poi               the parameter of interest acts on nothing
    │   ├── InvalidMeasurement       invalid_measurement  the measurement asked for is not there
    │   ├── InvalidPatchSet          invalid_patchset     labels, names or values that clash
    │   │   └── UnknownPatch         unknown_patch        no patch of that name or those values
    │   ├── InvalidPatch             invalid_patch        a JSON patch that does not apply
    │   ├── DigestMismatch           digest_mismatch      a file is not the one the digest was made from
    │   ├── InvalidPallet            invalid_pallet       files that make no pallet
    │   │   └── UnsafeArchive        unsafe_archive       absolute or ``..`` paths, links, far too large
    │   ├── FetchError               fetch_failed         a pallet that could not be downloaded
    │   ├── InvalidTask              invalid_task         bytes that are no task, or of an unknown schema
    │   └── MissingExtra             missing_extra        an optional dependency is not installed
    ├── CampaignError                campaign             a campaign folder that cannot be used
    │   ├── CampaignLocked           campaign_locked      another driver writes it
    │   ├── CampaignMismatch         campaign_mismatch    the folder holds another campaign
    │   └── JournalError             journal              the journal cannot be written or read
    ├── ExecutorError                executor             an executor is lost or cannot be used
    ├── TaskLost                     task_lost            a task without a usable answer; it may be sent again
    │   ├── TimeLimit                time_limit           it took longer than its worker gives a task
    │   └── WorkerDied               worker_died          the process that had it ended
    ├── AuthError                    auth                 not logged in, expired, consent missing
    └── FitError                     fit                  a fit that cannot be certified, asked for alone

A message says what was wrong, the value, and what to do. The code is what programs compare.
"""

from __future__ import annotations


class FitloomError(Exception):
    """Base of every error fitloom raises on purpose."""

    code = "internal"

    @property
    def message(self) -> str:
        """What was wrong, the value, and what to do."""
        return str(self)


class InputError(FitloomError):
    """What was given cannot be used."""

    code = "bad_input"


class UnreadableDocument(InputError):
    """A file that is not there, not JSON, truncated or far too large."""

    code = "unreadable"


class InvalidSpecification(InputError):
    """JSON that is no workspace or patchset; the message holds the path in the document."""

    code = "invalid_specification"


class InvalidModel(InputError):
    """A workspace whose model makes no sense."""

    code = "invalid_model"


class InvalidModifier(InvalidModel):
    """A modifier whose data do not fit its sample."""

    code = "invalid_modifier"


class InvalidNameReuse(InvalidModel):
    """One modifier name used for two incompatible parameter sets."""

    code = "invalid_name_reuse"


class NoPOI(InvalidModel):
    """The measurement's parameter of interest acts on nothing in the model."""

    code = "no_poi"


class InvalidMeasurement(InputError):
    """The measurement asked for is not in the workspace."""

    code = "invalid_measurement"


class InvalidPatchSet(InputError):
    """A patchset whose labels, names or values clash."""

    code = "invalid_patchset"


class UnknownPatch(InvalidPatchSet):
    """No patch of that name or those values."""

    code = "unknown_patch"


class InvalidPatch(InputError):
    """A JSON patch that does not apply to its document."""

    code = "invalid_patch"


class DigestMismatch(InputError):
    """A document that is not the one the digest was made from."""

    code = "digest_mismatch"


class InvalidPallet(InputError):
    """Files that make no pallet (background workspace and signal patches)."""

    code = "invalid_pallet"


class UnsafeArchive(InvalidPallet):
    """An archive with absolute or ``..`` paths, links, or far too much in it."""

    code = "unsafe_archive"


class FetchError(InputError):
    """A pallet that could not be downloaded."""

    code = "fetch_failed"


class InvalidTask(InputError):
    """Bytes that are no task, or a task of an unknown schema."""

    code = "invalid_task"


class MissingExtra(InputError):
    """An optional dependency that is not installed; the message says which ``pip install``."""

    code = "missing_extra"


class CampaignError(FitloomError):
    """A campaign folder that cannot be used."""

    code = "campaign"


class CampaignLocked(CampaignError):
    """Another driver is writing this campaign."""

    code = "campaign_locked"


class CampaignMismatch(CampaignError):
    """The folder holds a campaign of another pallet or other options."""

    code = "campaign_mismatch"


class JournalError(CampaignError):
    """The journal cannot be written or read."""

    code = "journal"


class ExecutorError(FitloomError):
    """An executor that is lost or cannot be used."""

    code = "executor"


class TaskLost(FitloomError):
    """A task that came to no usable answer; its points may be sent again."""

    code = "task_lost"


class TimeLimit(TaskLost):
    """A task that took longer than its worker gives a task."""

    code = "time_limit"


class WorkerDied(TaskLost):
    """A task whose worker process ended before the answer was there."""

    code = "worker_died"


class AuthError(FitloomError):
    """Not logged in, a login that expired, or a consent that is missing."""

    code = "auth"


class FitError(FitloomError):
    """A single fit that could not be certified."""

    code = "fit"
