# SPDX-License-Identifier: Apache-2.0
"""YAML, variables and env files, through `baton apply --dry-run -o json`; the reference for YAML is PyYAML."""
import json
import os
import random
import subprocess

import pytest
import yaml

MANIFEST = "name: shop\nservices:\n  a:\n    image: a:1\n"


@pytest.fixture
def convert(build, tmp_path):
    """convert(text, *options, **environment) -> (exit status, the manifest as it would be published, standard error)"""
    def run(text, *options, **environment):
        path = tmp_path / "compose.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        done = subprocess.run([str(build / "bin/baton"), "apply", "--dry-run", "-o", "json", *options, str(path)],
                              capture_output=True, text=True, check=False,
                              env={"PATH": os.environ["PATH"], **environment})
        return done.returncode, json.loads(done.stdout)["manifest"] if done.stdout else None, done.stderr
    return run


@pytest.mark.parametrize("text", [
    "x-a: &a {b: 1, c: [1, 2.5, true, null, ~, 'q', \"\\u00e9\\t\"]}\nx-b: *a\n",
    "x-a: &a\n  k: v\n  l: w\nx-b:\n  <<: *a\n  l: own\n",
    "x-a: &a {k: 1}\nx-c: &c {k: 2, m: 3}\nx-b:\n  <<: [*a, *c]\n",
    "x-a: |\n  two\n  lines\nx-b: >-\n  folded\n  text\nx-c: \"a\\\n  b\"\n",
    "x-a: [0x1F, 1e3, -7, +5, .5, '1', \"2\", 1_000]\n",
    "x-a: {? key : value, 5: five, true: yes-text}\n",
    "x-a:\n- - 1\n  - 2\n- a: b\n  c: d\n",
    "x-a: !!str 5\nx-b: !!int \"7\"\nx-c: !!float \"1.5\"\n",
])
def test_yaml_means_what_it_means_elsewhere(convert, text):
    code, manifest, error = convert(MANIFEST + text)
    assert code == 0, error
    wanted = yaml.safe_load(MANIFEST + text)

    def strings(value):  # JSON has text keys only
        if isinstance(value, dict):
            return {("true" if key is True else str(key)): strings(item) for key, item in value.items()}
        return [strings(item) for item in value] if isinstance(value, list) else value
    wanted = strings(wanted)
    if "1_000" in text:
        wanted["x-a"][wanted["x-a"].index(1000)] = "1_000"  # YAML 1.1 only
    if "1e3" in text:
        wanted["x-a"][wanted["x-a"].index("1e3")] = 1000.0  # PyYAML wants a dot
    assert manifest == wanted


@pytest.mark.parametrize("seed", range(12))
def test_any_document_that_pyyaml_writes(convert, seed):
    """Random values in every style; those that are there twice become anchors and aliases. Texts begin with a letter where
    YAML 1.1, which PyYAML writes, and 1.2 differ in what is a number."""
    chance = random.Random(seed)
    made = []

    def word():
        return chance.choice("abXz_\u00e9\U0001f600") + "".join(
            chance.choice("abc019 _-:#'\"\\\n\t,[]{}&*!|>%@`?~=.\u00e9") for _ in range(chance.randrange(30)))

    def value(depth):
        kind = chance.randrange(5 if depth == 0 else 9)
        if kind < 5:
            return chance.choice([word(), "", None, True, False, chance.randrange(-2**63, 2**63), chance.random() * 1000,
                                  "yes", "~", "null"])
        if kind == 8 and made:
            return chance.choice(made)
        size = chance.randrange(5)
        item = [value(depth - 1) for _ in range(size)] if kind < 7 else {word(): value(depth - 1) for _ in range(size)}
        made.append(item)
        return item

    document = {"name": "shop", "services": {"a": {"image": "a:1"}}, "x-v": [value(4) for _ in range(40)]}
    text = yaml.safe_dump(document, default_flow_style=chance.choice([True, False, None]), allow_unicode=chance.random() < 0.5,
                          default_style=chance.choice([None, None, '"', "'"]), width=chance.choice([20, 80, 1000]),
                          indent=chance.choice([2, 4, 8]), explicit_start=True)  # else "{" is JSON
    code, manifest, error = convert(text)
    assert code == 0, error
    assert manifest == yaml.safe_load(text)  # not `document`: PyYAML folds some quoted texts into others


@pytest.mark.parametrize("text, place, reason", [
    ("a: 1\na: 2\n", ":2:1:", "twice"),
    ("a: [1\n", ":2:", "did not find"),
    ("a: *nowhere\n", ":1:4:", "nowhere"),
    ("a: !python/object x\n", ":1:4:", "tag"),
    ("--- {a: 1}\n--- {b: 2}\n", ":2:1:", "second document"),
    ("? [a]\n: b\n", ":1:3:", "key"),
    ("a: .inf\n", ":1:4:", ".inf"),
    ("a: 99999999999999999999\n", ":1:4:", "64 bits"),
    ("a: \"\\0\"\n", ":1:4:", "NUL"),
    ("<<: 5\na: b\n", ":1:5:", "merges"),
    (b"a: \xff\xfe\n", "", "UTF-8"),
    ("- list\n", "", "mapping"),
    ("a: " + "[" * 200 + "]" * 200 + "\n", ":1:", "deep"),
    ("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join("b%d: &b%d [%s]\n" % (i, i, ",".join(["*" + ("a" if i == 0 else "b%d" % (i - 1))] * 10))
                                              for i in range(9)), ":", "too many"),
])
def test_faults_have_their_place(convert, text, place, reason):
    code, manifest, error = convert(text)
    assert (code, manifest) == (2, None)
    assert place in error and reason in error, error


