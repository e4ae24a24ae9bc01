#!/usr/bin/env bash
# A study on all hosts of a Cloud TPU: NAME=my-tpu ZONE=us-central2-b launch/tpu_pod.sh --config=configs/STUDY.py:full --workdir=/shared/DIR
# The repository and its requirements are on every host, in the folder $REPOSITORY.
set -uo pipefail
: "${NAME:?the name of the TPU}" "${ZONE:?its zone}"
REPOSITORY=${REPOSITORY:-symmetry_jax}
MOST_RESTARTS=${MOST_RESTARTS:-100}
PAUSE=${PAUSE:-30} # seconds before the next try

said=$(mktemp)
trap 'rm -f "$said"' EXIT
command="cd $REPOSITORY && python3 -m symmetry_jax run --distributed $(printf '%q ' "$@")"
for ((restarts = 0; ; restarts++)); do
    gcloud compute tpus tpu-vm ssh "$NAME" --zone="$ZONE" --worker=all --command="$command" 2>&1 | tee "$said"
    code=${PIPESTATUS[0]}
    # An error that is told stays, whatever the code, which may be that of a host that was ended for it.
    if grep -q '^error: ' "$said"; then
        exit 1
    fi
    # 75: interrupted and saved. Above 128: a host was lost, or (255) could not be reached. The same command goes on.
    if [ "$code" -ne 75 ] && [ "$code" -le 128 ]; then
        exit "$code"
    fi
    if [ "$restarts" -ge "$MOST_RESTARTS" ]; then
        echo "not started again: it was $MOST_RESTARTS times" >&2
        exit "$code"
    fi
    sleep "$PAUSE"
done
