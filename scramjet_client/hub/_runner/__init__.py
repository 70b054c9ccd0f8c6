"""The process of one instance: it runs a Python sequence and speaks with the hub over pipes.

The hub loads it by path, under another name, so that a start does not import `scramjet_client`. So its modules
use only the standard library and the Scramjet framework, and import each other relatively.
"""
