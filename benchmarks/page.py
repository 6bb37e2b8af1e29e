"""Sections of docs/benchmarks.md, each written by one script."""

import os
from pathlib import Path

PAGE = Path("docs/benchmarks.md")


def put(page: Path, heading: str, lines: list[str]) -> None:
    """Write a `## heading` section: in the place of the one that is there, else at the end."""
    parts = ("\n" + page.read_text()).split("\n## ") if page.exists() else [""]
    kept = [part.strip("\n") for part in parts[1:] if part.split("\n")[0] != heading]
    sections = [parts[0].strip("\n"), *(f"## {part}" for part in (*kept, "\n".join([heading, *lines])))]
    page.write_text("\n\n".join(section for section in sections if section) + "\n")


def load() -> str:
    """The load average of the machine over the last minute."""
    return f"{os.getloadavg()[0]:.1f}"
