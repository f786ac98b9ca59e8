# SPDX-License-Identifier: Apache-2.0
"""The config.json that the supervisor generates, against the OCI runtime specification's JSON schema."""
import copy

import jsonschema
import pytest

from conformance_generate import generate

SERVICES = {
    "plain": {},
    "user": {"user": "1000:2000", "working_dir": "/srv", "hostname": "h1"},
    "environment": {"environment": {"A": "", "B": "= x", "C": "\u00e4"}, "entrypoint": ["/bin/sh", "-c"],
                    "command": ["echo \"$A\"", ""]},
    "mounts": {"read_only": True, "tmpfs": ["/run", "/tmp:size=1m,mode=1777"],
               "volumes": ["data:/data", "other:/other:ro",
                           {"type": "bind", "source": "/etc/hostname", "target": "/etc/host-name", "read_only": True},
                           {"type": "tmpfs", "target": "/scratch", "tmpfs": {"size": 65536, "mode": 448}}]},
    "capabilities": {"cap_add": ["NET_RAW", "SYS_TIME"], "cap_drop": ["CHOWN"]},
    "every-capability": {"cap_add": ["ALL"]},
    "no-capability": {"cap_drop": ["ALL"]},
    "ulimits": {"ulimits": {"nofile": {"soft": 10, "hard": 20}, "core": -1, "nproc": 5, "rtprio": 1}},
    "sysctls": {"sysctls": {"net.core.somaxconn": 128, "kernel.shmmax": "1"}},
    "host-network": {"network_mode": "host"},
    "init": {"init": True},
}


@pytest.fixture(scope="module")
def configs(build, tmp_path_factory):
    return generate(build, "/rootfs", tmp_path_factory.mktemp("sources"), SERVICES)


@pytest.fixture
def schema(validator):
    if not validator.validator:
        pytest.skip("no ../shared/data/oci-runtime-spec/config-schema.json")
    return validator


@pytest.mark.parametrize("name", SERVICES)
def test_schema(configs, schema, name):
    schema.check(configs[name])


@pytest.mark.parametrize("path,value", [("ociVersion", 1), ("process.args", "x"), ("process.user.uid", -1),
                                        ("linux.namespaces", [{"type": "other"}]), ("mounts", [{"source": "x"}]),
                                        ("linux.seccomp.defaultAction", "ALLOW"), ("process.capabilities.bounding", 1)])
def test_schema_sees_a_fault(configs, schema, path, value):
    """Else the test above could not fail."""
    broken = copy.deepcopy(configs["plain"])
    *parents, last = path.split(".")
    place = broken
    for parent in parents:
        place = place[parent]
    place[last] = value
    with pytest.raises(jsonschema.ValidationError):
        schema.check(broken)


def test_number_of_capabilities(configs):
    assert len(configs["plain"]["process"]["capabilities"]["bounding"]) == 11
    assert len(configs["capabilities"]["process"]["capabilities"]["bounding"]) == 12
    assert len(configs["every-capability"]["process"]["capabilities"]["bounding"]) == 41
    assert configs["no-capability"]["process"]["capabilities"]["bounding"] == []


def test_umask(configs):
    assert {config["process"]["user"]["umask"] for config in configs.values()} == {0o022}


def test_namespaces(configs):
    every = {"pid", "ipc", "uts", "mount", "cgroup", "network"}
    assert {item["type"] for item in configs["plain"]["linux"]["namespaces"]} == every
    assert {item["type"] for item in configs["host-network"]["linux"]["namespaces"]} == every - {"network"}


def test_unlimited_is_no_number_below_zero(configs):
    limits = {item["type"]: item for item in configs["ulimits"]["process"]["rlimits"]}
    assert limits["RLIMIT_CORE"]["hard"] >= 2 ** 63 - 1
    assert limits["RLIMIT_NOFILE"] == {"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20}
