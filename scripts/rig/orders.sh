# shellcheck shell=sh disable=SC2154 # the variables of /etc/rig.conf
# SPDX-License-Identifier: Apache-2.0
# Sourced in the guest: the channel on which the host gives orders, as descriptor 3.

appears() { # PATTERN: waits for a device and prints its path
	n=0
	while [ $n -lt 300 ]; do
		for path in $1; do
			[ -e "$path" ] && echo "$path" && return 0
		done
		sleep 0.05
		n=$((n + 1))
	done
	echo "rig: $1 did not appear" >/dev/console
	return 1
}

uptime_now() {
	cut -d ' ' -f 1 /proc/uptime
}

# One descriptor for all: what the host sends while the port is closed is lost. A serial port is there before its
# driver, and answers EIO until then, or for ever when there is none.
open_channel() {
	port=$(appears "$channel")
	exec 3<>"$port"
	n=0
	until [ "${channel#/dev/tty}" = "$channel" ] || stty raw -echo <&3 2>/dev/null; do
		[ $n -lt 300 ] || {
			echo "rig: $port has no driver" >/dev/console
			return 1
		}
		n=$((n + 1))
		sleep 0.1
		exec 3<>"$port"
	done
}

# Runs scripts until the host wants the guest off.
take_orders() {
	printf 'rig up %s\n' "$(uptime_now)" >&3
	while read -r order marker length <&3 && [ "$order" = run ]; do
		head -c "$length" <&3 >/run/rig/script
		sh /run/rig/script </dev/null >&3 2>&1 3>&-
		status=$?
		printf '\n%s %d\n' "$marker" "$status" >&3
	done
}
