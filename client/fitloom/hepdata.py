"""Where HEPData keeps a likelihood: its addresses, and the record's JSON that names the resources.

A record (``/record/ins1748602?format=json&light=true``) lists what can be fitted in two places::

    {"record": {"title": …, "analyses": [{"type": "HistFactory",
                "analysis": "https://www.hepdata.net/record/resource/997020?landing_page=true"}]},
     "resources_with_doi": [{"filename": …, "description": …, "doi": "10.17182/hepdata.89408.v3/r2"}]}

A resource's address is its landing page; the same address with ``?view=true`` is the file itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from fitloom_core.errors import FetchError

_RECORD = re.compile(r"^/record/(?P<id>(ins)?\d+)/?$")
_RESOURCE = re.compile(r"^/record/resource/(?P<id>\d+)/?$")
_NAME = re.compile(r"^(?P<id>(ins)?\d+)(\?version=(?P<version>\d+))?$")
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".json")
_TERMS = ("histfactory", "pyhf", "likelihood", "workspace")


@dataclass(frozen=True)
class Record:
    """A HEPData record: ``ins1748602`` or ``89408``, and a version unless the newest is meant."""

    id: str
    version: str | None = None

    def url(self, base: str) -> str:
        """Address of the record's JSON, without its tables."""
        query = {"format": "json", "light": "true"} | ({"version": self.version} if self.version else {})
        return f"{base}/record/{self.id}?{urlencode(query)}"

    def __str__(self) -> str:
        return f"hepdata:{self.id}" + (f"?version={self.version}" if self.version else "")


@dataclass(frozen=True)
class Likelihood:
    """One file of a record that holds HistFactory workspaces."""

    url: str
    name: str
    doi: str | None


def parse_name(name: str) -> Record:
    """The record of ``ins1748602``, ``89408`` or ``ins1748602?version=2``.

    Raises:
        FetchError: the name is no record's.
    """
    match = _NAME.match(name)
    if match is None:
        raise FetchError(
            f"'hepdata:{name}' names no HEPData record; write hepdata:ins1748602 (the INSPIRE number), "
            "hepdata:89408 (HEPData's own) or hepdata:ins1748602?version=2"
        )
    return Record(match["id"], match["version"])


def find_record(url: str, base: str) -> Record | None:
    """The record whose page an address is, if it is one."""
    parts = urlsplit(url)
    match = _RECORD.match(parts.path) if _is_hepdata(url, base) else None
    if match is None:
        return None
    version = parse_qs(parts.query).get("version", [""])[0]
    return Record(match["id"], version if version.isdigit() else None)


def find_file(url: str, base: str) -> str | None:
    """The address of the file behind a resource's address, if it is one."""
    match = _RESOURCE.match(urlsplit(url).path) if _is_hepdata(url, base) else None
    return f"{base}/record/resource/{match['id']}?view=true" if match else None


def choose_likelihood(document: Mapping[str, Any], record: Record, *, base: str, doi_base: str) -> str:
    """The address of a record's likelihood.

    Raises:
        FetchError: the record holds none, or several; the message lists what there is.
    """
    found = likelihoods(document, base=base, doi_base=doi_base)
    if len(found) == 1:
        return found[0].url
    page = f"{base}/record/{record.id}"
    if not found:
        raise FetchError(f"{record} ({_title(document)}) holds no HistFactory likelihood; see {page}")
    choices = "\n".join(f"  {f'doi:{one.doi}' if one.doi else one.url}   {one.name}" for one in found)
    raise FetchError(f"{record} ({_title(document)}) holds {len(found)} likelihoods; name one of them:\n{choices}")


def likelihoods(document: Mapping[str, Any], *, base: str, doi_base: str) -> list[Likelihood]:
    """The files of a record that hold HistFactory workspaces."""
    resources = [one for one in _list(document, "resources_with_doi") if isinstance(one.get("doi"), str)]
    dois = {str(one.get("filename")): str(one["doi"]) for one in resources}
    analyses = [one for one in _list(_mapping(document, "record"), "analyses") if _is_histfactory(one)]
    if analyses:
        return [_analysis(one, dois, base) for one in analyses]
    return [
        Likelihood(f"{doi_base}/{one['doi']}", str(one.get("filename")), str(one["doi"]))
        for one in resources
        if _looks_like_histfactory(one)
    ]


def _analysis(analysis: Mapping[str, Any], dois: Mapping[str, str], base: str) -> Likelihood:
    url = str(analysis["analysis"])
    name = str(analysis.get("filename") or "")
    return Likelihood(find_file(url, base) or url, name, dois.get(name))


def _is_histfactory(analysis: Mapping[str, Any]) -> bool:
    return str(analysis.get("type", "")).lower() == "histfactory" and isinstance(analysis.get("analysis"), str)


def _looks_like_histfactory(resource: Mapping[str, Any]) -> bool:
    """HEPData's own rule for records that were written before likelihoods had a type."""
    description = str(resource.get("description", "")).lower()
    return str(resource.get("filename", "")).lower().endswith(_ARCHIVES) and any(term in description for term in _TERMS)


def _is_hepdata(url: str, base: str) -> bool:
    def host(address: str) -> str:
        return urlsplit(address).netloc.lower().removeprefix("www.")

    return host(url) == host(base)


def _mapping(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _list(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = document.get(key)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _title(document: Mapping[str, Any]) -> str:
    return str(_mapping(document, "record").get("title") or "no title")
