-- What the REST API reads beside bars: which symbols there are, and the conclusions of all symbols, newest first.

GRANT SELECT (venue, symbol, time_ns) ON ledger TO tickwire_reader;

CREATE INDEX whales_newest ON whales (started DESC);
CREATE INDEX anomalies_newest ON anomalies (time DESC);
