"""What a module imports, for the tests of what an image must install."""

import ast


def imported_names(source: str) -> set[str]:
    """Give the top-level names that a module's source imports anywhere; relative imports have none."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names.add(node.module.partition(".")[0])
    return names
