"""Whether everything is stored: what the ledger says held against lake, validator, dead letters and exchange. Pure."""
