"""The modules in which public classes were before 0.2; `scramjet_client` looks for modules here, too.

Each name in them is a name of `scramjet_client` itself. docs/versions.md lists the modules, and when they go.
"""
