"""Start of an instance's process: `python .../_runner/__main__.py CONTROL INPUT OUTPUT LOG FRAMEWORK`.

The first four are open files. The last one is the folder that contains the Scramjet framework.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys

_NAME = "scramjet_hub_runner"


def _load() -> None:
    """Load this folder as a separate package, and remove it from the module path of the sequence."""
    folder = os.path.dirname(os.path.abspath(__file__))
    # Python puts the folder of a script first; a sequence must not find the runner's modules there.
    sys.path[:] = [each for each in sys.path if os.path.abspath(each or ".") != folder]
    init = os.path.join(folder, "__init__.py")
    spec = importlib.util.spec_from_file_location(_NAME, init, submodule_search_locations=[folder])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    _load()
    if importlib.util.find_spec("scramjet") is None:
        sys.path.append(sys.argv[5])
    importlib.import_module(_NAME + "._program").main(*map(int, sys.argv[1:5]))
