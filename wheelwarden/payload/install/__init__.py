"""The installer: runs in the workload's own image, with its own interpreter (Python 3.8 or later).

Request, result and the store's layout are in docs/architecture.md. What holds at any moment, also after a crash:

- a directory of the store is complete from the moment its name exists: it is made in staging and renamed in one step;
- it never changes afterwards, so running pods never see a change;
- the lock only saves double work: without it, or with a dead holder, two installers race and the loser uses the winner's;
- no credential reaches an argument, the output, the store or the result.
"""
