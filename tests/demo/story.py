"""The story itself: four acts, each checked. A step that did not happen raises StepError."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from tests.demo.narrator import Narrator, StepError
from tests.messages import read_message

MANIFESTS = Path(__file__).parent / "manifests"
PACKAGES_INSTALLED = "wheelwarden.dev/PackagesInstalled"
IMPORTS_VERIFIED = "wheelwarden.dev/ImportsVerified"
REASONS = ("Installed", "RestartRequired", "ImportFailed", "ImportsSucceeded", "PodReplaced")

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where the story plays: what the manifests name."""

    image: str
    index_url: str
    index_host: str

    def manifest(self, name: str, **more: str) -> str:
        values = {
            "IMAGE": self.image,
            "INDEX_URL": self.index_url,
            "INDEX_HOST": self.index_host,
        }
        return Template((MANIFESTS / f"{name}.yaml").read_text()).substitute(values | more)


def tell(narrator: Narrator, setting: Setting) -> None:
    refuse_a_bad_spec(narrator, setting)
    share_one_installation(narrator, setting)
    report_a_failing_import(narrator, setting)
    heal_after_a_mend(narrator, setting)


def refuse_a_bad_spec(narrator: Narrator, setting: Setting) -> None:
    narrator.heading("1. A bad spec is refused at the door")
    narrator.say(
        "A Notebook asks for packages with a typing slip, a shell command, a password in a URL and "
        "an impossible Secret "
        "name. Without Wheelwarden each would be found when a pod crashes, one after the other."
    )
    output = narrator.run("apply", "-f", "-", stdin=setting.manifest("refused"), fails=True)
    for expected in ("denied the request", "packages[0]", "packages[1]", "indexUrl", "secretRef.name"):
        if expected not in output:
            raise StepError(f"the refusal does not speak of {expected}:\n{output}")
    if "s3cret" in output:
        raise StepError(f"the refusal shows the password:\n{output}")
    if narrator.run("get", "notebook", "refused", "--ignore-not-found", show=False).strip():
        raise StepError("the refused Notebook exists all the same")
    narrator.happened("refused, every fault at once, by the API server itself; nothing was created")


def share_one_installation(narrator: Narrator, setting: Setting) -> None:
    narrator.heading("2. Three replicas, one installation")
    narrator.say("A KasprApp with three replicas asks for two packages on a volume that its pods share.")
    narrator.run("apply", "-f", "-", stdin=setting.manifest("orders"))
    results = narrator.wait("three pods start, each with its installer's result", lambda: _results(narrator, 3))
    for pod, result in sorted(results.items()):
        narrator.say(
            f"  {pod}: {result['outcome']} {', '.join(result['installed'])} in {result['durationSeconds']:.1f} s"
            + (f", made by {result['installedBy']}" if result["outcome"] == "reused" else "")
            + (f"; the image has {', '.join(result['provided'])} already" if result["provided"] else "")
        )
    outcomes = sorted(result["outcome"] for result in results.values())
    if _shares_a_volume(narrator):
        if outcomes != ["installed", "reused", "reused"]:
            raise StepError(f"wanted one pod to install and two to reuse, got {outcomes}")
        narrator.happened("one pod installed, two reused its work")
    else:
        narrator.happened("no volume here can be shared (ReadWriteMany), so each pod installed for itself")
    narrator.wait(
        "the imports are proven in each pod",
        lambda: _condition(narrator, "kasprapp", "orders", IMPORTS_VERIFIED, "True"),
    )
    code = "import twoface_import; print(twoface_import.__file__)"
    used = narrator.run("exec", "orders-app-0", "-c", "kaspr", "--", "python3", "-c", code)
    if "/packages/site-packages/twoface_import" not in used:
        raise StepError(f"ww-twoface came from somewhere else than the shared packages: {used}")
    _describe(narrator, "kasprapp", "orders")
    narrator.happened("every import works in all three pods, and describe says so")


def report_a_failing_import(narrator: Narrator, setting: Setting) -> None:
    narrator.heading("3. An import that fails, said where people look")
    narrator.say(
        "A Notebook asks for ww-broken 1.0. It installs without a murmur, and raises when "
        "imported: the kind of fault that "
        "is otherwise met in the middle of somebody's work."
    )
    narrator.run("apply", "-f", "-", stdin=setting.manifest("analysis", VERSION="1.0"))
    condition = narrator.wait(
        "the pod is ready and its imports were tried",
        lambda: _condition(narrator, "notebook", "analysis", IMPORTS_VERIFIED, "False"),
    )
    _describe(narrator, "notebook", "analysis")
    if condition["reason"] != "ImportFailed" or "ww_broken" not in condition["message"]:
        raise StepError(f"wanted reason ImportFailed naming ww_broken, got {condition}")
    narrator.happened(f"{condition['reason']}: the module, the cause and what to do")


