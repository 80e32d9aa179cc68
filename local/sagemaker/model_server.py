"""A serving container without its container: the model's own server, for one unpacked model, on this machine alone.

    python -m local.sagemaker.model_server FOLDER

``SAGEMAKER_BIND_TO_PORT`` names the port, as it does for a container.
"""

import logging
import sys
from pathlib import Path

import msgspec

from tickwire.model.serving import bind_of_environment, serve

if __name__ == "__main__":
    # To standard error, which is what is kept of a child process.
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    bind = msgspec.structs.replace(bind_of_environment(), host="127.0.0.1")
    sys.exit(serve(bind, Path(sys.argv[1]), give_up_root=False))
