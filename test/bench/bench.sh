#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# bench.sh SDSD [bench.py options] - `make bench`: what the control plane and the user-space data
# plane do on this machine, as a table and as one JSON file. Checks the tools and hands over to
# bench.py; what the figures mean is said in docs/performance.md. Needs no root.
set -euo pipefail

SDSD=$(realpath "${1:?usage: bench.sh path/to/sdsd [--quick] [--rounds N] [--json FILE]}")
export SDSD
shift
here=$(cd "$(dirname "$0")" && pwd)

for tool in fio qemu-nbd python3; do
	command -v "$tool" >/dev/null ||
		{ echo "bench: $tool is missing (Debian: fio qemu-utils python3)" >&2; exit 1; }
done
# listed to the end: grep -q would break fio's pipe, and pipefail would call that a failure
fio --enghelp | grep -w nbd >/dev/null || { echo "bench: this fio has no ioengine=nbd" >&2; exit 1; }
for python in /usr/bin/python3 python3; do # libnbd's module is installed for Debian's
	"$python" -c 'import nbd' 2>/dev/null &&
		exec "$python" "$here/bench.py" --json "$(dirname "$SDSD")/bench.json" "$@"
done
echo "bench: the Python module nbd is missing (Debian: python3-libnbd)" >&2
exit 1
