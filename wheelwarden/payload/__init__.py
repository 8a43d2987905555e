"""The programs that run in the workload's image. `install`, `probe` and `reliability` are a package each.

They import only `common` and the standard library of Python 3.8 or later. `bundler` packs a program into a single text, so
that it runs in any image. The webhook and the controller also import the installer's request and result (`install.request`,
`install.result`, `install.message_reader`).
"""

from wheelwarden.payload.bundler import bundle, probe_argv

__all__ = ["bundle", "probe_argv"]
