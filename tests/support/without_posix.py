"""A pytest plugin that takes away what Windows does not have, before anything of the client is imported.

    python -m pytest -p tests.support.without_posix -m quick tests/http

The interpreter's own modules keep what they have imported already. `sys.platform` and `os.name` stay, because the
standard library would then look for modules of Windows.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.process
import contextlib
import importlib
import multiprocessing.util
import os
import select
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from types import ModuleType

import _pytest.tmpdir

# These import what goes below, each for its own use.
KEPT = (asyncio, concurrent.futures.process, multiprocessing.util, subprocess, tempfile)
for _name in (
    "numpy",
    "pandas",
    "platformdirs",
    "psutil",
    "gevent.monkey",
    "tornado.ioloop",
    "trio",
    "IPython",
):
    with contextlib.suppress(ImportError):
        importlib.import_module(_name)

MODULES = (
    *(
        "crypt",
        "curses",
        "fcntl",
        "grp",
        "nis",
        "ossaudiodev",
        "pty",
        "pwd",
        "readline",
        "resource",
    ),
    *("spwd", "syslog", "termios", "tty"),
)
"""Modules that only POSIX systems have."""

OF_OS = (
    *(
        "WCOREDUMP",
        "fchmod",
        "fchown",
        "fork",
        "forkpty",
        "getegid",
        "geteuid",
        "getgid",
        "getgroups",
    ),
    *(
        "getloadavg",
        "getpgid",
        "getpgrp",
        "getpriority",
        "getsid",
        "getuid",
        "killpg",
        "lchown",
        "mkfifo",
    ),
    *(
        "mknod",
        "nice",
        "openpty",
        "posix_fadvise",
        "posix_spawn",
        "pread",
        "preadv",
        "pwrite",
        "pwritev",
    ),
    *("readv", "register_at_fork", "sched_getaffinity", "sched_yield", "sendfile", "set_blocking"),
    *("get_blocking", "setpgid", "setpriority", "setsid", "setuid", "statvfs", "sync", "sysconf"),
    *("tcgetpgrp", "ttyname", "uname", "wait", "wait3", "wait4", "waitid", "writev", "O_CLOEXEC"),
    *(
        "O_DIRECTORY",
        "O_DSYNC",
        "O_NOCTTY",
        "O_NOFOLLOW",
        "O_NONBLOCK",
        "O_SYNC",
        "eventfd",
        "pidfd_open",
    ),
    *(
        "memfd_create",
        "pipe2",
        "splice",
        "copy_file_range",
        "chroot",
        "fchdir",
        "fdatasync",
        "lockf",
    ),
)
OF_SIGNAL = (
    *(
        "SIGALRM",
        "SIGCHLD",
        "SIGCLD",
        "SIGCONT",
        "SIGHUP",
        "SIGIO",
        "SIGKILL",
        "SIGPIPE",
        "SIGPROF",
    ),
    *(
        "SIGQUIT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGUSR1",
        "SIGUSR2",
        "SIGWINCH",
    ),
    *(
        "SIGXCPU",
        "SIGXFSZ",
        "SIG_BLOCK",
        "SIG_SETMASK",
        "SIG_UNBLOCK",
        "alarm",
        "getitimer",
        "pause",
    ),
    *("pthread_kill", "pthread_sigmask", "setitimer", "siginterrupt", "sigpending", "sigwait"),
    *("sigwaitinfo", "sigtimedwait"),
)
OF_SOCKET = (
    *(
        "AF_UNIX",
        "AF_NETLINK",
        "CMSG_LEN",
        "CMSG_SPACE",
        "MSG_DONTWAIT",
        "MSG_NOSIGNAL",
        "SCM_RIGHTS",
    ),
    *(
        "SO_REUSEPORT",
        "TCP_KEEPCNT",
        "TCP_KEEPIDLE",
        "TCP_KEEPINTVL",
        "TCP_USER_TIMEOUT",
        "recv_fds",
    ),
    *("send_fds", "sethostname"),
)
OF_SOCKETS = ("recvmsg", "recvmsg_into", "sendmsg", "sendmsg_afalg")
"""Methods of each socket."""


class _Missing:
    """A method that a class no longer has, though its base does."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> object:
        raise AttributeError(f"{owner.__name__!r} object has no attribute {self._name!r}")


def _socketpair(*_kind: object) -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets, which are of TCP on Windows."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    return near, far


def _take(module: ModuleType, names: tuple[str, ...]) -> None:
    for name in names:
        if hasattr(module, name):
            delattr(module, name)


def take_away() -> None:
    """Take it all away, for the rest of this process."""
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    _take(os, OF_OS)
    _take(signal, OF_SIGNAL)
    _take(socket, OF_SOCKET)
    _take(time, ("tzset", "clock_gettime", "pthread_getcpuclockid"))
    _take(
        select,
        tuple(
            name
            for name in dir(select)
            if name.lower().startswith(("poll", "epoll", "kq", "devpoll"))
        ),
    )
    _take(selectors, ("PollSelector", "EpollSelector", "KqueueSelector", "DevpollSelector"))
    vars(shutil)["_USE_CP_SENDFILE"] = False
    vars(selectors)["DefaultSelector"] = selectors.SelectSelector
    vars(socket)["socketpair"] = _socketpair
    for name in OF_SOCKETS:
        setattr(socket.socket, name, _Missing(name))
    vars(_pytest.tmpdir)["get_user_id"] = lambda: None
    for each in (os.supports_dir_fd, os.supports_follow_symlinks, os.supports_fd):
        each.clear()


take_away()
