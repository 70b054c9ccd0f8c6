"""What runs on a hub: packages made of folders, files and functions."""

from scramjet_client.packages.package import Package, PackageWarning, pack

__all__ = ["Package", "PackageWarning", "pack"]
