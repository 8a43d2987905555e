"""The reliability profile: how surely modules import, tried in a running container with its own interpreter.

It is passed on the command line and writes nothing. Whatever is tried runs in interpreters of its own, off the working
directory, under deadlines that hold even when whoever asked is gone. The request and the answer are in docs/architecture.md.
"""
