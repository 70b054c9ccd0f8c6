"""A script that runs all day, in small: what its log says, and what it holds on to."""
