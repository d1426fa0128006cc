"""What the routes take and give, as the OpenAPI document says it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from fitloom_core import wire
from fitloom_endpoint.cloudevents import STRUCTURED, Envelope

Json = dict[str, Any]
Responses = dict[int | str, Json]

_REF = "#/components/schemas/{model}"
_SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def describe(app: FastAPI, *, with_token: bool) -> None:
    """Have an application's OpenAPI document hold the wire's models, and the token where there is one."""
    generate = app.openapi

    def document() -> Json:
        described = generate()
        parts = described.setdefault("components", {})
        parts.setdefault("schemas", {}).update(_wire_schemas())
        if with_token:
            parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            described["security"] = [{"token": []}]
            for route in ("/healthz", "/readyz"):
                described["paths"][route]["get"]["security"] = []
        return described

    app.openapi = document  # type: ignore[method-assign]


def _wire_schemas() -> Json:
    schemas: Json = {}
    for model in (wire.FitTask, wire.Reply, Envelope):
        schema = model.model_json_schema(ref_template=_REF)
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    return schemas


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _content(media_type: str, schema: Json) -> Json:
    return {media_type: {"schema": schema}}


def _model(name: str) -> Json:
    return {"$ref": _REF.format(model=name)}


def _refusals(*statuses: int) -> Responses:
    return {
        status: {"description": _REASONS[status], "content": _content("application/json", _model("Reply"))}
        for status in statuses
    }


_REASONS = {
    400: "Not a task of a schema that this endpoint knows.",
    401: "The token is missing, or is none of this endpoint.",
    403: "You are in no group that may do this here.",
    404: "Not held here.",
    408: "The body did not arrive in time.",
    409: "The background is not held here: send the task again with its content.",
    413: "The body is over the limit.",
    415: "The body is of a type or encoding that is not taken.",
    422: "Well formed, but cannot be fitted.",
    429: "All places are taken; Retry-After says when to come back.",
    500: "A worker was lost, or something went wrong in the endpoint.",
    503: "Not ready yet, or shutting down.",
    504: "A batch took longer than the time limit.",
}
_BODY = (400, 408, 413, 415, 429, 500, 503)

UNAUTHORISED = _refusals(401, 403, 503)
HEALTH: Responses = {200: {"content": _content("application/json", _object(ok={"type": "boolean"}))}}
_READY = _object(ready={"type": "boolean"}, reason={"type": ["string", "null"]})
READINESS: Responses = {
    200: {"content": _content("application/json", _READY)},
    503: {"description": _REASONS[503], "content": _content("application/json", _READY)},
}
FIT: Responses = {
    200: {
        "description": "Every point's record: in the task's order, or as points finish with a summary line at the end.",
        "content": {
            **_content("application/json", _model("Reply")),
            **_content("application/x-ndjson", {"type": "string"}),
        },
    },
    **_refusals(*_BODY, 409, 422, 504),
}
FIT_BODY: Json = {"requestBody": {"required": True, "content": _content("application/json", _model("FitTask"))}}
EVENT: Responses = {
    200: {
        "description": "The reply as a CloudEvent, in the mode of the request.",
        "content": {**_content("application/json", _model("Reply")), **_content(STRUCTURED, {"type": "object"})},
    },
    **_refusals(*_BODY, 409, 422, 504),
}
EVENT_BODY: Json = {
    "requestBody": {
        "required": True,
        "content": {**_content(STRUCTURED, _model("Envelope")), **_content("application/json", _model("FitTask"))},
    },
    "parameters": [
        {"name": f"ce-{name}", "in": "header", "required": False, "schema": {"type": "string"}}
        for name in ("specversion", "type", "source", "id")
    ],
}
STAGE: Responses = {
    200: {"description": "Held already.", "content": _content("application/json", _object(digest=_SHA256))},
    201: {"description": "Held from now on.", "content": _content("application/json", _object(digest=_SHA256))},
    **_refusals(*_BODY, 422),
}
STAGE_BODY: Json = {"requestBody": {"required": True, "content": _content("application/json", {"type": "object"})}}
STAGED: Responses = {200: {"content": _content("application/json", _object(digest=_SHA256))}, **_refusals(404, 422)}
VERSION: Responses = {
    200: {
        "content": _content(
            "application/json",
            _object(
                fitloom={"type": "string"},
                schema={"type": "string"},
                workers={"type": "integer"},
                batch={"type": "integer"},
            ),
        )
    }
}
METRICS: Responses = {200: {"content": _content("text/plain", {"type": "string"})}}
