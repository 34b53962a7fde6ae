"""The embedded engine with whole programs: dynamic resources that write files, random values, components."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import infra.engine
from infra.engine import Secret
from infra.engine.embedded import EmbeddedEngine
from infra.engine.locks import stack_lock
from workloads.errors import EngineError, SettingsError, UsageError

from .conftest import Project

FILES = '''
import os, time
from pathlib import Path
import pulumi
from pulumi import ResourceOptions
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

config = pulumi.Config()
folder = Path(config.require("folder"))

class Files(ResourceProvider):
    """A file is a resource; a file that was deleted outside is replaced."""

    def create(self, props):
        path = Path(props["path"])
        if props["text"] == "broken":
            raise OSError("the disk is full")
        path.write_text(props["text"])
        if props["text"] == "slow":
            time.sleep(30)
        return CreateResult(props["path"], {"path": props["path"], "text": props["text"], "size": len(props["text"])})

    def diff(self, id, olds, news):
        gone = not os.path.exists(id)
        moved = olds["path"] != news["path"]
        changed = gone or moved or olds["text"] != news["text"]
        return DiffResult(changes=changed, replaces=["path"] if gone or moved else [])

    def update(self, id, olds, news):
        Path(id).write_text(news["text"])
        return UpdateResult({"path": id, "text": news["text"], "size": len(news["text"])})

    def delete(self, id, props):
        with open(Path(id).parent / "deleted", "a") as log:
            log.write(Path(id).name + " ")
        Path(id).unlink(missing_ok=True)

    def recover(self, props):
        Path(props["path"]).unlink(missing_ok=True)

class File(Resource, module="test", name="File"):
    path: pulumi.Output[str]
    size: pulumi.Output[int]

    def __init__(self, name, text, opts=None, path=None):
        super().__init__(Files(), name, {"path": path or str(folder / name), "text": text, "size": None}, opts)
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    made.mkdir()
    return made


@pytest.fixture
def files(project: Project, folder: Path):
    """Runs an operation of a program that is FILES and a few lines more."""

    def run(source: str, operation: str = "up", **config):
        project.write(FILES + source)
        return getattr(project, operation)(folder=str(folder), **config)

    return run


COMPONENT = """
class Pair(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("test:index:Pair", name, None, opts)
        first = File(f"{name}-first", "one", ResourceOptions(parent=self))
        self.second = File(f"{name}-second", first.size.apply(lambda size: "x" * size), ResourceOptions(parent=self))
        self.register_outputs({"size": self.second.size})

pair = Pair("pair")
pulumi.export("size", pair.second.size)
"""


def test_up_same_update_delete_destroy(files, project, folder):
    first = files(COMPONENT)
    assert first.changes == {"create": 4} and first.outputs == {"size": 3}
    assert (folder / "pair-second").read_text() == "xxx"
    assert files(COMPONENT).changes == {"same": 4}
    assert project.engine.outputs("dev") == {"size": 3} and project.engine.exists("dev")
    assert files(COMPONENT.replace('"one"', '"four"')).changes == {"same": 2, "update": 2}
    assert (folder / "pair-second").read_text() == "xxxx"
    assert files("").changes == {"same": 1, "delete": 3}
    assert (folder / "deleted").read_text() == "pair-second pair-first "
    assert files(COMPONENT).changes == {"same": 1, "create": 3}
    assert project.destroy().changes == {"delete": 4}
    assert project.destroy().changes == {}
    assert not project.engine.exists("dev") and project.engine.outputs("dev") == {}
    assert [p.name for p in project.state.iterdir()] == ["key"]


def test_urns_are_those_of_the_real_engine(files, project):
    files(COMPONENT)
    assert {name: item["urn"] for name, item in project.resources().items()} == {
        "ratify-perf-dev": "urn:pulumi:dev::ratify-perf::pulumi:pulumi:Stack::ratify-perf-dev",
        "pair": "urn:pulumi:dev::ratify-perf::test:index:Pair::pair",
        "pair-first": "urn:pulumi:dev::ratify-perf::test:index:Pair$pulumi-python:dynamic/test:File::pair-first",
        "pair-second": "urn:pulumi:dev::ratify-perf::test:index:Pair$pulumi-python:dynamic/test:File::pair-second",
    }


def test_preview_plans_and_touches_nothing(files, project, folder):
    outcome = files(COMPONENT, "preview")
    assert outcome.changes == {"create": 4} and outcome.outputs == {"size": "[unknown]"}
    plan = {step.name: step for step in outcome.steps}
    assert plan["pair-first"].inputs == {"path": str(folder / "pair-first"), "text": "one"}
    assert plan["pair-second"].inputs["text"] == "[unknown]"
    assert plan["pair-second"].dependencies == (plan["pair-first"].urn,)
    assert not list(folder.iterdir()) and not project.state.exists()

    files(COMPONENT)
    changed = files(COMPONENT.replace('"one"', '"four"'), "preview")
    assert changed.changes == {"same": 2, "update": 1, "replace": 1}
    assert files("", "preview").changes == {"same": 1, "delete": 3}
    assert (folder / "pair-second").read_text() == "xxx"


def test_what_was_deleted_outside_is_replaced_because_diff_is_always_asked(files, folder):
    source = "File('a', 'text')"
    files(source)
    (folder / "a").unlink()
    assert files(source).changes == {"same": 1, "replace": 1}
    assert not (folder / "a").exists(), "the new one is made before the old one of the same name is deleted"
    first = "File('a', 'text', ResourceOptions(delete_before_replace=True))"
    assert files(first).changes == {"same": 1, "replace": 1}
    assert (folder / "a").read_text() == "text"


def test_a_change_of_the_provider_code_alone_is_no_change(files, project):
    files("File('a', 'text')")
    before = project.resources()["a"]
    project.write(FILES.replace("the disk is full", "no space") + "File('a', 'text')")
    assert project.up(folder=str(project.root.parent / "files")).changes == {"same": 2}
    assert project.resources()["a"]["id"] == before["id"]


def test_events_tell_every_step(files, project):
    files("File('a', 'text')")
    mine = [(e.op, e.status) for e in project.events if e.name == "a"]
    assert mine == [("create", "started"), ("create", "done")]
    assert abs(project.events[0].at - time.time()) < 60


def test_a_failure_stops_what_needs_it_and_nothing_else(files, project, folder):
    source = """
a = File("a", TEXT)
b = File("b", a.size.apply(str))
c = File("c", "c", ResourceOptions(depends_on=[b]))
d = File("d", "fine")
pulumi.export("size", a.size)
pulumi.export("fine", d.size)
"""
    with pytest.raises(EngineError) as caught:
        files(source.replace("TEXT", "'broken'"))
    assert "1 resource of stack dev failed:" in str(caught.value)
    assert "dynamic/test:File::a: OSError: the disk is full" in str(caught.value)
    log = project.state / "dev" / "error.log"
    assert str(log) in str(caught.value) and "Traceback" in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert {p.name for p in folder.iterdir()} == {"d"}
    assert project.engine.outputs("dev") == {"fine": 4}
    assert [e.message for e in project.events if e.status == "failed"] == ["OSError: the disk is full"]
    assert files(source.replace("TEXT", "'now'")).changes == {"same": 2, "create": 3}
    assert not log.exists()
    project.destroy()
    assert {p.name for p in folder.iterdir()} == {"deleted"}


def test_after_a_failure_destroy_cleans_up(files, project, folder):
    with pytest.raises(EngineError):
        files("File('a', 'broken'); File('b', 'fine')")
    project.destroy()
    assert not project.engine.exists("dev")
    assert {p.name for p in folder.iterdir()} == {"deleted"}


def test_an_error_in_the_program_is_told_in_one_line(files, project, folder):
    with pytest.raises(EngineError) as caught:
        files("File('a', 'fine'); secret = {}; secret['key']")
    assert str(caught.value).splitlines()[0] == "The program of stack dev failed: KeyError: 'key'"
    assert "Traceback" in (project.state / "dev" / "error.log").read_text()
    assert files("File('a', 'fine')").changes["same"] >= 1
    project.destroy()


def test_an_error_in_an_apply_is_told(files):
    with pytest.raises(EngineError, match="ZeroDivisionError"):
        files("File('a', 'fine').size.apply(lambda size: size / 0)")


def test_an_error_of_ours_passes_through_unchanged(files):
    source = "from workloads.errors import SettingsError\nraise SettingsError('stack dev', ['size: wrong'])"
    with pytest.raises(SettingsError) as caught:
        files(source)
    assert caught.value.problems == ["size: wrong"]


def test_a_logged_error_fails_the_update(files):
    with pytest.raises(EngineError, match="this is bad"):
        files("pulumi.log.error('this is bad')")


def test_an_exit_of_the_program_is_an_error(files):
    with pytest.raises(EngineError, match="exit code 3"):
        files("raise SystemExit(3)")


def test_a_missing_setting_is_named(files, project):
    with pytest.raises(EngineError, match="region"):
        files("config.require('region')")


def test_config_arrives_with_its_types(project):
    project.write("""
import pulumi
config = pulumi.Config()
pulumi.export("all", [config.require_object("scenario"), config.require_int("count"), config.require_bool("on"),
                      config.require("text"), pulumi.Config("kubernetes").require("context")])
pulumi.export("names", [pulumi.get_stack(), pulumi.get_project(), pulumi.get_organization()])
""")
    settings = {"scenario": {"replicas": 5, "list": [1]}, "count": 3, "on": True, "text": "yes"}
    outcome = project.engine.up("dev", {**settings, "kubernetes:context": "c"})
    assert outcome.outputs["all"] == [{"replicas": 5, "list": [1]}, 3, True, "yes", "c"]
    assert outcome.outputs["names"] == ["dev", "ratify-perf", "organization"]


def test_the_same_urn_twice_is_an_error(files):
    with pytest.raises(EngineError, match="declares urn:pulumi:dev::ratify-perf::.*::a twice"):
        files("File('a', 'one'); File('a', 'two')")


def test_secrets_are_nowhere_in_clear(files, project, folder, caplog):
    source = """
import pulumi_random
password = pulumi_random.RandomPassword("password", length=20)
told = config.require_secret("token")
File("a", told)
pulumi.export("password", password.result)
pulumi.export("nested", {"inner": told, "plain": 1})
pulumi.log.info("making")
"""
    outcome = files(source, token="very-secret-token")
    password = outcome.outputs["password"]
    assert isinstance(password, Secret) and len(str(password.value)) == 20
    assert outcome.outputs["nested"] == Secret({"inner": "very-secret-token", "plain": 1})
    for hidden in (str(password.value), "very-secret-token"):
        assert hidden not in project.state_text() and hidden not in str(outcome)
        assert hidden not in str(project.events) and hidden not in caplog.text
        assert hidden not in str(project.engine.resources("dev"))
    assert stat.S_IMODE((project.state / "dev" / "state.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((project.state / "key").stat().st_mode) == 0o600
    assert files(source, token="very-secret-token").outputs == outcome.outputs

    with pytest.raises(EngineError) as caught:
        files(source.replace("File(", "File('b', told, path=pulumi.Output.concat('/nowhere/', told)); File("),
              token="very-secret-token")  # fmt: skip
    assert "very-secret" not in str(caught.value) and "[secret]" in str(caught.value)
    assert "very-secret" not in (project.state / "dev" / "error.log").read_text()


def test_another_stack_is_read_with_its_secrets(project):
    project.write("""
import pulumi
if pulumi.get_stack() == "shared":
    pulumi.export("host", "127.0.0.1:5000")
    pulumi.export("token", pulumi.Output.secret("hush-hush"))
else:
    shared = pulumi.StackReference("organization/ratify-perf/shared")
    pulumi.export("seen", shared.require_output("host"))
    pulumi.export("token", shared.get_output("token"))
""")
    assert project.preview().outputs == {"seen": "[unknown]", "token": "[unknown]"}
    with pytest.raises(EngineError, match="refers to stack shared, which has not been made"):
        project.up()
    project.up("shared")
    assert project.preview().outputs["seen"] == "127.0.0.1:5000"
    outcome = project.up()
    assert outcome.outputs == {"seen": "127.0.0.1:5000", "token": Secret("hush-hush")}
    assert outcome.changes == {"same": 1, "read": 1}
    assert "hush" not in project.state_text()
    assert project.destroy().changes == {"delete": 2}
    assert project.engine.exists("shared")


def test_what_needs_the_cli_is_refused_and_can_be_previewed(project):
    source = """
import pulumi
class Group(pulumi.CustomResource):
    def __init__(self):
        inputs = {"location": "eastus2", "profile": {"enabled": True}, "id": None, "tag": None}
        super().__init__("azure-native:resources:ResourceGroup", "rg", inputs)
        pulumi.export("tag", self.tag)
        pulumi.export("location", self.location)
        pulumi.export("issuer", self.profile.apply(lambda known: known.get("issuer")))
group = Group()
client = pulumi.runtime.invoke_output("azure-native:authorization:getClientConfig", {})
pulumi.export("tenant", client)
"""
    project.write(source)
    outcome = project.preview()
    unknown = dict.fromkeys(("tag", "tenant", "issuer"), "[unknown]")
    assert outcome.changes == {"create": 2} and outcome.outputs == {**unknown, "location": "eastus2"}
    assert outcome.steps[-1].inputs == {"location": "eastus2", "profile": {"enabled": True}}
    with pytest.raises(EngineError, match="azure-native.* needs the Pulumi CLI"):
        project.up()
    with pytest.raises(UsageError, match="on Azure, and making it needs the Pulumi CLI"):
        project.up(platform="azure")


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ("File('a', 'x', ResourceOptions(import_='id'))", "has the option import"),
        ("File('a', 'x', ResourceOptions(transforms=[lambda args: None]))", "does not support transforms"),
        ("File('a', 'x', ResourceOptions(ignore_changes=['a[*]']))", "property path 'a\\[\\*\\]' cannot be used"),
        ("File('a', 'x', ResourceOptions(custom_timeouts={'create': 'soon'}))", "'soon' is not a duration"),
        ("File('a', pulumi.FileAsset('/etc/hostname'))", "cannot carry assets"),
        ("pulumi.ComponentResource('a:b:C', 'a', {}, None, True)", "is a remote component"),
        ("import pulumi_random; pulumi_random.RandomPet('pet')", "does not make resources of type random:"),
    ],
)
def test_what_the_engine_cannot_do_is_refused(files, declaration, message):
    with pytest.raises(EngineError, match=message):
        files(declaration)


def test_protect_keeps_a_resource(files, project, folder):
    files("File('a', 'x', ResourceOptions(protect=True))")
    with pytest.raises(EngineError, match="is protected and cannot be deleted"):
        files("")
    with pytest.raises(EngineError, match="is protected and would have to be replaced"):
        files("File('a', 'x', ResourceOptions(protect=True), path=str(folder / 'b'))")
    with pytest.raises(EngineError, match="is protected"):
        project.destroy()
    assert (folder / "a").exists()
    files("File('a', 'x')")
    project.destroy()
    assert not (folder / "a").exists()


def test_retain_on_delete_leaves_the_thing(files, project, folder):
    files("File('a', 'x', ResourceOptions(retain_on_delete=True))")
    project.destroy()
    assert (folder / "a").exists() and not project.engine.exists("dev")


def test_ignored_changes_are_ignored(files, folder):
    files("File('a', 'x')")
    assert files("File('a', 'y', ResourceOptions(ignore_changes=['text']))").changes == {"same": 2}
    assert (folder / "a").read_text() == "x"


def test_an_alias_takes_a_resource_over(files, folder, project):
    files("File('a', 'x')")
    renamed = "File('b', 'x', ResourceOptions(aliases=[pulumi.Alias(name='a')]), path=str(folder / 'a'))"
    assert files(renamed, "preview").changes == {"same": 2}
    assert files(renamed).changes == {"same": 2}
    assert set(project.resources()) == {"ratify-perf-dev", "b"} and (folder / "a").exists()


def test_what_is_deleted_with_something_is_made_anew_with_it(files, folder):
    source = """
host = File("host", "x", ResourceOptions(delete_before_replace=True), path=str(folder / HOST))
File("guest", "y", ResourceOptions(deleted_with=host, depends_on=[host]))
"""
    files(source.replace("HOST", "'one'"))
    (folder / "guest").unlink()
    assert files(source.replace("HOST", "'two'")).changes == {"same": 1, "replace": 2}
    assert (folder / "guest").exists() and (folder / "deleted").read_text() == "one "


def test_independent_things_are_deleted_in_parallel(files, project, folder):
    """Independent deletions do not wait for each other: 30 of 0.1 s each take far less than 3 s."""
    slow = FILES.replace("Path(id).unlink(missing_ok=True)", "time.sleep(0.1); Path(id).unlink()")
    project.write(slow + "for i in range(30): File(f'f{i}', 'x')").up(folder=str(folder))
    started = time.monotonic()
    project.destroy()
    assert time.monotonic() - started < 2


def test_it_runs_in_another_thread_and_again_and_again(files, project):
    outcomes = []

    def work() -> None:
        for text in ("a", "b"):
            outcomes.append(files(f"File('a', '{text}')").changes)
        outcomes.append(project.destroy().changes)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert outcomes == [{"create": 2}, {"same": 1, "update": 1}, {"delete": 2}]


def test_two_operations_on_a_stack_at_once_are_refused(files, project, folder):
    taken, refused = stack_lock(project.state / "dev", "dev"), f"in use by process {os.getpid()}"
    with taken, pytest.raises(UsageError, match=refused):
        files("File('a', 'x')")
    assert not list(folder.iterdir())
    files("File('a', 'x')")
    assert not (project.state / "dev" / "lock").exists()


def test_bad_names_and_folders_are_usage_errors(project, tmp_path):
    with pytest.raises(UsageError, match="cannot be the name of a stack"):
        project.up("../other")
    with pytest.raises(UsageError, match="cannot be read as a Pulumi project"):
        EmbeddedEngine(tmp_path / "nowhere", tmp_path / "state").up("dev", {})


def test_importing_the_package_imports_neither_pulumi_nor_kubernetes():
    check = "import sys, infra.engine; print({'pulumi', 'kubernetes', 'grpc', 'cryptography'} & set(sys.modules))"
    root = Path(infra.engine.__file__).parents[2]
    shown = subprocess.run([sys.executable, "-c", check], cwd=root, capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"


RUN = """
import sys
from pathlib import Path
from infra.engine.embedded import EmbeddedEngine
root, state, folder = map(Path, sys.argv[1:])
EmbeddedEngine(root, state).up("dev", {"folder": str(folder)})
"""


def start_slow_up(project: Project, folder: Path) -> subprocess.Popen:
    """An up in a process of its own; returns when it is in the middle of a create that takes 30 s."""
    project.write(FILES + "a = File('a', 'x'); File('b', 'slow', ResourceOptions(depends_on=[a]))")
    command = [sys.executable, "-c", RUN, str(project.root), str(project.state), str(folder)]
    root = Path(infra.engine.__file__).parents[2]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not (folder / "b").exists():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)
    return process


@pytest.mark.parametrize("then", ["destroy", "up"])
def test_after_a_kill_in_the_middle_of_a_step(files, project, folder, then):
    process = start_slow_up(project, folder)
    process.kill()
    process.communicate()
    pending = json.loads(project.state_text())["pending"]
    assert [item["op"] for item in pending.values()] == ["create"]
    assert project.engine.exists("dev")
    assert [(each.name, each.unfinished) for each in project.engine.resources("dev")] == [("a", False), ("b", True)]
    if then == "up":
        assert files("File('a', 'x'); File('b', 'quick')").changes == {"same": 2, "create": 1}
        assert (folder / "b").read_text() == "quick"
    project.destroy()
    assert {p.name for p in folder.iterdir()} == {"deleted"} and not project.engine.exists("dev")


def test_ctrl_c_leaves_the_intent_on_disk_and_no_lock(project, folder):
    process = start_slow_up(project, folder)
    process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + 20
    while (project.state / "dev" / "lock").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert json.loads(project.state_text())["pending"]
    project.destroy()
    assert {p.name for p in folder.iterdir()} == {"deleted"}
    process.kill()
    assert "KeyboardInterrupt" in process.communicate()[1]


CAUGHT = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
    os.getpid()
except BaseException:
    pass  # as the SDK does in some places
File('a', 'x')
"""
CUT_OFF = """
import asyncio, pulumi
loop = asyncio.get_running_loop()
pulumi.Output(set(), loop.create_future(), loop.create_future())  # as of a resource whose declaration was cut off
raise KeyboardInterrupt
"""


@pytest.mark.parametrize("program", [CAUGHT, CUT_OFF])
def test_ctrl_c_while_the_program_declares_ends_it_wherever_it_comes(project, folder, program):
    project.write(FILES + program)
    command = [sys.executable, "-c", RUN, str(project.root), str(project.state), str(folder)]
    root = Path(infra.engine.__file__).parents[2]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=30)
    assert ended.returncode and "KeyboardInterrupt" in ended.stderr
    project.destroy()
    assert not project.engine.exists("dev")
