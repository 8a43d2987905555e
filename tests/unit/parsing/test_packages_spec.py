"""Plain data into the model."""

from wheelwarden.api.types import Bucket, Cache, InstallPolicy, PackagesSpec, Resources, SecretRef
from wheelwarden.api.violations import Action, Violation
from wheelwarden.parsing.packages_spec import Reading, read_annotation, read_packages


def test_every_field_is_read() -> None:
    data = {
        "packages": ["requests==2.31.0", "numpy"],
        "indexUrl": "https://packages.example.com/simple",
        "extraIndexUrls": ["https://mirror.example.com/simple"],
        "trustedHosts": ["mirror.example.com"],
        "credentials": {"secretRef": {"name": "packages", "usernameKey": "user", "passwordKey": "pass"}},
        "cache": {
            "type": "gcs",
            "enabled": False,
            "storageClass": "fast",
            "size": 1073741824,
            "accessMode": "ReadWriteOnce",
            "deleteClaim": False,
            "gcs": {"bucket": "b", "prefix": "p/", "maxArchiveSize": "2Gi", "secretRef": {"name": "s", "key": "k"}},
        },
        "installPolicy": {"retries": 5, "timeout": 900.0, "onFailure": "allow"},
        "resources": {"requests": {"cpu": 0.5}, "limits": {"memory": "1Gi", "cpu": 1}},
    }
    assert read_packages(data, "spec.pythonPackages") == Reading(
        spec=PackagesSpec(
            packages=("requests==2.31.0", "numpy"),
            index_url="https://packages.example.com/simple",
            extra_index_urls=("https://mirror.example.com/simple",),
            trusted_hosts=("mirror.example.com",),
            credentials=SecretRef(name="packages", username_key="user", password_key="pass"),
            cache=Cache(
                type="gcs",
                enabled=False,
                storage_class="fast",
                size="1073741824",
                access_mode="ReadWriteOnce",
                delete_claim=False,
                gcs=Bucket(bucket="b", prefix="p/", max_archive_size="2Gi", secret_name="s", secret_key="k"),
            ),
            install_policy=InstallPolicy(retries=5, timeout=900, on_failure="allow"),
            resources=Resources(requests={"cpu": "0.5"}, limits={"memory": "1Gi", "cpu": "1"}),
        )
    )


def test_what_is_left_out_has_the_defaults_of_the_seeds() -> None:
    assert read_packages({"packages": ["requests"], "cache": {}, "installPolicy": {}}, "p").spec == PackagesSpec(
        packages=("requests",),
        cache=Cache(
            type="pvc", enabled=True, storage_class=None, size="256Mi", access_mode="ReadWriteMany", delete_claim=True
        ),
        install_policy=InstallPolicy(retries=3, timeout=600, on_failure="block"),
    )


def test_what_has_the_wrong_shape_is_left_out_and_said() -> None:
    reading = read_packages({"packages": ["requests", 1], "cach": {"size": "1Gi"}}, "p")
    assert reading == Reading(
        spec=PackagesSpec(packages=("requests",)),
        violations=(
            Violation(
                rule="shape-unknown-field",
                action=Action.DENY,
                path="p.cach",
                value=None,
                reason="there is no such field",
                remedy='Did you mean "cache"?',
            ),
            Violation(
                rule="shape-type",
                action=Action.DENY,
                path="p.packages[1]",
                value="1",
                reason="it is a number, not a string",
                remedy="Write it in quotes",
            ),
        ),
        positions={"packages": [0]},
    )


def test_the_remedy_for_a_colon_with_a_space_says_so() -> None:
    (violation,) = read_packages({"packages": [{"mine @ https": "//files.example.com"}]}, "p").violations
    assert violation.remedy == 'Write it in quotes, or leave no space after ":"'


def test_yaml_and_json_of_the_same_annotation_mean_the_same() -> None:
    yaml_reading = read_annotation("packages:\n- requests\ncache:\n  enabled: no\n", "a")
    assert yaml_reading == read_annotation('{"packages": ["requests"], "cache": {"enabled": false}}', "a")
    assert yaml_reading == Reading(spec=PackagesSpec(packages=("requests",), cache=Cache(enabled=False)))


def test_an_annotation_larger_than_kubernetes_keeps_is_not_read() -> None:
    (violation,) = read_annotation("#" * (256 * 1024 + 1), "a").violations
    assert violation.rule == "shape-syntax"
    assert "262145 characters" in violation.reason
