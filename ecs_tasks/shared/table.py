"""The coordination table: items by ``id``, changed by compare-and-set, and what can go wrong with them."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError


class CoordinationUnavailable(Exception):
    """DynamoDB did not answer, or refused; a later try may succeed. Whether the write took effect is unknown."""


class NoCoordinationTable(Exception):
    """The table does not exist, which no further try cures."""


class CoordinationTable:
    """One DynamoDB table whose only key is ``id`` (S), with the TTL attribute ``expires_at`` (epoch seconds).

    Parameters
    ----------
    client : boto3 DynamoDB client, safe to call from several threads
    """

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def read(self, key: str) -> dict[str, Any] | None:
        """Give an item as it is now, or None.

        Raises
        ------
        CoordinationUnavailable, NoCoordinationTable
        """
        reply = self._call("get_item", Key={"id": {"S": key}}, ConsistentRead=True)
        item: dict[str, Any] | None = reply.get("Item")
        return item

    def update(
        self, key: str, expression: str, *, condition: str, values: Mapping[str, Any], names: Mapping[str, str]
    ) -> bool:
        """Change an item if it meets the condition; gives whether it did.

        Raises
        ------
        CoordinationUnavailable, NoCoordinationTable
        """
        try:
            self._call(
                "update_item",
                Key={"id": {"S": key}},
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeValues=dict(values),
                ExpressionAttributeNames=dict(names),
            )
        except _ConditionFailed:
            return False
        return True

    def write(
        self, key: str, expression: str, *, values: Mapping[str, Any], names: Mapping[str, str]
    ) -> dict[str, Any]:
        """Change an item, whatever it is; gives it as it is then.

        Raises
        ------
        CoordinationUnavailable, NoCoordinationTable
        """
        item: dict[str, Any] = self._call(
            "update_item",
            Key={"id": {"S": key}},
            UpdateExpression=expression,
            ExpressionAttributeNames=dict(names),
            ReturnValues="ALL_NEW",
            **({"ExpressionAttributeValues": dict(values)} if values else {}),
        ).get("Attributes", {})
        return item

    def _call(self, operation: str, **arguments: Any) -> Any:
        try:
            return getattr(self._client, operation)(TableName=self._table, **arguments)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "ClientError"))
            if code == "ConditionalCheckFailedException":
                raise _ConditionFailed from None
            if code == "ResourceNotFoundException":
                raise NoCoordinationTable(
                    f"there is no DynamoDB table {self._table!r} at {self._client.meta.endpoint_url}: "
                    f"create it with the key id (S), or correct TICKWIRE_COORDINATION_TABLE"
                ) from error
            raise CoordinationUnavailable(f"{operation} on {self._table!r}: {code}") from error
        except (BotoCoreError, OSError) as error:
            raise CoordinationUnavailable(f"{operation} on {self._table!r}: {type(error).__name__}") from error


class _ConditionFailed(Exception):
    """The item is not as the condition wants it."""
