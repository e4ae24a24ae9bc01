#!/usr/bin/env bash
# A study on two nodes of four GPUs: sbatch launch/slurm.sh --config=configs/STUDY.py:full --workdir=/shared/DIR
#SBATCH --job-name=symmetry_jax
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4    # jax takes one GPU for each task
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --signal=TERM@180      # three minutes before the end all tasks are told to save and leave
#SBATCH --requeue
set -uo pipefail
MOST_RESTARTS=${MOST_RESTARTS:-100}

said=$(mktemp)
trap 'rm -f "$said"' EXIT
# python is the task itself: a shell around it would have to hand on signals
srun --kill-on-bad-exit=1 python -m symmetry_jax run --distributed "$@" 2>&1 | tee "$said"
code=${PIPESTATUS[0]}
# An error that is told stays, whatever the code: the other tasks are ended for it, and srun returns the highest code of all.
if grep -q '^error: ' "$said"; then
    exit 1
fi
# 75: interrupted and saved. Above 128: a process was lost. In both cases the same command goes on.
if [ "$code" -eq 75 ] || [ "$code" -gt 128 ]; then
    if [ "${SLURM_RESTART_COUNT:-0}" -lt "$MOST_RESTARTS" ]; then
        scontrol requeue "$SLURM_JOB_ID"
    else
        echo "not started again: it was $MOST_RESTARTS times" >&2
    fi
fi
exit "$code"
