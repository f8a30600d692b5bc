import pytest

from pipeline.config import RecipeError
from pipeline.runners import SUPPORTED, runner_name


@pytest.mark.parametrize(
    ("name", "beam_name"),
    [
        ("local", "FnApiRunner"),
        ("Local", "FnApiRunner"),
        ("FnApiRunner", "FnApiRunner"),
        ("prism", "PrismRunner"),
        ("flink", "FlinkRunner"),
        ("flinkrunner", "FlinkRunner"),
        ("dataflow", "DataflowRunner"),
        ("spark", "SparkRunner"),
        ("PortableRunner", "PortableRunner"),
    ],
)
def test_our_names_and_beams(name: str, beam_name: str) -> None:
    assert runner_name(name) == beam_name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("dask", "loses what finish_bundle emits"),
        ("DaskRunner", "loses what finish_bundle emits"),
        ("pyspark", "merges tagged outputs"),
        ("PySparkRunner", "merges tagged outputs"),
        ("BeamPySparkRunner", "merges tagged outputs"),
        ("direct", "picks a runner by the pipeline and the network"),
        ("DirectRunner", "picks a runner by the pipeline and the network"),
        ("ray", "it was never tried"),
        ("", "it was never tried"),
    ],
)
def test_what_loses_output_or_is_unknown_is_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=f"runner {name} is refused: .*{reason}") as refusal:
        runner_name(name)
    assert str(refusal.value).endswith(f"supported: {', '.join(SUPPORTED)}")


def test_every_supported_name_is_one_that_beam_knows() -> None:
    from apache_beam.runners.runner import _RUNNER_MAP

    assert {name.lower() for name in SUPPORTED.values()} <= set(_RUNNER_MAP)
