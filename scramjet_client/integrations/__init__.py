"""Integrations with other frameworks. Each module needs its own extra, and you import it by its name."""
