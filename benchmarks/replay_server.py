"""Sends a file of WebSocket frames to whoever connects, as fast as it is read.

Arguments: the file, how many connections, and for TLS the paths of certificate and key. Over TLS each frame
is a record of its own, as exchanges send them. Prints its port, and ends after so many connections or if none
comes for a minute.
"""

import base64
import hashlib
import socket
import ssl
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PATIENCE_SECONDS = 60
_CHUNK = 1 << 20


def framed(payload: bytes) -> bytes:
    """Give a text as the unmasked frame that a server sends (RFC 6455, 5.2)."""
    if len(payload) < 126:
        return bytes((0x81, len(payload))) + payload
    if len(payload) < 65_536:
        return b"\x81\x7e" + struct.pack(">H", len(payload)) + payload
    return b"\x81\x7f" + struct.pack(">Q", len(payload)) + payload


def write_file(path: Path, frames: Iterable[bytes]) -> None:
    """Write the frames for the server: a length and a frame each."""
    with path.open("wb") as file:
        for frame in frames:
            wire = framed(frame)
            file.write(struct.pack("<I", len(wire)) + wire)


def _read_file(path: Path) -> list[bytes]:
    data, frames, at = path.read_bytes(), [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        frames.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return frames


def _accept(connection: socket.socket) -> None:
    request = b""
    while b"\r\n\r\n" not in request:
        received = connection.recv(4096)
        if not received:
            raise ConnectionError("gone before the handshake")
        request += received
    fields = dict(line.split(b": ", 1) for line in request.split(b"\r\n")[1:] if b": " in line)
    key = {name.lower(): value.strip() for name, value in fields.items()}[b"sec-websocket-key"]
    answer = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + answer + b"\r\n\r\n"
    )


def main() -> None:
    """Serve the connections one after the other."""
    path, connections, *certificate = sys.argv[1:]
    frames = _read_file(Path(path))
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    whole = memoryview(b"".join(frames))
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(_PATIENCE_SECONDS)
    print(listener.getsockname()[1], flush=True)
    for _ in range(int(connections)):
        connection, _ = listener.accept()
        connection.settimeout(_PATIENCE_SECONDS)
        try:
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            _accept(connection)
            if context is not None:
                for frame in frames:
                    connection.sendall(frame)
            else:
                for at in range(0, len(whole), _CHUNK):
                    connection.sendall(whole[at : at + _CHUNK])
            # Until the client is gone or says goodbye, so that what it has not read yet is not lost with a reset.
            connection.recv(4096)
        except OSError:
            continue
        finally:
            connection.close()


if __name__ == "__main__":
    main()
