"""Which Beam runners may be used, and what they are called; without Beam, so that a bad name is refused at once."""

from __future__ import annotations

from pipeline.config import RecipeError

SUPPORTED = {
    "local": "FnApiRunner",
    "prism": "PrismRunner",
    "flink": "FlinkRunner",
    "dataflow": "DataflowRunner",
    "spark": "SparkRunner",
}
_REFUSED = {
    "daskrunner": "it runs only the last branch of a pipeline and loses what finish_bundle emits",
    "pysparkrunner": "it merges tagged outputs and turns None into elements",
    "beampysparkrunner": "it merges tagged outputs and turns None into elements",
    "directrunner": "it picks a runner by the pipeline and the network; name local or prism",
}
_BY_BEAM_NAME = {name.lower(): name for name in (*SUPPORTED.values(), "PortableRunner")}


def runner_name(name: str) -> str:
    """Beam's name of a runner, from ours or Beam's.

    Raises:
        RecipeError: The runner is unknown, or known to lose output.
    """
    lower = name.lower()
    found = SUPPORTED.get(lower) or _BY_BEAM_NAME.get(lower)
    if found is None:
        reason = _REFUSED.get(lower) or _REFUSED.get(f"{lower}runner") or "it was never tried"
        raise RecipeError(f"runner {name} is refused: {reason}; supported: {', '.join(SUPPORTED)}")
    return found
