"""Where a local stack lives: its folder, its ports, its certificates, and what it tells about its processes.

A site is handed to every component of the stack. A component starts its processes through it, so that each of them gets
a log, and so that the stack's outputs know what can be scraped, which pid it has and where it logs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi

from infra.local import tools
from infra.local.files import LocalFile, LocalFolder, digest
from infra.local.keys import LATER, LocalCertificates
from infra.local.ports import LocalPorts
from infra.local.processes import LocalProcess

Identities = Mapping[str, tuple[str, Sequence[str]]]
"""Name → (user name, groups) of everyone who has a certificate."""


@dataclass
class Site:
    """Folder, ports and certificates of one local stack."""

    path: Path
    folder: LocalFolder
    ports: LocalPorts
    certificates: LocalCertificates
    targets: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name of a process → what the harness has to know of it: metrics URL, pid, start time, log, folder."""
    later: Collection[str] = ()
    """Identities that have a certificate which is not valid yet (:mod:`infra.local.keys`)."""

    def file(self, name: str) -> str:
        """The path of a file in the stack's folder."""
        return str(self.path / name)

    def certificate(self, identity: str) -> tuple[str, str]:
        """Certificate and key file of an identity."""
        return self.file(f"pki/{identity}/tls.crt"), self.file(f"pki/{identity}/tls.key")

    @property
    def ca(self) -> str:
        """The authority's certificate file."""
        return self.file("pki/ca.crt")

    def url(self, scheme: str, port: str, path: str = "") -> pulumi.Output[str]:
        """A URL on loopback, by the name of its port."""
        return pulumi.Output.concat(f"{scheme}://127.0.0.1:", self.ports.of(port).apply(str), path)

    def start(
        self,
        name: str,
        binary: str,
        arguments: Sequence[pulumi.Input[str]],
        *,
        parent: pulumi.Resource,
        ready: Mapping[str, pulumi.Input[Any]],
        metrics: pulumi.Input[str] | None = None,
        env: Mapping[str, pulumi.Input[str]] | None = None,
        after: Sequence[pulumi.Resource] = (),
        patience: float = 2,
        identity: str | None = None,
    ) -> LocalProcess:
        """Starts a binary that :mod:`infra.local.tools` knows, or any executable by its path.

        ``identity`` is whose certificate it serves, where it reads that anew when the file changes.
        ``metrics`` is the URL that the harness scrapes; one with https is asked with the site's own client certificate.
        The process is started anew when the certificates change, or a file that it is started ``after``.
        """
        read = [self.certificates.ca_pem, *(resource.text for resource in after if isinstance(resource, LocalFile))]
        known = binary in {b for tool in tools.TOOLS.values() for b in tool.packages}
        process = LocalProcess(
            name,
            argv=[str(tools.path(binary)) if known else binary, *arguments],
            folder=str(self.path),
            log=self.file(f"logs/{name}.log"),
            ready=ready,
            env=env,
            files=[text.apply(digest) for text in read],
            patience=patience,
            opts=pulumi.ResourceOptions(parent=parent, depends_on=[self.folder, self.certificates, *after]),
        )
        self.targets[name] = {
            "metrics": metrics,
            "pid": process.pid,
            "started": process.started,
            "log": process.log,
            "folder": str(self.path),
            **({"certificates": self._served(identity)} if identity in self.later else {}),
        }
        return process

    def tls_probe(self, port: str, path: str) -> dict[str, pulumi.Input[Any]]:
        """A probe of an https server of the control plane, asked as the administrator."""
        return {"http": self.url("https", port, path), **self._administrator()}

    def handshake_probe(self, port: str) -> dict[str, pulumi.Input[Any]]:
        """A probe of a server that speaks TLS: it has to shake hands, with a certificate that is valid."""
        return {"tls": self.ports.of(port), **self._administrator()}

    def _administrator(self) -> dict[str, str]:
        cert, key = self.certificate("admin")
        return {"ca": self.ca, "cert": cert, "key": key}

    def _served(self, identity: str | None) -> dict[str, str]:
        """The certificate that a process serves, and the one that a fault may put in its place."""
        return {"serving": self.file(f"pki/{identity}/tls.crt"), "notYetValid": self.file(f"pki/{identity}/{LATER}")}

    def write(self, name: str, text: pulumi.Input[str], *, parent: pulumi.Resource) -> LocalFile:
        """Writes a configuration file into the stack's folder."""
        opts = pulumi.ResourceOptions(parent=parent, depends_on=[self.folder])
        return LocalFile(name.replace("/", "-"), self.file(name), text, opts)


def site(
    path: Path, ports: Sequence[str], fixed: Mapping[str, int], identities: Identities, later: Collection[str] = ()
) -> Site:
    """Makes folder, ports and certificates of a stack; those ``later`` are for faults (:mod:`infra.local.keys`)."""
    folder = LocalFolder("folder", path)
    return Site(
        path,
        folder,
        LocalPorts("ports", ports, fixed, folder.path),
        LocalCertificates(
            "certificates",
            folder=path / "pki",
            identities=identities,
            later=later,
            opts=pulumi.ResourceOptions(depends_on=[folder]),
        ),
        later=later,
    )
