#!/usr/bin/env bash
# A study on all hosts of a Cloud TPU: NAME=my-tpu ZONE=us-central2-b launch/tpu_pod.sh --config=configs/STUDY.py:full --workdir=/shared/DIR
# The repository and its requirements are on every host, in the folder $REPOSITORY.
set -uo pipefail
: "${NAME:?the name of the TPU}" "${ZONE:?its zone}"
REPOSITORY=${REPOSITORY:-symmetry_jax}

command="cd $REPOSITORY && python3 -m symmetry_jax run --distributed $(printf '%q ' "$@")"
code=75
# 75: interrupted and saved. Above 128: a host was lost. In both cases the same command goes on; 1 is an error that stays.
while [ "$code" -eq 75 ] || [ "$code" -gt 128 ]; do
    gcloud compute tpus tpu-vm ssh "$NAME" --zone="$ZONE" --worker=all --command="$command"
    code=$?
done
exit "$code"