@pytest.mark.parametrize("text, wanted", [
    ("$A", "one"), ("${A}", "one"), ("${B:-two}", "two"), ("${E:-two}", "two"), ("${E-two}", ""), ("${B-two}", "two"),
    ("${A:+set}", "set"), ("${B:+set}", ""), ("${E+set}", "set"), ("${E:+set}", ""), ("$$A", "$A"), ("x${A}y$A", "xoneyone"),
    ("${B:-${A}}", "one"), ("${B:-a}b}", "ab}"), ("${B:-$$}", "$"), ("${A?no}", "one"), ("\u00e9$A", "\u00e9one"),
])
def test_variables(convert, text, wanted):
    code, manifest, error = convert(MANIFEST + "x-v: %s\n" % json.dumps(text), A="one", E="")
    assert code == 0, error
    assert manifest["x-v"] == wanted


@pytest.mark.parametrize("text, reason", [
    ("$", "single"), ("${", "without"), ("${}", "name"), ("${A", "without"), ("${A!x}", "comes one of"), ("$1", "single"),
    ("${B?say why}", "say why"), ("${E:?say why}", "say why"),
    ("${B:-" * 20 + "}" * 20, "deeper"),
])
def test_wrong_variables_name_the_path(convert, text, reason):
    code, _, error = convert(MANIFEST + "x-v: [%s]\n" % json.dumps(text), A="one", E="")
    assert code == 2
    assert "$.x-v[0]" in error and reason in error, error


def test_a_variable_that_is_not_set_is_told_once(convert):
    code, manifest, error = convert(MANIFEST + "x-v: [$NO, $NO]\n")
    assert (code, manifest["x-v"]) == (0, ["", ""])
    assert error.count("NO is not set") == 1


def test_env_files(convert, tmp_path):
    (tmp_path / ".env").write_text("A=dot\n")
    text = MANIFEST + "x-v: ['$A', '$B', '$C', '$D', '$E']\n"
    assert convert(MANIFEST + "x-v: $A\n")[1]["x-v"] == "dot"
    first = tmp_path / "first"
    first.write_text("# comment\nexport A=1 # more\nB='single $A # no'\nC=\"a\\n\\\"b\\\" \\$\"\nD=  blank#s \n\nE=\"two\nlines\"\nF\n")
    code, manifest, error = convert(text, "--env-file", str(first))
    assert code == 0, error
    assert manifest["x-v"] == ["1", "single $A # no", 'a\n"b" $', "blank#s", "two\nlines"]
    second = tmp_path / "second"
    second.write_text("A=2\n")
    assert convert(text, "--env-file", str(first), "--env-file", str(second))[1]["x-v"][0] == "2"
    assert convert(text, "--env-file", str(first), A="environment")[1]["x-v"][0] == "environment"
    second.write_text("A=1\n= 2\n")
    code, _, error = convert(text, "--env-file", str(second))
    assert code == 2 and "second:2:" in error


def test_env_files_may_use_variables(convert, tmp_path):
    (tmp_path / ".env").write_text("TAG=1\nIMAGE=a:$TAG\nPLAIN='$TAG'\nAT=${HERE:-none}\n")
    text = MANIFEST + "x-v: [$IMAGE, $PLAIN, $AT]\n"
    assert convert(text)[1]["x-v"] == ["a:1", "$TAG", "none"]
    assert convert(text, TAG="2", HERE="there")[1]["x-v"] == ["a:2", "$TAG", "there"]
    (tmp_path / ".env").write_text("\nTAG=a$\n")
    code, _, error = convert(text)
    assert code == 2 and ".env:2: " in error


def test_values_may_use_the_name(convert):
    assert convert(MANIFEST + "x-v: ${COMPOSE_PROJECT_NAME}\n")[1]["x-v"] == "shop"
    code, _, error = convert(MANIFEST.replace("shop", "5"))
    assert code == 2 and "$.name" in error


def test_names(convert, build, tmp_path):
    text = MANIFEST.replace("name: shop\n", "")
    assert convert(text)[1]["name"] == tmp_path.name.lower().lstrip("_-")
    assert convert(text, COMPOSE_PROJECT_NAME="project")[1]["name"] == "project"
    assert convert(MANIFEST, COMPOSE_PROJECT_NAME="project")[1]["name"] == "shop"
    assert convert(MANIFEST, "--name", "other")[1]["name"] == "other"


def test_json_is_taken_as_it_is(convert):
    code, manifest, _ = convert('{"name": "shop", "services": {"a": {"image": "a:1", "command": ["$A"]}}}', A="x")
    assert (code, manifest["services"]["a"]["command"]) == (0, ["$A"])
