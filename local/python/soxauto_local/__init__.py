"""The Python side of the laptop stack: NAV sample, SQL engine, Redshift Data API stand-in."""
