"""What a KasprApp's status says, and what a Notebook keeps of its last result: pure builders."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from controller.claims import conflict_text
from controller.state import InstallResult, PodState
from wheelwarden import names
from wheelwarden.claims import cache_mode, fallback_reason, is_ours
from wheelwarden.conditions import FALSE, TRUE, Condition, Reason
from wheelwarden.redaction import redact
from wheelwarden.request import Request
from wheelwarden.rules.installation import IMAGE_AND_PACKAGES
from wheelwarden.spec import PackagesSpec
from wheelwarden.targets import annotations_of
from wheelwarden.verify.results import Usage, parse_usage

WARNING_PERCENT: Final = 80.0

Object = dict[str, Any]


def package_status(
    request: Request,
    pods: Sequence[PodState],
    condition: Condition,
    claim: Mapping[str, Any] | None,
    *,
    beside: bool = False,
    own_image: bool = False,
    observed: Sequence[str] = (),
    usage: Usage | None = None,
) -> Object | None:
    """`status.pythonPackages` of a KasprApp (`status.wheelwarden` beside another owner's), None where it asks for none.

    Args:
        request: what it asks for.
        pods: its pods.
        condition: PackagesInstalled, summed up over them.
        claim: the claim of the wanted name, None where there is none.
        beside: whether another owner installs them, or did until taken over.
        own_image: whether the app names an image too.
        observed: `name==version` of what was found of another owner's work.
        usage: how full the volume is, None where nobody told.
    """
    if request.packages is None:
        return None
    results = _results(request, pods)
    status: Object = {"hash": request.packages_hash, "cacheMode": cache_mode(request, claim, beside=beside)}
    done = [result for result in results if result.outcome in ("installed", "reused")]
    failed = [result for result in results if result.outcome == "failed"]
    status["state"] = {TRUE: "Ready", FALSE: "Failed"}.get(condition.status, "Installing")
    status |= _sources(request.packages)
    warnings = [] if beside else cache_warnings(request, claim)
    if own_image:
        warnings.append(IMAGE_AND_PACKAGES)
    if condition.reason == Reason.RESTART_REQUIRED:
        # Nothing failed: the pods run, with the set before.
        status["state"] = "Installing"
        warnings.append(condition.message)
    if observed:
        status["installed"] = list(observed)
    if done:
        latest = max(done, key=lambda result: result.installed_at)
        status |= _of_result(latest)
        warnings += latest.warnings
    if failed:
        status |= {"error": failed[0].error_message, "errorType": failed[0].error_class}
    elif condition.status == FALSE and condition.reason != Reason.RESTART_REQUIRED:
        status["error"] = condition.message
    if usage is not None:
        status["cacheUsage"] = {
            "totalBytes": usage.total_bytes,
            "usedBytes": usage.used_bytes,
            "availableBytes": usage.available_bytes,
            "usagePercent": usage.percent,
        }
        if usage.percent > WARNING_PERCENT:
            used, total = usage.used_bytes / 1024**3, usage.total_bytes / 1024**3
            warnings.append(f"Package cache {usage.percent:.1f}% full ({used:.2f}GB / {total:.2f}GB)")
    return status | {"warnings": warnings}


def _sources(packages: PackagesSpec) -> Object:
    """Where the packages come from, and as whom: names, never what a Secret holds."""
    found: Object = {"authentication": {"enabled": packages.credentials is not None}}
    if packages.credentials is not None:
        found["authentication"]["secretName"] = packages.credentials.name
    if packages.index_url is not None:
        found["indexUrl"] = redact(packages.index_url)
    if packages.extra_index_urls:
        found["extraIndexUrls"] = [redact(url) for url in packages.extra_index_urls]
    return found


def usage_of(request: Request, pods: Sequence[PodState], before: Mapping[str, Any], seen: Usage | None) -> Usage | None:
    """How full the volume is; None where nobody told.

    What a probe saw last; else what the status says, which an earlier probe of a controller before us may have seen; else
    the installers' word: of several the fullest, which is the one to warn about. What has hardly changed is not told anew.

    Args:
        request: what the object asks for.
        pods: its pods.
        before: the status of packages that is there.
        seen: by the last probe, None where there was none.
    """
    told = [result.usage for result in _results(request, pods) if result.usage is not None]
    by_installers = max(told, key=lambda one: one.used_bytes, default=None)
    known = _known_usage(before) if before.get("hash") == request.packages_hash else None
    if seen is None:
        return known or by_installers
    if known is None or known.total_bytes != seen.total_bytes:
        return seen
    moved = abs(known.used_bytes - seen.used_bytes) * 100 >= seen.total_bytes
    crossed = (known.percent > WARNING_PERCENT) != (seen.percent > WARNING_PERCENT)
    return seen if moved or crossed else known


def _known_usage(status: Mapping[str, Any]) -> Usage | None:
    try:
        return parse_usage(status.get("cacheUsage"))
    except (KeyError, TypeError, ValueError):
        return None  # somebody else's words


def _results(request: Request, pods: Sequence[PodState]) -> list[InstallResult]:
    """What the installers of the packages of now said."""
    found = [pod.installer.result for pod in pods if pod.installer is not None and pod.hash == request.packages_hash]
    return [result for result in found if result is not None]


def cache_warnings(request: Request, claim: Mapping[str, Any] | None) -> list[str]:
    """Why the packages are not where they were asked to be; empty where they are."""
    assert request.packages is not None
    cache = request.packages.cache
    if not cache.enabled:
        return []
    if cache.type == "gcs":
        return ["cache.type gcs is not supported by Wheelwarden's installer: each pod installs for itself"]
    if claim is not None and not is_ours(request, claim):
        return [conflict_text(claim)]
    reason = fallback_reason(claim)
    return [reason] if reason else []


def _of_result(result: InstallResult) -> Object:
    return {
        "installed": sorted({*result.installed, *result.provided}),
        "lastInstallTime": result.installed_at,
        "installDuration": duration(result.install_seconds),
        "installedBy": result.installed_by,
    }


def duration(seconds: float) -> str:
    """A duration as people write it: `45s`, `2m30s`; at least one second."""
    whole = max(1, round(seconds))
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def conditions_of(obj: Mapping[str, Any]) -> list[Object]:
    """The conditions in an object's status."""
    return list((obj.get("status") or {}).get("conditions") or [])


def last_result(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the last-result annotation of a Notebook says, empty where there is none or somebody wrote nonsense in it."""
    try:
        found = json.loads(annotations_of(obj).get(names.LAST_RESULT_ANNOTATION, ""))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
