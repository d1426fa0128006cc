"""Executors by name, by setting and by file."""

from __future__ import annotations

import pytest

from fitloom.pools import PoolSource
from fitloom.sources import choose_sources, parse_settings, read_config
from fitloom_core.errors import InputError, UnreadableDocument


def test_the_local_executor_is_the_default():
    assert choose_sources() == [PoolSource("local", {"name": "local"})]


def test_an_executor_named_twice_is_opened_twice_under_two_names():
    assert [source.name for source in choose_sources(["http", "http", "local"])] == ["http", "http-2", "local"]


def test_settings_go_to_their_executor():
    settings = parse_settings(["parsl.partition=short", 'http.urls=["http://x"]', "parsl.nodes=2"], ["parsl", "http"])
    assert settings == {"parsl": {"partition": "short", "nodes": 2}, "http": {"urls": ["http://x"]}}


def test_an_only_executor_needs_no_name():
    assert parse_settings(["processes=true"], []) == {"local": {"processes": True}}
    assert parse_settings(["config=site.py"], ["parsl"]) == {"parsl": {"config": "site.py"}}


@pytest.mark.parametrize(
    ("texts", "kinds", "message"),
    [(["x"], [], "NAME=VALUE"), (["=1"], [], "NAME=VALUE"), (["x=1"], ["parsl", "http"], "write EXECUTOR.x=1")],
)
def test_settings_that_are_none_are_refused(texts, kinds, message):
    with pytest.raises(InputError, match=message):
        parse_settings(texts, kinds)


def test_settings_of_an_executor_that_is_not_used_are_refused():
    with pytest.raises(InputError, match="add --executor parsl"):
        choose_sources(["http"], {"parsl": {"nodes": 1}})


def test_an_unknown_executor_is_named_with_those_that_exist():
    with pytest.raises(InputError, match="no executor is called 'dask'; choose one of local, parsl, globus, http"):
        choose_sources(["dask"])


def test_a_file_lists_pools(tmp_path):
    path = tmp_path / "pools.toml"
    path.write_text(
        '[[pool]]\nexecutor = "parsl"\nname = "cluster"\nnodes = 4\n[[pool]]\nexecutor = "http"\nurls = ["u"]\n'
    )
    assert read_config(path) == [
        PoolSource("parsl", {"name": "cluster", "nodes": 4}),
        PoolSource("http", {"urls": ["u"]}),
    ]
    assert [source.name for source in choose_sources(["local"], None, path)] == ["local", "cluster", "http"]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("[[pool", UnreadableDocument, "is not TOML"),
        ("", InputError, "lists no executors"),
        ("batch = 3\n[[pool]]\n", InputError, "unknown batch"),
        ("[[pool]]\nname = 'x'\n", InputError, "needs executor"),
        ("[[pool]]\nexecutor = 'x'\n", InputError, "no executor is called 'x'"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(content, error, message, tmp_path):
    (tmp_path / "pools.toml").write_text(content)
    with pytest.raises(error, match=message):
        read_config(tmp_path / "pools.toml")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UnreadableDocument, match="nowhere"):
        read_config(tmp_path / "nowhere.toml")
