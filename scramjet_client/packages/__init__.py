"""Sequence packages: made of folders, files and functions."""

from scramjet_client.packages.package import (
    Package,
    PackagePreview,
    PackageWarning,
    PreviewRow,
    SecretWarning,
    pack,
)

__all__ = ["Package", "PackagePreview", "PackageWarning", "PreviewRow", "SecretWarning", "pack"]
