#!/bin/bash
# Serves fits from inside an HTCondor job on a free port, and writes the address into the job's own entry in the queue.
# usage: endpoint.sh [path of fitloom-endpoint] [further options of serve]
set -euo pipefail

endpoint=${1:-fitloom-endpoint}
shift || true
folder=${_CONDOR_SCRATCH_DIR:-$PWD}
FITLOOM_TOKEN=$(<"$folder/token")
export FITLOOM_TOKEN

host=$(hostname -f)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
address="http://$host:$port"

# Compiled programs stay in the job's own folder: nodes differ in processor, and others must not write there.
export FITLOOM_COMPILATION_CACHE="$folder/compiled"
workers=${OMP_NUM_THREADS:-0}  # HTCondor sets it to the cores of the slot

"$endpoint" serve --host 0.0.0.0 --port "$port" --workers "$workers" "$@" &
server=$!
trap 'kill -TERM "$server"' TERM INT

chirp=$(command -v condor_chirp || echo "$(condor_config_val LIBEXEC 2>/dev/null || true)/condor_chirp")
if [[ -x $chirp ]]; then
    "$chirp" set_job_attr FitloomAddress "\"$address\""
else
    echo "no condor_chirp here: the address is $address" >&2
fi
echo "$address"

# A signal ends a wait early; the server is waited for until it has finished its tasks.
status=0
while kill -0 "$server" 2>/dev/null; do
    status=0
    wait "$server" || status=$?
done
exit "$status"
