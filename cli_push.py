"""``countenance push dataset|model PATH OWNER/NAME``: publish to the Hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from .dataset_script.publish import PushReport

# By path: importing the room would import torch, and nothing here computes.
_MODEL_CODE = tuple(
    Path(__file__).parent / "model" / name
    for name in (
        "configuration_countenance.py",
        "modeling_countenance.py",
        "text_encoder_countenance.py",
    )
)

push_app = typer.Typer(
    help="Publish a dataset or a model to the Hugging Face Hub: one commit, one version tag.\n\n"
    "Example: `countenance push dataset datasets/dev OWNER/NAME --dry-run`",
    no_args_is_help=True,
)

RepoId = Annotated[str, typer.Argument(metavar="REPO_ID", help="OWNER/NAME on the Hub.")]
Private = Annotated[bool, typer.Option("--private", help="Make a new repository private.")]
Revision = Annotated[
    str | None,
    typer.Option(metavar="TAG", help="Name of this version; v and the package's by default."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what would be done; write nothing.")
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]


def register(app: typer.Typer) -> None:
    """Add ``push`` to the command."""
    app.add_typer(push_app, name="push")


@push_app.command()
def dataset(
    folder: Annotated[
        Path, typer.Argument(metavar="DATASET", help="A folder of `countenance build`.")
    ],
    repo_id: RepoId,
    private: Private = False,
    revision: Revision = None,
    dry_run: DryRun = False,
    json_output: JsonFlag = False,
) -> None:
    """Publish a dataset folder, so that `load_dataset("OWNER/NAME")` opens it.

    Example: `countenance push dataset datasets/dev my-name/faces --private --dry-run`
    """
    from .dataset_script.publish import push_dataset

    _push(push_dataset, folder, repo_id, private, revision, dry_run, json_output)


@push_app.command()
def model(
    folder: Annotated[
        Path, typer.Argument(metavar="PATH", help="A checkpoint folder of `countenance train`.")
    ],
    repo_id: RepoId,
    private: Private = False,
    revision: Revision = None,
    dry_run: DryRun = False,
    json_output: JsonFlag = False,
) -> None:
    """Publish a checkpoint folder, so that `AutoModel.from_pretrained("OWNER/NAME")` opens it.

    The model's two code files go along where the folder lacks them.

    Example: `countenance push model checkpoints/dev my-name/face-model --revision v1.0`
    """
    from .dataset_script.publish import push_model

    push_with_code = partial(push_model, code={path.name: path for path in _MODEL_CODE})
    _push(push_with_code, folder, repo_id, private, revision, dry_run, json_output)


def _push(
    push: Callable[..., PushReport],
    folder: Path,
    repo_id: str,
    private: bool,
    revision: str | None,
    dry_run: bool,
    json_output: bool,
) -> None:
    report = push(
        folder, repo_id, private=private, revision=revision, dry_run=dry_run, show_progress=True
    )
    typer.echo(json.dumps(report.to_dict(), sort_keys=True) if json_output else in_words(report))


def in_words(report: PushReport) -> str:
    """What a push did, or would do: a line on each file, then one that sums it up."""
    lines = []
    if report.dry_run:
        lines += [f"upload  {path}" for path in report.uploaded]
        lines += [f"delete  {path}" for path in report.deleted]
    would = "would be " if report.dry_run else ""
    size = report.uploaded_bytes / 2**20
    parts = [
        f"{would}created" + (" (private)" if report.private else "") if report.created else "",
        f"{len(report.uploaded)} files ({size:.1f} MiB) {would}uploaded" if report.uploaded else "",
        f"{len(report.deleted)} {would}deleted" if report.deleted else "",
        f"{report.unchanged} unchanged" if report.unchanged else "",
        f"{would}tagged {report.tag}" if report.tagged else f"tag {report.tag} was there",
    ]
    lines.append(f"{report.url}: {', '.join(part for part in parts if part)}")
    return "\n".join(lines)
