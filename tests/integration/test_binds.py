# SPDX-License-Identifier: Apache-2.0
"""Bind mounts of host directories: only below allow.bind_paths, and no symbolic link leads out of it."""
import pytest
from harness.node import service

RUNTIMES = ["native", "crun"]


@pytest.fixture
def places(fleet):
    """A node that allows one directory, and what lies in it and beside it."""
    shared = fleet.folder / "shared"
    beside = fleet.folder / "shared2"  # its name begins like that of the allowed one
    for folder in (shared, shared / "below", beside):
        folder.mkdir()
        (folder / "mark").write_text("mark of %s\n" % folder.name, encoding="ascii")
    (shared / "out").symlink_to(beside)
    (shared / "in").symlink_to("below")
    fleet.start_node("n1", allow={"bind_paths": [str(shared)]}).import_image()
    return shared


def logs(fleet, item):
    return fleet.client.wait(lambda: (lambda text: text if "end" in text else None)(
        fleet.nodes[0].baton("logs", item["id"]).stdout), what="the output of " + item["id"])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_allowed_directory_is_bound_for_writing_and_for_reading(fleet, places, runtime):
    def bind(volume):
        return service("exec 2>&1; cat /host/mark; echo by-$HOSTNAME >/host/new && echo wrote; echo end; sleep 1000 & wait",
                       volumes=[volume], **{"x-baton": {"runtime": runtime}})
    fleet.apply({"name": "shop", "services": {
        "rw": bind("%s:/host" % places), "ro": bind("%s/below:/host:ro" % places),
        "file": service("cat /host; echo end; sleep 1000 & wait", volumes=["%s/below/mark:/host:ro" % places],
                        **{"x-baton": {"runtime": runtime}}),
        "made": bind("%s/made/by/us:/host" % places)}})
    found = {item["service"]: item for item in fleet.wait_running("shop", 4)}
    text = {name: logs(fleet, item) for name, item in found.items()}
    assert "mark of shared\n" in text["rw"] and "wrote" in text["rw"]
    assert (places / "new").read_text(encoding="ascii") == "by-rw-1\n"
    assert "mark of below" in text["ro"] and "Read-only file system" in text["ro"] and "wrote" not in text["ro"]
    assert not (places / "below/new").exists()
    assert "mark of below" in text["file"]
    assert (places / "made/by/us/new").read_text(encoding="ascii") == "by-made-1\n"
    fleet.remove("shop")
    fleet.client.wait(lambda: not fleet.instances("shop"), what="removal")
    assert (places / "mark").exists() and (places / "new").exists(), "what is the node's own stays"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_everything_else_is_refused_with_the_reason(fleet, places, runtime):
    sources = {"beside": "%s2", "link-out": "%s/out", "through-link": "%s/out/mark", "link-in": "%s/in",
               "made-through-link": "%s/out/made", "root": "/etc"}
    expected = {"beside": "allow.bind_paths", "root": "allow.bind_paths"}
    fleet.apply({"name": "shop", "services": {
        name: service("cat /host/* /host; echo end; sleep 1000 & wait", volumes=[(source % places if "%s" in source else source) + ":/host"],
                      **{"x-baton": {"runtime": runtime}}) for name, source in sources.items()}})
    def refused():
        found = {item["service"]: item["reason"] for item in fleet.instances("shop") if item["state"] in ("failed", "backoff")}
        return found if len(found) == len(sources) else None
    reasons = fleet.client.wait(refused, what="refusals of all")
    for name, reason in reasons.items():
        assert expected.get(name, str(places)) in reason, (name, reason)
    assert not fleet.nodes[0].container_pids()
    assert sorted(entry.name for entry in (places.parent / "shared2").iterdir()) == ["mark"]


def test_path_with_dots_is_no_manifest(fleet, places):
    fleet.apply({"name": "shop", "services": {"web": service(volumes=["%s/../shared2:/host" % places])}})
    status = fleet.client.wait(lambda: fleet.status("shop"), what="a verdict")
    assert status["document"]["verdict"] == "rejected"
    assert status["document"]["errors"][0]["path"].startswith("$.services.web.volumes[0]"), status["document"]["errors"]
