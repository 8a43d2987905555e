"""What the twenty scenarios of docs/manual-tests.md must print, by number."""

import re
from collections.abc import Callable, Mapping, Sequence

import pytest

# Played side by side; scenarios that use the same port, or a file of an earlier one, stand in one lane.
LANES: Sequence[Sequence[int]] = ((9, 13, 16), (12, 20), (2, 14, 1, 3, 4, 5), (6, 7, 8, 10, 11, 15, 17, 18, 19))

PINNED = r"[a-z0-9-]+==[0-9.]+"
MARKER = r"/packages/\.installed-[0-9a-f]{24}$"
STAMP = r'"lastInstallTime": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"'


def together(*patterns: str) -> str:
    """Lines that stand somewhere from here on, in any order."""
    return "(?s)" + "".join(f"(?=.*{pattern})" for pattern in patterns)


# What must stand in the output of each, in this order.
EXPECTED: Mapping[int, Sequence[str]] = {
    1: (
        r"^Installing 2 for Python .*: requests, numpy$",
        r"^Installed .*numpy==.*requests==",
        r"^basic-app-python-packages +Bound",
        r"^/packages/site-packages/requests/__init__\.py \d",
        r"/packages/\.installed-(?P<hash>[0-9a-f]{24})$",  # one: see NEVER
        together(
            r"ImportsVerified=True ImportsSucceeded: 1 of 1 pods",
            r"PackagesInstalled=True Installed: 1 of 1 pods",
        ),
        r'"hash": "(?P=hash)"',
        r'"state": "Ready"',
    ),
    2: (
        r"^/packages/\.installed-(?P<old>[0-9a-f]{24})$",
        r"PodReplaced +kasprapp/rolling +Pod rolling-app-1 is recreated: the packages changed",
        r"Installed +kasprapp/rolling +Pod rolling-app-1: Installed 1 distribution: ww-versions==2\.0",
        r"PodReplaced +kasprapp/rolling +Pod rolling-app-0 is recreated: the packages changed",
        r"Installed +kasprapp/rolling +Pod rolling-app-0: Reused what rolling-app-1 installed",
        r"^2\.0\n2\.0$",
        r"^/packages/\.installed-(?P<new>(?!(?P=old))[0-9a-f]{24})$",
        together(r"^(?P=old)-cp", r"^(?P=new)-cp"),
    ),
    3: (
        r"^pod 0:$",
        r"^pod 2:$",
        r"^pod/shared-app-5 condition met",
        r"^pod/shared-app-5 condition met",
        r"^Packages already installed by shared-app-[012] at ",
        r"^ +1 Installing \d$",
        r"^ +5 Packages already$",
    ),
    4: (
        r"^persistentvolumeclaim/toggled-app-python-packages condition met$",
        r"^pod/toggled-app-0 condition met$",
        r"^init containers: $",
        r"^kasprapp\.kaspr\.io/toggled condition met$",
        r"^Installing 1 for Python .*: six$",
        r"^toggled-app-python-packages +Bound",
    ),
    5: (
        r"^FAILED \(package_not_found\): Package not found in index\.",
        r"PackagesInstalled=False PackageNotFound: .*this-package-does-not-exist-12345",
        r'"error": ".*this-package-does-not-exist-12345',
        r'"errorType": "package_not_found"',
        r'"state": "Failed"',
        r"^typo-app-0 +0/1 +Init:",
        r"^kasprapp\.kaspr\.io/typo condition met$",
    ),
    6: (
        (
            r"^owner-app-python-packages .*app\.kubernetes\.io/managed-by=wheelwarden.*kaspr\.io/app=owner"
            r".*kaspr\.io/component=python-packages"
        ),
        r'^\[\{"apiVersion":"kaspr\.io/v1alpha1".*"kind":"KasprApp","name":"owner"',
        r"^kasprapp\.kaspr\.io/keeper condition met\nkasprapp\.kaspr\.io \"owner\" deleted",  # no owner in between
        r"^persistentvolumeclaim/owner-app-python-packages condition met$",
        r"^keeper-app-python-packages +Bound",
    ),
    7: (
        r'accessMode: Unsupported value: "ReadWriteOnce"',
        r"^fallback-app-python-packages +Bound +\S+ +256Mi +RWO +rwo-only",
        r"^single-python-packages +Bound +\S+ +256Mi +RWO +rwo-only",
        r"^sized-app-python-packages +Bound +\S+ +1Gi +RWX +standard",
        r'"cacheMode": "pvc"',
        r'"The volume is ReadWriteOnce, since ReadWriteMany cannot be had: ',
        r"^(?P<pod>pod [0-9a-f-]{36} restarts 0)$",
        r"^sized-app-python-packages +Bound +\S+ +2Gi",
        r"^(?P=pod)$",
        r"the volume was asked for with 2Gi, and no volume can shrink\. Write 2Gi or more\. \[cache-shrinks\]",
    ),
    8: (
        r"^one-app-python-packages +Bound",
        r"^other-app-python-packages +Bound",
        r"^1\.16\.0\n1\.17\.0$",
        r"^/packages/\.installed-(?P<one>[0-9a-f]{24})$",
        r"^/packages/\.installed-(?!(?P=one))[0-9a-f]{24}$",
    ),
    9: (
        r"^Installing$",
        r"^Ready$",
        rf'"installed": \[\s+"certifi==[^"]+",\s+("{PINNED}",\s+)+"urllib3==',
        r'"installedBy": "watched-app-0"',
        STAMP,
        r"^unchanged$",
    ),
    10: (
        together(
            r'^kasprop_package_install_duration_seconds_count\{app_name="good",namespace="default"\} 1\.0$',
            r'^kasprop_package_install_total\{app_name="good",namespace="default",result="success"\} 1\.0$',
            r'^kasprop_package_install_total\{app_name="bad",namespace="default",result="failure"\} 1\.0$',
            r'^kasprop_package_install_errors_total\{app_name="bad",error_type="package_not_found",namespace="default"\} 1\.0$',
            r'^package_verification_total\{package="six",result="success"\} ',
            r'^kasprop_package_install_duration_seconds_sum\{app_name="good",namespace="default"\} (?!0\.0$)\d',
        ),
        r"^unchanged$",
    ),
    11: (
        r"^kasprapp\.kaspr\.io/with-pypi-credentials condition met$",
        r"PackagesInstalled=False AuthenticationFailed: .*Check credentials in referenced Secret",
        r"^0$",
        r"^kasprapp\.kaspr\.io/with-wrong condition met$",
    ),
    12: (
        r"1 problem in the Python packages that KasprApp default/plain asks for:\n.*\[index-http-untrusted\]",
        r"^kasprapp\.kaspr\.io/trusting condition met$",
        r"^kasprapp\.kaspr\.io/several condition met$",
        r"PackagesInstalled=False NetworkError: .*strict-app-0: .*:8444/simple/six/",
        r"PackagesInstalled=False NetworkError: .*unreachable-app-0: .*:9/simple/six/",
    ),
    13: (
        r"^Attempt 1 of 2 failed \(network\), trying again in 1 s$",
        r"^FAILED \(network\)",
        r"PackagesInstalled=False InstallTimeout: .*The attempt was ended after 60 s\.",
        r"PackagesInstalled=False PackageNotFound: .*The pod runs without these packages \(onFailure: allow\)",
        r"^FAILED \(package_not_found\)",
        r"^allowed-app-0 +1/1 +Running",
        r"^blocked-app-0 +0/1 +Init:",
    ),
    14: (
        r'"availableBytes": \d+',
        r'"availableBytes": (?P<available>\d+)',
        r'"totalBytes": (?P<total>\d+)',
        r'"usagePercent": (?P<percent>8\d\.\d)',
        r'"usedBytes": (?P<used>\d+)',
        r'"Package cache .*(?P=percent)',
        r'^kasprop_package_cache_usage_bytes\{app_name="full",namespace="default",type="total"\} ',
        r'^kasprop_package_cache_usage_bytes\{app_name="full",namespace="default",type="used"\} ',
        r'^kasprop_package_cache_usage_bytes\{app_name="full",namespace="default",type="available"\} ',
        r'^kasprop_package_cache_usage_percent\{app_name="full",namespace="default"\} ',
        r"^\S+ +(?P=total) +(?P=used) +(?P=available) +\d+% /packages-store$",
        r"PackagesInstalled=False DiskFull: The package volume is full\. Increase cache\.size\.",
        r"^\d+\.\d+\.\d+$",
        r"^/packages-store/\.wheelwarden/staging:\nkasprapp",  # nothing in it
    ),
    15: (
        r'"cacheUsage": \{',
        r'"installDuration": "(?P<duration>(\d+m)?\d+s)"',
        r'"installedBy": "history-app-0"',
        rf"(?P<stamp>{STAMP})",
        r"^pod/history-app-0 condition met$",
        r'"installDuration": "(?P=duration)"',
        r'"installedBy": "history-app-0"',
        r"(?P=stamp)",
    ),
    16: (
        r"^Another pod is installing these packages: waiting for it",
        r'^pod "(?P<holder>orphan-app-[01])" force deleted',
        r"^kasprapp\.kaspr\.io/orphan condition met$",
        r"^Installed .*requests==",
        r"^[0-9a-f]{24}-cp\S+\nkasprapp",  # one directory
    ),
    17: (
        r"Both image and pythonPackages specified - packages will be added to custom image",
        r'"warnings": \[\s+"Both image and pythonPackages specified',
        r"^/usr/lib/python3/dist-packages/pip/__init__\.py /packages/site-packages/six\.py$",
    ),
    18: (
        r"NetworkError: .*Cannot reach package index\. .*:9/simple/six/",
        r"PackageNotFound: .*Package not found in index\. .*six==99\.0",
        r"AuthenticationFailed: .*Authentication failed\. .*The Secret forgotten does not exist",
        r'"errorType": "network"',
        r'"errorType": "package_not_found"',
        r'"errorType": "authentication"',
        r"3 problems in the Python packages that KasprApp default/refused asks for:",
        r'1\. spec\.pythonPackages\.packages\[0\] "requests=2".*Did you mean requests==2\?',
        r"2\. spec\.pythonPackages\.packages\[1\] .*\[requirement-shell\]",
        r'3\. spec\.pythonPackages\.cache\.size "much".*\[cache-size\]',
    ),
    19: (
        together(
            r'^kasprop_package_install_total\{app_name="offline",namespace="default",result="failure"\} 1\.0$',
            r'^kasprop_package_install_errors_total\{app_name="offline",error_type="network",namespace="default"\} 1\.0$',
            r'^kasprop_package_install_errors_total\{app_name="unknown",error_type="authentication",[^\n]*\} 1\.0$',
            r'^kasprop_package_install_retries_total\{app_name="offline",namespace="default"\} 1\.0$',
            r'^kasprop_package_install_retries_total\{app_name="unknown",namespace="default"\} 0\.0$',
            r'^kasprop_package_auth_enabled\{app_name="unknown",namespace="default"\} 1\.0$',
            r'^kasprop_package_auth_enabled\{app_name="offline",namespace="default"\} 0\.0$',
            r'^kasprop_package_auth_enabled\{app_name="broken",namespace="default"\} 0\.0$',
            r'^kasprop_package_custom_index_enabled\{app_name="broken",namespace="default"\} 1\.0$',
            r'^kasprop_package_custom_index_enabled\{app_name="offline",namespace="default"\} 1\.0$',
            r'^kasprop_package_custom_index_enabled\{app_name="unknown",namespace="default"\} 1\.0$',
            r'^package_verification_total\{package="ww_broken",result="failure"\} ',
            r'^package_verification_errors_total\{error_type="ImportFailed"\} ',
        ),
        r'"cacheUsage": \{',
        together(r"^wheelwarden_leader 1\.0$", r"^wheelwarden_leader 0\.0$"),
        r"^wheelwarden_admission_reviews_total\{",
    ),
    20: (
        r"^notebook\.kubeflow\.org/desk condition met$",
        together(
            r"ImportsVerified=True ImportsSucceeded: 3 of 3 pods",
            r"PackagesInstalled=True Installed: 3 of 3 pods",
        ),
        r"PackagesInstalled=True Installed: Installed [^\n]*ww-native==1\.0",
        r'"authentication": \{\s+"enabled": true,\s+"secretName": "production-pypi-creds"',
        r'"cacheMode": "shared-pvc"',
        r'"cacheUsage": \{\s+"availableBytes": \d+,\s+"totalBytes": \d+,\s+"usagePercent": \d+\.?\d*,\s+"usedBytes": \d+\s+\}',
        r'"extraIndexUrls": \[\s+"https://\S+:8444/simple/"\s+\]',
        r'"hash": "[0-9a-f]{24}"',
        r'"indexUrl": "https://\S+:8443/simple/"',
        r'"installDuration": "(\d+m)?\d+s"',
        rf'"installed": \[\s+("{PINNED}",\s+)+"ww-native==1\.0"\s+\]',
        r'"installedBy": "enterprise-app-[012]"',
        STAMP,
        r'"state": "Ready"',
        r'"warnings": \[',
        r"^42$",
        r"^(?P<desk>desk [0-9a-f-]{36})$",
        r"PackagesInstalled=True Installed: 3 of 3 pods .*ww-slow==1\.0",
        r"PackagesInstalled=False RestartRequired: ",
        r"^(?P=desk)$",
        r"^Pod enterprise-app-2 is recreated.*\nPod enterprise-app-1 is recreated.*\nPod enterprise-app-0 is recreated",
        rf'"installed": \[\s+("{PINNED}",\s+)+"ww-slow==1\.0"\s+\]',
        r"^GET /packages/ww_slow$",
        together(
            *(
                rf'^kasprop_package_{kind}_enabled\{{app_name="{name}",namespace="default"\}} 1\.0$'
                for kind in ("auth", "custom_index")
                for name in ("desk", "enterprise")
            ),
            r'^kasprop_package_install_total\{app_name="desk",namespace="default",result="success"\} 1\.0$',
            r'^kasprop_package_install_total\{app_name="enterprise",namespace="default",result="success"\} 2\.0$',
        ),
    ),
}

