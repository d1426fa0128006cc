"""The parts of Knative's resources that ours use, as strict models: what kubernetes-validate does not know.

After the CustomResourceDefinitions of serving.knative.dev/v1 and eventing.knative.dev/v1.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
Duration = Annotated[str, Field(pattern=r"^(\d+h)?(\d+m)?(\d+s)?$", min_length=2)]
Iso8601 = Annotated[str, Field(pattern=r"^PT(\d+H)?(\d+M)?(\d+S)?$")]
Count = Annotated[str, Field(pattern=r"^\d+$")]


class Strict(BaseModel):
    """Nothing but the fields that are named."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Metadata(Strict):
    """A resource's name and labels."""

    name: Name
    labels: dict[str, str] = {}


class Autoscaling(Strict):
    """The annotations of the autoscaler."""

    min_scale: Annotated[Count, Field(alias="autoscaling.knative.dev/min-scale")]
    max_scale: Annotated[Count, Field(alias="autoscaling.knative.dev/max-scale")]
    metric: Annotated[Literal["concurrency", "rps"], Field(alias="autoscaling.knative.dev/metric")]
    target: Annotated[Count, Field(alias="autoscaling.knative.dev/target")]
    utilization: Annotated[Count, Field(alias="autoscaling.knative.dev/target-utilization-percentage")]
    scale_down_delay: Annotated[Duration, Field(alias="autoscaling.knative.dev/scale-down-delay")]
    retention: Annotated[Duration, Field(alias="autoscaling.knative.dev/scale-to-zero-pod-retention-period")]


class SecretKey(Strict):
    """A key of a secret."""

    name: Name
    key: str


class Source(Strict):
    """Where a variable comes from; Knative allows secrets and config maps, and no field references by default."""

    secretKeyRef: SecretKey


class Variable(Strict):
    """An environment variable: a value or a source."""

    name: str
    value: str | None = None
    valueFrom: Source | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Variable:
        assert (self.value is None) != (self.valueFrom is None)
        return self


class HttpGet(Strict):
    """A probe's request; Knative sets the port itself."""

    path: str


class Probe(Strict):
    """A probe over HTTP."""

    httpGet: HttpGet
    periodSeconds: int
    failureThreshold: int


class Port(Strict):
    """The one port of a Knative container; its name is the protocol."""

    name: Literal["http1", "h2c"]
    containerPort: int


class SecurityContext(Strict):
    """What Knative lets a container ask for."""

    runAsNonRoot: Literal[True]
    runAsUser: Annotated[int, Field(gt=0)]
    allowPrivilegeEscalation: Literal[False]
    readOnlyRootFilesystem: Literal[True]
    capabilities: dict[Literal["drop"], list[Literal["ALL"]]]
    seccompProfile: dict[Literal["type"], Literal["RuntimeDefault"]]


class Container(Strict):
    """The container of a revision."""

    name: Name
    image: str
    args: list[str]
    ports: Annotated[list[Port], Field(min_length=1, max_length=1)]
    env: list[Variable]
    resources: dict[Literal["requests", "limits"], dict[Literal["cpu", "memory"], str]]
    readinessProbe: Probe
    livenessProbe: Probe
    securityContext: SecurityContext
    volumeMounts: list[dict[Literal["name", "mountPath"], str]]


class RevisionSpec(Strict):
    """One revision."""

    containerConcurrency: Annotated[int, Field(ge=0, le=1000)]
    timeoutSeconds: Annotated[int, Field(gt=0)]
    responseStartTimeoutSeconds: Annotated[int, Field(gt=0)]
    enableServiceLinks: bool
    automountServiceAccountToken: bool
    containers: Annotated[list[Container], Field(min_length=1, max_length=1)]
    volumes: list[dict[str, Any]]

    @model_validator(mode="after")
    def _times_fit(self) -> RevisionSpec:
        assert self.responseStartTimeoutSeconds <= self.timeoutSeconds
        return self


class RevisionMetadata(Strict):
    """A revision's annotations."""

    annotations: Autoscaling


class Revision(Strict):
    """The template of revisions."""

    metadata: RevisionMetadata
    spec: RevisionSpec


class ServiceSpec(Strict):
    """What a service runs."""

    template: Revision


class Service(Strict):
    """serving.knative.dev/v1 Service."""

    apiVersion: Literal["serving.knative.dev/v1"]
    kind: Literal["Service"]
    metadata: Metadata
    spec: ServiceSpec


class Reference(Strict):
    """Who gets the events."""

    apiVersion: Literal["serving.knative.dev/v1"]
    kind: Literal["Service"]
    name: Name


class Delivery(Strict):
    """How often and how fast events are delivered again."""

    retry: int
    backoffPolicy: Literal["linear", "exponential"]
    backoffDelay: Iso8601
    timeout: Iso8601


class TriggerSpec(Strict):
    """Which events go to whom."""

    broker: Name
    filter: dict[Literal["attributes"], dict[str, str]]
    subscriber: dict[Literal["ref"], Reference]
    delivery: Delivery


class Trigger(Strict):
    """eventing.knative.dev/v1 Trigger."""

    apiVersion: Literal["eventing.knative.dev/v1"]
    kind: Literal["Trigger"]
    metadata: Metadata
    spec: TriggerSpec
