#!/usr/bin/env bash
# Shows where the server's time goes under load.
#
# Usage: scripts/profile.sh perf|flamegraph|samply|callgrind [options] [-- LOAD...]
#
#   perf         samples of all stacks, in target/profile/perf.data      needs perf
#   flamegraph   the same as a picture, target/profile/flamegraph.svg    needs perf and inferno
#   samply       the same for the browser, target/profile/samply.json.gz needs samply
#   callgrind    instructions, counted, in target/profile/callgrind.out  needs valgrind
#
#   --seconds N  how long to sample [5]
#   -h, --help
#
# LOAD is what the client is told besides (see cargo client --help) [--numStudents 100 --numTeachers 20]: for the
# sampling ones everybody talks for as long as it takes. The server is built with the profiling profile, line tables
# and frame pointers, into target/profiling-build/. callgrind counts two runs of different length, and the difference
# by the difference in messages is the instructions per message, start and end left out: a figure to compare commits
# by, which the machine's load does not change. Where perf is not permitted, callgrind still works.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

folder=target/profile seconds=5 tool='' crowd=(--numStudents 100 --numTeachers 20)
while (($#)); do
    case $1 in
        -h | --help) show_help && exit ;;
        --) shift && crowd=("$@") && break ;;
        --seconds) (($# > 1)) && [[ $2 =~ ^[1-9][0-9]*$ ]] || usage_error "$1 needs a number of seconds" ;;
        perf | flamegraph | samply | callgrind) [[ -z $tool ]] || usage_error "one of them at a time" ;;
        *) usage_error "no such argument: $1" ;;
    esac
    case $1 in
        --seconds) seconds=$2 && shift ;;
        *) tool=$1 ;;
    esac
    shift
done
[[ $tool ]] || usage_error "perf, flamegraph, samply or callgrind?"

# need PROGRAM HOW: says in a line how to come by what is missing.
need() {
    command -v "$1" >/dev/null || fail "$1 is missing: $2"
}

permit='sudo sysctl kernel.perf_event_paranoid=1, or use callgrind'
case $tool in
    perf | flamegraph)
        need perf "install linux-perf (Debian) or linux-tools (Ubuntu); elsewhere than on Linux use samply"
        [[ $tool == perf ]] || need inferno-flamegraph "cargo install inferno"
        # The CPU's own counters are not there in every virtual machine; the clock is.
        perf record -q -e cpu-clock -o /dev/null true 2>/dev/null ||
            fail "perf is not permitted: $permit"
        ;;
    samply) need samply "cargo install samply" ;;
    callgrind) need valgrind "install valgrind" ;;
esac

cargo build --quiet --release --features client --bin mio-chat-client
RUSTFLAGS="-C force-frame-pointers=yes" \
    cargo build --quiet --profile profiling --bin mio-chat-server --target-dir target/profiling-build
program=target/profiling-build/profiling/mio-chat-server
mkdir -p "$folder"
set_cores

# sampled COMMAND...: runs a sampler, which gets the server's pid last, while the load lasts.
sampled() {
    start_ours "$program" "$folder/server.log"
    local server=$pid talker sampler
    start "$folder/client.log" ${on_client[@]+"${on_client[@]}"} "$client" --quiet --url "$url" \
        --duration 3600 "${crowd[@]}"
    talker=$pid
    sleep 1
    start "$folder/$tool.log" "$@" "$server"
    sampler=$pid
    sleep "$seconds"
    kill -0 "$talker" 2>/dev/null || fail "the load ended early, see $folder/client.log"
    # Samplers write what they have when they are interrupted.
    kill -INT "$sampler" 2>/dev/null || true
    wait "$sampler" || true
    stop "$sampler"
    stop "$talker"
    stop "$server"
}

perf_data() {
    sampled perf record -q -e cpu-clock -F 999 --call-graph fp -o "$folder/perf.data" -p
    [[ -s $folder/perf.data ]] || fail "perf wrote nothing, see $folder/$tool.log"
}

# Instructions of one run, in which each teacher sends that many messages, and the messages relayed.
counted() {
    local out=$folder/callgrind.out server
    rm -f "$out"
    start_ours "$program" "$folder/server.log" valgrind --tool=callgrind --callgrind-out-file="$out"
    server=$pid
    load "$folder/client.log" --url "$url" --timeout 300 --messageCount "$1" --save "$folder/client.json" \
        "${crowd[@]}" || fail "the load failed, see $folder/client.log"
    stop "$server"
    instructions=$(awk '/^(summary|totals):/ { print $2; exit }' "$out")
    messages=$(figure "$folder/client.json" messages)
}

case $tool in
    perf)
        perf_data
        echo "$folder/perf.data: perf report -i $folder/perf.data"
        perf report -i "$folder/perf.data" --stdio --no-children -g none --percent-limit 1 2>/dev/null |
            awk 'NF && !/^#/ && n++ < 25'
        ;;
    flamegraph)
        perf_data
        perf script -i "$folder/perf.data" 2>/dev/null | inferno-collapse-perf >"$folder/stacks.folded"
        inferno-flamegraph --title mio-chat-server "$folder/stacks.folded" >"$folder/flamegraph.svg"
        echo "$folder/flamegraph.svg"
        awk '{ n = $NF; sub(/ [0-9]+$/, ""); sub(/.*;/, ""); own[$0] += n; all += n }
            END { for (f in own) printf "%6.2f%%  %s\n", 100 * own[f] / all, f }' "$folder/stacks.folded" |
            sort -rn | awk 'NR <= 25'
        ;;
    samply)
        sampled samply record --save-only --output "$folder/samply.json.gz" --pid
        [[ -s $folder/samply.json.gz ]] ||
            fail "samply wrote nothing (see $folder/samply.log); where perf is not permitted: $permit"
        echo "$folder/samply.json.gz: samply load $folder/samply.json.gz (functions have their names only there)"
        ;;
    callgrind)
        counted 20
        few_instructions=$instructions few_messages=$messages
        counted 220
        echo "$folder/callgrind.out: callgrind_annotate $folder/callgrind.out"
        callgrind_annotate "$folder/callgrind.out" 2>/dev/null |
            awk '/^ *[0-9,]+ \(/ && n++ < 25 { sub(/ \[.*/, ""); sub(/\/[^ ]*\/src\//, ""); print substr($0, 1, 110) }'
        echo "$instructions $few_instructions $messages $few_messages" |
            awk '{ printf "%.0f instructions per message (%d messages)\n", ($1 - $2) / ($3 - $4), $3 - $4 }'
        ;;
esac
