"""Our extract stage's shard function, WARC in, documents and records out. Arguments: WARC ENGINE."""

from __future__ import annotations

import os
import sys
import tempfile

from rounds import answer

from beam_jobs.extract_text import extract_shard
from pipeline.config import ExtractConfig, InputConfig, Recipe
from pipeline.inputs import extract_inputs, plan_shards
from pipeline.manifest import Workspace


def main() -> None:
    """Serve rounds."""
    folder, name = os.path.split(os.path.abspath(sys.argv[1]))
    part = InputConfig(subset="massiveweb", format="warc", root=folder, paths=(name,))
    recipe = Recipe(input=(part,), extract=ExtractConfig(engine=sys.argv[2], shard_input_bytes=10**12))
    (task,) = plan_shards(recipe, extract_inputs(recipe))

    def one_pass() -> int:
        with tempfile.TemporaryDirectory() as out:
            receipt = extract_shard(task, Workspace(out, f"{out}/tmp", f"{out}/work"), recipe.extract)
        assert receipt.counts is not None
        return receipt.counts.kept

    answer(one_pass)


if __name__ == "__main__":
    main()
