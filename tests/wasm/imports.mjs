// Import every module of the package in the Python of Pyodide: node imports.mjs SOURCE SITE_PACKAGES
// Prints one JSON document: the version, the modules that were imported, and why others were not.
import { loadPyodide } from "pyodide";

const python = await loadPyodide();

for (const [at, root] of [["/source", process.argv[2]], ["/site", process.argv[3]]]) {
    python.FS.mkdir(at);
    python.FS.mount(python.FS.filesystems.NODEFS, { root }, at);
}
console.log(python.runPython(`
import importlib, json, pkgutil, sys, warnings

sys.dont_write_bytecode = True
sys.path[:0] = ["/source", "/site"]
import requests  # its own warnings are not ours
warnings.simplefilter("error")
import scramjet_client

imported, refused = [], {}
for found in pkgutil.walk_packages(scramjet_client.__path__, "scramjet_client.", lambda name: None):
    if not found.name.startswith("scramjet_client.hub."):
        try:
            importlib.import_module(found.name)
            imported.append(found.name)
        except BaseException as error:
            refused[found.name] = repr(error)

import attrs
from scramjet_client import Timeouts
from scramjet_client.http.chunked import ChunkedBody

data = bytearray(9)
body = ChunkedBody(None, wait=lambda receive: b"", begun=b"3\\r\\nabc\\r\\n0\\r\\n\\r\\n")
count = body.readinto(memoryview(data))
json.dumps({
    "version": sys.version.split()[0], "imported": imported, "refused": refused,
    "shown": repr(attrs.evolve(Timeouts(), read=3)), "decoded": data[:count].decode(),
})
`));
