"""A machine that is busy with other work, and a shell that has turned a signal off, for `make test-slow`.

    python -m tests.support.busy [--ignore SIGINT] COMMAND...

becomes the command, which inherits the signal as ignored, as it does of `nohup`, of `command &` in a script, and of
some supervisors. Meanwhile every processor has other work, which ends with the command, however that ends.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys

# Ends when its parent has: it is then the child of another process.
_BURN = "import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n    sum(range(100_000))\n"


def burn(count: int) -> None:
    """Start `count` processes, each of which takes all that a processor has, until this process ends."""
    for _ in range(count):
        subprocess.Popen([sys.executable, "-S", "-c", _BURN, str(os.getpid())])


def main(arguments: list[str]) -> None:
    """Become the command, with every processor busy."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.busy")
    parser.add_argument("--ignore", metavar="SIGNAL", help="what the command inherits as ignored")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    burn(os.cpu_count() or 1)
    # What Python itself ignores would else be inherited, too.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if options.ignore is not None:
        signal.signal(signal.Signals[options.ignore], signal.SIG_IGN)
    # The same process, so that the work ends with the command.
    os.execvp(options.command[0], options.command)


if __name__ == "__main__":
    main(sys.argv[1:])
