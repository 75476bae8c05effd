#!/usr/bin/env bash
# A server's hard life, in release, with users in good health who talk all the while and miss nothing: peers that
# are slow, stalled or gone, too few descriptors, crowds, a million visits, signals and clocks.
#
# Usage: scripts/hard-life.sh [NAME...]
#
#   NAME        only scenarios whose names contain one of these, as in: churn clock slow_loris
#   -h, --help
#
# Prints what each scenario tried and what survived, and all of it as a table at the end, which is in
# target/hard-life/table.md too. All scenarios take about seven minutes. HARD_LIFE_CHURN=N makes N visits of the
# million. The system's clock is set only for the server, by faketime, where that is installed. Linux only. Exit 0
# when nothing failed, 1 otherwise.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

case ${1:-} in
    -h | --help) show_help && exit ;;
    -*) usage_error "no such option: $1" ;;
esac

folder=target/hard-life
mkdir -p "$folder"
code=0
cargo test --release --test hard_life -- --include-ignored --nocapture --test-threads 1 "$@" 2>&1 |
    tee "$folder/log" || code=1

{
    printf '| Scenario | What was tried | What survived |\n|---|---|---|\n'
    grep -o '| .* |$' "$folder/log" || true
} >"$folder/table.md"
printf '\n'
cat "$folder/table.md"
exit "$code"
