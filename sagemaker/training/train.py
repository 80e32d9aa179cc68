"""Entry point of a training job; SageMaker runs it with the argument ``train``."""

import sys

from tickwire.model.training import run

if __name__ == "__main__":
    sys.exit(run())
