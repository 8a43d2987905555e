"""The reliability profile: how reliably modules import in a running container, with its own interpreter.

It is passed on the command line and writes no files. Every check runs in separate interpreters, outside the working directory,
with deadlines that also hold when the caller is gone. The request and the answer are described in docs/architecture.md.
"""
