"""What the webhook counts. The names are promised in docs; each instance has a registry of its own."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest

from wheelwarden.rules.policy_watcher import PolicyMetrics

# Seconds. The API server gives us 5; a review takes well below a millisecond, the live read of an owner some more.
BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

ENDPOINTS: Final = ("validate", "inject")


class Metrics:
    """The webhook's metrics.

    Outcomes of a review: `allowed`, `warned` and `denied` (validate); `injected`, `skipped` and `warned` (inject);
    `malformed` for a request that is no AdmissionReview, `error` for a fault of our own.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._reviews = Counter(
            "wheelwarden_admission_reviews_total",
            "Admission reviews answered.",
            ["endpoint", "outcome"],
            registry=self.registry,
        )
        duration = Histogram(
            "wheelwarden_admission_duration_seconds",
            "Time from a request's headers to its answer.",
            ["endpoint"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._durations = {endpoint: duration.labels(endpoint) for endpoint in ENDPOINTS}
        self._counted: dict[tuple[str, str], Counter] = {}
        self.certificate_expiry = Gauge(
            "wheelwarden_certificate_expiry_timestamp_seconds",
            "When the certificate that is served ends, and when its authority does.",
            ["certificate"],
            registry=self.registry,
        )
        self.certificate_failures = Counter(
            "wheelwarden_certificate_failures_total",
            "Rounds of looking after the certificates that failed.",
            registry=self.registry,
        )
        self.policy = PolicyMetrics(self.registry)

    def count(self, endpoint: str, outcome: str, seconds: float) -> None:
        """Counts one answered request."""
        counter = self._counted.get((endpoint, outcome))
        if counter is None:
            counter = self._counted[endpoint, outcome] = self._reviews.labels(endpoint, outcome)
        counter.inc()
        self._durations[endpoint].observe(seconds)

    def render(self) -> bytes:
        """Everything in the text format of Prometheus."""
        return generate_latest(self.registry)
