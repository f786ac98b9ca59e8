# SPDX-License-Identifier: Apache-2.0
"""Every attribute of the Compose Specification's schema is known by name, and nothing is invented."""
import json
import subprocess

import pytest

OWN = "x-baton"


@pytest.fixture(scope="module")
def schema(shared):
    path = shared / "compose-spec.json"
    path = path if path.exists() else shared / "data" / "compose-spec.json"
    if not path.exists():
        pytest.skip("the Compose schema is not here: %s" % path)
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def attributes(build):
    tables = json.loads(subprocess.check_output([str(build / "tests/model-tables")]))
    return {row["path"]: row for row in tables["attributes"]}


def test_every_top_level_attribute_is_known(schema, attributes):
    ours = {path for path in attributes if "." not in path and not path.startswith(OWN)}
    assert ours == set(schema["properties"])


def test_every_attribute_of_a_service_is_known(schema, attributes):
    prefix = "services.*."
    ours = {path[len(prefix):] for path in attributes if path.startswith(prefix)}
    ours = {path for path in ours if "." not in path and "[" not in path and not path.startswith(OWN)}
    assert ours == set(schema["definitions"]["service"]["properties"])


def test_every_attribute_of_deploy_is_known(schema, attributes):
    prefix = "services.*.deploy."
    ours = {path[len(prefix):].split(".")[0] for path in attributes if path.startswith(prefix)}
    assert ours == set(schema["definitions"]["deployment"]["properties"])


def test_what_is_not_supported_is_rejected_by_name(build, schema, attributes, tmp_path):
    """One manifest with every rejected attribute of a service: each is named with its path."""
    prefix = "services.*."
    rejected = [path[len(prefix):] for path, row in attributes.items()
                if path.startswith(prefix) and row["support"] == "rejected" and "." not in path[len(prefix):]]
    assert rejected
    document = {"name": "shop", "services": {"a": {"image": "a:1", **{name: "x" for name in rejected}}}}
    (tmp_path / "manifest.json").write_text(json.dumps(document), encoding="utf-8")
    done = subprocess.run([str(build / "bin/baton"), "apply", "--dry-run", "-o", "json", str(tmp_path / "manifest.json")],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    errors = {error["path"]: error["reason"] for error in json.loads(done.stdout)["errors"]}
    for name in rejected:
        assert "not supported yet" in errors["$.services.a." + name]
