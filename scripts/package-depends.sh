#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints the Depends line of programs: package-depends.sh ARCHITECTURE SYSROOT TRIPLET FILE...
# SYSROOT is empty for programs that were linked with the libraries of this machine.
set -eu
architecture=$1
sysroot=$2
triplet=$3
shift 3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work/debian"
printf 'Source: baton\n\nPackage: baton\nArchitecture: any\n' >"$work/debian/control"
cd "$work"
if [ -n "$sysroot" ]; then
	# The sysroot has a package database of its own, see scripts/sysroot.sh.
	DPKG_ADMINDIR=$sysroot/var/lib/dpkg
	DEB_HOST_ARCH=$architecture
	export DPKG_ADMINDIR DEB_HOST_ARCH
	dpkg-shlibdeps -O -l"$sysroot/lib/$triplet" -l"$sysroot/usr/lib/$triplet" "$@" >depends 2>log || {
		cat log >&2
		exit 1
	}
else
	dpkg-shlibdeps -O "$@" >depends 2>log || {
		cat log >&2
		exit 1
	}
fi
sed -n 's/^shlibs:Depends=//p' depends
