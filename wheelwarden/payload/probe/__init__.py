"""The probe: tries imports in a running container, by exec, with the container's own interpreter (Python 3.8 or later).

It is passed on the command line and writes nothing. Each module is imported by a fresh interpreter with the container's
environment, off the working directory, under a deadline of its own that holds even when whoever asked is gone. The request and
the answer are in docs/architecture.md.
"""
