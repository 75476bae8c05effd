# What the measuring scripts share: starting and stopping processes, pinning, reading results. Sourced by them.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.."

client=target/release/mio-chat-client
started=()

# A bad command line: say what is wrong, exit 2.
usage_error() {
    echo "$(basename "$0"): $1; see --help" >&2
    exit 2
}

fail() {
    echo "$(basename "$0"): $1" >&2
    exit 1
}

# The text of --help is the comment at the script's top.
show_help() {
    awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$0"
}

# The server has the last core that this process may use and the client the first, where there are two.
set_cores() {
    on_server=() on_client=() server_core='' client_core=''
    local allowed
    allowed=$(awk '/^Cpus_allowed_list:/ { print $2 }' /proc/self/status 2>/dev/null) || return 0
    command -v taskset >/dev/null || return 0
    client_core=${allowed%%[-,]*} server_core=${allowed##*[-,]}
    [[ $client_core != "$server_core" ]] || return 0
    on_server=(taskset -c "$server_core")
    on_client=(taskset -c "$client_core")
}

# start LOG COMMAND...: runs it in the background, in a process group of its own; its id is then in $pid.
start() {
    local log=$1
    shift
    # Emptied before the fork: what an earlier run left there must not be read as this one's.
    : >"$log"
    set -m
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    set +m
    started+=("$pid")
}

# Stops a process group that was started here: politely, and after ten seconds for good.
stop() {
    local tries=0 one rest=()
    kill -TERM -- "-$1" 2>/dev/null || true
    while kill -0 -- "-$1" 2>/dev/null && ((tries++ < 100)); do sleep 0.1; done
    kill -KILL -- "-$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
    for one in "${started[@]}"; do [[ $one == "$1" ]] || rest+=("$one"); done
    started=(${rest[@]+"${rest[@]}"})
}

stop_all() {
    trap '' INT TERM
    local one
    for one in ${started[@]+"${started[@]}"}; do stop "$one"; done
}

# Whatever ends the script also ends what it started.
trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Runs the client on its core, in the background as the server is, so that Ctrl-C reaches the script at once.
# load LOG ARGUMENTS...: returns the client's own exit code.
load() {
    local log=$1 code=0
    shift
    start "$log" ${on_client[@]+"${on_client[@]}"} "$client" --quiet "$@"
    wait "$pid" || code=$?
    stop "$pid"
    return "$code"
}

# start_ours PROGRAM LOG [WRAPPER...]: the server on a port that the system picks; $pid and $url are then its own.
start_ours() {
    local program=$1 log=$2 tries=0
    shift 2
    start "$log" ${on_server[@]+"${on_server[@]}"} "$@" "$program" --host 127.0.0.1 --port 0
    url=
    while [[ -z $url ]]; do
        url=$(sed -n 's|.*listens on http://\([0-9.:]*\).*|ws://\1/ws|p' "$log")
        kill -0 "$pid" 2>/dev/null && ((tries++ < 300)) || fail "the server did not start, see $log"
        [[ -n $url ]] || sleep 0.1
    done
}

accepts() {
    (: <>"/dev/tcp/${1%:*}/${1##*:}") 2>/dev/null
}

# start_peer LOG COMMAND URL: a server by its command, until it accepts; fails if it does not in a minute.
start_peer() {
    local address tries=0
    address=${3#*://} address=${address%%/*}
    ! accepts "$address" || fail "something listens on $address already"
    start "$1" ${on_server[@]+"${on_server[@]}"} bash -c "$2"
    until accepts "$address"; do
        kill -0 "$pid" 2>/dev/null && ((tries++ < 600)) || return 1
        sleep 0.1
    done
}

# parse_server MODE,URL,PID-OR-COMMAND: into $mode, $url, $how.
parse_server() {
    [[ $1 == *,*,* ]] || usage_error "'$1' is not MODE,URL,PID or MODE,URL,COMMAND"
    mode=${1%%,*} how=${1#*,}
    url=${how%%,*} how=${how#*,}
    [[ $mode && $how && $url =~ ^ws://(127\.0\.0\.1|localhost):[0-9]+/ ]] ||
        usage_error "'$1': the URL has to be ws://127.0.0.1:PORT/... or ws://localhost:PORT/..."
}

# figure FILE NAME: a number of the client's JSON; nothing where it was not measured.
figure() {
    grep -o "\"$2\":[-0-9.e+]*" "$1" | head -n 1 | cut -d : -f 2 || true
}

# calc EXPRESSION: arithmetic with fractions, to six digits; nothing where a figure is missing.
calc() {
    awk "BEGIN { printf \"%.6g\", $1 }" 2>/dev/null || true
}

# The median of the numbers on standard input.
median() {
    sort -g | awk 'NF { v[++n] = $1 } END { if (n) print n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2 }'
}
