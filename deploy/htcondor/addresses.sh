#!/bin/bash
# The addresses of this user's running endpoints, as `fitloom run --url` takes them.
set -euo pipefail
condor_q -constraint 'JobStatus == 2 && FitloomAddress =!= undefined' -autoformat FitloomAddress | paste -sd, -
