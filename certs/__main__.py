"""`wheelwarden-certs`: looks after the certificates once, by hand, and says what it did. Prints no key.

In the webhook's container everything is known from its environment; elsewhere the defaults are those of the chart.
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from certs.authority import authority_expiry, expiry, service_hosts
from certs.rotate import utc_now
from certs.store import CertificateStore, Ensured, Place
from wheelwarden.api.errors import WheelwardenError
from wheelwarden.kube import Cluster
from wheelwarden.logs import set_up_logging


def main() -> int:
    """Runs the command; returns its exit code."""
    arguments = _parser().parse_args()
    set_up_logging("warning", "text")
    try:
        ensured = asyncio.run(_ensure(arguments))
    except WheelwardenError as error:
        print(f"wheelwarden-certs: {error}", file=sys.stderr)  # noqa: T201 - a command speaks
        return 1
    print("\n".join(describe(ensured)))  # noqa: T201 - a command speaks
    return 0


def describe(ensured: Ensured) -> list[str]:
    """What was done, for people, one line each."""
    lines = [
        f"done: {ensured.decision} ({ensured.reason})",
        f"certificate valid until {expiry(ensured.material):%Y-%m-%d %H:%M} UTC",
        f"authority valid until {authority_expiry(ensured.material):%Y-%m-%d %H:%M} UTC",
    ]
    lines += [f"caBundle filled in: {kind}" for kind in ensured.patched]
    lines += [f"not there: {kind}" for kind in ensured.missing]
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wheelwarden-certs", description=(__doc__ or "").split("\n\n")[0])
    for option, variable, default, meaning in (
        ("--namespace", "WHEELWARDEN_NAMESPACE", "wheelwarden-system", "where the Secret and the Service are"),
        ("--service", "WHEELWARDEN_SERVICE", "wheelwarden", "the Service that the certificate is for"),
        ("--secret", "WHEELWARDEN_CERTIFICATE_SECRET", "wheelwarden-certificate", "the Secret"),
        ("--registration", "WHEELWARDEN_WEBHOOK_CONFIGURATION", "wheelwarden", "name of both webhook configurations"),
    ):
        parser.add_argument(
            option, default=os.environ.get(variable, default), help=f"{meaning} (${variable}; now: %(default)s)"
        )
    kubeconfig = os.environ.get("WHEELWARDEN_KUBECONFIG")
    parser.add_argument(
        "--kubeconfig",
        type=Path,
        default=Path(kubeconfig) if kubeconfig else None,
        help="($WHEELWARDEN_KUBECONFIG; else the pod's service account, $KUBECONFIG or ~/.kube/config)",
    )
    return parser


async def _ensure(arguments: argparse.Namespace) -> Ensured:
    place = Place(namespace=arguments.namespace, secret=arguments.secret, registration=arguments.registration)
    hosts = service_hosts(arguments.service, arguments.namespace)
    async with await Cluster.connect(kubeconfig=arguments.kubeconfig, field_manager="wheelwarden-certs") as cluster:
        return await CertificateStore(cluster, place, hosts, utc_now).ensure()


if __name__ == "__main__":
    sys.exit(main())
