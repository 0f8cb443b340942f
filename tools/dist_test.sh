#!/usr/bin/env bash
# Scores on several processes, as dist_train.sh trains: bash tools/dist_test.sh experiments/improved_distill_... 4
exec "${PYTHON:-python}" "$(dirname "${BASH_SOURCE[0]}")/launch.py" test.py "$@"
