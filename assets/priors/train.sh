#!/bin/sh
# Trains the priors that come with GIA Lab anew, one after another; some minutes each. An interrupted training goes on
# where it was if this is started again with the same folder: assets/priors/train.sh [FOLDER]
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
home=${1:-$root/var/shipped}
cd "$root"
for spec in assets/priors/specs/*.json; do
    name=$(basename "$spec" .json)
    test -e "$home/priors/$name.json" || GIA_HOME=$home .venv/bin/python -m gia_core prior train "$spec"
    for kind in safetensors png json; do
        install -m 644 "$home/priors/$name.$kind" "assets/priors/$name.$kind"
    done
done
