"""YAML as people write it: like yaml.safe_load, but a key that is there twice is refused instead of lost."""

from __future__ import annotations

from typing import Any

import yaml
from yaml.constructor import ConstructorError


class RepeatedKey(ConstructorError):
    """A mapping has a key twice."""

    def __init__(self, key: object, mark: Any) -> None:
        super().__init__(None, None, "a key is there twice", mark)
        self.key = key


class _Loader(yaml.CSafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise RepeatedKey(key.value, key.start_mark)
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


def load(text: str) -> Any:
    """The one document of a text. Raises yaml.YAMLError; ValueError for what looks like a date or number and is none.

    RecursionError for what is nested deeper than anybody writes.
    """
    return yaml.load(text, Loader=_Loader)
