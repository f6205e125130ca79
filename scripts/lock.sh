#!/bin/sh
# Pin every package that the project needs, from the ranges in pyproject.toml, for every supported
# Python at once. `make lock` calls this with a Python that may install uv into its environment.
#
#   requirements-runtime.txt   what the server needs
#   requirements.txt           the same and what `pytest` and `make lint` need
#   requirements-bench.txt     the same and what draws the plots of the benchmarks
set -eu

python=$1
cd "$(dirname "$0")/.."
"$python" -m pip install --quiet 'uv>=0.13,<0.14'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compile() {
    "$python" -m uv pip compile --quiet --upgrade --universal --python-version 3.11 \
        --no-header --no-annotate --extra tracing pyproject.toml "$@" >/dev/null
}

# The tests run against exactly what the server runs on: its pins are constraints of theirs.
compile --output-file "$work/runtime"
compile --group test --constraints "$work/runtime" --output-file "$work/tested"
compile --group test --group bench --constraints "$work/tested" --output-file "$work/all"
# Lines for Windows are left out: the server does not run there.
sed -i "/; sys_platform == 'win32'$/d" "$work/runtime" "$work/tested" "$work/all"
grep -vxF -f "$work/runtime" "$work/tested" >"$work/test"
grep -vxF -f "$work/tested" "$work/all" >"$work/bench"

note="# Made by 'make lock' from the ranges in pyproject.toml: change those, not this."
{ echo "$note"; cat "$work/runtime"; } >requirements-runtime.txt
{ echo "$note"; echo '-r requirements-runtime.txt'; cat "$work/test"; } >requirements.txt
{ echo "$note"; echo '-r requirements.txt'; cat "$work/bench"; } >requirements-bench.txt
