"""Entry point of an evaluation, which is a processing job of the training image."""

import sys

from tickwire.model.evaluation import run

if __name__ == "__main__":
    sys.exit(run())
