#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# demo.sh SDSD - three nodes on loopback addresses of this machine, a volume with two copies and a
# witness; the writer's daemon is killed in the middle of writing, the volume goes on elsewhere,
# the dead node comes back and catches up. Needs no root. Ends with a verdict.
# The clients are libnbd's: its Python module writes and reads, nbdcopy reads the whole volume.
set -euo pipefail

sdsd=$(realpath "${1:?usage: demo.sh path/to/sdsd}")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/sdsd-demo.XXXXXX")
began=$(date +%s)
pids=()
declare -A pid

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
die() {
	printf '\nVERDICT: FAILED: %s\n' "$*" >&2
	for n in n1 n2 n3; do
		[ -f "$work/$n.log" ] && { echo "--- last lines of $n"; tail -n 5 "$work/$n.log"; } >&2
	done
	exit 1
}
cleanup() {
	for p in "${pids[@]}"; do kill -9 "$p" 2>/dev/null || true; done
	wait 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
trap 'die "line $LINENO: $BASH_COMMAND"' ERR

command -v nbdcopy >/dev/null || die "nbdcopy is missing (Debian: libnbd-bin)"
/usr/bin/python3 -c 'import nbd' || die "the Python module nbd is missing (Debian: python3-libnbd)"

# each node has an address of its own, so that the ports are the same everywhere
ip() { echo "127.0.77.${1#n}"; }
export SDSD_HTTP=off SDSD_HTTPS=off # three daemons share the ports of one machine
cli() { local n=$1; shift; "$sdsd" "$@" --socket "$work/$n/run/sdsd.sock"; }
start() {
	local n=$1
	"$sdsd" run --dir "$work/$n/state" --run-dir "$work/$n/run" 2>>"$work/$n.log" &
	pid[$n]=$!
	disown # a kill -9 of it needs no word of the shell
	pids+=("$!")
}
# until N SECONDS COMMAND...: waits for a condition, never longer than that
until_true() {
	local end=$(($(date +%s) + $1)); shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt "$end" ] || return 1
		sleep 0.05
	done
}
answers() { cli "$1" status; }
in_sync() { # how many copies are in sync, as node n sees it
	cli "$1" status --output json | python3 -c '
import json, sys
v = [r for r in json.load(sys.stdin)["resources"] if r["name"] == "db"][0]
sys.exit(0 if v["verdict"] == "safe" else 1)'
}
uri() { echo "nbd+unix:///?socket=$work/$1/run/nbd/db-0.sock"; }
client() { local verb=$1 n=$2; shift 2; /usr/bin/python3 "$here/demo_client.py" "$verb" "$(uri "$n")" "$@"; }

mkdir -p "$work"/{n1,n2,n3}/run "$work"/{n1,n2}/pool

say "A cluster of three: init, join, join"
"$sdsd" init --name n1 --address "$(ip n1):7700" --dir "$work/n1/state" >"$work/init.out"
cat "$work/init.out"
start n1
until_true 10 answers n1 || die "n1 does not answer"
for n in n2 n3; do
	cli n1 token create --output json |
		python3 -c 'import json,sys; print(json.load(sys.stdin)["token"])' >"$work/token"
	"$sdsd" join "$(ip n1):7700" --token-file "$work/token" --name $n \
		--address "$(ip $n):7700" --dir "$work/$n/state"
	start $n
	until_true 10 answers $n || die "$n does not answer"
done

say "Pools on n1 and n2; n3 has none: it is the witness"
cli n1 pool create n1 files --dir "$work/n1/pool"
cli n1 pool create n2 files --dir "$work/n2/pool"
cli n3 volume create db 256M --copies 2
cli n3 status

say "Writing through NBD on n1, and kill -9 of its daemon in the middle"
client write n1 2>"$work/writer.err" >"$work/acked" &
writer=$!
pids+=("$writer")
until_true 20 sh -c "[ \$(wc -l <'$work/acked') -ge 600 ]" || die "the writer is too slow: $(cat "$work/writer.err")"
kill -9 "${pid[n1]}"
wait "$writer" || true
cat "$work/writer.err"
acked=$(grep -c ^write "$work/acked" || true)
flushed=$(grep -c ^flush "$work/acked" || true)
echo "n1 is dead. Acknowledged before: $acked writes of 64 KiB, $flushed flushes."
sleep 0.5
cli n2 status

say "The volume opened on n2: is every acknowledged write there?"
client check n2 "$work/acked" || die "acknowledged data is missing on n2"
cli n2 status

say "n1 comes back and catches up while n2 is open"
client hold n2 "$work/release" >"$work/hold.out" 2>&1 &
holder=$!
pids+=("$holder")
until_true 20 test -s "$work/hold.out" || die "n2 could not be opened: $(cat "$work/hold.out")"
start n1
until_true 20 answers n1 || die "n1 does not answer again"
until_true 30 in_sync n2 || { cli n2 status; die "n1 did not catch up"; }
cli n1 status
: >"$work/release"
wait "$holder" || die "the client on n2 failed: $(cat "$work/hold.out")"

say "The copies byte by byte, and the whole volume as a client reads it"
cmp "$work/n1/pool/db_00000" "$work/n2/pool/db_00000" || die "the copies differ"
nbdcopy "$(uri n1)" "$work/whole"
cmp "$work/whole" "$work/n2/pool/db_00000" || die "the volume is not what the copies hold"
echo "identical: $(stat -c %s "$work/whole") bytes"

say "Deleted again"
until_true 10 cli n2 volume delete db || die "the volume cannot be deleted"
cli n2 volume list
until_true 10 test ! -e "$work/n1/pool/db_00000" || die "n1 kept the files of a deleted volume"

printf '\nVERDICT: PASSED: %s acknowledged writes survived kill -9 of their node; %s s.\n' \
	"$acked" "$(($(date +%s) - began))"
