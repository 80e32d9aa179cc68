"""Entry point of a comparison on captured traffic, which is a processing job of the training image."""

import sys

from tickwire.model.paired_job import run

if __name__ == "__main__":
    sys.exit(run())
