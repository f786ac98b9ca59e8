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

clean() {
	status=$?
	set +e
	trap - EXIT INT TERM
	if [ -n "$batond_pid" ]; then
		baton rm hello >/dev/null 2>&1
		kill "$batond_pid" 2>/dev/null
		wait "$batond_pid" 2>/dev/null
	fi
	awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/self/mounts | while read -r hierarchy; do
		[ -d "$hierarchy/$cgroup" ] && find "$hierarchy/$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null
	done
	[ "$status" -eq 0 ] || tail -n 30 "$folder/batond.log" >&2
	rm -rf "$folder"
	exit "$status"
}
trap clean EXIT
trap 'exit 130' INT TERM

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
	echo "demo: waited in vain for $what" >&2
	return 1
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
batond --config "$folder/baton.conf" >"$folder/batond.log" 2>&1 & # not through show: $! would be a shell
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
show kill -9 "$control"
sleep 0.5
wait_for "the node" baton nodes
[ "$(instance_field pid)" = "$pid" ] && echo "   same pid as before: $pid"

step "Scale from 1 to 3"
pause
show baton scale hello/hello=3
three() { [ "$(baton ps hello -o json | jq '[.instances[] | select(.state == "running")] | length')" = 3 ]; }
wait_for "three instances" three
show baton ps hello

step "A rejected document: every error at once, and nothing that runs is touched"
pause
printf '{"name": "hello", "services": {"hello": {"image": "x", "mem_limit": "-1", "comand": "typo"}}}' >"$folder/bad.json"
show baton apply "$folder/bad.json" || echo "   exit status $?"
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
