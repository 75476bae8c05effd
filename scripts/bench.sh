#!/usr/bin/env bash
# Measures what must not get worse: the server's CPU and memory, each figure with a server of its own.
#
# Usage: scripts/bench.sh [options] [FIGURE...]
#
#   --floor MODE,URL,COMMAND  a bare relay to measure against, by the command that starts it, as in
#                             --floor elixir,ws://127.0.0.1:5004/ws,'PORT=5004 exec path/to/relay'
#   --floor MODE,URL,PID      the same, where it runs already
#   --rounds N                rounds of the relay ratio [5]
#   --seconds N               how long the messages of one measurement last [4]
#   -h, --help
#
# FIGURES, all of them unless some are named; CPU is the server's, kernel included:
#   relay     CPU per relayed message as a multiple of the floor's, 100 chats as fast as they go, counted while
#             everybody is in a chat: interleaved rounds, the median of their ratios; left out without --floor
#   memory    what resident memory grows by, per connection, while 10,000 students wait
#   messages  CPU per message at 100, 1,000, 10,000 and 19,000 connections, all of them in chats, at 20,000 messages
#             a second in all whatever their number
#   arrivals  CPU per student who connects, joins and is ready, 500 of them in two seconds, where 1,000 and where
#             18,000 others wait already and 10 teachers hear of it; less what the others' heartbeats cost
#   claims    CPU per short chat (claim, one message and its answer, end, the student waits again) of 10 teachers,
#             where 100 and where 18,000 wait: the difference is what a long queue costs
#
# Prints a table and writes the figures to target/bench/bench.json; null is what could not be measured. Where there
# are taskset and two cores, the server has one and the clients the other. The client needs /proc (Linux) for the
# relay and messages figures. Exit 0 when all was measured, 1 otherwise, 2 on wrong usage.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

folder=target/bench floor='' rounds=5 seconds=4 wanted=''
while (($#)); do
    case $1 in
        -h | --help) show_help && exit ;;
        --floor | --rounds | --seconds) (($# > 1)) || usage_error "$1 needs a value" ;;
        relay | memory | messages | arrivals | claims) wanted+=" $1 " ;;
        *) usage_error "no such argument: $1" ;;
    esac
    case $1 in
        --floor) floor=$2 && shift ;;
        --rounds) rounds=$2 && shift ;;
        --seconds) seconds=$2 && shift ;;
    esac
    shift
done
[[ $rounds =~ ^[1-9][0-9]*$ ]] || usage_error "--rounds: '$rounds' is not a number from 1 up"
[[ $seconds =~ ^[1-9][0-9]*$ ]] || usage_error "--seconds: '$seconds' is not a number from 1 up"
[[ -z $floor ]] || parse_server "$floor"
[[ $wanted != *relay* || $floor ]] || usage_error "relay needs --floor"

cargo build --quiet --release --features client --bins
mkdir -p "$folder"
set_cores
program=target/release/mio-chat-server
json='' bad=0

# report KEY DESCRIPTION VALUE UNIT: a row of the table and a field of the JSON.
report() {
    [[ $3 ]] || bad=1
    json+=",\"$1\":${3:-null}"
    printf '| %s | %s |\n' "$2" "${3:+$(printf %.4g "$3") $4}"
}

# measure FILE PID URL ARGUMENTS...: one run of the client, its figures in FILE; a failed run leaves none.
measure() {
    local file=$1 server=$2 where=$3
    shift 3
    rm -f "$file"
    load "$folder/client.log" --server-pid "$server" --url "$where" --save "$file" "$@" && return
    echo "bench.sh: a run failed: $(tail -n 1 "$folder/client.log")" >&2
    rm -f "$file"
    : >"$file"
}

