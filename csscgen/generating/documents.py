"""Objects as text, one after another: YAML documents, or a JSON object per line.

An object of a kind is serialised once, with placeholders; the next one costs a few replacements. So 20,000 pods of ten
containers take as long as their bytes take to write, and no more memory than one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import orjson
import yaml

from workloads.ratify.generated import Generation, template

Form = Literal["yaml", "jsonl"]

# A brace is neither in a name nor in a label, and YAML writes what begins with one in quotes: what takes its place is
# text, even if it looks like a number or a date.
NAME, NAMESPACE, REPOSITORY = "{name}", "{namespace}", "{repository}"


def documents(
    asked: Generation, form: Form, *, name: str, group: str, namespaces: Sequence[str], numbered: bool
) -> Iterator[str]:
    """Each object's text. Objects are named ``<name>-<index>`` if they are ``numbered``, and go to the namespaces in
    turn; ``namespaces`` is empty for objects without one, and several come first as objects themselves."""
    text, pods = "", -1
    if len(namespaces) > 1:
        for namespace in namespaces:
            metadata = {"name": namespace, "labels": {"group": group}}
            space = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
            yield "---\n" + dumped(space) if form == "yaml" else _line(space)
    for index in range(asked.objects):
        if asked.pods(index) != pods:  # once, and again where the remainder of the replicas ends
            pods = asked.pods(index)
            where = NAMESPACE if namespaces else ""
            made = template(asked, pods, name=NAME, group=group, namespace=where, repository=REPOSITORY)
            text = dumped(made) if form == "yaml" else _line(made)
        one = text.replace(NAME, f"{name}-{index}" if numbered else name).replace(
            REPOSITORY, asked.images(index).repository
        )
        if namespaces:
            one = one.replace(NAMESPACE, namespaces[index % len(namespaces)])
        yield f"---\n{one}" if form == "yaml" and (asked.objects > 1 or len(namespaces) > 1) else one


def dumped(document: Any) -> str:
    """One YAML document; long lines stay whole, keys in the order given."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=2**20, allow_unicode=True)


def _line(document: Any) -> str:
    return orjson.dumps(document).decode() + "\n"


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Write a value that is there twice twice: other tools' readers need not know anchors."""
        return True
