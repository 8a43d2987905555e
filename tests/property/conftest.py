"""No property depends on how fast the machine is, or on luck: the same examples in every run.

`HYPOTHESIS_PROFILE=search make integration` looks for new ones instead; what it finds becomes a case.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("wheelwarden", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "wheelwarden"))