# A crowd that waits in the background, until all of it is there: crowd URL STUDENTS ARGUMENTS...
crowd() {
    local where=$1 students=$2 tries=0 seen
    shift 2
    start "$folder/crowd.log" ${on_client[@]+"${on_client[@]}"} "$client" --quiet --idle --duration 3600 \
        --url "$where" --numStudents "$students" "$@"
    crowd=$pid
    where=${where#ws://} where=${where%%/*}
    until [[ ${seen:-} == "$students" ]]; do
        kill -0 "$crowd" 2>/dev/null && ((tries++ < 600)) || fail "the crowd did not come, see $folder/crowd.log"
        sleep 0.2
        seen=$(waiting "$where")
    done
}

# How many students wait, as GET / says.
waiting() {
    local line
    exec 3<>"/dev/tcp/${1%:*}/${1##*:}"
    printf 'GET /?limit=1 HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$1" >&3
    line=$(cat <&3)
    exec 3>&-
    grep -o '"waiting":[0-9]*' <<<"$line" | head -n 1 | cut -d : -f 2 || true
}

ours() {
    start_ours "$program" "$folder/server.log"
    server=$pid
}

relay_load=(--numTeachers 20 --numStudents 100 --duration "$seconds")

relay() {
    local round own other ratios=''
    for ((round = 1; round <= rounds; round++)); do
        ours
        measure "$folder/relay-ours.json" "$server" "$url" "${relay_load[@]}"
        stop "$server"
        parse_server "$floor"
        if [[ $how =~ ^[0-9]+$ ]]; then
            measure "$folder/relay-floor.json" "$how" "$url" --mode "$mode" "${relay_load[@]}"
        else
            start_peer "$folder/floor.log" "$how" "$url" || fail "the floor did not start, see $folder/floor.log"
            server=$pid
            measure "$folder/relay-floor.json" "$server" "$url" --mode "$mode" "${relay_load[@]}"
            stop "$server"
        fi
        own=$(figure "$folder/relay-ours.json" server_steady_cpu_us_per_message)
        other=$(figure "$folder/relay-floor.json" server_steady_cpu_us_per_message)
        echo "relay, round $round: $(calc "($own) + 0") us, the floor $(calc "($other) + 0") us" >&2
        ratios+="$(calc "($own) / ($other)")"$'\n'
    done
    report relay_ratio "CPU per relayed message, beside the floor" "$(median <<<"$ratios")" "times"
}

memory() {
    ours
    measure "$folder/memory.json" "$server" "$url" --idle --duration 1 --numTeachers 0 --numStudents 10000
    stop "$server"
    local bytes
    bytes=$(calc "($(figure "$folder/memory.json" server_bytes_per_connection)) + 0")
    report memory_bytes_per_connection "Memory per connection, 10,000 waiting" "$bytes" bytes
}

messages() {
    local connections teachers cpu
    for connections in 100 1000 10000 19000; do
        teachers=$(((connections + 5) / 6))
        ours
        measure "$folder/messages-$connections.json" "$server" "$url" --numTeachers "$teachers" \
            --numStudents $((connections - teachers)) --duration $((seconds + connections / 2000)) --rate 20000
        stop "$server"
        cpu=$(figure "$folder/messages-$connections.json" server_steady_cpu_us_per_message)
        report "message_cpu_us_$connections" "CPU per message, $connections connections" "$(calc "($cpu) + 0")" us
    done
}

arrivals() {
    local before cpu seconds rest
    for before in 1000 18000; do
        ours
        crowd "$url" "$before" --numTeachers 10
        measure "$folder/heartbeats.json" "$server" "$url" --idle --duration 2 --numTeachers 0 --numStudents 1 \
            --idStart "$before"
        cpu=$(figure "$folder/heartbeats.json" server_cpu_seconds)
        seconds=$(figure "$folder/heartbeats.json" seconds)
        rest=$(calc "($cpu) / ($seconds)")
        # At the same pace in both: where arrivals come more densely, several share a turn of the server's loop. Slowly,
        # because with so many ports in use the client's kernel searches long for a free one.
        measure "$folder/arrivals-$before.json" "$server" "$url" --idle --duration 0.1 --numTeachers 0 \
            --numStudents 500 --idStart $((before + 1)) --connections-per-second 250
        stop "$crowd"
        stop "$server"
        cpu=$(figure "$folder/arrivals-$before.json" server_cpu_seconds)
        seconds=$(figure "$folder/arrivals-$before.json" seconds)
        cpu=$(calc "(($cpu) - ($rest) * ($seconds)) * 1e6 / 500")
        report "arrival_cpu_us_$before" "CPU per arrival, $before waiting" "$cpu" us
    done
}

claims() {
    local before cpu chats
    for before in 100 18000; do
        ours
        crowd "$url" "$before" --numTeachers 0 --messageCount 1
        measure "$folder/claims-$before.json" "$server" "$url" --numTeachers 10 --numStudents 0 --messageCount 1 \
            --duration "$seconds"
        stop "$crowd"
        stop "$server"
        cpu=$(figure "$folder/claims-$before.json" server_cpu_seconds)
        chats=$(figure "$folder/claims-$before.json" chats)
        report "chat_cpu_us_$before" "CPU per short chat, $before waiting" "$(calc "($cpu) * 1e6 / ($chats)")" us
    done
}

printf '| Figure | Value |\n|---|--:|\n'
for one in relay memory messages arrivals claims; do
    [[ -z $wanted || $wanted == *" $one "* ]] || continue
    [[ $one != relay || $floor ]] || continue
    "$one"
done
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
printf '{"schema_version":1,"commit":"%s"%s}\n' "$commit" "$json" >"$folder/bench.json"
echo "Figures: $folder/bench.json" >&2
exit "$bad"
