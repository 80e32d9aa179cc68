"""A job's container without its container: the code of the training image below another root.

python -m local.sagemaker.job_process MODULE ROOT
"""

import os
import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    # In a group of its own, and behind what the platform itself does.
    os.nice(5)
    sys.exit(import_module(f"tickwire.model.{sys.argv[1]}").run(Path(sys.argv[2])))
