"""Which metrics the code publishes, read off the code itself."""

import ast
import re
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).parents[2]
# They publish in the name of whoever imports them.
_SHARED = ("lambdas.delivery.stage_metrics", "ecs_tasks.shared.metrics")


def publishes(service: str, name: str) -> bool:
    """Say whether a folder of ``lambdas/`` or ``ecs_tasks/`` has the name of a metric in its code."""
    words = _words(service)
    # Percentiles are put together: "ReceiveToPut" and "P{percent}".
    stem = re.sub(r"P\d+$", "", name)
    return name in words or (stem != name and stem in words and any("P{" in word for word in words))


@cache
def _words(service: str) -> frozenset[str]:
    """Give every text in the code of a function or task, and of what publishes in its name."""
    folders = [path for path in (PROJECT / "lambdas" / service, PROJECT / "ecs_tasks" / service) if path.is_dir()]
    words: set[str] = set()
    waiting = [path for folder in folders for path in sorted(folder.glob("*.py"))]
    while waiting:
        for node in ast.walk(ast.parse(waiting.pop().read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                words.add(ast.unparse(node)[2:-1])
            elif isinstance(node, ast.ImportFrom) and node.module in _SHARED:
                waiting.append(PROJECT / f"{node.module.replace('.', '/')}.py")
    return frozenset(words)
