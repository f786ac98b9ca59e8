#!/usr/bin/busybox sh
# shellcheck shell=sh disable=SC2154 # the variables of /etc/rig.conf
# SPDX-License-Identifier: Apache-2.0
# Process 1 of a guest: mounts, modules, network, batond; then the orders of the host, or a shell on the console.
# /etc/rig.conf, made for each boot, sets: name, modules, channel, disk, address, broker, daemon and shell (yes or no).
export PATH=/usr/sbin:/usr/bin HOME=/root

# pivot_root(2) refuses to work while / is the initial root: bind / over itself, as switch_root does with another one.
if [ -z "${rig_root:-}" ]; then
	/usr/bin/busybox --install -s /usr/bin
	mkdir /.root
	mount --bind / /.root
	cd /.root || exit 1
	mount --move . /
	rig_root=made exec chroot . /init
fi
cd / || exit 1

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t tmpfs -o mode=755 run /run
mount -t cgroup2 cgroup /sys/fs/cgroup
exec </dev/console >/dev/console 2>&1
# shellcheck source=/dev/null # made for each boot
. /etc/rig.conf
mkdir /run/rig
hostname "$name"
# shellcheck disable=SC2086 # a list of words
modprobe -a $modules
ip link set lo up

# shellcheck source=/dev/null # of scripts/rig
. /usr/lib/rig/orders.sh

if [ -n "$disk" ]; then
	appears "$disk" >/dev/null
	mkdir -p /var/lib/baton
	mount -t ext4 "$disk" /var/lib/baton || echo "rig: cannot mount $disk"
fi
if [ -n "$address" ]; then
	interface=$(basename "$(appears '/sys/class/net/[eu]*')")
	ip link set "$interface" up
	ip addr add "$address" dev "$interface"
fi

# shellcheck source=/dev/null # of some tests
[ ! -e /etc/rig.start ] || . /etc/rig.start

# What systemd does with Restart=always.
if [ "$daemon" = yes ]; then
	: >/run/rig/batond.wanted
	while [ -e /run/rig/batond.wanted ]; do
		batond --config /etc/baton/baton.conf >>/run/rig/batond.log 2>&1 &
		echo $! >/run/rig/batond.pid
		wait $!
		sleep 0.5
	done &
fi

echo "rig: up after $(uptime_now) s"
if [ "$shell" = yes ]; then
	setsid cttyhack sh
	status=$?
	open_channel
	printf 'rig shell %d\n' "$status" >&3
else
	open_channel
	take_orders
fi

rm -f /run/rig/batond.wanted
kill "$(cat /run/rig/batond.pid 2>/dev/null)" 2>/dev/null
n=0
while [ $n -lt 100 ] && kill -0 "$(cat /run/rig/batond.pid 2>/dev/null)" 2>/dev/null; do
	sleep 0.1
	n=$((n + 1))
done
sync
mount -o remount,ro /var/lib/baton 2>/dev/null
echo "rig: power off after $(uptime_now) s"
poweroff -f
