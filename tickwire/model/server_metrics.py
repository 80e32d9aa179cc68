"""What the server counts, as Prometheus' text (Prometheus documentation, "Exposition formats", version 0.0.4)."""

from collections import Counter

from tickwire.model.schema import ModelDescription

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 10.0)


class ServerMetrics:
    """Requests by status, rows answered and explained, and how long invocations took."""

    def __init__(self, model: ModelDescription) -> None:
        self._model = model
        self._requests: Counter[tuple[str, int]] = Counter()
        self._buckets = [0] * len(_BOUNDS)
        self._seconds = 0.0
        self._answered = 0
        self._rows = 0
        self._explained = 0

    def request(self, path: str, status: int) -> None:
        """Count a request; ``path`` is one of those that there are."""
        self._requests[path, status] += 1

    def invocation(self, *, rows: int, explained: int, seconds: float) -> None:
        """Count rows that were answered."""
        self._answered += 1
        self._rows += rows
        self._explained += explained
        self._seconds += seconds
        for place, bound in enumerate(_BOUNDS):
            self._buckets[place] += seconds <= bound

    def text(self) -> str:
        """Give all of it."""
        model = self._model
        lines = [
            "# HELP tickwire_model_info The model that answers.",
            "# TYPE tickwire_model_info gauge",
            f'tickwire_model_info{{name="{model.name}",version="{_escaped(model.version)}",schema="{model.digest}"}} 1',
            "# HELP tickwire_model_requests_total Requests by path and HTTP status.",
            "# TYPE tickwire_model_requests_total counter",
            *(
                f'tickwire_model_requests_total{{path="{path}",status="{status}"}} {count}'
                for (path, status), count in sorted(self._requests.items())
            ),
            "# HELP tickwire_model_rows_total Rows that were answered.",
            "# TYPE tickwire_model_rows_total counter",
            f"tickwire_model_rows_total {self._rows}",
            "# HELP tickwire_model_explained_rows_total Rows that were explained.",
            "# TYPE tickwire_model_explained_rows_total counter",
            f"tickwire_model_explained_rows_total {self._explained}",
            "# HELP tickwire_model_invocation_seconds How long an answered invocation took, without the network.",
            "# TYPE tickwire_model_invocation_seconds histogram",
            *(
                f'tickwire_model_invocation_seconds_bucket{{le="{bound}"}} {count}'
                for bound, count in zip(_BOUNDS, self._buckets, strict=True)
            ),
            f'tickwire_model_invocation_seconds_bucket{{le="+Inf"}} {self._answered}',
            f"tickwire_model_invocation_seconds_sum {self._seconds:.6f}",
            f"tickwire_model_invocation_seconds_count {self._answered}",
        ]
        return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
