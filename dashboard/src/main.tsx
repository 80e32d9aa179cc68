import { createRoot } from "react-dom/client";
import { App } from "./App";
import { Connection } from "./feed/connection";
import { Market } from "./feed/market";
import "./styles.css";

const market = new Market();
const root = createRoot(document.getElementById("root")!);

try {
  const reply = await fetch("/config.json");
  if (!reply.ok) throw new Error(`/config.json: ${reply.status}`);
  const { websocketUrl, source } = (await reply.json()) as { websocketUrl: string; source?: string };
  new Connection(
    websocketUrl,
    ["bars.1s", "bars.1m", "trades", "quotes", "health"],
    (message) => market.apply(message),
    (state) => market.setConnection(state),
  ).open();
  root.render(<App market={market} source={source ?? ""} />);
} catch (error) {
  root.render(
    <p className="fatal">
      The page has no configuration, so it does not know where the stream is: {String(error)}. Start it with{" "}
      <code>make run</code>.
    </p>,
  );
}
