"""``python -m csscgen`` is the command ``csscgen``."""

from csscgen.cli import main

main()
