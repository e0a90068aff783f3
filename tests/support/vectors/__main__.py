"""`python -m tests.support.vectors [--write]`: bring docs/vectors up to date, or say what is not."""

from __future__ import annotations

import sys

from tests.support.vectors import DIRECTORY, FILES


def main(arguments: list[str]) -> int:
    """The exit code: 1 where something differs and nothing is written."""
    stale = 0
    for name, made in FILES.items():
        path, text = DIRECTORY / f"{name}.json", made().text
        if not path.exists() or path.read_text() != text:
            stale += 1
            sys.stdout.write(f"{path.name} differs\n")
            if arguments == ["--write"]:
                DIRECTORY.mkdir(exist_ok=True)
                path.write_text(text)
    return 1 if stale and arguments != ["--write"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
