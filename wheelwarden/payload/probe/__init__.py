"""The probe: tries imports in a running container, by exec, with the container's own interpreter (Python 3.8 or later).

It is passed on the command line and writes no files. Each module is imported by a new interpreter with the container's
environment, outside the working directory, with its own deadline, which also holds when the caller is gone. The request and
the answer are described in docs/architecture.md.
"""
