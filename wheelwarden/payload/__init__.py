"""The programs that run in the workload's image: `install`, `probe` and `reliability`, a package each.

They use the standard library of Python 3.8 or later, `common`, and nothing else of ours. `bundler` makes one text of a program,
which is how it gets into an image that we know nothing of. Request and result of the installer (`install.request`,
`install.result`, `install.message_reader`) are imported by the webhook and the controller too.
"""

from wheelwarden.payload.bundler import bundle, probe_argv

__all__ = ["bundle", "probe_argv"]
