#!/bin/sh
# Fetch what pip and npm install from this checkout into a directory, once for all that installs it
# from there afterwards, without a registry. As .ci/run does:
#
#   scripts/fetch-packages.sh DIRECTORY
#   export PIP_NO_INDEX=1 PIP_FIND_LINKS=DIRECTORY/wheels
#   export NPM_CONFIG_PREFER_OFFLINE=true NPM_CONFIG_CACHE=DIRECTORY/npm
#
# The wheels are for this machine's python3 and for the image's. What is there is fetched again only
# when it is of other versions.
set -eu

directory=$(readlink -m "$1")
cd "$(dirname "$0")/.."
locks=$(git ls-files 'web/package-lock.json' 'tests/*/package-lock.json')

# shellcheck disable=SC2086  # names without spaces
wanted=$(python3 --version; cat requirements.txt requirements-runtime.txt docker/Dockerfile pyproject.toml $locks | sha256sum)
[ "$wanted" != "$(cat "$directory/fetched" 2>/dev/null)" ] || exit 0

rm -rf "$directory"
mkdir -p "$directory"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
fetch() {
    "$work/venv/bin/pip" download --quiet --disable-pip-version-check --dest "$directory/wheels" "$@"
}
build=$("$work/venv/bin/python" -c '
import tomllib
print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])')
image=$(sed -n 's/^FROM python:\([0-9.]*\).*/\1/p' docker/Dockerfile | sort -u)
# shellcheck disable=SC2086  # several words are several requirements
fetch $build -r requirements.txt
fetch --python-version "$image" --only-binary=:all: -r requirements-runtime.txt

for lock in $locks; do
    from=$(dirname "$lock")
    mkdir -p "$work/$from"
    cp "$from/package.json" "$from/package-lock.json" "$work/$from"
    (cd "$work/$from" && npm ci --no-audit --no-fund --ignore-scripts --cache "$directory/npm" >/dev/null)
done
echo "$wanted" >"$directory/fetched"
