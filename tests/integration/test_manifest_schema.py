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


def as_object(schema, node):
    """What a node says of objects: through references, and the form that is an object of several."""
    while node and "$ref" in node:
        node = schema["definitions"][node["$ref"].rsplit("/", 1)[1]]
    for form in node.get("oneOf", node.get("anyOf", [])):
        found = as_object(schema, form)
        if "properties" in found or "patternProperties" in found:
            return found
    return node


def locate(schema, path):
    """The node of a path of our tables: "services.*.volumes[].bind"."""
    node = as_object(schema, schema)
    for name in path.split(".") if path else []:
        if name == "*":
            patterns = {key: value for key, value in node["patternProperties"].items() if key != "^x-"}
            assert len(patterns) == 1, path
            node = as_object(schema, *patterns.values())
        else:
            node = as_object(schema, node.get("properties", {}).get(name.replace("[]", ""), {}))
        if name.endswith("[]"):
            node = as_object(schema, node["items"])
    return node


def test_every_attribute_is_known(schema, attributes):
    """In every object whose attributes we name: the same names as in the schema, at every level."""
    ours = {}
    for path in attributes:
        if OWN not in path:
            parent, _, name = path.rpartition(".")
            ours.setdefault(parent, set()).add(name)
    assert {"", "services.*", "services.*.deploy", "services.*.deploy.resources.limits", "services.*.volumes[]",
            "services.*.volumes[].bind", "services.*.logging", "volumes.*"} <= set(ours)
    free = set()
    for parent, names in ours.items():
        properties = locate(schema, parent).get("properties")
        if properties is None:
            free.add(parent)
        else:
            assert names == set(properties), parent or "the document"
    assert free == {"services.*.logging.options"}, "the schema leaves these open"


def test_what_is_supported_is_known_to_its_leaves(schema, attributes):
    """An object that we take has rows for what is in it."""
    for path, row in attributes.items():
        if row["support"] != "supported" or OWN in path:
            continue
        node = locate(schema, path)
        below = {"properties": path + ".", "items": path + "[].", "patternProperties": path + ".*."}
        for kind, prefix in below.items():
            inner = node.get(kind) or {}
            if kind == "items":
                inner = as_object(schema, inner).get("properties")
            elif kind == "patternProperties":
                inner = any("properties" in as_object(schema, value) for key, value in inner.items() if key != "^x-")
            assert not inner or any(other.startswith(prefix) for other in attributes), prefix


def test_what_is_not_supported_is_rejected_by_name(build, attributes, tmp_path):
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
