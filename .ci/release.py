"""What a tag must agree with before it becomes a release: prints each thing that does not; exits with 1.

release.py TAG: the tag is `v` and the version of edgernn, and the section of that version in CHANGELOG.md has a date.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def faults(tag: str, version: str, changes: str) -> list[str]:
    """Return what is wrong with a tag, given the version in the code and the text of CHANGELOG.md."""
    section = re.search(rf"^## {re.escape(version)} \((.*)\)$", changes, re.MULTILINE)
    wrong = []
    if tag != f"v{version}":
        wrong.append(f"the tag is {tag}; expected v{version}, as edgernn/version.py has it")
    if section is None:
        wrong.append(f"CHANGELOG.md has no section '## {version} (DATE)'")
    elif not re.fullmatch(r"\d{4}-\d\d-\d\d", section[1]):
        wrong.append(f"CHANGELOG.md has '{section[1]}' as the date of {version}; expected a day such as 2027-01-31")
    return wrong


def main(tag: str) -> int:
    """Check a tag against the files of this checkout."""
    version = re.search(r'VERSION = "([^"]+)"', (ROOT / "edgernn/version.py").read_text(encoding="utf-8"))
    assert version is not None
    wrong = faults(tag, version[1], (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    for line in wrong:
        print(line)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
