# shellcheck shell=sh disable=SC2154 # the variables of /etc/rig.conf
# SPDX-License-Identifier: Apache-2.0
# Sourced in the guest. wait_online SECONDS: prints the seconds since the kernel started when this node's presence is
# "online" in this boot. A subscription waits, so the guest has its processor for the daemons.
# shellcheck source=/dev/null # made for each boot
. /etc/rig.conf

online_presence() { # what the broker keeps of this node, if it is there
	if [ -n "$broker" ]; then
		mosquitto_sub -h "$broker" -V 5 -C 1 -W 10 -t "baton/v1/nodes/$name/presence" 2>&1
	elif [ -S /run/baton/broker.sock ]; then
		mosquitto_sub --unix /run/baton/broker.sock -V 5 -C 1 -W 10 -t "baton/v1/nodes/$name/presence" 2>&1
	fi
}

wait_online() {
	boot=$(cat /proc/sys/kernel/random/boot_id) # a broker on a disk still has the presence of the boot before
	while [ "$(cut -d . -f 1 /proc/uptime)" -lt "$1" ]; do
		case $(online_presence) in
		*'"online"'*"$boot"* | *"$boot"*'"online"'*)
			cut -d ' ' -f 1 /proc/uptime
			return 0
			;;
		esac
		sleep 0.1
	done
	echo "not online after $1 s"
	return 1
}
