"""Stack files and ``--set`` words as users, editors and other tools leave them."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

import pytest

from tests.hostile.cases import MB_10, Case, Csscgen, assert_refused
from tests.hostile.conftest import Project

GOOD = "config:\n  ratify-perf:sharedStack: local-shared\n  ratify-perf:registry: {size: XS}\n"
ACCEPTED = ("Stack bad is not up", "`csscgen up --stack bad`")
"""What is said of a stack whose file is fine."""
NO_FILE = ("stack bad", "Pulumi.bad.yaml", "mend its YAML")


def of(subject: str, value: str) -> str:
    """A stack file in which one subject is set."""
    return f"config:\n  ratify-perf:sharedStack: local-shared\n  ratify-perf:{subject}: {value}\n"


def laughs() -> str:
    """Ten anchors, each ten times the one before: a few hundred bytes, 10^10 items."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    return "\n".join(lines) + "\n" + of("scenario", "{replicas: *a9}")


FILES: dict[str, Case] = {
    "empty": Case("", ("has no scenario", "sharedStack is not set")),
    "only white space": Case("  \n\n  \n", ("has no scenario",)),
    "only a comment": Case("# to do\n", ("has no scenario",)),
    "null": Case("null\n", ("has no scenario",)),
    "no config": Case("encryptionsalt: v1:x\n", ("has no scenario",)),
    "config is null": Case("config:\n", ("has no scenario",)),
    "CRLF": Case(GOOD.replace("\n", "\r\n"), ACCEPTED),
    "UTF-8 with BOM": Case(codecs.BOM_UTF8 + GOOD.encode(), ACCEPTED),
    "UTF-16": Case(GOOD.encode("utf-16"), NO_FILE),
    "Latin-1": Case("# für alle\n".encode("latin-1") + GOOD.encode(), NO_FILE),
    "binary": Case(bytes(range(256)) * 40, NO_FILE),
    "zeros, as a file system leaves them": Case(b"\0" * 4096, NO_FILE),
    "cut off": Case(GOOD[:-4], (*NO_FILE, "line")),
    "tabs": Case("config:\n\tratify-perf:sharedStack: local-shared\n", (*NO_FILE, "line 2")),
    "two documents": Case(f"{GOOD}---\n{GOOD}", NO_FILE),
    "a list": Case("- config\n", NO_FILE),
    "a number": Case("42\n", NO_FILE),
    "config is a list": Case("config: [a, b]\n", NO_FILE),
    "config is text": Case("config: none\n", NO_FILE),
    "a key that is a number": Case("config: {1: x}\n", NO_FILE),
    "a key that is a list": Case("config: {? [a, b] : x}\n", NO_FILE),
    "a Python object": Case("config: !!python/object/apply:os.getcwd []\n", NO_FILE),
    "a conflict of git": Case(f"<<<<<<< HEAD\n{GOOD}=======\n{GOOD}>>>>>>> x\n", NO_FILE),
    "a date that is none": Case(of("scenario", "{replicas: 2026-13-45}"), NO_FILE),
    "a subject twice": Case(f"{GOOD}  ratify-perf:registry: {{size: L}}\n", (*NO_FILE, "registry", "twice")),
    "a key twice": Case(of("scenario", "{replicas: 5, replicas: 6}"), (*NO_FILE, "replicas", "twice")),
    "nested 10,000 deep": Case(of("scenario", "[" * 10_000), NO_FILE),
    "JSON text nested 100,000 deep": Case(
        of("scenario", "'" + '{"a":' * 100_000 + "'"), ("scenario: expected an object",)
    ),
    "an anchor that holds itself": Case(of("scenario", "&a {replicas: *a}"), ("scenario.replicas: expected a whole",)),
    "thresholds that hold themselves": Case(of("thresholds", "&a {pods.ready: *a}"), ("thresholds: expected text",)),
    "a list that holds itself": Case(of("registry", "{regions: &l [*l]}"), ("registry.regions: ",)),
    "a billion laughs": Case(laughs(), ("scenario.replicas: expected a whole number",)),
    "a line of 10 MB": Case(of("scenario", f"{{workload: {'x' * MB_10}}}"), ("scenario.workload: expected one of",)),
    "a key of 1 MB": Case(of("scenario", f"{{{'k' * 1_000_000}: 1}}"), NO_FILE),
    "a key of 1,000 letters": Case(of("scenario", f"{{{'k' * 1_000}: 1}}"), ("there is no such key", "known keys")),
    "1,000 bad keys": Case(
        of("scenario", f"{{{', '.join(f'k{i}: 1' for i in range(1000))}}}"), ("no such key", "more")
    ),
    "escapes of a terminal in a key": Case(of("scenario", r'{"\e[2J": 1}'), ("there is no such key",)),
    "escapes of a terminal in a value": Case(of("scenario", r'{workload: "\e[2J"}'), ("expected one of",)),
    "not a number": Case(of("load", "{rate: .nan}"), ("load.rate: expected a number, got nan",)),
    "infinite": Case(of("load", "{deadlineSeconds: .inf}"), ("load.deadlineSeconds: expected a whole number",)),
    "a number of 400 digits": Case(
        of("load", f"{{deadlineSeconds: {'9' * 400}}}"), ("load.deadlineSeconds: expected",)
    ),
    "a number of 5,000 digits": Case(of("scenario", f"{{replicas: {'9' * 5000}}}"), NO_FILE),
    "a number beyond every float": Case(
        of("monitoring", "{scrapeSeconds: 1.0e+400}"), ("scrapeSeconds: expected a number",)
    ),
    "a negative count": Case(of("scenario", "{replicas: -1}"), ("scenario.replicas: expected from 1 to",)),
    "a fraction of a pod": Case(of("scenario", "{replicas: 2.5}"), ("scenario.replicas: expected a whole number",)),
    "null where a number is due": Case(of("scenario", "{containers: null}"), ("containers: expected a whole number",)),
    "a subject that is null": Case(of("scenario", "null"), ("scenario: expected an object with the keys",)),
    "a secret of Pulumi's where settings are due": Case(of("scenario", "{secure: v1:AAAA}"), ("scenario.secure",)),
    "a region without a size": Case(of("registry", "{regions: [{name: a}]}"), ("registry.regions: ", "size")),
    "10,000 regions": Case(
        of("registry", f"{{port: 60000, regions: [{', '.join(f'{{name: r{i}, size: L}}' for i in range(10_000))}]}}"),
        ("registry.regions: ", "at most"),
    ),
    "a shared stack that is a path": Case(
        "config: {ratify-perf:sharedStack: ../../etc/passwd}", ("There is no stack ../../etc/passwd",)
    ),
    "a shared stack with a zero in it": Case(r'config: {ratify-perf:sharedStack: "a\0b"}', ("There is no stack 'a",)),
    "a shared stack of 10,000 letters": Case(
        f"config: {{ratify-perf:sharedStack: {'s' * 10_000}}}", ("There is no stack 's",)
    ),
    "a shared stack that is a number": Case("config: {ratify-perf:sharedStack: 42}", ("There is no stack 42",)),
    "a shared stack that is the stack itself": Case(
        "config: {ratify-perf:sharedStack: bad}", ("sharedStack: bad refers to a shared stack itself",)
    ),
    "a threshold that is no comparison": Case(
        of("thresholds", "{pods.missing: banana}"), ("thresholds.pods.missing: ",)
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_stack_file(project: Project, csscgen: Csscgen, name: str) -> None:
    case = FILES[name]
    file = project.stack_file("bad")
    content = case.given if isinstance(case.given, bytes) else case.given.encode()
    file.write_bytes(content)

    assert_refused(csscgen("load", "--stack", "bad"), case)

    assert file.read_bytes() == content
    assert not project.state.exists()
    assert not project.runs.exists()


def test_two_stacks_that_share_each_other(project: Project, csscgen: Csscgen) -> None:
    project.stack_file("a").write_text("config: {ratify-perf:sharedStack: b}")
    project.stack_file("b").write_text("config: {ratify-perf:sharedStack: a}")
    assert_refused(csscgen("load", "--stack", "a"), Case("", ("stack a", "b refers to a shared stack itself")))


def test_a_stack_file_that_is_a_folder(project: Project, csscgen: Csscgen) -> None:
    project.stack_file("bad").mkdir()
    assert_refused(csscgen("load", "--stack", "bad"), Case("", ("Pulumi.bad.yaml", "cannot be read")))


def test_a_stack_file_that_leads_nowhere(project: Project, csscgen: Csscgen) -> None:
    project.stack_file("bad").symlink_to(project.root / "gone")
    assert_refused(csscgen("load", "--stack", "bad"), Case("", ("Pulumi.bad.yaml", "cannot be read")))


WORDS: dict[str, Case] = {
    "no words": Case("", ("--set takes subject.key=value",)),
    "no subject": Case("=1", ("--set takes subject.key=value",)),
    "no key": Case("scenario.=1", ("--set takes subject.key=value",)),
    "YAML that is none": Case("scenario.replicas={", ("scenario.replicas: expected a whole number, got '{'",)),
    "nested 10,000 deep": Case(f"scenario.replicas={'[' * 10_000}", ("scenario.replicas: expected a whole number",)),
    "an anchor that holds itself": Case("scenario=&a {replicas: *a}", ("scenario.replicas: expected a whole number",)),
    "100,000 letters": Case(f"scenario.workload={'x' * 100_000}", ("scenario.workload: expected one of",)),
    "a subject of 100,000 letters": Case(f"{'x' * 100_000}", ("--set takes subject.key=value",)),
    "escapes of a terminal": Case("scenario.\x1b[2J=1", ("there is no such key",)),
    "a number of 400 digits": Case(f"load.quietSeconds={'9' * 400}", ("load.quietSeconds: expected",)),
    "a key within a key": Case("scenario.replicas.x=1", ("scenario.replicas.x: there is no such key",)),
    "text that is no UTF-8": Case(os.fsdecode(b"scenario.workload=\xff\xfe"), ("scenario.workload: expected one of",)),
    "a run's label that is none": Case("runId=a b", ("runId: expected 1 to 63 letters",)),
    "faults that are text": Case("faults=kill ratify", ("faults: expected a list",)),
    "a fault that is text": Case("faults=[kill]", ("faults: ",)),
    "a fault without a target": Case("faults=[{action: kill, at: 1, seconds: 1}]", ("faults: ", "lacks target")),
    "a fault of nobody": Case("faults=[{target: dog, action: kill, at: 1, seconds: 1}]", ("faults[0]", "dog")),
    "a fault that nobody knows": Case("faults=[{target: etcd, action: eat, at: 1, seconds: 1}]", ("faults[0]", "eat")),
    "a fault before the beginning": Case(
        "faults=[{target: etcd, action: kill, at: -1, seconds: 1}]", ("faults: ", "at")
    ),
    "a fault at no time": Case("faults=[{target: etcd, action: kill, at: .nan, seconds: 1}]", ("faults: ", "a number")),
    "a fault for ever": Case("faults=[{target: etcd, action: stop, at: 1, seconds: .inf}]", ("faults: ", "a number")),
    "a share of five": Case(
        "faults=[{target: etcd, action: slow, at: 1, seconds: 1, share: 5}]", ("faults[0]", "share")
    ),
    "1,000 faults of nobody": Case(
        f"faults=[{', '.join(['{target: d, action: kill, at: 1, seconds: 1}'] * 1000)}]", ("faults[0]", "more.")
    ),
    "negatives that are a list": Case("scenario.negatives=[unsigned]", ("scenario.negatives: expected an object",)),
    "negatives of no kind": Case("scenario.negatives={evil: 0.1}", ("scenario.negatives: ", "evil")),
    "negatives of 10,000 letters": Case(f"scenario.negatives={{{'e' * 900}: 0.1}}", ("scenario.negatives: ",)),
    "negatives that are more than all": Case(
        "scenario.negatives={unsigned: 0.9, expired: 0.9}", ("scenario.negatives: ",)
    ),
    "negatives that are less than none": Case("scenario.negatives={unsigned: -0.1}", ("scenario.negatives: ",)),
    "negatives that are no number": Case(
        "scenario.negatives={unsigned: .nan}", ("scenario.negatives: expected a number",)
    ),
    "negatives that are text": Case("scenario.negatives={unsigned: few}", ("scenario.negatives: expected a number",)),
    "a price": Case("scenario.nodeCpu=$5", ("scenario.nodeCpu: there is no such key",)),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_word_of_set(project: Project, csscgen: Csscgen, name: str) -> None:
    assert_refused(csscgen("load", "--stack", "local-smoke", "--set", str(WORDS[name].given)), WORDS[name])
    assert not project.state.exists()


INSTANCES = {
    "a path": Case("../other", ("instance",)),
    "a hidden folder": Case(".x", ("instance",)),
    "10,000 letters": Case("i" * 10_000, ("instance",)),
    "escapes of a terminal": Case("\x1b[2J", ("instance",)),
    "a space": Case("a b", ("instance",)),
}


@pytest.mark.parametrize("name", INSTANCES)
def test_an_instance_s_name(project: Project, csscgen: Csscgen, name: str) -> None:
    said = csscgen("load", "--stack", "local-smoke", "--instance", str(INSTANCES[name].given))
    assert_refused(said, INSTANCES[name])
    assert not project.state.exists()


@pytest.mark.parametrize(
    "given", ["nope", "../..", "r" * 10_000, "\x1b[2J"], ids=["unknown", "a path", "long", "escapes"]
)
@pytest.mark.parametrize("words", [("report",), ("runs", "table"), ("run", "--stack", "local-smoke", "--resume")])
def test_a_run_s_name(project: Project, csscgen: Csscgen, words: tuple[str, ...], given: str) -> None:
    assert_refused(csscgen(*words, given), Case("", ("There is no run", "`csscgen runs list`")))


STACKS = {
    "a path": Case("../stacks/Pulumi.local-S", ("There is no stack",)),
    "nothing": Case("", ("There is no stack ''",)),
    "10,000 letters": Case("s" * 10_000, ("There is no stack",)),
    "escapes of a terminal": Case("\x1b[2J", ("There is no stack",)),
    "a file that is no stack": Case("*", ("There is no stack *",)),
}


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_s_name(project: Project, csscgen: Csscgen, name: str) -> None:
    assert_refused(csscgen("load", "--stack", str(STACKS[name].given)), STACKS[name])


@pytest.mark.parametrize("given", [b"", b"- x\n", b"\xff\xfe\0", b"name: [\n", b"[" * 10_000], ids=repr)
def test_a_project_file(project: Project, csscgen: Csscgen, given: bytes) -> None:
    (project.root / "Pulumi.yaml").write_bytes(given)
    (project.state / "local-smoke").mkdir(parents=True)
    assert_refused(csscgen("destroy", "--stack", "local-smoke"), Case("", ("Pulumi.yaml", "cannot be read")))


def test_a_project_without_stacks(project: Project, csscgen: Csscgen) -> None:
    for file in (project.root / "stacks").iterdir():
        file.unlink()
    assert_refused(csscgen("load", "--stack", "local-smoke"), Case("", ("There is no stack", "no stack files")))


FOLDERS = {
    "CSSCGEN_STATE": ("outputs", "--stack", "local-smoke"),
    "CSSCGEN_RUNS": ("runs", "list"),
}


@pytest.mark.parametrize("below", ["", "/below"])
@pytest.mark.parametrize("variable", FOLDERS)
def test_a_file_where_a_folder_is_due(
    project: Project, csscgen: Csscgen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, below: str
) -> None:
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv(variable, f"{tmp_path}/file{below}")
    assert_refused(csscgen(*FOLDERS[variable]), Case("", (variable, f"{tmp_path}/file", "not a folder")))
    assert (tmp_path / "file").read_text() == "mine"
