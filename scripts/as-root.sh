#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# scripts/as-root.sh COMMAND...: runs a command as root, with the caches of who started it. What it leaves in build/ and
# in the caches is his, too: the next build without root has to write there.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
BATON_CACHE=${BATON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/baton}
export BATON_CACHE

if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null 2>&1 || {
		printf 'dev: this needs root (or sudo): %s\n' "$*" >&2
		exit 1
	}
	exec sudo env BATON_CACHE="$BATON_CACHE" "$top/scripts/as-root.sh" "$@"
fi

give_back() {
	for folder in "$top/build" "$BATON_CACHE"; do
		[ ! -d "$folder" ] || chown -hR --from=0 "$SUDO_UID:$SUDO_GID" "$folder"
	done
}

[ "${SUDO_UID:-0}" -eq 0 ] || trap give_back EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM
"$@"
