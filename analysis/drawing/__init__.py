"""Charts as inline SVG: no script is needed to see them, and they print as they are."""
