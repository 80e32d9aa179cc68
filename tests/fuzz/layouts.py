"""A target for atheris: is a frame read by its layout as the parser reads it?

    python -m tests.fuzz.layouts kraken -runs=100000
    python -m tests.fuzz.layouts binance -max_total_time=600

What comes after the feed's name are libFuzzer's own options. The feed's recorded frames are the seeds; each input
is read as a frame between two of them, both ways. A difference ends the run, and the input is left in a file.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["tickwire.venues", "tickwire.decimals", "tickwire.timestamps"]):
    from tests.unit.venues.conformance import new_feed
    from tests.unit.venues.conformance_file import venue_file
    from tests.unit.venues.layout_paths import assert_alike


def main(arguments: list[str]) -> None:
    """Fuzz the named feed."""
    name, *options = arguments
    frames = [frame.wire for frame in venue_file(name).frames]
    first, last = (frames[0], 1_000), (frames[-1], 3_000)
    new_feed(name).prepare()

    def read_both_ways(data: bytes) -> None:
        assert_alike(name, [first, (data, 2_000), last])

    with tempfile.TemporaryDirectory() as folder:
        for number, frame in enumerate(frames):
            (Path(folder) / f"{number:03}").write_bytes(frame)
        atheris.Setup([sys.argv[0], folder, *options], read_both_ways)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
