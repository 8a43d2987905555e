"""Check the certificates of the Wheelwarden webhook, renew them if they are due, and print what was done. Prints no key.

In the webhook's container all options come from the environment; elsewhere the defaults are those of the chart.
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
    """Run the command and return its exit code."""
    arguments = _parser().parse_args()
    set_up_logging("warning", "text")
    try:
        ensured = asyncio.run(_ensure(arguments))
    except WheelwardenError as error:
        print(f"wheelwarden-certs: {error}", file=sys.stderr)  # noqa: T201 - the output of a command
        return 1
    print("\n".join(describe(ensured)))  # noqa: T201 - the output of a command
    return 0


def describe(ensured: Ensured) -> list[str]:
    """The report for people, line by line."""
    lines = [
        f"done: {ensured.decision} ({ensured.reason})",
        f"certificate valid until {expiry(ensured.material):%Y-%m-%d %H:%M} UTC",
        f"CA valid until {authority_expiry(ensured.material):%Y-%m-%d %H:%M} UTC",
    ]
    lines += [f"caBundle filled in: {kind}" for kind in ensured.patched]
    lines += [f"not found: {kind}" for kind in ensured.missing]
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wheelwarden-certs", description=(__doc__ or "").split("\n\n")[0])
    for option, variable, default, meaning in (
        ("--namespace", "WHEELWARDEN_NAMESPACE", "wheelwarden-system", "namespace of the Secret and the Service"),
        ("--service", "WHEELWARDEN_SERVICE", "wheelwarden", "name of the Service that the certificate is for"),
        ("--secret", "WHEELWARDEN_CERTIFICATE_SECRET", "wheelwarden-certificate", "name of the Secret"),
        ("--registration", "WHEELWARDEN_WEBHOOK_CONFIGURATION", "wheelwarden", "name of both webhook configurations"),
    ):
        parser.add_argument(
            option,
            default=os.environ.get(variable, default),
            help=f"{meaning} (environment: {variable}; default: %(default)s)",
        )
    kubeconfig = os.environ.get("WHEELWARDEN_KUBECONFIG")
    parser.add_argument(
        "--kubeconfig",
        type=Path,
        default=Path(kubeconfig) if kubeconfig else None,
        help="kubeconfig file (environment: WHEELWARDEN_KUBECONFIG; default: the pod's service account, $KUBECONFIG or "
        "~/.kube/config)",
    )
    return parser


async def _ensure(arguments: argparse.Namespace) -> Ensured:
    place = Place(namespace=arguments.namespace, secret=arguments.secret, registration=arguments.registration)
    hosts = service_hosts(arguments.service, arguments.namespace)
    async with await Cluster.connect(kubeconfig=arguments.kubeconfig, field_manager="wheelwarden-certs") as cluster:
        return await CertificateStore(cluster, place, hosts, utc_now).ensure()


if __name__ == "__main__":
    sys.exit(main())
