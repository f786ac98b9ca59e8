#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# scripts/demo.sh BUILD [--once]: one manifest in, isolated containers running, honest answers out.
# Everything is private to this run: directories, broker socket, control groups. Only public interfaces are used.
set -eu
build=$1
once=${2:-}
cd "$(dirname "$0")/.."
PATH=$build/bin:$PATH

folder=$(mktemp -d /dev/shm/baton-demo-XXXXXX)
chmod 755 "$folder"
cgroup=baton-demo-$$
batond_pid=

# Pids in our own control groups: nothing of anybody else is there.
members() {
	awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/self/mounts | while read -r hierarchy; do
		[ ! -d "$hierarchy/$cgroup" ] || find "$hierarchy/$cgroup" -name cgroup.procs -exec cat {} + 2>/dev/null
	done | sort -u
}

# The polite way first. What a broken build leaves is killed and unmounted, before its folder goes.
clean() {
	status=$?
	set +e
	trap '' INT TERM # a second Ctrl-C must not stop this half-way; every step has an end
	trap - EXIT
	if [ -n "$batond_pid" ]; then
		for app in hello crunned; do
			baton rm --timeout 20 "$app" >/dev/null 2>&1
		done
		kill "$batond_pid" 2>/dev/null
		wait "$batond_pid" 2>/dev/null
	fi
	for _ in $(seq 1 100); do
		pids=$(members)
		[ -n "$pids" ] || break
		# shellcheck disable=SC2086 # one word for each process
		kill -9 $pids 2>/dev/null
		sleep 0.05
	done
	awk -v folder="$folder/" 'index($2, folder) == 1 { print $2 }' /proc/self/mounts | sort -r | while read -r mount; do
		umount -l "$mount"
	done
	awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/self/mounts | while read -r hierarchy; do
		[ -d "$hierarchy/$cgroup" ] && find "$hierarchy/$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null
	done
	[ "$status" -eq 0 ] || [ "$status" -eq 130 ] || tail -n 30 "$folder/batond.log" >&2
	rm -rf "$folder"
	exit "$status"
}
trap clean EXIT
trap 'exit 130' INT TERM

fail() { # what is wrong
	printf 'demo: %s\n' "$*" >&2
	exit 1
}

step() {
	printf '\n== %s\n' "$*"
}

show() { # prints a command as a user would type it, then runs it
	printf '$ %s\n' "$*"
	"$@"
}

pause() {
	[ "$once" = --once ] || {
		printf '   (enter goes on) '
		read -r _ || :
	}
}

# The container's pid, from the public report.
instance_field() { # FIELD
	baton ps hello -o json | jq -r ".instances[0].$1"
}

wait_for() { # DESCRIPTION COMMAND...
	what=$1
	shift
	for _ in $(seq 1 200); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	fail "waited in vain for $what"
}

# The containers must not notice what happens around them.
same_pid() { # PID
	now=$(instance_field pid)
	[ "$now" = "$1" ] || fail "the container's pid was $1 and is $now"
	echo "   same pid as before: $now"
}

cat >"$folder/baton.conf" <<CONF
node = { name = "demo"; };
root = "$folder/root";
run = "$folder/run";
user = "61235";                  # baton-control and the broker: a number without any rights
cgroup_parent = "$cgroup";
broker = { mode = "embedded"; };
runtimes = { directory = "$build/lib/baton/runtimes"; enabled = [ "native", "crun" ]; };
CONF
export BATON_CONFIG="$folder/baton.conf"

step "A node of one: batond starts a private mosquitto and baton-control (agent and controller)"
printf '$ batond --config %s &\n' "$folder/baton.conf"
# A session of its own, as a service has: Ctrl-C is for the demo, which needs batond to take its containers away.
setsid batond --config "$folder/baton.conf" >"$folder/batond.log" 2>&1 & # not through show: $! would be a shell
batond_pid=$!
wait_for "the node" baton nodes
show baton nodes

step "A small OCI image, made from busybox-static and imported; no registry, no network"
./scripts/make-image.sh baton/hello:1 "$folder/image" >/dev/null
show baton image import "$folder/image"

step "One Compose document to one MQTT topic; the verdict comes back on another"
pause
show baton apply examples/hello/compose.yaml
show baton ps hello
show baton status hello
sleep 1
show baton logs -n 3 "$(instance_field id)"

step "kill -9 of the container: healed"
pause
pid=$(instance_field pid)
show kill -9 "$pid"
healed() { [ "$(instance_field state)" = running ] && [ "$(instance_field pid)" != "$pid" ]; }
wait_for "the restart" healed
show baton ps hello

step "kill -9 of baton-control: the container does not notice"
pid=$(instance_field pid)
control=$(pgrep -P "$batond_pid" -f baton-control | head -n 1)
[ -n "$control" ] || fail "batond has no child baton-control"
show kill -9 "$control"
sleep 0.5
wait_for "the node" baton nodes
same_pid "$pid"

step "Scale from 1 to 3"
pause
show baton scale hello/hello=3
three() { [ "$(baton ps hello -o json | jq '[.instances[] | select(.state == "running")] | length')" = 3 ]; }
wait_for "three instances" three
show baton ps hello

step "A rejected document: every error at once, and nothing that runs is touched"
pause
printf '{"name": "hello", "services": {"hello": {"image": "x", "mem_limit": "-1", "comand": "typo"}}}' >"$folder/bad.json"
pid=$(instance_field pid)
code=0
show baton apply "$folder/bad.json" || code=$?
[ "$code" -eq 3 ] || fail "the exit status of a rejection is 3, not $code"
echo "   exit status $code"
same_pid "$pid"
show baton apply examples/hello/compose.yaml --detach

step "One service on each runtime"
sed -e 's/^name: hello/name: crunned/' -e 's/^    image:/    x-baton: {runtime: crun}\n    image:/' \
	examples/hello/compose.yaml >"$folder/crun.yaml"
if show baton apply "$folder/crun.yaml"; then
	show baton ps
else
	echo "   crun does not work on this host: $(baton status crunned -o json | jq -r '.instances[0].reason')"
fi
baton rm crunned

step "Removal"
pause
show baton rm hello
show baton ps
echo
echo "demo: done"
