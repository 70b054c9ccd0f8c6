"""Certificates of the tests' own: a CA, and a server's certificate for loopback."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme


class Certificates:
    """A CA made at run time; `ca_path` is what clients trust (`verify=`), `server_path` a certificate with its key."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self._server = self._ca.issue_cert("127.0.0.1", "localhost", "::1")
        self.ca_path = str(folder / "ca.pem")
        self._ca.cert_pem.write_to_path(self.ca_path)
        self.server_path = str(folder / "server.pem")
        self._server.private_key_and_cert_chain_pem.write_to_path(self.server_path)

    def server_context(self) -> ssl.SSLContext:
        """Return a new context for a server on loopback."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server.configure_cert(context)
        return context
