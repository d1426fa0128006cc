"""The Kubernetes manifests, rendered by kustomize and checked against the schemas of Kubernetes itself."""

from __future__ import annotations

import kubernetes_validate
import pytest
from typer.main import get_command

from fitloom_endpoint.cli import app
from fitloom_endpoint.http import create_app
from fitloom_endpoint.settings import Settings

OVERLAYS = ["kubernetes/overlays/cpu", "kubernetes/overlays/gpu"]


def of_kind(documents, kind):
    return next(document for document in documents if document["kind"] == kind)


def endpoint_container(documents):
    (container,) = of_kind(documents, "Deployment")["spec"]["template"]["spec"]["containers"]
    return container


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_document_is_what_kubernetes_expects(render, overlay):
    for document in render(overlay):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_the_schema_check_would_notice_a_mistake(render):
    deployment = of_kind(render("kubernetes/overlays/gpu"), "Deployment")
    deployment["spec"]["replicas"] = "two"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_runs_with_as_few_rights_as_can_be(render, overlay):
    pod = of_kind(render(overlay), "Deployment")["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_token_comes_from_a_secret_and_stands_in_no_manifest(render, overlay):
    documents = render(overlay)
    token = next(entry for entry in endpoint_container(documents)["env"] if entry["name"] == "FITLOOM_TOKEN")
    assert token["valueFrom"]["secretKeyRef"] == {"name": "fitloom-token", "key": "token"}
    assert not any(document["kind"] == "Secret" for document in documents)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_probes_ask_routes_that_the_endpoint_has(render, overlay):
    container = endpoint_container(render(overlay))
    routes = create_app(Settings()).openapi()["paths"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] in routes
        assert container[probe]["httpGet"]["port"] == container["ports"][0]["name"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_container_is_started_with_options_that_exist(render, overlay):
    container = endpoint_container(render(overlay))
    name, *arguments = container["args"]
    command = get_command(app).commands[name]
    command.make_parser(command.make_context(name, [])).parse_args(list(arguments))
    known = {variable for option in command.params for variable in [option.envvar] if variable}
    assert {entry["name"] for entry in container["env"]} <= known


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_is_given_time_to_finish_its_tasks(render, overlay):
    pod = of_kind(render(overlay), "Deployment")["spec"]["template"]["spec"]
    before = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > before + Settings().drain_seconds


def test_every_selector_finds_the_pods(render):
    documents = render("kubernetes/overlays/cpu")
    labels = of_kind(documents, "Deployment")["spec"]["template"]["metadata"]["labels"].items()
    selectors = [
        of_kind(documents, "Service")["spec"]["selector"],
        of_kind(documents, "Deployment")["spec"]["selector"]["matchLabels"],
        of_kind(documents, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        of_kind(documents, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ]
    assert all(selector.items() <= labels for selector in selectors)


def test_the_autoscaler_and_the_deployment_do_not_both_set_the_number_of_pods(render):
    documents = render("kubernetes/overlays/cpu")
    assert of_kind(documents, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == "fitloom-endpoint"
    assert "replicas" not in of_kind(documents, "Deployment")["spec"]


def test_the_gpu_overlay_asks_for_a_gpu_and_gives_it_one_worker(render):
    container = endpoint_container(render("kubernetes/overlays/gpu"))
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert {"name": "FITLOOM_WORKERS", "value": "1"} in container["env"]
    assert container["image"].endswith("-gpu")
