"""Settings, the policy file, the certificate files and the log: what comes from outside the process."""

import json
import logging
import ssl
import stat
import sys
import tempfile
from pathlib import Path

import pytest

from certs.authority import Decision, Material, renew
from certs.rotate import utc_now
from webhook.install_containers import Tools
from webhook.settings import Settings, read_settings
from webhook.tls import load_certificate, make_context
from wheelwarden.api.errors import UnusableInput
from wheelwarden.api.kinds import KINDS, NOTEBOOK
from wheelwarden.logs import JsonFormatter, TextFormatter, set_up_logging
from wheelwarden.rules.policy import DEFAULT
from wheelwarden.rules.policy_watcher import PolicyFile
from wheelwarden.settings import Address

NEEDED = {
    "WHEELWARDEN_NAMESPACE": "guarding",
    "WHEELWARDEN_SERVICE": "guard",
    "WHEELWARDEN_CERTIFICATE_SECRET": "guard-certificate",
    "WHEELWARDEN_WEBHOOK_CONFIGURATION": "guard",
    "WHEELWARDEN_TOOLS_IMAGE": "registry.example.com/wheelwarden:1",
}


def test_what_is_left_out_has_a_default() -> None:
    assert read_settings(NEEDED) == Settings(
        log_level="info",
        log_format="text",
        namespace="guarding",
        pod_name="",
        pod_uid="",
        kinds=KINDS,
        policy_file=None,
        kubeconfig=None,
        listen=Address(host="0.0.0.0", port=9443),
        health_listen=Address(host="0.0.0.0", port=8080),
        service="guard",
        certificate_secret="guard-certificate",
        registration="guard",
        tools=Tools(enabled=True, image="registry.example.com/wheelwarden:1", pull_policy="IfNotPresent"),
    )


def test_everything_can_be_set() -> None:
    environment = {
        **NEEDED,
        "WHEELWARDEN_LOG_LEVEL": "debug",
        "WHEELWARDEN_LOG_FORMAT": "json",
        "WHEELWARDEN_KINDS": " Notebook ,",
        "WHEELWARDEN_POD_NAME": "guard-0",
        "WHEELWARDEN_POD_UID": "u-1",
        "WHEELWARDEN_POLICY_FILE": "/etc/wheelwarden/policy.yaml",
        "WHEELWARDEN_KUBECONFIG": "/root/.kube/config",
        "WHEELWARDEN_LISTEN": "[::]:0",
        "WHEELWARDEN_HEALTH_LISTEN": "127.0.0.1:65535",
        "WHEELWARDEN_TOOLS_ENABLED": "false",
        "WHEELWARDEN_TOOLS_IMAGE": "",
        "WHEELWARDEN_TOOLS_PULL_POLICY": "Always",
    }
    assert read_settings(environment) == Settings(
        log_level="debug",
        log_format="json",
        namespace="guarding",
        pod_name="guard-0",
        pod_uid="u-1",
        kinds=(NOTEBOOK,),
        policy_file=Path("/etc/wheelwarden/policy.yaml"),
        kubeconfig=Path("/root/.kube/config"),
        listen=Address(host="::", port=0),
        health_listen=Address(host="127.0.0.1", port=65535),
        service="guard",
        certificate_secret="guard-certificate",
        registration="guard",
        tools=Tools(enabled=False, image="", pull_policy="Always"),
    )


def test_everything_that_is_wrong_is_named_at_once() -> None:
    environment = {
        "WHEELWARDEN_NAMESPACE": "guarding",
        "WHEELWARDEN_LOG_LEVEL": "loud",
        "WHEELWARDEN_KINDS": "Notebook,Deployment",
        "WHEELWARDEN_LISTEN": "9443",
        "WHEELWARDEN_HEALTH_LISTEN": "h:70000",
        "WHEELWARDEN_TOOLS_ENABLED": "yes",
    }
    with pytest.raises(UnusableInput) as caught:
        read_settings(environment)
    assert str(caught.value) == (
        'settings in the environment: WHEELWARDEN_TOOLS_ENABLED is "yes" but must be one of true, false; '
        'WHEELWARDEN_LOG_LEVEL is "loud" but must be one of debug, info, warning, error; '
        'WHEELWARDEN_KINDS: there is no kind "Deployment"; '
        'WHEELWARDEN_LISTEN is "9443" but must be HOST:PORT; '
        'WHEELWARDEN_HEALTH_LISTEN is "h:70000" but must be HOST:PORT; '
        "WHEELWARDEN_SERVICE is required; WHEELWARDEN_CERTIFICATE_SECRET is required; "
        "WHEELWARDEN_WEBHOOK_CONFIGURATION is required; WHEELWARDEN_TOOLS_IMAGE is required"
    )


