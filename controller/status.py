"""What the status of an object says of its packages, and what is kept of its last result: pure builders."""

import datetime
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from controller.claim_plan import Settled, conflict_text
from controller.state import InstallResult, PodState
from wheelwarden.api.conditions import FALSE, TRUE, Condition, Reason
from wheelwarden.api.install_owner import InstallOwner
from wheelwarden.api.objects import Object, annotations_of
from wheelwarden.api.redaction import redact
from wheelwarden.api.request import Request
from wheelwarden.api.types import PackagesSpec
from wheelwarden.api.volumes import EMPTY, cache_mode, fallback_reason, is_ours
from wheelwarden.rules.installation import IMAGE_AND_PACKAGES
from wheelwarden.verify.results import Usage, parse_usage

WARNING_PERCENT: Final = 80.0
_TROUBLES: Final = {Reason.CLAIM_REFUSED: "refused", Reason.CLAIM_PENDING: "pending"}
CACHE_FULL: Final = "Package cache "  # how the warning about a volume that is nearly full begins


def package_status(
    request: Request,
    pods: Sequence[PodState],
    condition: Condition,
    claim: Mapping[str, Any] | None,
    *,
    owner: InstallOwner = InstallOwner.OURS,
    own_image: bool = False,
    observed: Sequence[str] = (),
    usage: Usage | None = None,
    troubles: Sequence[str] = (),
) -> Object | None:
    """The whole of what a status tells of its packages, None where the object asks for none (see `status_patch`).

    Args:
        request: what it asks for.
        pods: its pods.
        condition: PackagesInstalled, summed up over them.
        claim: the claim of the wanted name, None where there is none.
        owner: who installs them.
        own_image: whether the object names an image too.
        observed: `name==version` of what was found of another owner's work.
        usage: how full the volume is, None where nobody told.
        troubles: what is not as it was asked for with the claim, beside what the claim itself tells.
    """
    if request.packages is None:
        return None
    results = _results(request, pods)
    status: Object = {"hash": request.packages_hash, "cacheMode": cache_mode(request, claim, owner=owner)}
    done = [result for result in results if result.outcome in ("installed", "reused")]
    failed = [result for result in results if result.outcome == "failed"]
    status["state"] = {TRUE: "Ready", FALSE: "Failed"}.get(condition.status, "Installing")
    status |= _sources(request.packages)
    warnings = [*cache_warnings(request, claim, owner), *troubles]
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
        if omitted := latest.installed_omitted + latest.provided_omitted:
            warnings.append(
                f"{omitted} more packages are there than `installed` has room for; the installer's log lists all"
            )
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
        warnings += usage_warnings(usage)
    return status | {"warnings": list(dict.fromkeys(warnings))}


def usage_warnings(usage: Usage | None) -> list[str]:
    """That the volume is nearly full; empty where it is not, or nobody knows."""
    if usage is None or usage.percent <= WARNING_PERCENT:
        return []
    used, total = usage.used_bytes / 1024**3, usage.total_bytes / 1024**3
    return [f"{CACHE_FULL}{usage.percent:.1f}% full ({used:.2f}GB / {total:.2f}GB)"]


def new_warnings(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Those that were not told before; a volume that is nearly full is told once, whatever its figures."""
    full = any(warning.startswith(CACHE_FULL) for warning in before)
    return [warning for warning in now if warning not in before and not (full and warning.startswith(CACHE_FULL))]


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


def usage_of(
    request: Request, pods: Sequence[PodState], before: Mapping[str, Any], seen: Usage | None, *, mode: str
) -> Usage | None:
    """How full the volume is; None where nobody told, or where the pods use none that has a size of its own.

    What a probe saw last; else what the status says, which an earlier probe of a controller before us may have seen; else
    the installers' word: of several the fullest, which is the one to warn about. What has hardly changed is not told again.

    Args:
        request: what the object asks for.
        pods: its pods.
        before: the status of packages that is there.
        seen: by the last probe, None where there was none.
        mode: the cache mode, as in `wheelwarden.api.volumes`.
    """
    own = [pod for pod in pods if pod.own_size]
    if mode == EMPTY or (pods and not own):
        return None
    told = [result.usage for result in _results(request, own) if result.usage is not None]
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


def cache_warnings(request: Request, claim: Mapping[str, Any] | None, owner: InstallOwner) -> list[str]:
    """Why the packages are not where they were asked to be; empty where they are, or where another owner sees to it."""
    assert request.packages is not None
    if owner is not InstallOwner.OURS:
        return []
    cache = request.packages.cache
    if not cache.enabled:
        return []
    if cache.type == "gcs":
        return ["cache.type gcs is not supported by Wheelwarden's installer: each pod installs for itself"]
    if claim is not None and not is_ours(request, claim):
        return [conflict_text(claim)]
    reason = fallback_reason(claim)
    return [reason] if reason else []


def install_mark(result: InstallResult) -> str:
    """A digest of one installation, to count it once: which set, when and by whom; one that failed: with which error."""
    parts = (result.outcome, result.hash, result.installed_at, result.installed_by, result.error_class)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def claim_troubles(request: Request, settled: Settled, owner: InstallOwner) -> list[str]:
    """What is wrong with the claim, in the metric's words: refused, pending, conflict, fallback, unlike what was asked for."""
    found = []
    for condition in (settled.hindrance, settled.waiting):
        if condition is not None and condition.reason in _TROUBLES and _TROUBLES[condition.reason] not in found:
            found.append(_TROUBLES[condition.reason])
    claim = settled.claim if owner is InstallOwner.OURS else None
    if claim is not None and not is_ours(request, claim):
        found.append("conflict")
    elif fallback_reason(claim):
        found.append("fallback")
    return [*found, *(["unlike"] if settled.warnings else [])]


def _of_result(result: InstallResult) -> Object:
    found = {
        "installed": sorted({*result.installed, *result.provided}),
        "installDuration": duration(result.install_seconds),
        "installedBy": result.installed_by,
    }
    # A time that is none would make the API server refuse the whole status.
    return found | ({"lastInstallTime": result.installed_at} if _is_time(result.installed_at) else {})


def _is_time(text: str) -> bool:
    try:
        return datetime.datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def duration(seconds: float) -> str:
    """A duration as people write it: `45s`, `2m30s`; at least one second."""
    whole = max(1, round(seconds))
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def conditions_of(obj: Mapping[str, Any]) -> list[Object]:
    """The conditions in an object's status."""
    return list((obj.get("status") or {}).get("conditions") or [])


def last_result(obj: Mapping[str, Any], annotation: str) -> Mapping[str, Any]:
    """What the last-result annotation of an object says, empty where there is none or somebody wrote nonsense in it."""
    try:
        found = json.loads(annotations_of(obj).get(annotation, ""))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
