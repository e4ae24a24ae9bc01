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

srun --kill-on-bad-exit=1 python -m symmetry_jax run --distributed "$@"
code=$?
# 75: interrupted and saved. Above 128: a process was lost. In both cases the same command goes on; 1 is an error that stays.
if [ "$code" -eq 75 ] || [ "$code" -gt 128 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
