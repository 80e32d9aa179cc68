"""What the model's images install, against what their entry points import."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from cdk.constructs.model_images import stage_model_images
from tests.imported_names import imported_names

PROJECT = Path(__file__).parents[3]
# Imports what the entry point imports, late imports included, and prints the project's modules that this took.
PROBE = """
import sys
for name in sys.argv[1:]:
    __import__(name)
for name, module in sorted(sys.modules.items()):
    if name.partition(".")[0] == "tickwire" and module.__file__:
        print(module.__file__)
"""
IMAGES = {
    "inference": (["tickwire.model.serving"], "serve.py"),
    "training": (["tickwire.model.training", "tickwire.model.evaluation", "tickwire.model.paired_job"], "train.py"),
}
# Imported where it is used, in functions that the image never calls: to read a dataset, to describe the lake's table.
UNUSED = {"inference": {"pyarrow"}, "training": {"pyiceberg"}}


def dockerfile(image: str) -> str:
    return (PROJECT / "sagemaker" / image / "Dockerfile").read_text()


def listed(image: str) -> set[str]:
    found = re.search(r"--constraint lock\.txt \\\n(.*)\n", dockerfile(image))
    assert found is not None
    return set(found.group(1).split())


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_installs_what_it_imports_and_no_more(image: str) -> None:
    modules, _ = IMAGES[image]
    probe = subprocess.run(
        [sys.executable, "-c", PROBE, *modules], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    files = probe.stdout.splitlines()
    assert len(files) > 5
    names = set().union(*(imported_names(Path(file).read_text()) for file in files))
    names -= {"tickwire"} | sys.stdlib_module_names
    owners = packages_distributions()
    packages = {owners[name][0].lower().replace("_", "-") for name in names}
    assert packages == listed(image) | UNUSED[image]


@pytest.mark.parametrize("image", IMAGES)
def test_each_listed_package_is_pinned_by_the_lock(image: str) -> None:
    lock = (PROJECT / "requirements.txt").read_text()
    for name in listed(image):
        assert re.search(rf"^{name}==", lock, re.MULTILINE), name


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_starts_by_an_entry_point_that_gets_the_signals(image: str) -> None:
    text = dockerfile(image)
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["python:3.13-slim"] * 2
    # Exec form: a shell in between would keep SIGTERM for itself. SageMaker adds `serve` or `train`.
    assert re.search(rf'^ENTRYPOINT \["python", "[/\w]*{IMAGES[image][1]}"\]$', text, re.MULTILINE)
    assert "http" not in text


@pytest.mark.parametrize("entry", ["inference/serve.py", "training/train.py", "training/evaluate.py"])
def test_an_entry_point_runs_from_the_staged_folder_alone(tmp_path: Path, entry: str) -> None:
    staged = Path(stage_model_images(tmp_path / "staged"))
    # As in the image: the entry point beside the package, before anything else on the path.
    (staged / Path(entry).name).write_text((staged / "sagemaker" / entry).read_text())
    text = f"import sys; sys.path.insert(0, {str(staged)!r})\n"
    text += f"import runpy; runpy.run_path({str(staged / Path(entry).name)!r})\n"
    text += "import tickwire; print(tickwire.__file__)"
    done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(str(staged))


def test_the_folder_of_the_images_is_no_package_and_holds_no_test() -> None:
    # It would stand in for SageMaker's own SDK, or break its imports.
    files = {path.name for path in (PROJECT / "sagemaker").rglob("*.py") if "__pycache__" not in path.parts}
    assert files == {"serve.py", "train.py", "evaluate.py", "score.py"}
