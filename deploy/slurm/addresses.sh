#!/bin/bash
# The addresses of this user's endpoints that are ready, as `fitloom run --url` takes them.
set -euo pipefail
addresses=${FITLOOM_ADDRESSES:-$HOME/.config/fitloom/slurm}
ready=()
for job in $(squeue --noheader --user "$(id -un)" --name fitloom --states RUNNING --format %A); do
    if [[ -r $addresses/$job ]]; then
        ready+=("$(<"$addresses/$job")")
    fi
done
if [[ ${#ready[@]} -eq 0 ]]; then
    echo "no endpoint is ready yet: squeue --me says what the jobs wait for" >&2
    exit 1
fi
(IFS=, && echo "${ready[*]}")
