"""The Knative manifests, rendered by kustomize and checked against models of Knative's own resources."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from typer.main import get_command

from fitloom_endpoint.cli import app
from fitloom_endpoint.cloudevents import TASK_TYPE
from fitloom_endpoint.http import create_app
from fitloom_endpoint.settings import Settings
from knative_models import Service, Trigger

FOLDERS = ["knative/base", "knative/overlays/eventing"]


def service_of(documents):
    return Service.model_validate(next(document for document in documents if document["kind"] == "Service"))


def options_of(container):
    name, *arguments = container.args
    return get_command(app).commands[name].make_context(name, list(arguments)).params


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_service_is_one_that_knative_takes(render, folder):
    service = service_of(render(folder))
    assert service.spec.template.spec.containers[0].image.startswith("registry.example.org/fitloom-endpoint:")


def test_the_model_would_notice_a_mistake(render):
    (document,) = render("knative/base")
    document["spec"]["template"]["spec"]["timeoutSecond"] = 600
    with pytest.raises(ValidationError):
        Service.model_validate(document)


def test_it_scales_to_zero(render):
    assert service_of(render("knative/base")).spec.template.metadata.annotations.min_scale == "0"


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_endpoint_gives_up_a_batch_before_knative_gives_up_the_request(render, folder):
    revision = service_of(render(folder)).spec.template.spec
    options = options_of(revision.containers[0])
    assert options["time_limit"] < revision.timeoutSeconds
    assert options["drain"] < revision.timeoutSeconds


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_more_requests_come_at_once_than_the_endpoint_has_places(render, folder):
    revision = service_of(render(folder)).spec.template.spec
    container = revision.containers[0]
    workers = next(int(entry.value) for entry in container.env if entry.name == "FITLOOM_WORKERS")
    assert revision.containerConcurrency == workers + options_of(container)["queue"]
    assert service_of(render(folder)).spec.template.metadata.annotations.target == str(workers)


@pytest.mark.parametrize("folder", FOLDERS)
def test_probes_ask_routes_that_the_endpoint_has(render, folder):
    container = service_of(render(folder)).spec.template.spec.containers[0]
    routes = create_app(Settings()).openapi()["paths"]
    assert {container.readinessProbe.httpGet.path, container.livenessProbe.httpGet.path} <= set(routes)


def test_without_a_token_it_can_be_reached_from_inside_the_cluster_only(render):
    service = service_of(render("knative/overlays/eventing"))
    container = service.spec.template.spec.containers[0]
    assert options_of(container)["insecure"]
    assert "FITLOOM_TOKEN" not in {entry.name for entry in container.env}
    assert service.metadata.labels == {"networking.knative.dev/visibility": "cluster-local"}


def test_with_a_token_nothing_says_insecure(render):
    container = service_of(render("knative/base")).spec.template.spec.containers[0]
    assert not options_of(container)["insecure"]
    assert "FITLOOM_TOKEN" in {entry.name for entry in container.env}


def test_the_trigger_subscribes_the_service_to_the_events_it_understands(render):
    documents = render("knative/overlays/eventing")
    trigger = Trigger.model_validate(next(document for document in documents if document["kind"] == "Trigger"))
    assert trigger.spec.filter == {"attributes": {"type": TASK_TYPE}}
    assert trigger.spec.subscriber["ref"].name == service_of(documents).metadata.name
