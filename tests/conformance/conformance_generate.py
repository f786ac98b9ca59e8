# SPDX-License-Identifier: Apache-2.0
"""Configurations by the supervisor's own code."""
import json
import subprocess


def generate(build, rootfs, sources, services):
    """config.json of each service, by the supervisor's own code; volumes are taken from below `sources`."""
    services = {name: {"image": "x", "command": ["/bin/true"], **service} for name, service in services.items()}
    volumes = {item.split(":")[0]: {} for service in services.values() for item in service.get("volumes", [])
               if isinstance(item, str) and item[0] != "/"}
    made = subprocess.run([build / "tests" / "oci-config", rootfs, sources], capture_output=True, text=True, check=False,
                          input=json.dumps({"name": "conformance", "services": services, "volumes": volumes}))
    assert made.returncode == 0, made.stderr
    return json.loads(made.stdout)
