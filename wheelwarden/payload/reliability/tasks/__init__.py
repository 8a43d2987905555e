"""Programs that the reliability profile runs in child interpreters: `prelude` followed by one task, which ends with `report`.

The imports from the prelude are for the type checker only. At run time the prelude precedes the task in the same source.
"""
