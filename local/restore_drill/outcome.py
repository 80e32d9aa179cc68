"""What a disaster did, and whether everything came back."""

import msgspec


class Outcome(msgspec.Struct, frozen=True):
    """One disaster and what became of it.

    Attributes
    ----------
    disaster, restored : what was lost, and to what it was restored
    lacking : store → ids that were acknowledged and are not in it after the restore, by symbol
    lacking_ids : how many these are
    resumed_as_it_was : what happens to who goes on without the rest of the procedure
    dead_letters_lost : letters that no replay brings back
    restore_seconds, replay_seconds : of the restore itself, and of the replay after it
    replayed_records : stream records that were read again
    proofs : statement → whether it holds in the end
    """

    disaster: str
    restored: str
    lacking: dict[str, dict[str, list[tuple[int, int]]]]
    lacking_ids: dict[str, int]
    resumed_as_it_was: dict[str, str]
    dead_letters_lost: int
    restore_seconds: float
    replay_seconds: float
    replayed_records: int
    proofs: dict[str, bool]

    @property
    def holds(self) -> bool:
        """Whether everything came back."""
        return all(self.proofs.values())
