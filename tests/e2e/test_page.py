"""The page of a running stack, in a real browser."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from local.browser import NoBrowser, find_browser, opened
from local.stack import Source, fetch

from .conftest import StartPlatform
from .markets import Market
from .platform import Platform, wait_until
from .scripted_exchange import ScriptedExchange

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

STATE = "document.querySelector('[role=status]')?.textContent"
FIGURES = (
    "Object.fromEntries([...document.querySelectorAll('header .figure')]"
    ".map(figure => [figure.querySelector('dt').textContent, figure.querySelector('dd').textContent]))"
)
SYMBOLS = "[...document.querySelectorAll('.symbols tbody tr')].map(row => [...row.cells].map(cell => cell.innerText))"
CELLS = "[...document.querySelectorAll('.heat tbody tr')].map(row => [...row.cells].map(cell => cell.textContent))"
EVIDENCE = "[...document.querySelectorAll('.evidence tbody tr')].map(row => [...row.cells].map(cell => cell.innerText))"
TABS = "[...document.querySelectorAll('.evidence [role=tab]')]"
CUT_OFF = "[...document.querySelectorAll('.panel')].filter(p => p.scrollWidth > p.clientWidth).map(p => p.ariaLabel)"
# Candles are drawn in colours; an empty chart has only grey text and lines.
COLOURED_PIXELS = """
Math.max(0, ...[...document.querySelectorAll('.chart canvas')].map(canvas => {
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
  let coloured = 0
  for (let k = 0; k < pixels.length; k += 4)
    if (pixels[k + 3] > 0 && Math.max(...pixels.slice(k, k + 3)) - Math.min(...pixels.slice(k, k + 3)) > 60) coloured++
  return coloured
}))
"""


@pytest.fixture(scope="module")
def exchange() -> Iterator[ScriptedExchange]:
    with ScriptedExchange() as started:
        yield started


@pytest.fixture(scope="module")
def platform(start_platform: StartPlatform, exchange: ScriptedExchange) -> Iterator[Platform]:
    """A stack with the simulated market, and one symbol of which the tests send every trade."""
    try:
        find_browser()
    except NoBrowser as error:
        pytest.skip(str(error))
    market = Source("simulated market", ("--source", "simulator", "--seed", "3", "--rate", "200"))
    with start_platform(market) as started:
        url = started.stack.exchange_url
        assert url is not None
        catalogue = fetch(f"{url}/control/state")["catalogue"]
        feeds = [
            {"feed": feed, "symbols": symbols, "url": f"{url.replace('http', 'ws', 1)}/{feed}"}
            for feed, symbols in catalogue.items()
        ]
        started.stack.stop_ingestor()
        started.ingest([*feeds, {"feed": "binance-us", "symbols": ["ADA-USDT"], "url": exchange.url("binance-us")}])
        wait_until(lambda: exchange.listeners("binance-us"), seconds=30, what="connected")
        yield started


async def test_the_page_shows_a_live_and_complete_market(platform: Platform) -> None:
    async with opened(platform.stack.page.url) as tab:
        await tab.wait_for(f"{STATE} === 'live'")
        await tab.wait_for(f"parseInt({FIGURES}['trades / s'].replaceAll(',', '')) > 20")
        await tab.wait_for(f"{SYMBOLS}.length >= 13")
        await tab.wait_for(f"{COLOURED_PIXELS} > 100")
        await tab.wait_for("document.querySelectorAll('.tape tbody tr, .tape li').length > 10")
        figures = await tab.wait_for(f"(f => f['socket → screen p50'].endsWith('ms') && f)({FIGURES})")
        symbols = await tab.evaluate(SYMBOLS)
        cut_off = await tab.evaluate(CUT_OFF)

        accepted = figures["trades accepted"]
        await tab.wait_for(f"{FIGURES}['trades accepted'] !== '{accepted}'")

    assert cut_off == []
    assert figures["complete"] == "100 %"
    assert figures["missing ids"] == figures["quarantined"] == "0"
    assert {row[3] for row in symbols} <= {"100 %", "–"}
    assert {"BTC-USDT\nbinance", "BTC-USD\nkraken", "BTC-USD\ncoinbase"} <= {row[0] for row in symbols}
    assert tab.complaints == []


async def test_the_page_names_what_was_quarantined_and_what_is_missing(
    platform: Platform, exchange: ScriptedExchange
) -> None:
    trades = Market("binance-us", "ADA-USDT", seed=1, first_id=500).trade(100)
    lost = trades[40:43]
    broken = replace(trades[60], price="0.00000000")
    sent = [broken if trade is trades[60] else trade for trade in trades if trade not in lost]

    async with opened(platform.stack.page.url) as tab:
        await tab.wait_for(f"{STATE} === 'live'")
        exchange.send("binance-us", [trade.frame for trade in sent])
        await tab.wait_for(f"{FIGURES}['quarantined'] === '1' && {FIGURES}['missing ids'] === '3'")
        figures = await tab.evaluate(FIGURES)
        (row,) = await tab.wait_for(f"{EVIDENCE}.some(row => row[0] === 'price') && {EVIDENCE}")
        (symbol,) = await tab.evaluate(f"{SYMBOLS}.filter(row => row[0].startsWith('ADA-USDT'))")
        await tab.evaluate(f"{TABS}.find(tab => tab.innerText.startsWith('Gaps')).click()")
        (gap,) = await tab.wait_for(f"{EVIDENCE}.some(row => row[1] === '540–542') && {EVIDENCE}")
        await tab.evaluate(
            "[...document.querySelectorAll('nav button')].find(b => b.innerText === 'Completeness').click()"
        )
        hours = await tab.wait_for(
            f"{CELLS}.find(row => row[0].startsWith('ADA-USDT') && row.some(cell => cell.includes(' missing')))"
        )
        (again,) = await tab.evaluate(EVIDENCE)
        cut_off = await tab.evaluate(CUT_OFF)

    assert row[:4] == ["price", "ADA-USDT binance-us", "560", "0.00000000"]
    # 97 of the ids 500 to 599 came, one of them to quarantine.
    assert symbol[2:] == ["96", "97.0000 %\n3 missing"]
    assert figures["complete"] != "100 %"
    assert gap[:4] == ["ADA-USDT binance-us", "540–542", "3", "id jump"]
    assert gap[6:12] == ["open", "3", "0", "0", "0", "0"]
    assert again == gap
    assert cut_off == []
    # The gap lies in one hour or, at its turn, in two.
    assert sum(int(words.split(", ")[2].split()[0]) for words in hours[1:-1] if " missing" in words) == 3
    assert hours[-1] != "100 %"
    assert tab.complaints == []
