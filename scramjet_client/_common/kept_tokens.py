"""Where a hub that a command has started keeps its token, so that clients of the same user find it.

The file belongs to the user. It is in `scramjet/` of the runtime directory (`XDG_RUNTIME_DIR`, `/run/user/UID`) or
else of `~/.config`. Each address has a file, such as `127.0.0.1-8000.token`, with mode 0600 and only the token in it.
The hub holds a lock on the file while it runs. Clients ignore a file without that lock, because some other program
may listen there now.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

try:
    import fcntl
except ImportError:  # not a POSIX system, so such hubs do not exist
    fcntl = None  # type: ignore[assignment]

VARIABLE = "SCRAMJET_HUB_TOKEN"
"""The variable with the token of a hub that a command starts."""

_API_PATH = "/api/v1"
"""The path of the API of such a hub."""

_SYSTEM = "/run/user/{}"
_FOLDER = "scramjet"
_SIZE_LIMIT = 4096
_FILE = re.compile(r"(?P<address>[0-9a-f.:_]+)-(?P<port>[0-9]{1,5})\.token")
_TOKEN = re.compile(rb"[!-~]+")


class UnsafeTokenFile(Exception):
    """The token's file is accessible to others, or is not a regular file."""


def given_token() -> str | None:
    """Return the token of `SCRAMJET_HUB_TOKEN`, or None if it is not set.

    Raises:
        ValueError: It is set but empty, so the user may believe that the hub has a token.
    """
    value = os.environ.get(VARIABLE)
    if value is None:
        return None
    if not value.strip():
        raise ValueError(f"{VARIABLE} is set but empty; unset it to have a random token")
    return value.strip()


