"""Every name that Wheelwarden shares with users, with Kubernetes objects or between its parts.

Names only: no logic, no imports. What they mean stands in docs/architecture.md.
"""

from typing import Final

DOMAIN: Final = "wheelwarden.dev"

# Annotations that users write on a Notebook or KasprApp.
PACKAGES_ANNOTATION: Final = "wheelwarden.dev/python-packages"
VERIFY_IMPORTS_ANNOTATION: Final = "wheelwarden.dev/verify-imports"
ROLLOUT_ANNOTATION: Final = "wheelwarden.dev/rollout"
INSTALL_ANNOTATION: Final = "wheelwarden.dev/install"
VERIFY_NOW_ANNOTATION: Final = "wheelwarden.dev/verify-now"
USER_ANNOTATIONS: Final = (
    PACKAGES_ANNOTATION,
    VERIFY_IMPORTS_ANNOTATION,
    ROLLOUT_ANNOTATION,
    INSTALL_ANNOTATION,
    VERIFY_NOW_ANNOTATION,
)

# Annotations that Wheelwarden writes: the first two at injection, the others with each probe.
POD_HASH_ANNOTATION: Final = "wheelwarden.dev/packages-hash"
POD_WORKLOAD_ANNOTATION: Final = "wheelwarden.dev/workload"
POD_PROBED_ANNOTATION: Final = "wheelwarden.dev/probed"
POD_RESULTS_ANNOTATION: Final = "wheelwarden.dev/results"
POD_COUNTED_ANNOTATION: Final = "wheelwarden.dev/counted"
# Its prefix differs because the Notebook controllers copy no key that contains "notebook" to the pod.
LAST_RESULT_ANNOTATION: Final = "notebooks.wheelwarden.dev/last-result"

# On a claim: what was asked for, and where it could not be had, what stands in for it and why.
CLAIM_ASKED_ANNOTATION: Final = "wheelwarden.dev/asked"
CACHE_MODE_ANNOTATION: Final = "wheelwarden.dev/cache-mode"
CACHE_FALLBACK_ANNOTATION: Final = "wheelwarden.dev/cache-fallback"

# Volumes, mounts and containers of an injected Pod.
STORE_VOLUME: Final = "wheelwarden-store"
VIEW_VOLUME: Final = "wheelwarden-view"
TOOLS_VOLUME: Final = "wheelwarden-tools"
STORE_PATH: Final = "/packages-store"
STORE_FOLDER: Final = ".wheelwarden"  # of the store, on a volume that is another owner's
VIEW_PATH: Final = "/packages"
TOOLS_PATH: Final = "/wheelwarden-tools"
SITE_PACKAGES_PATH: Final = "/packages/site-packages"
IMAGE_PATHS: Final = tuple(f"/packages/image-{index}" for index in range(10))
TOOLS_CONTAINER: Final = "wheelwarden-tools"
INSTALL_CONTAINER: Final = "install-packages"
# Where our own image keeps what the tools container copies.
IMAGE_TOOLS_PATH: Final = "/opt/wheelwarden/tools"

# Environment of the install container.
REQUEST_VARIABLE: Final = "WHEELWARDEN_REQUEST"
POD_VARIABLE: Final = "WHEELWARDEN_POD"
USERNAME_VARIABLE: Final = "PYPI_USERNAME"
PASSWORD_VARIABLE: Final = "PYPI_PASSWORD"  # noqa: S105 - the name of a variable, not a password
NETRC_VARIABLE: Final = "PYPI_NETRC"
NETRC_KEY: Final = "netrc"

# Condition types.
PACKAGES_INSTALLED: Final = "wheelwarden.dev/PackagesInstalled"
IMPORTS_VERIFIED: Final = "wheelwarden.dev/ImportsVerified"

# Labels of pods, as the two upstream controllers set them (upstream-kaspr, upstream-notebook).
NOTEBOOK_NAME_LABEL: Final = "notebook-name"
KASPR_APP_LABEL: Final = "kaspr.io/app"

# Labels of the claims that we make.
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "wheelwarden"
WORKLOAD_KIND_LABEL: Final = "wheelwarden.dev/workload-kind"
WORKLOAD_NAME_LABEL: Final = "wheelwarden.dev/workload-name"

# Label of everything that the test of an image makes; its value differs from run to run.
IMAGE_TEST_LABEL: Final = "wheelwarden.dev/image-test"
