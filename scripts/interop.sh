#!/usr/bin/env bash
# Real clients, as npm has them, against the release build.
#
#   scripts/interop.sh            every family of clients
#   scripts/interop.sh phoenix    those named
#
# A family is a directory of tests/interop with the versions of its clients (package.json, and the lock
# file), and the tests beside it: FAMILY.test.js and FAMILY_*.test.js. The family `page` is the page in a
# Chromium that is installed, or that CHROMIUM names. Needs cargo, node 20 and npm; writes below target/ only.
set -euo pipefail
shopt -s nullglob
cd "$(dirname "${BASH_SOURCE[0]}")/.."

families=("$@")
if ((!$#)); then
    for directory in tests/interop/*/; do
        families+=("$(basename "$directory")")
    done
fi

tests=()
for family in "${families[@]}"; do
    found=("tests/interop/$family.test.js" "tests/interop/${family}"_*.test.js)
    if [[ ! -f "tests/interop/$family/package.json" || ! -f "${found[0]}" ]]; then
        echo "interop: there is no family named '$family' in tests/interop" >&2
        exit 2
    fi
    tests+=("${found[@]}")
done

cargo build --release --target-dir target

# npm reads the .npmrc beside the package.json that it installs, so the house's goes along.
export npm_config_cache="$PWD/target/interop/npm-cache"
for family in "${families[@]}"; do
    mkdir -p "target/interop/$family"
    cp .npmrc "tests/interop/$family/package.json" "tests/interop/$family/package-lock.json" "target/interop/$family/"
    npm ci --prefix "target/interop/$family" --ignore-scripts --prefer-offline --no-update-notifier
done

# node hands on to the test files, which stop their servers, a SIGTERM, but not a SIGHUP. Old clients go on
# knocking at a server that is gone: when the tests are done, so is the run.
node --test --test-force-exit --test-reporter=spec "${tests[@]}" &
runner=$!
trap 'kill -TERM "$runner"; wait "$runner"; exit 1' HUP INT TERM
wait "$runner"
