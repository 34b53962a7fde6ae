"""How a setting is declared: its default, its documentation and its bounds, on the field of a dataclass."""

from __future__ import annotations

from dataclasses import field
from typing import Any

Form = tuple[str, str]
"""A regular expression that text has to match as a whole, and the same in words."""

LABEL: Form = (
    r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?",
    "1 to 63 letters, digits, dots, hyphens and underscores, the ends letters or digits",
)
NAME: Form = (r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?", "a name of lower-case letters, digits and hyphens")
QUANTITY: Form = (r"[0-9]+(\.[0-9]+)?(m|k|[MGTPE]|[KMGTPE]i)?", "a quantity such as 64, 500m or 256Gi")
COMMON_NAME: Form = (r"[ -~]{1,64}", "1 to 64 printable ASCII characters")
VAULT_NAME: Form = (
    r"[A-Za-z](?!.*--)[A-Za-z0-9-]{1,22}[A-Za-z0-9]",
    "3 to 24 letters, digits and single hyphens, the first a letter, the last none of the hyphens",
)
RESOURCE_GROUP: Form = (
    r"[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-]",
    "1 to 90 letters, digits, hyphens, underscores, brackets and dots, the last no dot",
)
CERTIFICATE_NAME: Form = (r"[A-Za-z0-9-]{1,127}", "1 to 127 letters, digits and hyphens")
GUID: Form = (r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "a GUID")
VERSION: Form = (r"[0-9]+\.[0-9]+(\.[0-9]+)?(-[A-Za-z0-9.-]+)?", "a version such as 1.4.6")
HOST: Form = (
    r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?",
    "a host as in an image reference, such as registry.example:5000",
)
MEDIA_TYPE: Form = (
    r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}",  # RFC 6838, 4.2
    "a media type such as application/spdx+json",
)
VM_SIZE: Form = (r"Standard_[A-Za-z0-9_-]+", "a size of Azure's, such as Standard_D4s_v3")


def setting(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    form: Form | None = None,
) -> Any:
    """A field with its documentation: unit, the least and the greatest value that it takes, the form of its text."""
    metadata = {"doc": doc, "unit": unit, "minimum": minimum, "maximum": maximum, "form": form}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)