def heal_after_a_mend(narrator: Narrator, setting: Setting) -> None:
    narrator.heading("4. Mended")
    narrator.say("Version 1.1 is mended. Nobody's kernel is killed for it: Wheelwarden says that a restart is due.")
    narrator.run("apply", "-f", "-", stdin=setting.manifest("analysis", VERSION="1.1"))
    condition = narrator.wait(
        "the Notebook says that a restart is due",
        lambda: _condition(narrator, "notebook", "analysis", PACKAGES_INSTALLED, "False", reason="RestartRequired"),
    )
    narrator.show(condition["message"])
    narrator.run("delete", "pod", "analysis-0", "--wait=true")
    narrator.wait(
        "the new pod has the new version and its imports work",
        lambda: _condition(narrator, "notebook", "analysis", IMPORTS_VERIFIED, "True"),
    )
    narrator.wait(
        "the packages are reported as installed",
        lambda: _condition(narrator, "notebook", "analysis", PACKAGES_INSTALLED, "True"),
    )
    _describe(narrator, "notebook", "analysis")
    narrator.happened("healed")


def _get(narrator: Narrator, *words: str) -> Object:
    found: Object = json.loads(narrator.run("get", *words, "-o", "json", show=False))
    return found


def _condition(
    narrator: Narrator, kind: str, name: str, wanted: str, status: str, *, reason: str | None = None
) -> Mapping[str, str] | None:
    conditions = (_get(narrator, kind, name).get("status") or {}).get("conditions") or []
    for condition in conditions:
        if condition["type"] == wanted and condition["status"] == status and reason in (None, condition["reason"]):
            found: Mapping[str, str] = condition
            return found
    return None


def _results(narrator: Narrator, count: int) -> dict[str, Object] | None:
    pods = _get(narrator, "pods", "-l", "kaspr.io/app=orders")["items"]
    results = {}
    for pod in pods:
        for status in (pod.get("status") or {}).get("initContainerStatuses") or []:
            terminated = (status.get("state") or {}).get("terminated") or {}
            if status["name"] == "install-packages" and terminated.get("exitCode") == 0:
                results[pod["metadata"]["name"]] = read_message(terminated["message"])
    return results if len(results) == count else None


def _shares_a_volume(narrator: Narrator) -> bool:
    """Whether the claim of the pods is bound; few small clusters have volumes that several pods can write."""
    claim = _get(narrator, "pvc", "orders-app-python-packages")
    return bool((claim.get("status") or {}).get("phase") == "Bound")


def _describe(narrator: Narrator, kind: str, name: str) -> None:
    """Shows what `kubectl describe` says of Wheelwarden's doings; the other conditions and events are left out."""
    output = narrator.run("describe", kind, name, show=False)
    narrator.command("describe", kind, name, note="shortened to what Wheelwarden says")
    told = [*_our_conditions(output), *_our_events(output)]
    if not told:
        raise StepError(f"describe says nothing of Wheelwarden:\n{output}")
    narrator.show("\n".join(told))


def _our_conditions(described: str) -> list[str]:
    """The blocks under `Conditions:` whose type is ours, and `Python Packages:` where there is one."""
    status = described[described.index("\nStatus:") : described.rindex("\nEvents:")]
    blocks: list[list[str]] = [[]]
    for line in status.splitlines():
        starts_anew = line.strip().startswith(("Last Probe Time:", "Container State:", "Python Packages:"))
        if starts_anew or (line.strip().startswith("Last Transition Time:") and "Type:" in "".join(blocks[-1])):
            blocks.append([])
        blocks[-1].append(line)
    shown = [block for block in blocks if "wheelwarden.dev/" in "".join(block) or "Python Packages:" in block[0]]
    return ["Status:", *(line for block in shown for line in block)]


def _our_events(described: str) -> list[str]:
    lines = described[described.rindex("\nEvents:") :].strip().splitlines()
    ours = [line for line in lines if any(f" {reason} " in line for reason in REASONS)]
    return [*lines[:3], *ours]
