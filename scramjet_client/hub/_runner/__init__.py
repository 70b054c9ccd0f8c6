"""The process of one instance: it runs a Python sequence and speaks with the hub over pipes.

It is loaded by path, under another name, so that a start costs no import of `scramjet_client`; so its modules
use the standard library and the Scramjet framework alone, and import each other relatively.
"""
