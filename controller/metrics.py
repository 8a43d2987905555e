"""The controller's metrics: the names of the seed documents, exactly, and our own; on a registry of their own."""

import contextlib
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from wheelwarden.api.conditions import REASON_OF_ERROR, REMEDY_OF_IMPORT, Reason
from wheelwarden.api.types import PackagesSpec
from wheelwarden.rules.policy_watcher import PolicyMetrics
from wheelwarden.verify.results import Usage

SECONDS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
USAGES = ("total", "used", "available")
PACKAGES_LIMIT = 1000  # values of the label `package`; the rest is `other`
OBJECT_LIMIT = 100  # of them, from one object
OTHER = "other"
# Labels that come out of a pod are none of these only where somebody tampers with it.
ERROR_TYPES = frozenset({*REASON_OF_ERROR, "unknown"})
IMPORT_ERRORS = frozenset({*REMEDY_OF_IMPORT, Reason.OUT_OF_MEMORY, Reason.PROBE_FAILED})
APP = ["app_name", "namespace"]


class Metrics:
    """What /metrics shows of installs, proofs and the controller itself."""

    def __init__(self) -> None:
        # When each series began would be one more series for each.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.install_duration = Histogram(
            "kasprop_package_install_duration_seconds",
            "Time taken to install Python packages",
            APP,
            buckets=SECONDS,
            registry=self.registry,
        )
        self.install_total = Counter(
            "kasprop_package_install_total",
            "Total number of package installations",
            [*APP, "result"],
            registry=self.registry,
        )
        self.install_errors = Counter(
            "kasprop_package_install_errors_total",
            "Total number of package installation errors",
            [*APP, "error_type"],
            registry=self.registry,
        )
        self.install_retries = Counter(
            "kasprop_package_install_retries_total",
            "Total number of installation retries",
            APP,
            registry=self.registry,
        )
        self.install_timeouts = Counter(
            "kasprop_package_install_timeouts_total",
            "Total number of installation timeouts",
            APP,
            registry=self.registry,
        )
        self.auth_enabled = Gauge(
            "kasprop_package_auth_enabled", "Whether PyPI authentication is configured", APP, registry=self.registry
        )
        self.custom_index_enabled = Gauge(
            "kasprop_package_custom_index_enabled",
            "Whether custom PyPI index is configured",
            APP,
            registry=self.registry,
        )
        self.cache_usage_bytes = Gauge(
            "kasprop_package_cache_usage_bytes",
            "Python package cache disk usage",
            [*APP, "type"],
            registry=self.registry,
        )
        self.cache_usage_percent = Gauge(
            "kasprop_package_cache_usage_percent",
            "Python package cache disk usage percentage",
            APP,
            registry=self.registry,
        )
        self.verification_duration = Histogram(
            "package_verification_duration_seconds",
            "Time taken by an import",
            ["package", "result"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.verification_total = Counter(
            "package_verification_total", "Imports tried", ["package", "result"], registry=self.registry
        )
        self.verification_errors = Counter(
            "package_verification_errors_total",
            "Imports that failed, by reason; ProbeFailed where none could be tried",
            ["error_type"],
            registry=self.registry,
        )
        self.queue_depth = Gauge("wheelwarden_queue_depth", "Objects that wait for a worker", registry=self.registry)
        self.reconciles = Counter(
            "wheelwarden_reconciles", "Objects worked on, by result", ["result"], registry=self.registry
        )
        self.writes_refused = Counter(
            "wheelwarden_writes_refused",
            "Writes that the API server refused, by what was to be written",
            ["what"],
            registry=self.registry,
        )
        self.restored = Counter(
            "wheelwarden_status_restored",
            "Times that a KasprApp's status was put right after somebody else's stale write",
            registry=self.registry,
        )
        self.claims = Gauge(
            "wheelwarden_claims",
            "Objects with packages, by where these are kept",
            ["mode"],
            registry=self.registry,
        )
        self.claim_troubles = Gauge(
            "wheelwarden_claim_troubles",
            "Objects whose claim is not as it was asked for, by what is wrong",
            ["trouble"],
            registry=self.registry,
        )
        self.leader = Gauge("wheelwarden_leader", "1 on the replica that acts", registry=self.registry)
        self.policy = PolicyMetrics(self.registry)
        self._packages: dict[str, set[tuple[str, str]]] = {}  # by module: the objects that want it
        # By object: where its packages are kept, and what is wrong with its claim.
        self._claims: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {}

    def count_install(self, name: str, namespace: str, *, seconds: float, attempts: int, error_class: str) -> None:
        """One installation that ended; `error_class` is empty where it worked."""
        if error_class and error_class not in ERROR_TYPES:
            error_class = "unknown"
        self.install_total.labels(name, namespace, "failure" if error_class else "success").inc()
        self.install_retries.labels(name, namespace).inc(max(0, attempts - 1))
        self.install_timeouts.labels(name, namespace).inc(error_class == "timeout")
        if error_class:
            self.install_errors.labels(name, namespace, error_class).inc()
        else:
            self.install_duration.labels(name, namespace).observe(seconds)

    def show(
        self,
        name: str,
        namespace: str,
        packages: PackagesSpec,
        usage: Usage | None,
        *,
        mode: str,
        troubles: Sequence[str] = (),
    ) -> None:
        """What an object asks for now, where that is kept and what is wrong there, and how full its volume is, if known."""
        self.auth_enabled.labels(name, namespace).set(packages.credentials is not None)
        custom = packages.index_url is not None or bool(packages.extra_index_urls)
        self.custom_index_enabled.labels(name, namespace).set(custom)
        self._keep_claim(name, namespace, mode, troubles)
        if usage is None:
            self._hide_usage(name, namespace)
            return
        for type_, value in zip(USAGES, (usage.total_bytes, usage.used_bytes, usage.available_bytes), strict=True):
            self.cache_usage_bytes.labels(name, namespace, type_).set(value)
        self.cache_usage_percent.labels(name, namespace).set(usage.percent)

    def hide(self, name: str, namespace: str) -> None:
        """Removes what tells of now: the object asks for no packages any more. What was counted stays."""
        _remove(self.auth_enabled, name, namespace)
        _remove(self.custom_index_enabled, name, namespace)
        self._hide_usage(name, namespace)
        self._keep_claim(name, namespace, None, ())

    def _hide_usage(self, name: str, namespace: str) -> None:
        _remove(self.cache_usage_percent, name, namespace)
        for type_ in USAGES:
            _remove(self.cache_usage_bytes, name, namespace, type_)

    def _keep_claim(self, name: str, namespace: str, mode: str | None, troubles: Sequence[str]) -> None:
        mode_before, troubles_before = self._claims.pop((name, namespace), (None, ()))
        if mode_before is not None:
            self.claims.labels(mode_before).dec()
        for trouble in troubles_before:
            self.claim_troubles.labels(trouble).dec()
        if mode is None:
            return
        self._claims[name, namespace] = (mode, tuple(troubles))
        self.claims.labels(mode).inc()
        for trouble in troubles:
            self.claim_troubles.labels(trouble).inc()

    def forget(self, name: str, namespace: str) -> None:
        """Removes what there is of an object that is gone."""
        self.hide(name, namespace)
        for metric in (self.install_duration, self.install_retries, self.install_timeouts):
            _remove(metric, name, namespace)
        for metric, values in (
            (self.install_total, ("success", "failure")),
            (self.install_errors, ERROR_TYPES),
        ):
            for value in values:
                _remove(metric, name, namespace, value)
        for module, objects in list(self._packages.items()):
            objects.discard((name, namespace))
            if not objects:
                del self._packages[module]
                for result in ("success", "failure"):
                    _remove(self.verification_total, module, result)
                    _remove(self.verification_duration, module, result)

    def count_import(self, name: str, namespace: str, module: str, *, seconds: float, reason: str | None) -> None:
        """One import that was tried for an object; `reason` is None where it worked."""
        mine = (name, namespace)
        known = mine in self._packages.get(module, ())
        own = sum(mine in objects for objects in self._packages.values())
        full = module not in self._packages and len(self._packages) >= PACKAGES_LIMIT
        if full or (not known and own >= OBJECT_LIMIT):
            module = OTHER
        if module != OTHER:
            self._packages.setdefault(module, set()).add(mine)
        result = "failure" if reason else "success"
        self.verification_total.labels(module, result).inc()
        self.verification_duration.labels(module, result).observe(seconds)
        if reason:
            self.verification_errors.labels(reason if reason in IMPORT_ERRORS else Reason.IMPORT_FAILED).inc()


def _remove(metric: Counter | Gauge | Histogram, *labels: str) -> None:
    with contextlib.suppress(KeyError):  # it never had these
        metric.remove(*labels)
