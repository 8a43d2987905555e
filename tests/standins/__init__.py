"""Stand-ins for the Kubeflow notebook controller and the Kaspr operator, which cannot be installed here.

They do what the real ones were seen to do, the parts that hurt Wheelwarden included: pod specs overwritten, statuses
rebuilt, conditions rewritten from an old snapshot. Run by `python -m tests.standins`; the CRDs are in `crds/`.
"""
