#!/usr/bin/env bash
# Stress tests in release, with healthy users who chat all the while and miss nothing: peers that are slow, stalled or
# gone, too few descriptors, many arrivals at once, a million connections, signals and clocks.
#
# Usage: scripts/stress.sh [NAME...]
#
#   NAME        only scenarios whose names contain one of these, as in: churn clock slow_loris
#   -h, --help
#
# Prints what each scenario tried and what survived, and all of it as a table at the end, which is in
# target/stress/table.md too. All scenarios take about seven minutes. STRESS_CHURN=N opens N connections
# instead of the million. The system's clock is set only for the server, by faketime, where that is installed.
# Linux only. Exit 0 when nothing failed, 1 otherwise.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

case ${1:-} in
    -h | --help) show_help && exit ;;
    -*) usage_error "no such option: $1" ;;
esac

folder=target/stress
mkdir -p "$folder"
code=0
cargo test --release --test stress -- --include-ignored --nocapture --test-threads 1 \
    --skip attacks:: --skip wire_fuzzer:: "$@" 2>&1 |
    tee "$folder/log" || code=1

{
    printf '| Scenario | What was tried | What survived |\n|---|---|---|\n'
    grep -o '| .* |$' "$folder/log" || true
} >"$folder/table.md"
printf '\n'
cat "$folder/table.md"
exit "$code"
