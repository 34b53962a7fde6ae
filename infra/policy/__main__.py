"""What the Pulumi CLI runs for ``--policy-pack infra/policy``. Importing it starts nothing."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

    from infra.policy.pack import serve

    serve()
