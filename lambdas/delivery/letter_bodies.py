"""Bodies of dead letters in S3: too large for a message, or for a row of the table."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tickwire.dead_letter import MAX_BODY_BYTES, StoredBody, UnreadableBody, split_address, unpack_body


class LetterBodies:
    """One bucket of bodies.

    Parameters
    ----------
    client : of S3
    bucket : the only one that is written or read, whatever an address says
    """

    def __init__(self, client: Any, *, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def store(self, body: StoredBody) -> str:
        """Write a body and give its address; writing it again changes nothing.

        Raises
        ------
        botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError
            If S3 does not take it.
        """
        self._client.put_object(
            Bucket=self._bucket, Key=body.key, Body=body.data, ContentType="application/octet-stream"
        )
        return body.address(self._bucket)

    def fetch(self, address: str) -> bytes:
        """Give the body at an address.

        Raises
        ------
        UnreadableBody
            If it is not there, not ours, or S3 does not give it.
        """
        bucket, key = split_address(address)
        if bucket != self._bucket:
            raise UnreadableBody(f"{address} lies in another bucket than {self._bucket}")
        try:
            with self._client.get_object(Bucket=bucket, Key=key)["Body"] as stream:
                return unpack_body(address, stream.read(MAX_BODY_BYTES + 1))
        except (BotoCoreError, ClientError) as error:
            raise UnreadableBody(f"{address}: {error}") from error
