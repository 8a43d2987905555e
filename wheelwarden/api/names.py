"""Every name that Wheelwarden shares with users, with Kubernetes objects or between its parts.

Names only: no logic, no imports. docs/architecture.md explains them.
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

# Annotations that Wheelwarden writes: the webhook writes the first two at injection, the controller the others.
POD_HASH_ANNOTATION: Final = "wheelwarden.dev/packages-hash"
POD_WORKLOAD_ANNOTATION: Final = "wheelwarden.dev/workload"
POD_PROBED_ANNOTATION: Final = "wheelwarden.dev/probed"
POD_RESULTS_ANNOTATION: Final = "wheelwarden.dev/results"
POD_COUNTED_ANNOTATION: Final = "wheelwarden.dev/counted"
# The prefix differs because the Notebook controllers copy no key that contains "notebook" to the pod.
LAST_RESULT_ANNOTATION: Final = "notebooks.wheelwarden.dev/last-result"

# On a claim: the requested settings and, if the cluster cannot provide them, the cache mode used instead and the reason.
CLAIM_ASKED_ANNOTATION: Final = "wheelwarden.dev/asked"
CACHE_MODE_ANNOTATION: Final = "wheelwarden.dev/cache-mode"
CACHE_FALLBACK_ANNOTATION: Final = "wheelwarden.dev/cache-fallback"

# Volumes, mounts and containers of an injected Pod.
STORE_VOLUME: Final = "wheelwarden-store"
VIEW_VOLUME: Final = "wheelwarden-view"
TOOLS_VOLUME: Final = "wheelwarden-tools"
STORE_PATH: Final = "/packages-store"
STORE_FOLDER: Final = ".wheelwarden"  # the store's folder on another owner's volume
VIEW_PATH: Final = "/packages"
TOOLS_PATH: Final = "/wheelwarden-tools"
SITE_PACKAGES_PATH: Final = "/packages/site-packages"
IMAGE_PATHS: Final = tuple(f"/packages/image-{index}" for index in range(10))
TOOLS_CONTAINER: Final = "wheelwarden-tools"
INSTALL_CONTAINER: Final = "install-packages"
# The folder in our own image that the tools container copies from.
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

# Pod labels that the Notebook controllers and the Kaspr operator set.
NOTEBOOK_NAME_LABEL: Final = "notebook-name"
KASPR_APP_LABEL: Final = "kaspr.io/app"

# Labels of the claims that we create.
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "wheelwarden"
WORKLOAD_KIND_LABEL: Final = "wheelwarden.dev/workload-kind"
WORKLOAD_NAME_LABEL: Final = "wheelwarden.dev/workload-name"

# Label of every object that an image test creates; each run has its own value.
IMAGE_TEST_LABEL: Final = "wheelwarden.dev/image-test"
