"""The manifests: valid for Kubernetes, and each thing that one of them names is there. That a cluster runs them is not tested here."""

import shutil
import subprocess
from collections import defaultdict

import kubernetes_validate
import pytest
import yaml

from repository import DEPLOY, is_setting, names_of_the_gateway

BASE = DEPLOY / "k8s" / "base"
OVERLAY = DEPLOY / "k8s" / "overlays" / "production"
VERSION = "1.33"


def documents_of(directory) -> list[dict]:
    """All documents that the kustomization of a directory names, those of its base first."""
    kustomization = yaml.safe_load((directory / "kustomization.yaml").read_text())
    found = []
    for resource in kustomization["resources"]:
        path = (directory / resource).resolve()
        found += documents_of(path) if path.is_dir() else yaml.safe_load_all(path.read_text())
    return found


@pytest.fixture(scope="module")
def documents():
    return documents_of(OVERLAY)


@pytest.fixture(scope="module")
def by_kind(documents):
    kinds = defaultdict(dict)
    for document in documents:
        name = document["metadata"]["name"]
        assert name not in kinds[document["kind"]], f"two of {document['kind']} {name}"
        kinds[document["kind"]][name] = document
    return kinds


@pytest.fixture(scope="module")
def pods(by_kind):
    return {name: deployment["spec"]["template"] for name, deployment in by_kind["Deployment"].items()}


def container(pod: dict) -> dict:
    (only,) = pod["spec"]["containers"]
    return only


def selected(selector: dict, pods: dict) -> set[str]:
    """Names of the deployments whose pods a selector means."""

    def means(labels: dict) -> bool:
        equal = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
        listed = all(
            rule["operator"] == "In" and labels.get(rule["key"]) in rule["values"]
            for rule in selector.get("matchExpressions", [])
        )
        return equal and listed

    return {name for name, pod in pods.items() if means(pod["metadata"]["labels"])}


def test_every_file_is_used():
    for directory in (BASE, OVERLAY):
        named = yaml.safe_load((directory / "kustomization.yaml").read_text())["resources"]
        assert {path.name for path in directory.glob("*.yaml")} - {"kustomization.yaml"} == set(named) - {"../../base"}


def test_kubernetes_knows_every_field(documents):
    for document in documents:
        kubernetes_validate.validate(document, VERSION, strict=True)


def test_every_variable_is_a_setting_and_its_source_is_there(by_kind, pods):
    for name, pod in pods.items():
        for variable in container(pod).get("env", []):
            assert is_setting(variable["name"]), (name, variable)
            for reference, kind, data in (
                ("configMapKeyRef", "ConfigMap", "data"),
                ("secretKeyRef", "Secret", "stringData"),
            ):
                if source := variable.get("valueFrom", {}).get(reference):
                    assert source["key"] in by_kind[kind][source["name"]][data], (name, variable)
        for source in container(pod).get("envFrom", []):
            assert set(by_kind["ConfigMap"][source["configMapRef"]["name"]]["data"]) == names_of_the_gateway()


def test_callers_are_verified(pods):
    for name in set(pods) - {"gateway"}:
        variables = {variable["name"]: variable for variable in container(pods[name])["env"]}
        assert variables["BENNU_ENABLE_AUTH"]["value"] == "true"
        assert ("BENNU_SECRET" in variables) == (name == "auth") and ("BENNU_AUTH_URL" in variables) != (name == "auth")


def test_selectors_mean_their_own_pods(by_kind, pods):
    for name, deployment in by_kind["Deployment"].items():
        assert selected(deployment["spec"]["selector"], pods) == {name}
        (spread,) = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert selected(spread["labelSelector"], pods) == {name}
    for name, budget in by_kind["PodDisruptionBudget"].items():
        assert selected(budget["spec"]["selector"], pods) == {name}
    assert set(by_kind["PodDisruptionBudget"]) == set(pods)
    for name, scaler in by_kind["HorizontalPodAutoscaler"].items():
        target = scaler["spec"]["scaleTargetRef"]
        assert target == {"apiVersion": "apps/v1", "kind": "Deployment", "name": name} and name in pods
        # Both would take turns in setting it.
        assert "replicas" not in by_kind["Deployment"][name]["spec"]
    for policy in by_kind["NetworkPolicy"].values():
        assert selected(policy["spec"]["podSelector"], pods), policy["metadata"]["name"]


