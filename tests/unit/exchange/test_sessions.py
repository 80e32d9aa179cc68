"""What each venue answers to what a client sends, as the venues' documentation has it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.exchange.arrivals import SECOND
from local.exchange.catalogue import FEED_VENUES
from local.exchange.simulator import Simulator
from local.exchange.venues.protocol import Desk, Session, UnknownPath
from local.exchange.venues.registry import new_protocol

NOW = 1_767_225_700 * SECOND


def open_session(feed: str, path: str = "/", *, recorded: bool = False, **query: str) -> Session:
    simulator = Simulator(9, rate=400)
    simulator.step(simulator.time + 2 * SECOND)
    markets = {m.spec.symbol: m for m in simulator.markets.values() if m.spec.venue == FEED_VENUES[feed]}
    desk = Desk(dict.fromkeys(markets)) if recorded else Desk(markets)
    return new_protocol(feed, desk).open(path, query)


def ask(session: Session, message: Any) -> list[dict[str, Any]]:
    text = message if isinstance(message, str) else json.dumps(message)
    return [json.loads(session.render(answer)) for answer in session.receive(text, NOW)]


class TestBinance:
    def test_combined_path_subscribes_to_its_streams(self) -> None:
        session = open_session("binance", "/stream", streams="btcusdt@trade/ethusdt@bookTicker")

        assert session.topics == {"btcusdt@trade", "ethusdt@bookTicker"}
        assert session.ping_seconds == 20.0

    def test_raw_path_subscribes_to_one_stream_and_sends_bare_payloads(self) -> None:
        session = open_session("binance", "/ws/btcusdt@trade")

        assert session.topics == {"btcusdt@trade"}

    def test_live_subscribe_list_and_unsubscribe(self) -> None:
        session = open_session("binance", "/ws")

        assert ask(session, {"method": "SUBSCRIBE", "params": ["btcusdt@trade"], "id": 1}) == [
            {"result": None, "id": 1}
        ]
        assert ask(session, {"method": "LIST_SUBSCRIPTIONS", "id": 3}) == [{"result": ["btcusdt@trade"], "id": 3}]
        assert ask(session, {"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": 312}) == [
            {"result": None, "id": 312}
        ]
        assert session.topics == set()

    @pytest.mark.parametrize(
        ("message", "code"),
        [("{", 3), ("[]", 2), ({"method": "BUY", "id": 1}, 2), ({"method": "SUBSCRIBE", "params": "x", "id": 1}, 2)],
    )
    def test_wrong_requests_are_answered_by_code(self, message: Any, code: int) -> None:
        (answer,) = ask(open_session("binance", "/ws"), message)

        assert answer["code"] == code
        assert answer["msg"]

    @pytest.mark.parametrize("path", ["/", "/v2", "/api/v3/klines"])
    def test_other_paths_do_not_exist(self, path: str) -> None:
        with pytest.raises(UnknownPath):
            open_session("binance", path)


class TestCoinbase:
    def test_subscribe_is_acknowledged_before_anything_else(self) -> None:
        session = open_session("coinbase")

        ack, *rest = ask(
            session, {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["matches", "heartbeat"]}
        )

        assert ack == {
            "type": "subscriptions",
            "channels": [
                {"name": "matches", "product_ids": ["BTC-USD"], "account_ids": None},
                {"name": "heartbeat", "product_ids": ["BTC-USD"], "account_ids": None},
            ],
        }
        assert [message["type"] for message in rest] == ["last_match"]
        assert session.topics == {"matches:BTC-USD", "heartbeat:BTC-USD"}
        assert session.deadline_seconds == 5.0

    def test_a_channel_may_name_its_own_products(self) -> None:
        session = open_session("coinbase")

        ask(session, {"type": "subscribe", "channels": [{"name": "ticker", "product_ids": ["ETH-USD"]}]})

        assert session.topics == {"ticker:ETH-USD"}

    def test_unsubscribe_leaves_the_rest(self) -> None:
        session = open_session("coinbase")
        ask(session, {"type": "subscribe", "product_ids": ["BTC-USD", "ETH-USD"], "channels": ["matches"]})

        (ack,) = ask(session, {"type": "unsubscribe", "product_ids": ["BTC-USD"], "channels": ["matches"]})

        assert ack["channels"] == [{"name": "matches", "product_ids": ["ETH-USD"], "account_ids": None}]

    @pytest.mark.parametrize(
        ("message", "text"),
        [
            ("nonsense", "Malformed JSON"),
            ({"type": "hello"}, "Type has to be either subscribe or unsubscribe"),
            ({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": []}, "non-empty"),
            ({"type": "subscribe", "product_ids": ["NO-PE"], "channels": ["matches"]}, "NO-PE is not a valid product"),
            ({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["gossip"]}, "gossip is not a valid chann"),
        ],
    )
    def test_wrong_subscriptions_are_errors_with_a_reason(self, message: Any, text: str) -> None:
        session = open_session("coinbase")

        (answer,) = ask(session, message)

        assert answer["type"] == "error"
        assert text in answer["message"] + answer.get("reason", "")
        assert session.topics == set()

    def test_a_channel_that_only_recordings_have_is_refused_by_the_simulator(self) -> None:
        wish = {"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["level2"]}

        assert ask(open_session("coinbase"), wish)[0]["type"] == "error"
        assert ask(open_session("coinbase", recorded=True), wish)[0]["type"] == "subscriptions"


class TestCoinbaseAdvanced:
    def test_acks_list_all_subscriptions_so_far(self) -> None:
        session = open_session("coinbase-advanced", recorded=True)

        ask(session, {"type": "subscribe", "product_ids": ["BTC-USDC"], "channel": "market_trades"})
        (ack,) = ask(session, {"type": "subscribe", "channel": "heartbeats"})

        # -USDC products stream as -USD.
        assert ack["events"] == [{"subscriptions": {"market_trades": ["BTC-USD"], "heartbeats": ["heartbeats"]}}]
        assert ack["sequence_num"] == 1

    @pytest.mark.parametrize(
        "message",
        [
            "{",
            {"type": "subscribe"},
            {"type": "subscribe", "channel": "market_trades"},
            {"type": "subscribe", "channel": "market_trades", "product_ids": ["NO-PE"]},
        ],
    )
    def test_wrong_subscriptions_are_errors_without_a_channel(self, message: Any) -> None:
        (answer,) = ask(open_session("coinbase-advanced"), message)

        assert answer.keys() == {"type", "message"}
        assert answer["type"] == "error"


class TestKraken:
    def test_status_comes_first_with_an_id_beyond_int64(self) -> None:
        (status,) = open_session("kraken", "/v2").greeting(NOW)

        message = json.loads(status.body)
        assert message["channel"] == "status"
        assert message["data"][0]["system"] == "online"
        assert message["data"][0]["connection_id"] > 2**63

    def test_every_symbol_is_acknowledged_before_the_snapshots(self) -> None:
        session = open_session("kraken", "/v2")
        params = {"channel": "book", "symbol": ["BTC/USD", "ETH/USD"], "depth": 10, "snapshot": True}

        answers = ask(session, {"method": "subscribe", "params": params, "req_id": 7})

        assert [(a["success"], a["req_id"], a["result"]) for a in answers[:2]] == [
            (True, 7, {"channel": "book", "depth": 10, "snapshot": True, "symbol": "BTC/USD"}),
            (True, 7, {"channel": "book", "depth": 10, "snapshot": True, "symbol": "ETH/USD"}),
        ]
        assert [(a["channel"], a["type"]) for a in answers[2:]] == [("book", "snapshot")] * 2
        assert len(answers[2]["data"][0]["bids"]) == 10

    def test_one_unknown_symbol_fails_alone(self) -> None:
        session = open_session("kraken", "/v2")
        params = {"channel": "trade", "symbol": ["NO/PE", "BTC/USD"], "snapshot": False}

        failed, fine = ask(session, {"method": "subscribe", "params": params})

        assert (failed["success"], failed["symbol"], failed["error"]) == (
            False,
            "NO/PE",
            "Currency pair not supported NO/PE",
        )
        assert fine["success"] is True
        assert session.topics == {"trade:BTC/USD"}

    def test_subscribing_twice_and_unsubscribing_what_is_not_are_errors(self) -> None:
        session = open_session("kraken", "/v2")
        params = {"channel": "trade", "symbol": ["BTC/USD"], "snapshot": False}
        ask(session, {"method": "subscribe", "params": params})

        assert ask(session, {"method": "subscribe", "params": params})[0]["error"] == "Already subscribed"
        assert ask(session, {"method": "unsubscribe", "params": params})[0]["success"] is True
        assert ask(session, {"method": "unsubscribe", "params": params})[0]["error"] == "Subscription Not Found"

    def test_a_book_resubscribed_after_a_bad_checksum_comes_with_a_new_snapshot(self) -> None:
        session = open_session("kraken", "/v2")
        params = {"channel": "book", "symbol": ["BTC/USD"], "depth": 10}
        ask(session, {"method": "subscribe", "params": params})
        ask(session, {"method": "unsubscribe", "params": params})

        _, snapshot = ask(session, {"method": "subscribe", "params": {**params, "snapshot": True}})

        assert snapshot["type"] == "snapshot"

    def test_ping_is_answered_by_pong(self) -> None:
        (answer,) = ask(open_session("kraken", "/v2"), {"method": "ping", "req_id": 101})

        assert answer["method"] == "pong"
        assert answer["req_id"] == 101

    @pytest.mark.parametrize(
        ("message", "error"),
        [
            ("[", "Malformed request"),
            ({"method": "fly"}, "Unsupported method"),
            ({"method": "subscribe", "params": {"channel": "x", "symbol": ["BTC/USD"]}}, "Channel x not supported"),
            ({"method": "subscribe", "params": {"channel": "trade"}}, "Symbol(s) missing"),
            (
                {"method": "subscribe", "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 7}},
                "Subscription depth not supported",
            ),
        ],
    )
    def test_wrong_requests_fail_by_name(self, message: Any, error: str) -> None:
        (answer,) = ask(open_session("kraken", "/v2"), message)

        assert (answer["success"], answer["error"]) == (False, error)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["subscribe", "trade", "matches", "BTC-USD", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from("type method params channel channels product_ids symbol name id depth snapshot".split()),
            inner,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("feed", "path"),
    [("binance", "/ws"), ("coinbase", "/"), ("coinbase-advanced", "/"), ("kraken", "/v2")],
)
@given(message=json_values)
def test_no_message_breaks_a_session(feed: str, path: str, message: Any) -> None:
    session = new_protocol(feed, Desk({"BTC-USD": None})).open(path, {})

    for answer in session.receive(json.dumps(message), NOW):
        json.loads(session.render(answer))
