"""Parsl on Slurm, to copy and change:  fitloom run PALLET --executor parsl --parsl deploy/slurm/parsl_config.py

For the usual cases the preset is enough:  --parsl slurm --set parsl.partition=short --set parsl.account=atlas
"""

from parsl import Config
from parsl.executors import HighThroughputExecutor
from parsl.jobs.error_handlers import windowed_error_handler
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="slurm",
            max_workers_per_node=32,  # one a core
            cores_per_worker=1,
            block_error_handler=windowed_error_handler,  # a job that ran out of time is no reason to give up
            provider=SlurmProvider(
                partition="short",
                account=None,
                exclusive=False,
                cores_per_node=32,
                nodes_per_block=1,
                init_blocks=1,
                max_blocks=4,  # up to four jobs, as many as the points need
                walltime="01:00:00",
                scheduler_options="",  # further lines: "#SBATCH --constraint=haswell"
                worker_init="source /shared/fitloom/bin/activate",
                launcher=SrunLauncher(),
            ),
        )
    ],
    run_dir="/shared/scratch/fitloom-parsl",  # a place that the nodes see
    usage_tracking=0,
)
