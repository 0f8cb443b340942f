#!/usr/bin/env bash
# Trains on several processes of this machine, one a GPU, or on CPUs where there is none:
#   bash tools/dist_train.sh configs/distill/improved.py 4 --data-root PATH
# On several machines, the same command on each, with an address of one of them:
#   NNODES=2 RDZV=host0:29500 bash tools/dist_train.sh configs/distill/improved.py 4 --data-root PATH
exec "${PYTHON:-python}" "$(dirname "${BASH_SOURCE[0]}")/launch.py" train.py "$@"
