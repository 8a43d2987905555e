"""The metrics of the seeds, by their names and labels, counted once for each event and gone with their object."""

from prometheus_client import generate_latest

from controller.metrics import Metrics
from wheelwarden.api.types import PackagesSpec, SecretRef
from wheelwarden.verify.results import Usage

USAGE = Usage(total_bytes=1000, used_bytes=250, available_bytes=750)


def scrape(metrics: Metrics) -> set[str]:
    """The samples of the seeds' metrics, without buckets."""
    lines = generate_latest(metrics.registry).decode().splitlines()
    return {line for line in lines if line.startswith("kasprop_") and "_bucket{" not in line}


def test_an_installation_that_worked_after_a_retry() -> None:
    metrics = Metrics()
    metrics.count_install("orders", "shop", seconds=4.0, attempts=3, error_class="")
    assert scrape(metrics) == {
        'kasprop_package_install_total{app_name="orders",namespace="shop",result="success"} 1.0',
        'kasprop_package_install_duration_seconds_count{app_name="orders",namespace="shop"} 1.0',
        'kasprop_package_install_duration_seconds_sum{app_name="orders",namespace="shop"} 4.0',
        'kasprop_package_install_retries_total{app_name="orders",namespace="shop"} 2.0',
        'kasprop_package_install_timeouts_total{app_name="orders",namespace="shop"} 0.0',
    }


def test_an_installation_that_took_too_long() -> None:
    metrics = Metrics()
    metrics.count_install("orders", "shop", seconds=600.0, attempts=1, error_class="timeout")
    assert scrape(metrics) == {
        'kasprop_package_install_total{app_name="orders",namespace="shop",result="failure"} 1.0',
        'kasprop_package_install_errors_total{app_name="orders",error_type="timeout",namespace="shop"} 1.0',
        'kasprop_package_install_retries_total{app_name="orders",namespace="shop"} 0.0',
        'kasprop_package_install_timeouts_total{app_name="orders",namespace="shop"} 1.0',
    }


def test_what_is_asked_for_and_how_full_the_volume_is() -> None:
    metrics = Metrics()
    metrics.show(
        "orders", "shop", PackagesSpec(index_url="https://a.example.com", credentials=SecretRef(name="s")), USAGE,
        mode="pvc",
    )  # fmt: skip
    metrics.show("plain", "shop", PackagesSpec(), None, mode="emptyDir")
    assert scrape(metrics) == {
        'kasprop_package_auth_enabled{app_name="orders",namespace="shop"} 1.0',
        'kasprop_package_auth_enabled{app_name="plain",namespace="shop"} 0.0',
        'kasprop_package_custom_index_enabled{app_name="orders",namespace="shop"} 1.0',
        'kasprop_package_custom_index_enabled{app_name="plain",namespace="shop"} 0.0',
        'kasprop_package_cache_usage_bytes{app_name="orders",namespace="shop",type="total"} 1000.0',
        'kasprop_package_cache_usage_bytes{app_name="orders",namespace="shop",type="used"} 250.0',
        'kasprop_package_cache_usage_bytes{app_name="orders",namespace="shop",type="available"} 750.0',
        'kasprop_package_cache_usage_percent{app_name="orders",namespace="shop"} 25.0',
    }


def test_nothing_is_left_of_an_object_that_is_gone() -> None:
    metrics = Metrics()
    metrics.count_install("orders", "shop", seconds=1.0, attempts=1, error_class="")
    metrics.count_install("orders", "shop", seconds=1.0, attempts=1, error_class="network")
    metrics.count_install("orders", "shop", seconds=1.0, attempts=1, error_class="unknown")
    metrics.show("orders", "shop", PackagesSpec(), USAGE, mode="pvc")
    metrics.forget("orders", "shop")
    metrics.forget("never-seen", "shop")
    assert scrape(metrics) == set()


def test_a_volume_that_is_no_longer_measured_has_no_usage() -> None:
    metrics = Metrics()
    metrics.show("orders", "shop", PackagesSpec(), USAGE, mode="shared-pvc")
    metrics.show("orders", "shop", PackagesSpec(), None, mode="emptyDir")
    assert [line for line in scrape(metrics) if "usage" in line] == []


def samples(metrics: Metrics) -> set[str]:
    """The values of the label `package`."""
    return {
        sample.labels["package"]
        for family in metrics.registry.collect()
        for sample in family.samples
        if "package" in sample.labels
    }


def test_modules_are_limited_for_each_object_and_go_with_the_last_that_wants_them() -> None:
    metrics = Metrics()
    for index in range(120):
        metrics.count_import("orders", "shop", f"module_{index}", seconds=0.1, reason=None)
    assert len(samples(metrics)) == 101
    assert "other" in samples(metrics)
    metrics.count_import("analysis", "lab", "module_7", seconds=0.1, reason="ModuleNotFound")
    metrics.forget("orders", "shop")
    assert samples(metrics) == {"module_7", "other"}
    metrics.forget("analysis", "lab")
    assert samples(metrics) == {"other"}


def claims(metrics: Metrics) -> dict[str, float]:
    """The gauges of claims by their label."""
    return {
        label: sample.value
        for family in metrics.registry.collect()
        if family.name.startswith("wheelwarden_claim")
        for sample in family.samples
        for label in sample.labels.values()
    }


def test_what_tells_of_now_ends_when_no_packages_are_asked_for_and_what_was_counted_stays() -> None:
    metrics = Metrics()
    metrics.count_install("orders", "shop", seconds=4.0, attempts=1, error_class="")
    metrics.show("orders", "shop", PackagesSpec(), USAGE, mode="pvc")
    metrics.show("orders", "shop", PackagesSpec(), None, mode="emptyDir", troubles=["fallback"])
    assert 'kasprop_package_cache_usage_percent{app_name="orders",namespace="shop"}' not in str(scrape(metrics))
    assert claims(metrics) == {"pvc": 0, "emptyDir": 1, "fallback": 1}
    metrics.hide("orders", "shop")
    assert scrape(metrics) == {
        'kasprop_package_install_total{app_name="orders",namespace="shop",result="success"} 1.0',
        'kasprop_package_install_duration_seconds_count{app_name="orders",namespace="shop"} 1.0',
        'kasprop_package_install_duration_seconds_sum{app_name="orders",namespace="shop"} 4.0',
        'kasprop_package_install_retries_total{app_name="orders",namespace="shop"} 0.0',
        'kasprop_package_install_timeouts_total{app_name="orders",namespace="shop"} 0.0',
    }
    assert claims(metrics) == {"pvc": 0, "emptyDir": 0, "fallback": 0}


def test_labels_that_somebody_made_up_in_a_pod_do_not_get_in() -> None:
    metrics = Metrics()
    metrics.count_install("orders", "shop", seconds=1.0, attempts=1, error_class="made up")
    metrics.count_import("orders", "shop", "six", seconds=0.1, reason="made up")
    told = generate_latest(metrics.registry).decode()
    assert "made up" not in told
    assert 'kasprop_package_install_errors_total{app_name="orders",error_type="unknown",namespace="shop"} 1.0' in told
    assert 'package_verification_errors_total{error_type="ImportFailed"} 1.0' in told
