"""What the interpreters of the profile run: the text of `prelude`, followed by that of one task, which ends by `tell`.

A task imports from the prelude for the type checker's sake only: where it runs, those names stand above it.
"""
