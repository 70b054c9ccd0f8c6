"""Tests of notebooks, in real kernels of Jupyter."""

import os

# Before jupyter_core is imported, which on Python 3.9 warns of folders that it will use one day.
os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")
