"""Serve until told to stop: ``python -m local.sagemaker --folder FOLDER``; S3 is where ``AWS_ENDPOINT_URL`` says."""

import argparse
import asyncio
import json
import logging
import signal
from pathlib import Path

from local.sagemaker.service import Service


async def main(folder: Path, port: int) -> None:
    """Run until SIGTERM or SIGINT."""
    service = Service(folder, port=port)
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    print(json.dumps({"event": "listening", "port": await service.start()}), flush=True)
    await ending.wait()
    await service.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where its state is kept")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(main(given.folder, given.port))