def test_without_a_file_the_default_policy_is_in_force() -> None:
    policy = PolicyFile(None)
    policy.look()
    assert policy.current() == DEFAULT


def test_a_policy_file_that_is_missing_or_wrong_is_no_start(tmp_path: Path) -> None:
    with pytest.raises(UnusableInput, match="it cannot be read"):
        PolicyFile(tmp_path / "policy.yaml")
    (tmp_path / "policy.yaml").write_text("maxPakages: 7\n")
    with pytest.raises(UnusableInput, match="maxPakages"):
        PolicyFile(tmp_path / "policy.yaml")


def test_a_changed_policy_file_is_in_force_and_a_wrong_one_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # As kubelet does it: the file is a link into a folder that is swapped.
    path = tmp_path / "policy.yaml"

    def write(name: str, text: str) -> None:
        (tmp_path / name).write_text(text)
        (tmp_path / "new").symlink_to(tmp_path / name)
        (tmp_path / "new").replace(path)

    write("one", "maxPackages: 7\n")
    policy = PolicyFile(path)
    assert policy.current().max_packages == 7
    assert policy.look() is None
    write("two", "maxPackages: 8\n")
    assert policy.look() == ""
    assert policy.current().max_packages == 8
    write("three", "maxPackages: many\n")
    assert policy.look() == f"policy file {path}: maxPackages: it must be a whole number"
    path.unlink()
    assert policy.look() == f"policy file {path}: it cannot be read: No such file or directory"
    assert policy.current().max_packages == 8
    assert caplog.text.count("the policy before it stays in force") == 2


def material() -> Material:
    return renew(Material(), Decision.RENEW_CA, ["guard"], utc_now())


def test_a_key_touches_the_disk_only_in_a_private_file_that_is_gone_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = []

    class Context(ssl.SSLContext):
        def load_cert_chain(self, certfile: object, *rest: object, **more: object) -> None:
            seen.append(stat.S_IMODE(Path(str(certfile)).stat().st_mode))

    made = material()
    load_certificate(Context(ssl.PROTOCOL_TLS_SERVER), made.certificate, made.key)
    assert seen == [0o600]
    assert list(tmp_path.iterdir()) == []


def test_a_pair_that_does_not_fit_leaves_no_file_and_the_context_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    context = make_context()
    with pytest.raises(ssl.SSLError):
        load_certificate(context, material().certificate, material().key)
    assert list(tmp_path.iterdir()) == []
    assert context.cert_store_stats() == make_context().cert_store_stats()


def record(message: str, *, fault: bool = False) -> logging.LogRecord:
    exc_info = None
    if fault:
        try:
            int("https://me:secret@index.example.com")
        except ValueError:
            exc_info = sys.exc_info()
    made = logging.LogRecord("webhook.app", logging.INFO, __file__, 1, message, ("name\nERROR forged",), exc_info)
    made.created = 1769855400.0
    return made


def test_a_line_of_text_cannot_be_forged_and_shows_no_password() -> None:
    assert TextFormatter().format(record("https://u:p@h.example.com of %s")) == (
        "2026-01-31T10:30:00Z INFO    webhook.app: https://***@h.example.com of name\\x0aERROR forged"
    )
    text = TextFormatter().format(record("%s", fault=True))
    assert "https://***@index.example.com" in text
    assert "secret" not in text


def test_a_line_of_json_holds_all_of_a_record() -> None:
    fields = json.loads(JsonFormatter().format(record("of %s", fault=True)))
    assert fields.pop("exception").endswith("'https://***@index.example.com'")
    assert fields == {
        "time": "2026-01-31T10:30:00Z",
        "level": "info",
        "logger": "webhook.app",
        "message": "of name\nERROR forged",
    }


def test_the_client_library_may_not_log_answers(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    try:
        set_up_logging("debug", "json")
        logging.getLogger("kubernetes_asyncio.client.rest").debug("response body: secret")
        logging.getLogger("webhook").debug("seen")
    finally:
        root.handlers[:] = before[1]
        root.setLevel(before[0])
    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == ["seen"]
