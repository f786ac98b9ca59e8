#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes a Debian sysroot for cross builds in the cache, once, and prints its path. Needs no root, and the dpkg and apt
# of this machine never hear of it: the packages are fetched with an apt root of our own and only unpacked.
set -eu

usage() {
	cat >&2 <<-'END'
	usage: scripts/sysroot.sh amd64|arm64|armhf

	The cache is $BATON_CACHE, else $XDG_CACHE_HOME/baton, else ~/.cache/baton. The name of a sysroot holds a digest of
	this script, so that a changed package list makes a new one. Removing a folder from the cache makes it anew.
	END
	exit 2
}

[ $# -eq 1 ] || usage
case $1 in
amd64 | arm64 | armhf) architecture=$1 ;;
*) usage ;;
esac

packages='libc6-dev linux-libc-dev libgcc-12-dev libevent-dev libmosquitto-dev liblua5.4-dev libconfig-dev libseccomp-dev
libcgroup-dev libjansson-dev libarchive-dev zlib1g-dev libssl-dev libyaml-dev libcmocka-dev libasan8 libubsan1'

cache=${BATON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/baton}
digest=$(sha256sum <"$0" | cut -c 1-12)
here=$(dirname "$0")
sysroot=$cache/sysroot-$architecture-$digest
apt=$cache/sysroot-apt/$architecture
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
work=

say() {
	printf 'sysroot %s: %s\n' "$architecture" "$*" >&2
}

fail() {
	say "$*"
	exit 1
}

private_apt() { # PROGRAM SOURCES ARGUMENTS...
	program=$1
	sources=$2
	shift 2
	"$program" -o Dir::Etc::sourcelist="$apt/$sources" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::parts=/dev/null \
		-o Dir::Etc::preferencesparts=/dev/null -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status" \
		-o Dir::Cache::archives="$apt/archives" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
		-o APT::Architecture="$architecture" -o APT::Architectures::="$architecture" -o APT::Install-Recommends=false \
		-o APT::Keep-Downloaded-Packages=true -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none \
		-o Acquire::Retries=3 -o Debug::NoLocking=1 "$@"
}

write_sources() {
	"$here/mirrors.sh" >"$apt/mirrors"
	sed "s|.*|deb [arch=$architecture signed-by=$keyring] & main|" "$apt/mirrors" >"$apt/all"
	grep -v -- -security "$apt/all" >"$apt/main-only"
}

# Prints the name of the sources that are usable.
update() {
	for sources in all main-only; do
		if private_apt apt-get "$sources" -q -o APT::Update::Error-Mode=any update >"$apt/log" 2>&1; then
			echo "$sources" | tee "$apt/updated"
			return 0
		fi
		# The security index of an architecture that few people use can be out of step with its Release file for hours.
		[ "$sources" = main-only ] || say "the security index is not usable now, going on without it: $(grep '^E:' "$apt/log" | head -n 1)"
	done
	[ -f "$apt/updated" ] || fail "cannot read the package lists: $(tail -n 3 "$apt/log")"
	say "cannot read new package lists, going on with those of $(date -r "$apt/updated"): $(grep '^E:' "$apt/log" | head -n 1)"
	cat "$apt/updated"
}

fetch() { # SOURCES
	# An empty archive folder, or apt would leave out what has been fetched before.
	# shellcheck disable=SC2086 # one argument per package
	private_apt apt-get "$1" -o Dir::Cache::archives="$apt/none" --print-uris -y install $packages >"$apt/uris" 2>"$apt/log" ||
		fail "cannot resolve the packages: $(tail -n 3 "$apt/log")"
	sed -n "s/^'[^']*' \([^ ]*\) .*/\1/p" "$apt/uris" | LC_ALL=C sort >"$apt/closure"
	for attempt in 1 2 3; do
		# shellcheck disable=SC2086
		private_apt apt-get "$1" -q -y --download-only install $packages >"$apt/log" 2>&1 && return 0
		say "download failed (attempt $attempt of 3)"
	done
	fail "cannot fetch the packages: $(tail -n 3 "$apt/log")"
}

# The files of a package, and its entry in the package database below the sysroot that dpkg-shlibdeps reads.
unpack() { # FILE
	dpkg-deb --fsys-tarfile "$1" | tar -C "$work" --no-same-owner --keep-directory-symlink -xf - --exclude=./usr/share/doc --exclude=./usr/share/man \
		--exclude=./usr/share/locale --exclude=./usr/share/lintian
	name=$(dpkg-deb --field "$1" Package)
	same=
	[ "$(dpkg-deb --field "$1" Multi-Arch)" != same ] || same=:$architecture
	dpkg-deb --control "$1" "$work/control"
	for part in symbols shlibs; do
		[ ! -f "$work/control/$part" ] || cp "$work/control/$part" "$database/info/$name$same.$part"
	done
	sed '/^Package:/a Status: install ok installed' "$work/control/control" >>"$database/status"
	echo >>"$database/status"
	rm -r "$work/control"
	# dpkg-shlibdeps asks who owns a library by the path at which it found it: below the sysroot, with or without usr/.
	dpkg-deb --fsys-tarfile "$1" | tar -tf - | sed -e 's|^\./*\(usr/\)\{0,1\}||' -e 's|/$||' -e '/^$/d' |
		sed -e "h;s|^|$sysroot/|p;g;s|^|$sysroot/usr/|" >"$database/info/$name$same.list"
}

# Absolute links would lead the linker out of the sysroot, into the libraries of this machine.
make_links_relative() {
	find "$work" -type l -lname '/*' | while read -r link; do
		target=$work$(readlink "$link")
		ln -sfn "$(realpath -m -s --relative-to="$(dirname "$link")" "$target")" "$link"
	done
}

make() {
	started=$(date +%s)
	say "making it in $cache"
	mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/none/partial"
	: >"$apt/status"
	write_sources
	sources=$(update)
	fetch "$sources"
	work=$cache/sysroot-work-$architecture # of one that was killed, perhaps: the lock is ours
	rm -rf "$work"
	mkdir "$work"
	trap 'rm -rf "$work"' EXIT
	trap 'exit 1' HUP INT TERM
	database=$work/var/lib/dpkg
	mkdir -p "$database/info" "$database/updates"
	echo 1 >"$database/info/format"
	# As on every Debian 12: otherwise libcgroup.so, in one, points at nothing in the other.
	for folder in bin lib lib64 sbin; do
		mkdir -p "$work/usr/$folder"
		ln -s "usr/$folder" "$work/$folder"
	done
	while read -r file; do
		unpack "$apt/archives/$file"
	done <"$apt/closure"
	make_links_relative
	mv "$work" "$sysroot"
	trap - EXIT
	say "$(wc -l <"$apt/closure") packages, $(du -sm "$sysroot" | cut -f 1) MiB, $(($(date +%s) - started)) s"
}

mkdir -p "$apt"
# Another process may make the same one at this moment: the second waits, and finds it.
exec 9>"$apt/lock"
flock 9
[ -d "$sysroot" ] || make
echo "$sysroot"
