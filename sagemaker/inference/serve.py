"""Entry point of the serving image; SageMaker runs it with the argument ``serve``."""

import sys

from tickwire.model.serving import bind_of_environment, serve

if __name__ == "__main__":
    sys.exit(serve(bind_of_environment()))
