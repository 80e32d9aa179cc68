"""The named queries, a file each; :mod:`tickwire.analytics.named_queries` reads them."""
