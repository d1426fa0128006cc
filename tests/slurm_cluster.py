"""A Slurm of one node on this machine: real munged, slurmctld and slurmd, with a configuration of their own.

Use::

    with SlurmCluster(tmp_path) as slurm:
        subprocess.run(["sbatch", …], env=slurm.environment)

Needs root and Debian's slurm-wlm and munge; `why_not` says what is missing.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "sinfo", "srun")
_CONFIG = """
ClusterName=fitloom
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
SlurmctldPort={controller}
SlurmdPort={node}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=0,defer_batch=0
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
ReturnToService=2
KillWait=3
SlurmctldTimeout=30
SlurmdTimeout=30
MinJobAge=600
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=short Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES
"""


def why_not() -> str | None:
    """Why no Slurm can be brought up here, or None."""
    if os.geteuid() != 0:
        return "a Slurm of one's own needs root"
    missing = [program for program in PROGRAMS if _find(program) is None]
    return f"no {', '.join(missing)}: apt-get install slurm-wlm munge" if missing else None


def _find(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


class SlurmCluster:
    """The daemons in a folder, until the end of a `with`."""

    def __init__(self, folder: Path, cpus: int = 2) -> None:
        self.folder = folder
        self._cpus = cpus
        self._daemons: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **os.environ,
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{os.environ['PATH']}:/usr/sbin",
        }

    def __enter__(self) -> SlurmCluster:
        self._write()
        try:
            self._start_munge()
            self._start("slurmctld", "-D")
            self._start("slurmd", "-D")
            self._wait_for_node()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if len(self._daemons) == 3:
            self._end_jobs()
        for daemon in reversed(self._daemons):  # one after the other: they say goodbye to each other
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def _end_jobs(self) -> None:
        self.run("scancel", "--state=PENDING", check=False)
        self.run("scancel", "--state=RUNNING", check=False)
        with contextlib.suppress(RuntimeError):
            _wait(lambda: not self.run("squeue", "--noheader", check=False).strip(), 15, "jobs do not end")

    def run(self, *command: str, check: bool = True) -> str:
        """The output of a Slurm command."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        if check and done.returncode:
            raise RuntimeError(f"{command[0]} said: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def _write(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        host = socket.gethostname().split(".")[0]
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 - 500
        given = {"folder": self.folder, "host": host, "cpus": self._cpus, "memory": memory}
        config = _CONFIG.format(**given, controller=_port(), node=_port())
        (self.folder / "slurm.conf").write_text(config)

    def _start_munge(self) -> None:
        paths = {"key-file": "munge.key", "socket": "munge.sock", "pid-file": "munge.pid", "log-file": "munge.log"}
        options = [f"--{option}={self.folder / name}" for option, name in paths.items()]
        # --force: our folder need not be as closed as /run/munge is.
        self._start("munged", "--foreground", "--force", f"--seed-file={self.folder / 'munge.seed'}", *options)
        _wait(lambda: (self.folder / "munge.sock").exists(), 10, "munged made no socket")

    def _start(self, program: str, *options: str) -> None:
        path = _find(program)
        assert path is not None
        with (self.folder / f"{program}.out").open("wb") as log:
            self._daemons.append(
                subprocess.Popen(
                    [path, *options], env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
                )
            )

    def _wait_for_node(self) -> None:
        def idle() -> bool:
            dead = [daemon for daemon in self._daemons if daemon.poll() is not None]
            if dead:
                raise RuntimeError(f"{dead[0].args} ended: {self._logs()}")
            return "idle" in self.run("sinfo", "--noheader", "--format=%t", check=False)

        _wait(idle, 30, f"the node did not come up: {self._logs()}")

    def _logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-1500:] for path in sorted(self.folder.glob("*.log")))


def _wait(ready: Callable[[], bool], seconds: float, otherwise: str) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError(otherwise)
        time.sleep(0.1)


def _port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
