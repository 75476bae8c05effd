#!/usr/bin/env bash
# Lays this server beside others: the same load for each, in interleaved rounds, client and server on different cores.
#
# Usage: scripts/compare.sh [--peer NAME=MODE,URL,PID | --peer NAME=MODE,URL,COMMAND]... [options] [-- LOAD...]
#
#   --peer NAME=MODE,URL,PID      a server that runs already; it is pinned meanwhile and never stopped, and what it
#                                 keeps of one round counts in the next
#   --peer NAME=MODE,URL,COMMAND  a server by the command that starts it, afresh for each round, with its process
#                                 group stopped after it
#   --ours MODE,PATH              how this server is spoken to [elixir,/ws]
#   --rounds N                    rounds [5]
#   --time-limit SECONDS          cut a run after this long [60]
#   --out FILE.html               the report [target/compare/report.html]
#   -h, --help
#
# LOAD is what the client is told besides (see cargo client --help) [--numStudents 1000 --numTeachers 10
# --messageCount 50]; MODE is the client's --mode; URLs are loopback ones. CPU and memory are those of one process:
# of PID, or of the process that COMMAND becomes. A command of several steps ends with exec: 'cd peer && exec node
# server.js'. Where there are taskset and two cores, servers have one and the client the other; elsewhere nobody
# is pinned.
#
# Prints a Markdown table of the rounds' medians and writes all plots into one page. A server that fails or is cut is
# a row that says so. Logs and each run's figures are in target/compare/. Exit 0 when every run was good, 1
# otherwise, 2 on wrong usage.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

folder=target/compare out=target/compare/report.html ours=elixir,/ws rounds=5 limit=60 peers=()
crowd=(--numStudents 1000 --numTeachers 10 --messageCount 50)
while (($#)); do
    case $1 in
        -h | --help) show_help && exit ;;
        --) shift && crowd=("$@") && break ;;
        --peer | --ours | --rounds | --time-limit | --out) (($# > 1)) || usage_error "$1 needs a value" ;;
        *) usage_error "no such argument: $1" ;;
    esac
    case $1 in
        --peer) peers+=("$2") ;;
        --ours) ours=$2 ;;
        --rounds) rounds=$2 ;;
        --time-limit) limit=$2 ;;
        --out) out=$2 ;;
    esac
    shift 2
done
[[ $ours == ?*,/* ]] || usage_error "--ours: '$ours' is not MODE,/PATH"
[[ $rounds =~ ^[1-9][0-9]*$ ]] || usage_error "--rounds: '$rounds' is not a number from 1 up"
[[ $limit =~ ^[1-9][0-9]*$ ]] || usage_error "--time-limit: '$limit' is not a number of seconds"
names=' ours '
for peer in ${peers[@]+"${peers[@]}"}; do
    [[ $peer =~ ^[A-Za-z0-9._-]+= ]] || usage_error "--peer: '$peer' is not NAME=..., of letters, digits, . _ -"
    [[ $names != *" ${peer%%=*} "* ]] || usage_error "--peer: the name ${peer%%=*} is taken"
    names+="${peer%%=*} "
    parse_server "${peer#*=}"
    [[ ! $how =~ ^[0-9]+$ ]] || kill -0 "$how" 2>/dev/null || usage_error "--peer: no process $how"
done

cargo build --quiet --release --features client --bins
mkdir -p "$folder"
rm -f "$folder"/*.json "$folder"/*.log
set_cores
files=() bad=0

# run NAME ROUND PID MODE URL: one run against a server that listens.
run() {
    local file=$folder/$1-$2.json
    load "$folder/$1-$2-client.log" --mode "$4" --url "$5" --server-pid "$3" --time-limit "$limit" \
        --save "$file" "${crowd[@]}" || bad=1
    [[ -s $file ]] || note_failure "$1" "$2" "the client could not run, see $folder/$1-$2-client.log"
    if grep -q '"failure":null' "$file"; then
        echo "round $2, $1: $(figure "$file" messages_per_second | cut -d . -f 1) messages/s" >&2
    else
        echo "round $2, $1: failed" >&2
    fi
}

note_failure() {
    printf '{"failure":"%s"}\n' "$3" >"$folder/$1-$2.json"
    bad=1
}

run_peer() {
    local name=$1 round=$2 mask='' log=$folder/$1-$2.log
    parse_server "$3"
    if [[ $how =~ ^[0-9]+$ ]]; then
        if [[ $server_core ]]; then
            mask=$(taskset -p "$how" 2>/dev/null | sed 's/.*: //') || true
            pinned="$how $mask"
            taskset -acp "$server_core" "$how" >/dev/null 2>&1 || true
        fi
        run "$name" "$round" "$how" "$mode" "$url"
        unpin
    elif start_peer "$log" "$how" "$url"; then
        local peer=$pid
        run "$name" "$round" "$peer" "$mode" "$url"
        stop "$peer"
    else
        note_failure "$name" "$round" "did not start, see $log"
        stop "$pid"
    fi
}

# Gives a process that is not ours its cores back.
pinned=''
unpin() {
    [[ ${pinned#* } ]] && taskset -ap "${pinned#* }" "${pinned% *}" >/dev/null 2>&1 || true
    pinned=''
}
trap 'unpin; stop_all' EXIT

for ((round = 1; round <= rounds; round++)); do
    start_ours target/release/mio-chat-server "$folder/ours-$round.log"
    server=$pid
    run ours "$round" "$server" "${ours%%,*}" "${url%/ws}${ours#*,}"
    stop "$server"
    files+=("ours=$folder/ours-$round.json")
    for peer in ${peers[@]+"${peers[@]}"}; do
        run_peer "${peer%%=*}" "$round" "${peer#*=}"
        files+=("${peer%%=*}=$folder/${peer%%=*}-$round.json")
    done
done

"$client" compare "$out" "${files[@]}"
echo "Report: $out" >&2
exit "$bad"
