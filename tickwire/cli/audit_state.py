"""The stages' own states in Valkey as the audit reads them."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import valkey

from lambdas.delivery.state import connect
from tickwire.errors import TickwireError, UnreadableState
from tickwire.stages.signals_state import SignalsState
from tickwire.stages.signals_state import load_state as load_signals_state
from tickwire.validation.state import ValidatorState
from tickwire.validation.state import load_state as load_validator_state

_KEY = "tickwire:state:{{{}:{}}}"
"""As ``lambdas.delivery.state`` writes them."""

State = TypeVar("State")


class StateUnreachable(TickwireError):
    """Valkey does not answer, or holds no readable state."""


class StateReader:
    """Reads states; never writes."""

    def __init__(self, url: str) -> None:
        self._client: Any = connect(url)

    def validator(self, partitions: Iterable[int]) -> dict[int, ValidatorState]:
        """Give the validator's states; a partition that has none is left out.

        Raises
        ------
        StateUnreachable
        """
        return self._states("validator", partitions, load_validator_state)

    def signals(self, partitions: Iterable[int]) -> dict[int, SignalsState]:
        """Give the states of the stage after it; see :meth:`validator`."""
        return self._states("signals", partitions, load_signals_state)

    def _states(self, stage: str, partitions: Iterable[int], load: Callable[[bytes], State]) -> dict[int, State]:
        found = {}
        try:
            for partition in partitions:
                data = self._client.hget(_KEY.format(stage, partition), "data")
                if data is not None:
                    found[partition] = load(data)
        except (valkey.ValkeyError, OSError) as error:
            raise StateUnreachable(f"Valkey cannot be reached: {error}") from error
        except UnreadableState as error:
            raise StateUnreachable(str(error)) from error
        return found
