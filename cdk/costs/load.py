"""What a stage is asked to carry."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A steady load, all month.

    Attributes
    ----------
    trades : a second, over all symbols; 0 is a deployment that no exchange talks to
    symbols : (venue, symbol) pairs, taken as equally busy
    clients : connected all the time
    client_symbols : that each client listens to, with all topics
    """

    trades: int
    symbols: int
    clients: int
    client_symbols: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """A column of the cost page."""

    title: str
    stage: str
    load: Load


SCENARIOS = (
    Scenario("dev, idle", "dev", Load(trades=0, symbols=9, clients=0, client_symbols=9)),
    # The recordings of August 2024 have 28 trades a second of Binance's BTC-USDT and 18 of ETH-USDT.
    Scenario("dev, default feeds", "dev", Load(trades=100, symbols=9, clients=1, client_symbols=9)),
    Scenario("prod, 1,000/s", "prod", Load(trades=1_000, symbols=100, clients=100, client_symbols=1)),
    Scenario("prod, 100,000/s", "prod", Load(trades=100_000, symbols=1_000, clients=100, client_symbols=1)),
    Scenario("prod, 2.3 M/s", "prod", Load(trades=2_300_000, symbols=5_000, clients=100, client_symbols=1)),
)


def usual_load(stage: str, trades: int, *, symbols: int | None = None, clients: int | None = None) -> Load:
    """Give a load of so many trades a second; what is None is as in the stage's next larger scenario."""
    own = [scenario.load for scenario in SCENARIOS if scenario.stage == stage]
    model = next((load for load in own if load.trades >= trades), own[-1])
    symbols = model.symbols if symbols is None else symbols
    return Load(
        trades=trades,
        symbols=symbols,
        clients=model.clients if clients is None else clients,
        client_symbols=min(model.client_symbols, symbols),
    )
