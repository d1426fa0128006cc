"""Which executors a campaign uses: from names and settings, or from a TOML file.

::

    [[pool]]
    executor = "parsl"
    config = "slurm"
    partition = "short"

    [[pool]]
    executor = "http"
    urls = ["https://fits.example.org"]
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fitloom.executors import KINDS
from fitloom.pools import PoolSource
from fitloom_core.errors import InputError, UnreadableDocument


def choose_sources(
    kinds: Sequence[str] = (), settings: Mapping[str, Mapping[str, Any]] | None = None, config: str | Path | None = None
) -> list[PoolSource]:
    """The pools of a campaign, each with a name of its own; the local one where nothing is said.

    Args:
        kinds: executors by kind; one named twice is opened twice.
        settings: settings by kind.
        config: a TOML file with more pools.

    Raises:
        InputError: a kind that does not exist, a setting for a pool that is not used, or a file that cannot be used.
    """
    settings = settings or {}
    chosen = [PoolSource(_known(kind), dict(settings.get(kind, {}))) for kind in kinds]
    chosen += read_config(config) if config is not None else []
    chosen = chosen or [PoolSource("local", dict(settings.get("local", {})))]
    used = {source.kind for source in chosen}
    for kind in settings:
        if settings[kind] and _known(kind) not in used:
            raise InputError(f"settings are given for the executor {kind!r}, which is not used; add --executor {kind}")
    return _distinct(chosen)


def read_config(path: str | Path) -> list[PoolSource]:
    """The pools that a TOML file lists.

    Raises:
        UnreadableDocument: not there, or not TOML.
        InputError: no pools in it, or a pool without a kind.
    """
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UnreadableDocument(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnreadableDocument(f"{path} is not TOML: {error}") from None
    pools = document.pop("pool", None)
    if document:
        raise InputError(f"{path}: unknown {', '.join(document)}; the file holds [[pool]] tables only")
    if not isinstance(pools, list) or not pools:
        raise InputError(f'{path} lists no executors; write [[pool]] and executor = "…" for each')
    return [_source(path, pool) for pool in pools]


def parse_settings(texts: Iterable[str], kinds: Sequence[str]) -> dict[str, dict[str, Any]]:
    """``["parsl.partition=short"]`` as settings by executor; the executor may be left out where only one is used.

    Raises:
        InputError: no ``=``, or no executor where several are used.
    """
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        kind, dot, name = key.partition(".")
        if not equals or not key:
            raise InputError(f"not a setting: {text!r}; write NAME=VALUE, for example partition=short")
        if not dot or kind not in KINDS:
            kind, name = _only(kinds, text), key
        found.setdefault(kind, {})[name] = _value(value)
    return found


def _source(path: str | Path, pool: Any) -> PoolSource:
    if not isinstance(pool, dict) or not isinstance(pool.get("executor"), str):
        raise InputError(f'{path}: a [[pool]] needs executor = "…", one of {", ".join(KINDS)}')
    return PoolSource(_known(pool["executor"]), {key: value for key, value in pool.items() if key != "executor"})


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise InputError(f"no executor is called {kind!r}; choose one of {', '.join(KINDS)}")
    return kind


def _only(kinds: Sequence[str], text: str) -> str:
    distinct = set(kinds) or {"local"}
    if len(distinct) > 1:
        raise InputError(f"{text!r}: for which of the executors {', '.join(sorted(distinct))}? write EXECUTOR.{text}")
    return distinct.pop()


def _value(text: str) -> Any:
    """JSON where it is some (numbers, true, lists), text otherwise."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _distinct(sources: list[PoolSource]) -> list[PoolSource]:
    """Number pools that would share a name: http, http-2, …"""
    seen: Counter[str] = Counter()
    named = []
    for source in sources:
        seen[source.name] += 1
        suffix = f"-{seen[source.name]}" if seen[source.name] > 1 else ""
        named.append(PoolSource(source.kind, {**source.settings, "name": source.name + suffix}))
    return named
