"""The disasters, one after the other on one platform: each is survived before the next one comes."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import valkey

from lambdas.lake_committer.lake_table import glue_catalog
from lambdas.lake_committer.restore import newest_metadata, point_at, restore_objects
from local.restore_drill.evidence import audit, counted, dead_letters, holdings, proofs
from local.restore_drill.market import Market
from local.restore_drill.outcome import Outcome
from local.restore_drill.platform import SINKS, STAGES, DrillPlatform, now
from local.restore_drill.postgres import ArchivedPostgres
from local.valkey import LocalValkey
from tickwire.lake import TABLE

# Earlier than need be: what comes twice is skipped, and a record left out stops a sink or, worse, is not noticed.
_MARGIN = timedelta(hours=1)
_FIRST_ROUNDS = 12
_ROUNDS = 4


@contextmanager
def prepared_drill(folder: Path) -> Iterator["Drill"]:
    """Start PostgreSQL and Valkey below ``folder`` and give a drill over the emulator that the environment names."""
    with ExitStack() as stack:
        states = stack.enter_context(LocalValkey(folder / "valkey"))
        postgres = ArchivedPostgres(folder)
        postgres.start()
        stack.callback(postgres.stop)
        platform = DrillPlatform(database_url=postgres.url, state_url=states.url)
        stack.callback(platform.close)
        yield Drill(platform, postgres, stack.enter_context(valkey.Valkey.from_url(states.url)))


class Drill:
    """Runs the disasters over a platform that is up."""

    def __init__(self, platform: DrillPlatform, postgres: ArchivedPostgres, states: valkey.Valkey) -> None:
        self._platform = platform
        self._postgres = postgres
        self._states = states
        self._market = Market()

    def run(self, tell: Callable[[Outcome], None] = lambda _: None) -> list[Outcome]:
        """Fill the stores, back them up, and lose and restore them in turn; ``tell`` gets each outcome."""
        self._trade(_FIRST_ROUNDS)
        self._platform.run()
        self._postgres.back_up()
        outcomes = []
        for disaster in (
            self._database_lost,
            self._lake_deleted,
            self._lake_set_back,
            self._state_store_lost,
            self._all_lost,
        ):
            outcomes.append(disaster())
            tell(outcomes[-1])
        return outcomes

    def _database_lost(self) -> Outcome:
        """The writer is behind at the moment that is restored, as it always is a little."""
        platform = self._platform
        self._trade()
        platform.run(*STAGES, "lake_writer")
        moment = now()
        self._trade()
        platform.run()
        before, letters = holdings(platform), dead_letters(platform)
        restored = _timed(lambda: self._restore_database(moment))
        lacking = holdings(platform).lacking(before)
        self._trade()
        resumed = platform.stops()
        platform.rewind(moment, "store_writer")
        resumed |= {f"{name}, rewound to the moment itself": why for name, why in platform.stops().items()}
        return self._outcome(
            "the database is deleted",
            "to a moment before, by base backup and archived log",
            lacking=lacking,
            resumed=resumed,
            letters=letters,
            restore=restored,
            rewound=("store_writer",),
            moment=moment,
        )

    def _lake_deleted(self) -> Outcome:
        platform = self._platform
        self._trade()
        platform.run()
        before, moment = holdings(platform), now()
        self._delete_lake()
        self._trade()
        resumed = platform.stops()
        since = moment.replace(microsecond=0)  # S3 tells seconds

        def restore() -> None:
            restore_objects(platform.s3, bucket=platform.bucket, since=since)
            newest = newest_metadata(platform.s3, bucket=platform.bucket)
            point_at(glue_catalog(), newest, database=platform.glue_database)

        restored = _timed(restore)
        return self._outcome(
            "the lake's objects are deleted or overwritten, and its table in Glue is dropped",
            "from the objects' versions, with the newest metadata file",
            lacking=holdings(platform).lacking(before),
            resumed=resumed,
            restore=restored,
            rewound=(),
            moment=moment,
        )

    def _lake_set_back(self) -> Outcome:
        platform = self._platform
        moment, location = now(), self._metadata_location()
        self._trade()
        platform.run()
        before = holdings(platform)
        restored = _timed(lambda: point_at(glue_catalog(), location, database=platform.glue_database))
        lacking = holdings(platform).lacking(before)
        self._trade()
        resumed = platform.stops()
        platform.rewind(moment - _MARGIN, "lake_writer")
        resumed |= {f"{name}, rewound behind the waiting messages": why for name, why in platform.stops().items()}
        platform.purge_commits()
        return self._outcome(
            "the lake's newest commits are lost",
            "to the metadata file of a moment before",
            lacking=lacking,
            resumed=resumed,
            restore=restored,
            rewound=("lake_writer",),
            moment=moment,
        )

    def _state_store_lost(self) -> Outcome:
        """The worst moment: all stages had worked everything off, so no counter shows that some are used again."""
        platform, market = self._platform, self._market
        moment, snapshot = now(), self._snapshot_states()
        self._trade(2 * _ROUNDS)
        platform.run()
        before = holdings(platform)
        restored = _timed(lambda: self._restore_states(snapshot))
        lacking = holdings(platform).lacking(before)
        self._trade(1)
        resumed = platform.stops()
        lake = holdings(platform).lake
        unstored = sum(ids.difference(lake[key]).count for key, ids in market.accepted.items())
        found = sorted({finding.kind.value for finding in audit(platform).findings if finding.problem})
        resumed["all"] = (
            f"{unstored} trades are taken for repeats and stored nowhere; the audit finds {', '.join(found)}"
        )
        self._restore_states(snapshot)
        return self._outcome(
            "the state store is lost",
            "to a snapshot",
            lacking=lacking,
            resumed=resumed,
            restore=restored,
            rewound=STAGES,
            moment=moment,
        )

    def _all_lost(self) -> Outcome:
        """Here the snapshot caught one stage behind the other, as most do."""
        platform = self._platform
        self._trade()
        platform.run("validator")
        first, snapshot = now(), self._snapshot_states()
        self._trade()
        platform.run()
        location = self._metadata_location()
        self._trade()
        platform.run()
        database_moment = now()
        self._trade()
        platform.run()
        before, letters = holdings(platform), dead_letters(platform)

        def restore() -> None:
            self._restore_states(snapshot)
            self._restore_database(database_moment)
            point_at(glue_catalog(), location, database=platform.glue_database)

        restored = _timed(restore)
        lacking = holdings(platform).lacking(before)
        self._trade(1)
        resumed = platform.stops()
        self._restore_states(snapshot)
        platform.purge_commits()
        return self._outcome(
            "all three stores are lost",
            "each to another moment: state store, then lake, then database",
            lacking=lacking,
            resumed=resumed,
            letters=letters,
            restore=restored,
            rewound=(*STAGES, *SINKS),
            moment=first,
        )

    def _outcome(
        self,
        disaster: str,
        restored: str,
        *,
        lacking: dict[str, dict[str, list[tuple[int, int]]]],
        resumed: dict[str, str],
        restore: float,
        rewound: tuple[str, ...],
        moment: datetime,
        letters: frozenset[str] = frozenset(),
    ) -> Outcome:
        """Finish the procedure: rewind, let everything run, and look whether all is there."""
        platform = self._platform
        counts = {name: consumer.records for name, consumer in platform.consumers.items()}
        platform.rewind(moment - _MARGIN, *rewound)
        seconds = _timed(platform.run)
        return Outcome(
            disaster=disaster,
            restored=restored,
            lacking=lacking,
            lacking_ids=counted(lacking),
            resumed_as_it_was=resumed,
            dead_letters_lost=len(letters - dead_letters(platform)),
            restore_seconds=restore,
            replay_seconds=seconds,
            replayed_records=sum(c.records - counts[name] for name, c in platform.consumers.items()),
            proofs=proofs(platform, self._market),
        )

    def _trade(self, rounds: int = _ROUNDS) -> None:
        self._platform.receive(self._market.rounds(rounds))

    def _restore_database(self, moment: datetime) -> None:
        self._postgres.destroy()
        self._postgres.restore(moment)
        self._platform.attach_database(self._postgres.url)

    def _delete_lake(self) -> None:
        """Delete every object of the table, overwrite some of them before, and drop the table."""
        platform = self._platform
        glue_catalog().drop_table((platform.glue_database, TABLE))
        pages = platform.s3.get_paginator("list_objects_v2").paginate(Bucket=platform.bucket, Prefix=f"{TABLE}/")
        for place, key in enumerate([item["Key"] for page in pages for item in page["Contents"]]):
            if place % 3 == 0:
                platform.s3.put_object(Bucket=platform.bucket, Key=key, Body=b"overwritten")
            if place % 3 < 2:
                platform.s3.delete_object(Bucket=platform.bucket, Key=key)
            else:
                platform.s3.put_object(Bucket=platform.bucket, Key=key, Body=b"encrypted by somebody else")

    def _metadata_location(self) -> str:
        location: str = glue_catalog().load_table((self._platform.glue_database, TABLE)).metadata_location
        return location

    def _snapshot_states(self) -> dict[bytes, bytes]:
        """Dump all keys at one moment."""
        keys: list[Any] = sorted(self._states.scan_iter())
        pipeline: Any = self._states.pipeline(transaction=True)
        for key in keys:
            pipeline.dump(key)
        return dict(zip(keys, pipeline.execute(), strict=True))

    def _restore_states(self, snapshot: dict[bytes, bytes]) -> None:
        self._states.flushall()
        for key, value in snapshot.items():
            self._states.restore(key, 0, value)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return round(time.perf_counter() - started, 3)
