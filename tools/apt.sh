# SPDX-License-Identifier: GPL-2.0-or-later
#
# apt.sh - sourced by tools/deps, vm-deps and debug-kernel: Debian packages, and an apt of our own.
# The script that sources it sets `me` (its name in messages), `log` (folder of logs), `work`
# (folder for private_apt) and calls the rest.

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

say() { printf '%s: %s\n' "$me" "$*"; }
die() { printf '%s: error: %s\n' "$me" "$*" >&2; exit 1; }

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "need root for: $* (no sudo here; run this line as root and start again)"
	fi
}

missing_packages() { # package...
	local have p
	have=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' 2>/dev/null |
		awk '$2 == "installed" { print $1 }' | sort -u)
	for p in "$@"; do
		grep -qxF -- "$p" <<<"$have" || printf '%s ' "$p"
	done
}

install_packages() { # package...
	local missing
	command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
		die "this is not a Debian system: install by hand: $*"
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0
	say "installing Debian packages: $missing"
	as_root apt-get -q update >/dev/null || die "apt-get update failed"
	# shellcheck disable=SC2086
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y \
		--no-install-recommends $missing >"$log/apt.log" 2>&1 ||
		{ tail -n 20 "$log/apt.log" >&2; die "apt-get install failed"; }
	missing=$(missing_packages "$@")
	[ -z "$missing" ] || die "still missing after apt-get install: $missing"
}

# What this machine's apt reads packages of Debian's main component from: "URI SUITE" lines.
debian_sources() {
	apt-get indextargets --format '$(CREATED_BY) $(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' \
		2>/dev/null | awk '$1 == "Packages" && $2 == "Debian" && $5 == "main" {
			sub("/$", "", $3); print $3, $4 }' | sort -u
}

# The Debian mirror of this machine: the first apt source that carries bookworm itself.
mirror() {
	if [ -n "${SDSD_MIRROR:-}" ]; then
		echo "$SDSD_MIRROR"
		return
	fi
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 2>/dev/null |
		awk '($2 == "bookworm" || $2 == "stable" || $2 == "oldstable") && $3 == "main" {
			sub("/$", "", $1); print $1; exit }'
}

# apt with lists, caches and sources of its own ($work/apt), so the machine's apt is left alone.
# Signatures are checked as ever; the date until which a list is valid is not, as the versions are
# named by the caller and a frozen mirror has them too.
private_apt() {
	local cmd=$1
	shift
	"$cmd" -q -o Dir::Etc::sourcelist="$work/apt/sources.list" -o Dir::Etc::sourceparts=- \
		-o Dir::State::lists="$work/apt/lists" -o Dir::Cache::archives="$work/apt/archives" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
		-o Acquire::Check-Valid-Until=false -o APT::Sandbox::User="$(id -un)" "$@"
}

# Takes the sources.list on standard input.
prepare_apt() { # what-is-read
	[ -e "$keyring" ] || die "no $keyring (package debian-archive-keyring)"
	mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial"
	cat >"$work/apt/sources.list"
	say "reading $1"
	private_apt apt-get update >"$log/update.log" 2>&1 ||
		{ tail -n 5 "$log/update.log" >&2; die "cannot read $1"; }
}

# Everything of Debian that this machine reads, and backports from the same place; with further
# components of the archive when they are named.
prepare_bookworm() { # [component]
	local uri
	uri=$(mirror)
	[ -n "$uri" ] || die "apt knows no Debian bookworm mirror; set SDSD_MIRROR to one"
	{
		echo "$uri bookworm"
		echo "$uri bookworm-backports"
		[ -n "${SDSD_MIRROR:-}" ] || debian_sources | grep ' bookworm'
	} | sort -u | sed "s|.*|deb [signed-by=$keyring] & main${1:+ $1}|" |
		cat - <(echo "deb-src [signed-by=$keyring] $uri bookworm main") |
		prepare_apt "package lists (bookworm, backports) from $uri"
}

unpack() { # folder package[=version]...: those packages, without running anything of theirs
	local to=$1 deb
	shift
	mkdir -p "$work/debs" "$to"
	(cd "$work/debs" && private_apt apt-get download "$@") >"$log/download.log" 2>&1 ||
		{ tail -n 5 "$log/download.log" >&2; die "cannot download $*"; }
	for deb in "$work"/debs/*.deb; do
		dpkg-deb -x "$deb" "$to" || die "cannot unpack $deb"
	done
	rm -rf "$work/debs"
}
