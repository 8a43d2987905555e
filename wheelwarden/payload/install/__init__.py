"""The installer: runs in the workload's own image, with its own interpreter (Python 3.8 or later).

Request, result and the store's layout are described in docs/architecture.md. Invariants, also after a crash:

- A directory of the store is complete as soon as its name exists: it is created in staging and renamed in one step.
- It never changes afterwards, so running pods see no change.
- The lock only avoids duplicate work. Without it, or if its holder is dead, two installers race, and the loser uses the
  winner's directory.
- No credential reaches a command line, the output, the store or the result.
"""
