#!/usr/bin/env bash
# Lets the Autobahn fuzzing client loose on the server's WebSocket.
#
# Usage: scripts/autobahn.sh [CASE...]
#
# CASES are Autobahn's, as in '6.*' or 7.1.6: unless some are named, all of 1 to 7, 9 and 10, which are all but
# compression's, an extension that this server declines. They go to /echo, which a build with the feature
# conformance has: the same loop, connection and framing as everywhere, and messages of 16 MiB.
#
# Needs wstest, on the PATH or as $WSTEST. Prints how many cases behaved how and closed how in each section, and
# writes to target/autobahn/, below it a report of each case. Exit 0 when no case failed or ended uncleanly, 1
# otherwise, 2 on wrong usage or without wstest.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

[[ ${1:-} != -h && ${1:-} != --help ]] || { show_help && exit; }
cases=("$@")
(($#)) || cases=('1.*' '2.*' '3.*' '4.*' '5.*' '6.*' '7.*' '9.*' '10.*')
for one in "${cases[@]}"; do
    [[ $one =~ ^[0-9][0-9.*]*$ ]] || usage_error "'$one' is not a case"
done
wstest=${WSTEST:-wstest}
command -v "$wstest" >/dev/null || {
    echo "autobahn.sh: there is no $wstest; it comes with PyPI's autobahntestsuite 0.8.2, which runs under Python 2.7" >&2
    exit 2
}

# A target directory of its own, so that the server in target/release is never the one with /echo.
folder=target/autobahn
cargo build --quiet --release --features conformance --bin mio-chat-server --target-dir "$folder/build"
rm -rf "$folder/report"
start_ours "$folder/build/release/mio-chat-server" "$folder/server.log"
server=$pid

quoted=$(printf ', "%s"' "${cases[@]}")
cat >"$folder/spec.json" <<END
{
    "outdir": "$folder/report",
    "servers": [{"agent": "mio-chat-server", "url": "${url%/ws}/echo"}],
    "cases": [${quoted#, }],
    "exclude-cases": [],
    "exclude-agent-cases": {}
}
END
# A case that hangs is ended by the fuzzing client itself, after its own time.
start "$folder/wstest.log" "$wstest" --mode fuzzingclient --spec "$folder/spec.json"
wait "$pid" || fail "wstest failed, see $folder/wstest.log"
kill -0 "$server" 2>/dev/null || fail "the server has ended, see $folder/server.log"
[[ -s $folder/report/index.json ]] || fail "wstest wrote no report, see $folder/wstest.log"

# The index has a line for each case and, within it, one for how it behaved and one for how it closed.
awk -F '"' '
    function width(i) { return length(verdict[i]) > 4 ? length(verdict[i]) : 4 }
    function row(name, of, i, line) {
        line = sprintf("| %-7s | %5d |", name, cases[of])
        for (i = 1; i <= verdicts; i++) line = line sprintf(" %*d |", width(i), count[of, i])
        print line
    }
    BEGIN {
        verdicts = split("OK,NON-STRICT,INFORMATIONAL,FAILED,close OK,close INFORMATIONAL,close FAILED", verdict, ",")
        head = "| Section | Cases |"; rule = "|---------|------:|"
        for (i = 1; i <= verdicts; i++) {
            head = head sprintf(" %*s |", width(i), verdict[i])
            dashes = sprintf("%*s", width(i) + 1, ""); gsub(/ /, "-", dashes)
            rule = rule dashes ":|"
            column[verdict[i]] = i
        }
    }
    $2 ~ /^[0-9]+(\.[0-9]+)+$/ {
        split($2, part, "."); id = $2; section = part[1] + 0
        cases[section]++; cases["all"]++
        if (section > last) last = section
    }
    $2 ~ /^behavior(Close)?$/ {
        is_close = $2 == "behaviorClose"
        known = ($4 == "OK" || $4 == "INFORMATIONAL" || (!is_close && $4 == "NON-STRICT"))
        i = column[(is_close ? "close " : "") (known ? $4 : "FAILED")]
        count[section, i]++; count["all", i]++
        if (!known) bad = bad "\n" id (is_close ? " closed: " : ": ") $4
        if ($4 == "NON-STRICT") lax = lax " " id
    }
    END {
        print head; print rule
        for (section = 1; section <= last; section++) if (section in cases) row(section, section)
        row("all", "all")
        if (lax != "") print "NON-STRICT:" lax
        if (bad != "") { print "Not as it must be:" bad; exit 1 }
        exit cases["all"] == 0
    }' "$folder/report/index.json" && code=0 || code=1
echo "Reports: $folder/report/index.html" >&2
exit "$code"
