"""A real Valkey and the stream that can be told to fail, as the stages have them."""

from tests.unit.lambdas.delivery.conftest import kinesis, valkey_address, valkey_server

__all__ = ["kinesis", "valkey_address", "valkey_server"]
