#!/usr/bin/env bash
# Attacks on the server, in release, with 1,000 teachers and 5,000 students on line: each load comes from 400
# connections, while ten pairs of healthy users chat on a fixed schedule and new users connect over every protocol.
#
# Usage: scripts/attacks.sh [--quick] [LOAD]
#
#   LOAD        only the loads whose names contain this, as in: 'handshakes'
#   --quick     few users and attackers and no bounds for time: the part that cargo test runs
#   -h, --help
#
# Prints what each load came to, and all of it as a table at the end, which is in target/attacks/table.md too.
# Latencies count from the time that a message was to be sent at. ATTACKS_SECONDS=N is how long a load lasts instead
# of 10 s. The server has one core and everything else another, where there are two. Linux only. Exit 0 when no
# message was lost, all newcomers got in, no turn took over 20 ms, the pairs' p99 is within 25 ms and the server's
# memory within 256 MiB; 1 otherwise.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

build=(--release --test stress)
test=attacks_stay_within_the_bounds
while (($#)); do
    case $1 in
        -h | --help) show_help && exit ;;
        --quick)
            build=(--test stress)
            test=quick_attacks
            ;;
        -*) usage_error "no such option: $1" ;;
        *) export ATTACKS_LOADS=$1 ;;
    esac
    shift
done

folder=target/attacks
mkdir -p "$folder"
set_cores
# Compiling may use all cores.
cargo test "${build[@]}" --no-run
if [[ $server_core ]]; then export ATTACKS_SERVER_CORE=$server_core; fi
code=0
${on_client[@]+"${on_client[@]}"} cargo test "${build[@]}" -- --include-ignored --nocapture "$test" 2>&1 |
    tee "$folder/log" || code=1
grep '^|' "$folder/log" >"$folder/table.md" || true
printf '\n'
cat "$folder/table.md"
exit "$code"
