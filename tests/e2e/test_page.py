"""The page of a running stack, in a real browser."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
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
        # That this test looks at the chart's pixels is no fault of the page.
        complaints = [one for one in tab.complaints if "getImageData" not in one]

    assert cut_off == []
    assert figures["complete"] == "100 %"
    assert figures["missing ids"] == figures["quarantined"] == "0"
    assert {row[3] for row in symbols} <= {"100 %", "–"}
    assert {"BTC-USDT\nbinance", "BTC-USD\nkraken", "BTC-USD\ncoinbase"} <= {row[0] for row in symbols}
    assert complaints == []


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


def choose(select: str, value: str) -> str:
    """Give the JavaScript that chooses an option as a person does."""
    return (
        "(select => { Object.getOwnPropertyDescriptor(HTMLSelectElement.prototype, 'value')"
        f".set.call(select, '{value}'); select.dispatchEvent(new Event('change', {{bubbles: true}}))"
        f' }})(document.querySelector("{select}"))'
    )


def click(button: str) -> str:
    """Give the JavaScript that clicks the first button whose text begins so, or false while there is none."""
    return (
        f"(button => button && !button.disabled && (button.click(), true))"
        f"([...document.querySelectorAll('button')].find(b => b.innerText.startsWith('{button}')))"
    )


async def test_a_page_that_is_cut_off_goes_on_where_it_was(platform: Platform) -> None:
    stack = platform.stack
    async with opened(stack.page.url) as tab:
        await tab.wait_for(f"{STATE} === 'live'")
        await tab.wait_for(f"parseInt({FIGURES}['trades / s'].replaceAll(',', '')) > 20")
        asked = len(tab.sent)
        await asyncio.to_thread(cut, stack)
        await tab.wait_for(f"{STATE} !== 'live'")
        await tab.wait_for(f"{STATE} === 'live'")
        accepted = await tab.evaluate(f"{FIGURES}['trades accepted']")
        await tab.wait_for(f"{FIGURES}['trades accepted'] !== '{accepted}'")
    first, *_ = [json.loads(message) for message in tab.sent[asked:]]
    assert first["action"] == "resume"
    assert first["positions"]["bars.1s"]
    assert all(number > 0 for sources in first["positions"]["bars.1s"].values() for number in sources.values())


def cut(stack: Any) -> None:
    """Close every connection of the WebSocket API from the server's side, as API Gateway does after two hours."""
    dynamodb = boto3.client("dynamodb", endpoint_url=stack.emulator.endpoint_url)
    posts = boto3.client("apigatewaymanagementapi", endpoint_url=stack.websocket_url.replace("ws://", "http://"))
    rows = dynamodb.scan(TableName=stack.output("ConnectionsTable"))["Items"]
    assert rows
    for row in rows:
        with contextlib.suppress(posts.exceptions.GoneException):
            posts.delete_connection(ConnectionId=row["connection_id"]["S"])


async def test_an_operator_sends_a_dead_letter_again_and_a_viewer_is_told_why_not(
    platform: Platform, exchange: ScriptedExchange
) -> None:
    trades = Market("binance-us", "ADA-USDT", seed=2, first_id=700).trade(20)
    broken = replace(trades[10], price="0.00000000")
    exchange.send("binance-us", [(broken if trade is trades[10] else trade).frame for trade in trades])
    async with opened(f"{platform.stack.page.url}#/operations") as tab:
        await tab.wait_for("document.querySelector('[aria-label=\"Signed in as\"]')?.value === 'operator'")
        # Until the function that stores letters has this one.
        await tab.wait_for(f"{click('Refresh')} && document.querySelector('[aria-label^=\"Choose trade/\"]') !== null")
        await tab.evaluate("document.querySelector('[aria-label^=\"Choose trade/\"]').click()")
        await tab.wait_for(click("Redrive 1"))
        said = await tab.wait_for("document.querySelector('.letters .said').innerText")
        log = await tab.wait_for(
            "(rows => rows.some(row => row[2] === 'redrive dead letters' && row[4] === 'done') && rows)"
            "([...document.querySelectorAll('.audit tbody tr')].map(row => [...row.cells].map(cell => cell.innerText)))"
        )
        await tab.evaluate(choose("[aria-label='Signed in as']", "viewer"))
        note = await tab.wait_for("document.querySelector('.note')?.innerText")
        await tab.evaluate(click("Risk"))
        risk = await tab.wait_for("document.querySelector('[aria-label=Risk].note')?.innerText")
    assert said == "1 of 1 redriven, 1 trade sent."
    assert {"begun", "done"} <= {row[4] for row in log if row[2] == "redrive dead letters"}
    assert "You are signed in as viewer" in note
    assert "for traders and operators" in risk
    assert tab.complaints == []
