"""Clients' messages, read and refused."""

import json
from typing import Any

import pytest

from lambdas.websocket.requests import Ping, Position, RequestRefused, Resume, Subscribe, Unsubscribe, read_request


def body(**message: Any) -> str:
    return json.dumps(message)


def test_a_subscription_names_every_topic_with_every_symbol_once() -> None:
    request = read_request(
        body(action="subscribe", topics=["bars.1m", "trades"], symbols=["*", "binance:BTC-USDT", "*"])
    )
    assert isinstance(request, Subscribe)
    assert request.keys("me") == ["bars.1m#*", "bars.1m#binance:BTC-USDT", "trades#*", "trades#binance:BTC-USDT"]


def test_unsubscribe_and_ping_are_read_and_what_is_not_known_is_ignored() -> None:
    request = read_request(body(action="unsubscribe", topics=["health"], symbols=["binance-us:*"], since=7))
    assert request == Unsubscribe(("health",), ("binance-us:*",))
    mood = read_request(body(action="subscribe", topics=["sentiment"], symbols=["market:*"]))
    assert mood == Subscribe(("sentiment",), ("market:*",))
    assert read_request(body(action="ping")) == Ping()


@pytest.mark.parametrize(
    ("text", "code", "sentence"),
    [
        ("", "not_json", "not JSON"),
        ("{", "not_json", "not JSON"),
        ("[1]", "unknown_action", "subscribe, unsubscribe, resume, ping"),
        ("7", "unknown_action", "subscribe, unsubscribe, resume, ping"),
        (body(action="buy"), "unknown_action", "subscribe, unsubscribe, resume, ping"),
        (body(action=["ping"]), "unknown_action", "subscribe, unsubscribe, resume, ping"),
        (body(action="subscribe", topics=["trades"]), "invalid_message", "symbols"),
        (body(action="subscribe", topics="trades", symbols=["*"]), "invalid_message", "topics"),
        (body(action="subscribe", topics=["trades"], symbols=[1]), "invalid_message", "symbols"),
        (body(action="subscribe", topics=[], symbols=["*"]), "invalid_message", "at least one"),
        (body(action="subscribe", topics=["bars.2m"], symbols=["*"]), "unknown_topic", "bars.2m"),
        (
            body(action="subscribe", topics=["#changes"], symbols=["*"]),
            "unknown_topic",
            "bars.1s, bars.1m, bars.5m, bars.1h",
        ),
        (body(action="subscribe", topics=["trades"], symbols=["BTCUSDT"]), "invalid_symbol", "BTCUSDT"),
        (body(action="subscribe", topics=["trades"], symbols=["binance:BTC-USDT\n"]), "invalid_symbol", "binance"),
        ('"\\ud800', "not_json", "not JSON"),
        ("[" * 20_000, "not_json", "not JSON"),
        (body(action="subscribe", topics=["alerts"], symbols=["v:A-B"]), "invalid_symbol", "your own alerts"),
        (body(action="subscribe", topics=["alerts"], symbols=["*", "v:A-B"]), "invalid_symbol", "your own alerts"),
        (body(action="ping", id=7), "invalid_message", "id"),
        (body(action="ping", id="x" * 65), "invalid_message", "64"),
        (body(action="resume"), "invalid_message", "positions"),
        (body(action="resume", positions={}), "invalid_message", "there must be"),
        (body(action="resume", positions={"trades": {}}), "invalid_message", "there must be"),
        (body(action="resume", positions={"news": {}}), "unknown_topic", "news"),
        (body(action="resume", positions={"alerts": {"*": {"0": 1}}}), "invalid_message", "no positions"),
        (body(action="resume", positions={"trades": {"*": {"0": 1}}}), "invalid_symbol", "no positions"),
        (body(action="resume", positions={"trades": {"v:A-B": {"one": 1}}}), "invalid_message", "no source"),
        (body(action="resume", positions={"trades": {"v:A-B": {"01": 1}}}), "invalid_message", "no source"),
        (body(action="resume", positions={"trades": {"v:A-B": {"1": -1}}}), "invalid_message", "0"),
        (body(action="resume", positions={"trades": {"v:A-B": {"1": 2**53}}}), "invalid_message", "<="),
        (body(action="resume", positions={"trades": {"v:A-B": {"1": 1.5}}}), "invalid_message", "int"),
        (body(action="resume", positions={}, topics=["trades"]), "invalid_message", "at least one"),
        (
            body(action="resume", positions={"trades": {"v:A-B": {"1": 1}}}, topics=["quotes"], symbols=["v:A-B"]),
            "invalid_message",
            "not asked for",
        ),
        (body(action="ping", fill="x" * 32768), "message_too_large", "32768"),
    ],
)
def test_a_message_that_cannot_be_acted_on_is_refused_with_code_and_sentence(
    text: str, code: str, sentence: str
) -> None:
    with pytest.raises(RequestRefused, match=sentence) as refusal:
        read_request(text)
    assert refusal.value.code == code


def test_a_message_of_exactly_the_limit_is_read() -> None:
    frame = body(action="ping", fill="")
    assert read_request(body(action="ping", fill="x" * (32768 - len(frame)))) == Ping()


def test_a_resume_names_its_positions_and_what_it_subscribes_to() -> None:
    positions = {"trades": {"v:A-B": {"3": 12, "0": 0}}, "sentiment": {"market:*": {"64": 5}}}
    request = read_request(
        body(action="resume", topics=["trades", "sentiment", "alerts"], symbols=["*"], positions=positions, id="r")
    )
    assert isinstance(request, Resume)
    assert list(request.known()) == [
        Position("trades", "v:A-B", 3, 12),
        Position("trades", "v:A-B", 0, 0),
        Position("sentiment", "market:*", 64, 5),
    ]
    assert request.keys("me") == ["trades#*", "sentiment#*", "alerts#me"]
    assert request.id == "r"
    holes = read_request(body(action="resume", positions=positions))
    assert isinstance(holes, Resume)
    assert holes.keys("me") == []
