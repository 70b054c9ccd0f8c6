"""One request on one connection, and its answer."""
