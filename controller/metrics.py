"""The controller's metrics: the names of the seed documents, exactly, and our own; on a registry of their own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from wheelwarden.policy_file import PolicyMetrics

SECONDS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
PACKAGES_LIMIT = 1000  # values of the label `package`; the rest is `other`
APP = ["app_name", "namespace"]


class Metrics:
    """What /metrics shows of installs, proofs and the controller itself."""

    def __init__(self) -> None:
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
        self.leader = Gauge("wheelwarden_leader", "1 on the replica that acts", registry=self.registry)
        self.policy = PolicyMetrics(self.registry)
        self._packages: set[str] = set()

    def count_install(self, name: str, namespace: str, *, seconds: float, error_class: str) -> None:
        """One installation that ended; `error_class` is empty where it worked."""
        self.install_total.labels(name, namespace, "failure" if error_class else "success").inc()
        if error_class:
            self.install_errors.labels(name, namespace, error_class).inc()
        else:
            self.install_duration.labels(name, namespace).observe(seconds)

    def count_import(self, module: str, *, seconds: float, reason: str | None) -> None:
        """One import that was tried; `reason` is None where it worked."""
        if module not in self._packages and len(self._packages) >= PACKAGES_LIMIT:
            module = "other"
        self._packages.add(module)
        result = "failure" if reason else "success"
        self.verification_total.labels(module, result).inc()
        self.verification_duration.labels(module, result).observe(seconds)
        if reason:
            self.verification_errors.labels(reason).inc()