# What must not stand there.
NEVER: Mapping[int, Sequence[str]] = {
    1: (MARKER + r"\n.*" + MARKER,),
    2: (MARKER + r"\n.*" + MARKER, r"^ready pods: 0?$"),
    19: (r"leader 1\.0$[\s\S]*leader 1\.0$",),
    20: (r"^GET /packages/(?!ww_slow$)", r"^kasprop_package_install_errors_total"),
    13: (r"Attempt 2 of 2 failed .*trying again", r"failed \(package_not_found\), trying again"),
}

# The commands that are meant to fail; of every other one the tests hear.
MEANT_TO_FAIL: Mapping[int, Sequence[str]] = {
    7: (r"^(app (narrow|sized) 1|kubectl apply -f -)$",),
    11: (r"^grep -cF ",),
    12: (r"^(app plain 1|kubectl apply -f -)$",),
    18: (r"^(app refused 1|kubectl apply -f -)$",),
}


def check_usage(output: str) -> None:
    """Scenario 14: the four numbers of the metrics are those of `df`, which counts what is reserved as not available."""
    shown = {
        kind: float(value)
        for kind, value in re.findall(
            r'^kasprop_package_cache_usage_bytes\{.*type="(\w+)"\} (\S+)$', output, re.MULTILINE
        )
    }
    [(total, used, available)] = re.findall(r"^\S+ +(\d+) +(\d+) +(\d+) +\d+% /packages-store$", output, re.MULTILINE)
    assert shown == {"total": float(total), "used": float(used), "available": float(available)}
    [percent] = re.findall(r"^kasprop_package_cache_usage_percent\{.*\} (\S+)$", output, re.MULTILINE)
    assert float(percent) == pytest.approx(100 * int(used) / int(total), abs=0.1)


def check_metrics_of_usage(output: str) -> None:
    """Scenario 19: the numbers of the metrics are those of the status."""
    status = {kind: float(value) for kind, value in re.findall(r'"(\w+)": ([\d.]+)', output)}
    metrics = {
        f"{kind}Bytes": float(value)
        for kind, value in re.findall(
            r'^kasprop_package_cache_usage_bytes\{app_name="broken",.*type="(\w+)"\} (\S+)$', output, re.MULTILINE
        )
    }
    percent = r'^kasprop_package_cache_usage_percent\{app_name="broken",namespace="default"\} (\S+)$'
    [metrics["usagePercent"]] = map(float, re.findall(percent, output, re.MULTILINE))
    assert metrics == {name: status[name] for name in ("totalBytes", "usedBytes", "availableBytes", "usagePercent")}


# What takes more than a pattern.
CHECKS: Mapping[int, Callable[[str], None]] = {14: check_usage, 19: check_metrics_of_usage}
