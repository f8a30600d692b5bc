"""Compare a run's files with the sha256 in its manifests: what the plan's fingerprints and sizes cannot see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline import storage
from pipeline.progress import Progress
from pipeline.source_trees import sha256_of
from pipeline.stages import PlannedStage

File = tuple[str, set[str], str]  # full path, the digests it may have, the stage that wrote or read it


def differing_files(planned: Sequence[PlannedStage], progress: Progress) -> list[str]:
    """Read every file that the finished stages wrote, and the raw input, whole.

    Args:
        planned: The stages; those without a manifest are passed over.
        progress: Tells the user.

    Returns:
        One line for each file that is missing or has other bytes than when the stage committed.
    """
    files = [file for stage in planned for file in _named_files(stage)]
    progress.start("verify")
    problems = []
    for done, (path, digests, stage) in enumerate(files, start=1):
        if not storage.exists(path):
            problems.append(f"{path}: missing ({stage})")
        elif sha256_of(path)[0] not in digests:
            problems.append(f"{path}: not the bytes that {stage} had")
        progress.update(done, len(files), unit="files")
    progress.finish(f"verified {len(files):,} files: {len(problems)} differ")
    return problems


def _named_files(planned: PlannedStage) -> Iterator[File]:
    manifest = planned.manifest()
    if manifest is None:
        return
    for output in manifest["outputs"]:
        yield storage.join(planned.folder, output["path"]), {output["sha256"]}, planned.name
    digests: dict[str, set[str]] = {}  # two roots may share a path
    for entry in manifest["inputs"]:
        digests.setdefault(entry["path"], set()).add(entry["sha256"])
    for file in planned.inputs:
        yield file["full_path"], digests.get(file["path"], set()), planned.name
