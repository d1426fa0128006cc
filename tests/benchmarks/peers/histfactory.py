"""A pyhf workspace as a RooFit model, through ROOT's own HistFactory: the same density as pyhf means.

Two defaults of ROOT differ from pyhf and are set here: statistical errors of every size count, with
a Gaussian constraint (`StatErrorConfig(0, Gaussian)`), and the constraint of a shapesys is Poisson.
"""

from __future__ import annotations

from typing import Any

import ROOT

factory = ROOT.RooStats.HistFactory
Json = dict[str, Any]


def histogram(name: str, contents: list[float], errors: list[float] | None = None) -> Any:
    """A ROOT histogram over bins 0..n whose ownership goes to HistFactory."""
    result = ROOT.TH1D(name, name, len(contents), 0, len(contents))
    result.SetDirectory(ROOT.nullptr)
    ROOT.SetOwnership(result, False)
    for index, content in enumerate(contents):
        result.SetBinContent(index + 1, content)
        result.SetBinError(index + 1, errors[index] if errors else 0.0)
    return result


def build(channels: list[Json], observations: dict[str, list[float]], config: Json) -> Any:
    """The combined RooWorkspace of patched channels and one measurement's config."""
    settings = {entry["name"]: entry for entry in config["parameters"]}
    measurement = factory.Measurement("measurement", "measurement")
    measurement.SetPOI(config["poi"])
    lumi = settings.get("lumi", {"auxdata": [1.0], "sigmas": [0.01]})
    measurement.SetLumi(lumi["auxdata"][0])
    measurement.SetLumiRelErr(lumi["sigmas"][0] / lumi["auxdata"][0])
    used = {
        modifier["name"] for channel in channels for sample in channel["samples"] for modifier in sample["modifiers"]
    }
    for name, entry in settings.items():
        if entry.get("fixed") and name in used:
            measurement.AddConstantParam("Lumi" if name == "lumi" else name)
    for channel in channels:
        measurement.AddChannel(_channel(channel, observations[channel["name"]], settings))
    return factory.HistoToWorkspaceFactoryFast.MakeCombinedModel(measurement)


def _channel(channel: Json, observation: list[float], settings: dict[str, Json]) -> Any:
    result = factory.Channel(channel["name"])
    result.SetStatErrorConfig(0.0, "Gaussian")
    result.SetData(histogram(f"data_{channel['name']}", observation))
    for sample in channel["samples"]:
        result.AddSample(_sample(channel["name"], sample, settings))
    return result


def _sample(channel: str, sample: Json, settings: dict[str, Json]) -> Any:
    prefix = f"{channel}_{sample['name']}"
    errors = next((entry["data"] for entry in sample["modifiers"] if entry["type"] == "staterror"), None)
    result = factory.Sample(sample["name"])
    result.SetHisto(histogram(prefix, sample["data"], errors))
    result.SetNormalizeByTheory(any(entry["type"] == "lumi" for entry in sample["modifiers"]))
    if errors is not None:
        result.ActivateStatError()
    for modifier in sample["modifiers"]:
        _modify(result, prefix, sample["data"], modifier, settings)
    return result


def _modify(sample: Any, prefix: str, nominal: list[float], modifier: Json, settings: dict[str, Json]) -> None:
    kind, name, data = modifier["type"], modifier["name"], modifier["data"]
    if kind == "normsys":
        sample.AddOverallSys(name, data["lo"], data["hi"])
    elif kind == "histosys":
        variation = factory.HistoSys()
        variation.SetName(name)
        variation.SetHistoLow(histogram(f"{prefix}_{name}_low", data["lo_data"]))
        variation.SetHistoHigh(histogram(f"{prefix}_{name}_high", data["hi_data"]))
        sample.AddHistoSys(variation)
    elif kind == "normfactor":
        entry = settings.get(name, {})
        low, high = entry.get("bounds", [[0.0, 10.0]])[0]
        sample.AddNormFactor(name, entry.get("inits", [1.0])[0], low, high)
    elif kind == "shapesys":
        relative = [error / content if content > 0 else 0.0 for error, content in zip(data, nominal, strict=True)]
        variation = factory.ShapeSys()
        variation.SetName(name)
        variation.SetConstraintType(factory.Constraint.Poisson)
        variation.SetErrorHist(histogram(f"{prefix}_{name}", relative))
        sample.AddShapeSys(variation)
    elif kind == "shapefactor":
        sample.AddShapeFactor(name)
