#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes a small OCI image layout of busybox with nothing but sh, tar, gzip, sha256sum and busybox-static.
set -eu

usage() {
	cat >&2 <<-'END'
	usage: scripts/make-image.sh NAME:TAG OUTPUT-DIR [COMMANDS]

	Writes an OCI image layout to OUTPUT-DIR, which must not exist. COMMANDS are run by sh in the
	image's root file system before it is packed ("mkdir srv; echo hello >srv/index.html").
	BUSYBOX=PATH names another static busybox, ARCHITECTURE=amd64|arm64|arm the machine that it is for;
	ENTRYPOINT and CMD, as JSON arrays, what it runs.
	END
	exit 2
}

[ $# -eq 2 ] || [ $# -eq 3 ] || usage
name=$1
output=$2
commands=${3:-}
busybox=${BUSYBOX:-/bin/busybox}
entrypoint=${ENTRYPOINT:-null}
cmd=${CMD:-'["/bin/sh"]'}

case $name in
*[!A-Za-z0-9._:/@-]* | '') echo "make-image.sh: \"$name\" is not an image name" >&2 && exit 1 ;;
esac
[ -x "$busybox" ] || { echo "make-image.sh: no $busybox: apt-get install busybox-static" >&2 && exit 1; }
[ ! -e "$output" ] || { echo "make-image.sh: $output is there already" >&2 && exit 1; }

case ${ARCHITECTURE:-$(uname -m)} in
x86_64 | amd64) architecture=amd64 variant= ;;
aarch64 | arm64) architecture=arm64 variant=v8 ;;
armv7l | armv8l | arm) architecture=arm variant=v7 ;;
armv6l) architecture=arm variant=v6 ;;
i?86) architecture=386 variant= ;;
*) architecture=$(uname -m) variant= ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# ---- root file system ----
root=$work/root
mkdir -m 755 "$root" "$root/bin" "$root/etc" "$root/dev" "$root/proc" "$root/sys" "$root/var" "$root/root"
mkdir -m 1777 "$root/tmp"
cp "$busybox" "$root/bin/busybox"
chmod 755 "$root/bin/busybox"
# The busybox of another machine cannot be asked.
[ -z "${ARCHITECTURE:-}" ] || lister=/bin/busybox
for applet in $("${lister:-$busybox}" --list); do
	[ "$applet" = busybox ] || ln "$root/bin/busybox" "$root/bin/$applet" 2>/dev/null || true
done
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$root/etc/passwd"
printf 'root:x:0:\nnobody:x:65534:\n' >"$root/etc/group"
[ -z "$commands" ] || (cd "$root" && umask 022 && sh -euc "$commands")

# ---- layout ----
# The same input gives the same digests: names sorted, no time, no user names, no time in the gzip header.
layout=$work/layout
blobs=$layout/blobs/sha256
mkdir -p "$blobs"
LC_ALL=C tar --create --file "$work/layer.tar" --directory "$root" --format=pax --sort=name --mtime=@0 \
	--owner=0 --group=0 --numeric-owner --pax-option=delete=atime,delete=ctime .
diff_id=$(sha256sum <"$work/layer.tar" | cut -d ' ' -f 1)
gzip -n -1 <"$work/layer.tar" >"$work/layer.tar.gz"

# Moves a file into the blobs; prints the members "digest" and "size" of its descriptor.
add_blob() {
	digest=$(sha256sum <"$1" | cut -d ' ' -f 1)
	size=$(wc -c <"$1")
	mv "$1" "$blobs/$digest"
	printf '"digest":"sha256:%s","size":%d' "$digest" "$size"
}

platform="\"architecture\":\"$architecture\",\"os\":\"linux\"${variant:+,\"variant\":\"$variant\"}"
type=application/vnd.oci.image
layer=$(add_blob "$work/layer.tar.gz")
cat >"$work/config" <<END
{$platform,"config":{"Entrypoint":$entrypoint,"Cmd":$cmd,"Env":["PATH=/bin"],"WorkingDir":"/"},"rootfs":{"type":"layers","diff_ids":["sha256:$diff_id"]}}
END
config=$(add_blob "$work/config")
cat >"$work/manifest" <<END
{"schemaVersion":2,"mediaType":"$type.manifest.v1+json","config":{"mediaType":"$type.config.v1+json",$config},"layers":[{"mediaType":"$type.layer.v1.tar+gzip",$layer}]}
END
manifest=$(add_blob "$work/manifest")
printf '{"imageLayoutVersion":"1.0.0"}\n' >"$layout/oci-layout"
cat >"$layout/index.json" <<END
{"schemaVersion":2,"manifests":[{"mediaType":"$type.manifest.v1+json",$manifest,"platform":{$platform},"annotations":{"org.opencontainers.image.ref.name":"$name"}}]}
END
mkdir -p "$(dirname "$output")"
mv "$layout" "$output"
