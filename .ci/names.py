"""A rule of `make lint`: parameters and fields are named after what they hold. Prints each that is not; exits with 1.

names.py [FILE ...]: these files, or all Python files of the project.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("bench", "docs", "edgernn", "export", "tests")
VAGUE = frozenset({"found", "given", "kept", "made", "said", "told", "wanted"})


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The line and the name of every parameter, and of every field of a class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.ClassDef):
            for line in node.body:
                targets = line.targets if isinstance(line, ast.Assign) else [getattr(line, "target", None)]
                yield from ((line.lineno, target.id) for target in targets if isinstance(target, ast.Name))


def main(paths: list[Path]) -> int:
    """Check files."""
    vague = [
        f"{path}:{line}: '{name}' does not say what it holds"
        for path in paths
        for line, name in names(ast.parse(path.read_text(encoding="utf-8")))
        if name in VAGUE
    ]
    for line in vague:
        print(line)
    return bool(vague)


if __name__ == "__main__":
    arguments = [Path(each) for each in sys.argv[1:]]
    sys.exit(main(arguments or sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("**/*.py"))))
