import { createRoot } from "react-dom/client";
import { Rest } from "./api/rest";
import { App } from "./App";
import { Connection } from "./feed/connection";
import { Market } from "./feed/market";
import { CONCLUSION_TOPICS, MARKET_TOPICS } from "./feed/protocol";
import { LocalSession, type Login, LoginSession } from "./feed/session";
import "./styles.css";
import { applyTheme } from "./theme";

applyTheme();
// Not while developing, where files change under their names.
if (import.meta.env.PROD && "serviceWorker" in navigator) {
  navigator.serviceWorker.register("/sw.js").catch((error: unknown) => console.warn("the page will not open without a network", error));
}

const market = new Market();
const root = createRoot(document.getElementById("root")!);

try {
  const reply = await fetch("/config.json");
  if (!reply.ok) throw new Error(`/config.json: ${reply.status}`);
  const config = (await reply.json()) as { websocketUrl: string; source?: string; login?: Login; tokenUrl?: string };
  const session =
    config.login === undefined ? new LocalSession(config.tokenUrl ?? "/token", window) : new LoginSession(config.login, window);
  // On AWS a path below the page's own address, which CloudFront hands on.
  const url = new URL(config.websocketUrl, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const connection = new Connection(
    url.href,
    session,
    // Apart, since the snapshot of a large market is cut: what is concluded has one of its own.
    [MARKET_TOPICS, CONCLUSION_TOPICS],
    (message) => market.apply(message),
    (state) => market.setConnection(state),
  );
  void connection.open();
  root.render(
    <App market={market} source={config.source ?? ""} session={session} rest={new Rest(session)} onTopics={(topics) => connection.add(topics)} onUser={() => connection.renew()} />,
  );
} catch (error) {
  // A fetch that fails by itself: the page came from its cache, and nobody is there.
  const away = error instanceof TypeError;
  if (away) setTimeout(() => location.reload(), 10_000);
  root.render(away ? (
    <p className="fatal" role="alert">
      Tickwire cannot be reached: there is no network, or the platform is not running. This page tries again every ten seconds.
    </p>
  ) : (
    <p className="fatal">
      The page has no configuration, so it does not know where the stream is: {String(error)}. Start it with{" "}
      <code>make run</code>.
    </p>
  ),
  );
}
