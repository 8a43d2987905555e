"""The admission webhook: judges Notebooks and KasprApps, and adds the installer to their pods."""
