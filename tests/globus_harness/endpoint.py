"""The real `globus-compute-endpoint` daemon in a folder of its own, and a hand on every process it starts."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import yaml

from globus_harness.broker import WITH_PARENT

PROGRAM = Path(sys.executable).parent / "globus-compute-endpoint"

HEARTBEAT = 5
"""Seconds; the least that the endpoint accepts. A process file counts as stale after three of them."""

TEMPLATE = """\
# Any of the three engines, chosen by the option "engine"; small, and up for as long as the tests run.
heartbeat_period: {heartbeat}
engine:
{{% if "processes" in engine %}}
  type: ProcessPoolEngine
  max_workers: 2
  max_tasks_per_child: 100000  # makes it spawn: a fork of a process with threads may hang, and JAX has threads
{{% elif "threads" in engine %}}
  type: ThreadPoolEngine
  max_workers: 2
{{% else %}}
  type: GlobusComputeEngine
  max_workers_per_node: 2
  encrypted: false
  heartbeat_period: 1
  heartbeat_threshold: 5
  provider: {{type: LocalProvider, init_blocks: 1, min_blocks: 1, max_blocks: 1}}
{{% endif %}}
  allowed_serializers:
    - globus_compute_sdk.serialize.concretes.PureSourceTextInspect
    - globus_compute_sdk.serialize.concretes.JSONData
"""


SCHEMA = {
    "type": "object",
    "properties": {
        "engine": {"enum": ["threads", "processes", "htex"]},
        "instance": {
            "type": "string",
            "description": "Each has a process and cold workers of its own.",
        },
    },
    "required": ["engine"],
    "additionalProperties": False,
}


class Endpoint:
    """One daemon; `start` returns once it is registered and hears commands."""

    def __init__(self, root: Path, name: str, environment: Mapping[str, str]) -> None:
        self.root = root
        self.name = name
        self.folder = root / name
        self.environment = dict(environment)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def id(self) -> str:
        """The endpoint's id, as the service gave it."""
        return str(json.loads((self.folder / "endpoint.json").read_text())["endpoint_id"])

    def write(self, config: Mapping[str, object] | None = None) -> None:
        """A folder as `globus-compute-endpoint configure` makes it, with the template of these tests."""
        self.folder.mkdir(parents=True, mode=0o700)
        (self.folder / "config.yaml").write_text(yaml.safe_dump({"display_name": self.name, **(config or {})}))
        (self.folder / "user_config_template.yaml.j2").write_text(TEMPLATE.format(heartbeat=HEARTBEAT))
        (self.folder / "user_config_schema.json").write_text(json.dumps(SCHEMA))

    def start(self) -> None:
        """Start the daemon and wait until the service has it."""
        self._adapt()
        command = [*WITH_PARENT, str(PROGRAM), "--config-dir", str(self.root), "start", self.name]
        with (self.folder / "daemon.out").open("ab") as out:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.root,
                start_new_session=True,  # on its way out the daemon signals its whole process group
            )
        self._wait_until_registered(60)

    def stop(self) -> None:
        """End the daemon as its manual says, then whatever it left behind."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
        for left in self.processes():
            _signal(left, signal.SIGKILL)
        if self.process is not None:
            self.process.wait(5)

    def processes(self) -> list[psutil.Process]:
        """The daemon and every descendant, known by the folder they work in (titles and parents change)."""
        found = [process for process in psutil.process_iter() if _works_in(process, self.root)]
        return [process for process in found if process.pid != os.getpid()]

    def user_endpoints(self) -> list[psutil.Process]:
        """The user endpoint processes that run now."""
        running = []
        for pid_file in self.root.glob("uep.*/daemon.pid"):
            with contextlib.suppress(psutil.NoSuchProcess, ValueError, IndexError):
                running.append(psutil.Process(int(pid_file.read_text().split()[0])))
        return running

    def kill_user_endpoint(self) -> int:
        """End the user endpoint processes as a crash would; how many there were."""
        running = self.user_endpoints()
        for process in running:
            _signal(process, signal.SIGKILL)
        return len(running)

    def kill_busy_worker(self, busy: float = 0.7, patience: float = 60) -> None:
        """End a worker of the Globus Compute engine in the middle of a task, as a kernel does that has no memory left.

        One that is idle is another matter: it holds the lock of its node's task queue, and takes the node along.
        So wait for one that computes, by the seconds it has used from now on.
        """
        workers = [process for process in self.processes() if "spawn_main" in " ".join(process.cmdline())]
        before = {process: process.cpu_times().user for process in workers}
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            for process in workers:
                if process.cpu_times().user - before[process] > busy:
                    _signal(process, signal.SIGKILL)
                    return
            time.sleep(0.05)
        raise RuntimeError(f"no worker of {self.name} has computed anything for {patience:g} s")

    def log(self) -> str:
        """What the daemon and its user endpoints wrote, the end of each."""
        files = [self.folder / "daemon.out", *sorted(self.root.glob("*/endpoint.log"))]
        return "\n".join(f"== {path}\n{path.read_text(errors='replace')[-3000:]}" for path in files if path.exists())

    def _adapt(self) -> None:
        """Carry the environment over to user endpoints, which a daemon run by root starts with an empty one."""
        config = yaml.safe_load((self.folder / "config.yaml").read_text()) or {}
        if os.getuid() == 0:
            config.setdefault("email", "root@localhost")
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config))
        path = self.folder / "user_environment.yaml"
        written = yaml.safe_load(path.read_text()) if path.exists() else None
        wanted = {"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "CWD": str(self.root), **self.environment}
        path.write_text(yaml.safe_dump({**wanted, **(written or {})}))

    def _wait_until_registered(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        listening = "Core Endpoint begins"
        log = self.folder / "endpoint.log"
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                break
            if log.exists() and listening in log.read_text(errors="replace"):
                return
            time.sleep(0.1)
        raise RuntimeError(f"The endpoint {self.name} did not start:\n{self.log()}")


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(folder)
    except (psutil.Error, OSError):
        return False


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)
