#!/usr/bin/env bash
# Trains under Slurm, one task a GPU:
#   GPUS=8 bash tools/slurm_train.sh PARTITION JOB_NAME configs/distill/improved.py --data-root PATH
# GPUS: in all. GPUS_PER_NODE, CPUS_PER_TASK: of each machine, of each task. SRUN_ARGS: more for srun.
# OMP_NUM_THREADS: of each task, 1 where it is not set; most of a task's cores are for its data workers.
if (( $# < 3 )); then
    echo 'error: expected PARTITION JOB_NAME CONFIG [arguments of tools/train.py]' >&2
    exit 2
fi
partition=$1 job=$2 config=$3
shift 3
gpus=${GPUS:-8}
gpus_per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
export MKL_NUM_THREADS=${MKL_NUM_THREADS:-$OMP_NUM_THREADS}
# Where one task fails, Slurm ends the others, which would wait for it.
# shellcheck disable=SC2086  # SRUN_ARGS are several words
exec srun -p "$partition" --job-name="$job" --gres="gpu:$gpus_per_node" --ntasks="$gpus" \
    --ntasks-per-node="$gpus_per_node" --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$(dirname "${BASH_SOURCE[0]}")/train.py" "$config" --launcher slurm "$@"