# -- the hub's side -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def keep_token(url: str, token: str) -> Iterator[Path]:
    """Keep the token of the hub at `url` while the block runs; give the path of the file.

    Raises:
        OSError: No folder belongs to the user only, or the file can't be written.
    """
    name = _name_of(url)
    if name is None or fcntl is None:
        raise OSError(f"the address {url} is not one for which a token can be kept")
    with _own_folder() as (path, folder):
        # Write a temporary file and rename it once it is complete and locked, so that nobody reads half a file.
        draft = f".{name}.{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(draft, flags, 0o600, dir_fd=folder)
        try:
            os.fchmod(file, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(file, token.encode())
            os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            os.close(file)
            with contextlib.suppress(OSError):
                os.unlink(draft, dir_fd=folder)
            raise
        try:
            yield path / name
        finally:
            with contextlib.suppress(OSError):
                # A hub that has taken this address since then may have put its own file there.
                if os.path.samestat(os.stat(name, dir_fd=folder), os.fstat(file)):
                    os.unlink(name, dir_fd=folder)
            os.close(file)


@contextlib.contextmanager
def _own_folder() -> Iterator[tuple[Path, int]]:
    """Open the first folder that belongs only to the user, or that can be created so."""
    refused: OSError | None = None
    for base in _bases():
        try:
            if base not in _runtime():
                base.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_folder(os.stat(base), base)
            with contextlib.suppress(FileExistsError):
                (base / _FOLDER).mkdir(mode=0o700)
            folder = _open_folder(base / _FOLDER)
        except OSError as error:
            refused = error
            continue
        try:
            yield base / _FOLDER, folder
        finally:
            os.close(folder)
        return
    raise refused or OSError("there is no folder for it")


# -- the client's side --------------------------------------------------------------------------------------


def find_token(url: str) -> tuple[str, Path] | None:
    """Return the token of the hub that a command of this user runs at `url`, and its file; or None.

    Raises:
        UnsafeTokenFile: A file for it exists, but others could have written or read it.
    """
    name = _name_of(url)
    if name is None or fcntl is None:
        return None
    for base in _bases():
        try:
            _check_folder(os.stat(base), base)
            folder = _open_folder(base / _FOLDER)
        except OSError:
            continue  # it does not exist or is not ours, so its content does not matter
        try:
            token = _read(name, folder, base / _FOLDER / name)
        finally:
            os.close(folder)
        if token is not None:
            return token, base / _FOLDER / name
    return None


def kept_at(url: str) -> str | None:
    """Return the URL of the API of this user's hub at `url`, under which its token is kept; or None.

    It is another one for a name such as "localhost", and for a wrong path.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError:
        return None
    local = parts.hostname == "localhost"
    hosts = ["127.0.0.1", "[::1]"] if local else []
    for each in [url, *(parts._replace(netloc=f"{host}:{port}").geturl() for host in hosts)]:
        # A file that can't be believed holds no token of ours.
        with contextlib.suppress(UnsafeTokenFile):
            if find_token(each) is not None:
                return urlsplit(each)._replace(path=_API_PATH, query="", fragment="").geturl()
    return None


def hubs_here() -> list[str]:
    """Return the URLs of the hubs that commands of this user run on this machine."""
    found: list[str] = []
    for base in _bases() if fcntl is not None else []:
        with contextlib.suppress(OSError):
            for path in sorted((base / _FOLDER).iterdir()):
                named = _FILE.fullmatch(path.name)
                if named is None:
                    continue
                address = named["address"].replace("_", ":")
                url = f"http://{f'[{address}]' if ':' in address else address}:{named['port']}{_API_PATH}"
                # A file that can't be believed is of no hub of ours.
                with contextlib.suppress(UnsafeTokenFile):
                    if url not in found and find_token(url) is not None:
                        found.append(url)
    return found


def _read(name: str, folder: int, path: Path) -> str | None:
    try:
        # Non-blocking, because the file may be a pipe.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnsafeTokenFile(f"{path}: {error.strerror}") from None
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise UnsafeTokenFile(f"{path}: it is not a file of this user")
        if found.st_mode & 0o077:
            mode = stat.S_IMODE(found.st_mode)
            raise UnsafeTokenFile(f"{path}: others may read or write it (mode {mode:04o})")
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # its hub holds the lock, so the hub is alive
        else:
            return None
        token = os.read(file, _SIZE_LIMIT + 1)
    finally:
        os.close(file)
    if len(token) > _SIZE_LIMIT or not _TOKEN.fullmatch(token):
        raise UnsafeTokenFile(f"{path}: its content is not a token")
    return token.decode("ascii")


# -- both ---------------------------------------------------------------------------------------------------


def _name_of(url: str) -> str | None:
    """Return the name of the file for an address, None for an address on which no hub of a command listens.

    A name such as "localhost" has no file: it may lead to several addresses, and another user may listen on one.
    """
    try:
        parts = urlsplit(url)
        address = ipaddress.ip_address(parts.hostname or "")
        port = parts.port or 80
    except ValueError:
        return None
    if parts.scheme != "http" or not address.is_loopback:
        return None
    return f"{address.compressed.replace(':', '_')}-{port}.token"


def _runtime() -> list[Path]:
    """Return the folders that the system creates for a logged-in user."""
    named = os.environ.get("XDG_RUNTIME_DIR")
    return [Path(each) for each in (named, _SYSTEM.format(os.geteuid())) if each]


def _bases() -> list[Path]:
    """Return the folders that may contain ours, the best first."""
    found = _runtime()
    with contextlib.suppress(RuntimeError):  # the user has no home
        found.append(Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"))
    return [each for each in dict.fromkeys(found) if each.is_absolute()]


def _open_folder(path: Path) -> int:
    """Open a folder that belongs to the user and is not a link.

    Nobody else may have write access, not even a group: they could move a token to an address where they listen.
    """
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _check_folder(os.fstat(folder), path, others=stat.S_IWGRP | stat.S_IWOTH)
    except BaseException:
        os.close(folder)
        raise
    return folder


def _check_folder(found: os.stat_result, path: Path, *, others: int = stat.S_IWOTH) -> None:
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(0, "it is not a folder of this user", str(path))
    if found.st_mode & others:
        raise PermissionError(0, "others may write to it", str(path))