def test_ports_and_probes_lead_somewhere(by_kind, pods):
    ports = {name: {port["name"]: port["containerPort"] for port in container(pod)["ports"]} for name, pod in pods.items()}
    for name, service in by_kind["Service"].items():
        assert selected({"matchLabels": service["spec"]["selector"]}, pods) == {name}
        assert all(port["targetPort"] in ports[name] for port in service["spec"]["ports"])
    for name, pod in pods.items():
        for probe in ("livenessProbe", "readinessProbe"):
            ((port, path),) = [
                (way["port"], way.get("path"))
                for kind, way in container(pod)[probe].items()
                if kind in ("httpGet", "tcpSocket")
            ]
            assert port in ports[name] and path in (None, "/healthz", "/readyz")


def test_the_gateway_finds_the_services(by_kind):
    data = by_kind["ConfigMap"]["gateway"]["data"]
    for variable in names_of_the_gateway() - {"BENNU_GATEWAY_HTTP", "BENNU_GATEWAY_GRPC"}:
        name, port = data[variable].split(":")
        assert int(port) in [open_port["port"] for open_port in by_kind["Service"][name]["spec"]["ports"]]


def test_what_the_gateway_may_reach_lets_it_in(by_kind, pods):
    policies = {name: policy["spec"] for name, policy in by_kind["NetworkPolicy"].items()}
    assert selected(policies["nobody"]["podSelector"], pods) == set(pods)
    behind = selected(policies["gateway-to-services"]["podSelector"], pods)
    (reached,) = policies["clients-to-gateway"]["egress"]
    assert selected(reached["to"][0]["podSelector"], pods) == behind == {"receiver", "query", "auth"}
    (source,) = policies["gateway-to-services"]["ingress"]
    assert selected(source["from"][0]["podSelector"], pods) == {"gateway"}
    asking = selected(policies["services-to-auth"]["podSelector"], pods)
    assert asking == set(pods) - {"gateway", "auth"}
    assert selected(policies["services-to-auth"]["egress"][0]["to"][0]["podSelector"], pods) == {"auth"}
    assert selected(policies["auth-for-services"]["podSelector"], pods) == {"auth"}
    (asked,) = policies["auth-for-services"]["ingress"]
    assert selected(asked["from"][0]["podSelector"], pods) == asking
    assert selected(policies["services-to-servers"]["podSelector"], pods) == set(pods) - {"gateway"}


def test_pods_have_no_rights(pods):
    for name, pod in pods.items():
        spec, inside = pod["spec"], container(pod)
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["seccompProfile"], name
        assert spec["automountServiceAccountToken"] is False and spec["enableServiceLinks"] is False, name
        assert inside["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert {"cpu", "memory"} <= set(inside["resources"]["requests"]) and "memory" in inside["resources"]["limits"], name
        volumes = {volume["name"] for volume in spec["volumes"]}
        assert {mount["name"] for mount in inside["volumeMounts"]} == volumes, name
        # The pause before the end, and the time to finish.
        assert spec["terminationGracePeriodSeconds"] > 5 + 5, name


def test_the_overlay_changes_what_is_there(by_kind, pods):
    overlay = yaml.safe_load((OVERLAY / "kustomization.yaml").read_text())
    assert {image["name"] for image in overlay["images"]} == {container(pod)["image"] for pod in pods.values()}
    for patch in overlay["patches"]:
        document = by_kind[patch["target"]["kind"]][patch["target"]["name"]]
        for change in yaml.safe_load(patch["patch"]):
            place = document
            for step in change["path"].strip("/").split("/"):
                place = place[step]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="Debian has no kubectl that is new enough")
def test_kustomize_makes_the_same_of_it(documents):
    done = subprocess.run(["kubectl", "kustomize", OVERLAY], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rendered = list(yaml.safe_load_all(done.stdout))
    named = lambda found: sorted((document["kind"], document["metadata"]["name"]) for document in found)
    assert named(rendered) == named(documents)
    for document in rendered:
        kubernetes_validate.validate(document, VERSION, strict=True)
        if document["kind"] == "Deployment":
            (inside,) = document["spec"]["template"]["spec"]["containers"]
            assert inside["image"].startswith("registry.example.com/bennu")
