#!/usr/bin/env bash
# Installs what an empty Debian 12 machine lacks: `prerequisites.sh build` for building, `… test` for testing too.
set -euo pipefail

case "${1:-}" in
build) packages=(gcc g++ make) ;;
test) packages=(gcc g++ make postgresql rabbitmq-server redis-server slapd ldap-utils openssl nginx-light docker-compose python3-venv) ;;
*) echo "usage: $0 build|test" >&2 && exit 2 ;;
esac

missing=()
for package in "${packages[@]}"; do
    dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done

if ((${#missing[@]})); then
    echo "installing ${missing[*]}"
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    export DEBIAN_FRONTEND=noninteractive
    "${as_root[@]}" apt-get update -qq
    # Debian starts a server as it is installed, and at every boot. Nothing here uses those instances.
    forbid_services=/usr/sbin/policy-rc.d
    if [ ! -e "$forbid_services" ]; then
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$forbid_services" >/dev/null
        "${as_root[@]}" chmod +x "$forbid_services"
        trap '"${as_root[@]}" rm -f "$forbid_services"' EXIT
    fi
    "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
    if [ -d /run/systemd/system ]; then
        for package in "${missing[@]}"; do
            case "$package" in
            postgresql | rabbitmq-server | redis-server | slapd) "${as_root[@]}" systemctl --quiet disable "$package" ;;
            nginx-light) "${as_root[@]}" systemctl --quiet disable nginx ;;
            esac
        done
    fi
fi

command -v cargo >/dev/null || { echo "cargo is missing: install Rust (https://rustup.rs)" >&2 && exit 1; }

if [ "$1" = test ]; then
    command -v node >/dev/null || { echo "node is missing: install Node.js 20 or newer" >&2 && exit 1; }
    cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny
fi
