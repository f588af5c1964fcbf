"""The four runs that are killed: how each is started, what must stand meanwhile and at the end."""

import hashlib
import json
import shutil
import threading
from collections import Counter
from pathlib import Path

import pyarrow.parquet as parquet
from bench import environment, measured, run
from loopback_hub import TOKEN, LoopbackHub

TINY_TRAINING = {
    "model": {
        "latent_size": 16,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "dropout": 0.1,
    },
    "batch_size": 8,
    "epochs": None,
    "max_steps": 60,
    "evaluations": 20,
    "validation": 0.2,
    "learning_rate": 0.003,
    "threads": 1,
}
OUR_LINES = (
    "Half the town came out to wave at the ferry.",
    "Who let the soup boil over again?",
    "My aunt hums whenever the bread comes out right.",
    "They painted over the mural without asking a soul.",
    "Under the stairs I found his first violin.",
    "The dentist was kind and it hardly hurt.",
    "Our goat is on the neighbour's roof once more.",
    "I practised the speech and then forgot the rings.",
    "Whoever left these flowers has my thanks.",
    "The last bus drove past without slowing down.",
    "We could see our breath inside the church.",
    "She beat me at chess and is only six.",
)
# Few characters and many tokens: these are set aside.
LONG_LINES = tuple(
    f"{words} {sign * 60}"
    for words, sign in (
        ("so much cake left", "\U0001fae0"),
        ("what on earth happened", "\U0001fae3"),
        ("nobody fed the cat", "\U0001fae5"),
        ("rain through the tent", "\U0001fae8"),
        ("third flat tyre today", "\U0001fae2"),
        ("he said yes finally", "\U0001faf6"),
    )
)
LINES = tuple(line for pair in zip(OUR_LINES, LONG_LINES) for line in pair)  # noqa: B905
LINES += OUR_LINES[len(LONG_LINES) :]
# So that few items fill several parts, are handed to the disk often, and some are set aside.
SMALL = {
    "countenance.generation.run_store": {"RECORDS_PER_PART": 6},
    "countenance.generation.annotate": {"_FLUSH_EVERY": 4},
    "countenance.generation.scoring": {"CONTEXT_TOKENS": 128},
}


def hashes(folder):
    """SHA-256 of every file of a folder, by its path in it."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def differences(expected, found, where):
    return [
        f"{where}: {name}"
        for name in sorted({*expected, *found})
        if expected.get(name) != found.get(name)
    ]


def lost_and_doubled(expected, found):
    """How many ids are not there, and how many are there more than once."""
    counts = Counter(found)
    return len(set(expected) - set(counts)), sum(n - 1 for n in counts.values())


class Kind:
    """A run that is killed; ``whole`` is the undisturbed one, made once, when first needed."""

    name = ""
    title = ""  # how the table calls it; else the name
    result = ""  # the file or folder that it makes in its folder

    def __init__(self, root, warm_cache):
        self.title = self.title or self.name
        self.root = root / f"undisturbed-{self.name}"
        self.warm_cache = warm_cache
        self.whole = None
        self._lock = threading.RLock()

    def undisturbed(self):
        """CPU time and points of a whole run; its result lies in ``self.root``."""
        with self._lock:
            if self.whole is None:
                self.root.mkdir()
                self.prepare(self.root, 0)
                arguments, settings = self.command(self.root, 0)
                log = self.root.with_suffix(".points")
                self.whole = measured(arguments, self.root, settings, log)
                assert self.whole.status == 0, self.whole.errors
        return self.whole

    def other(self):
        """The result of an undisturbed run with another seed; some runs find it in their place."""
        folder = self.root.with_name(f"other-{self.name}")
        with self._lock:
            if not folder.exists():
                folder.mkdir()
                self.prepare(folder, 0)
                arguments, settings = self.command(folder, 0)
                ended = run((*arguments, "--seed", 7), folder, settings)
                assert ended.status == 0, ended.errors
        return folder / self.result

    def prepare(self, folder, number):
        """What the run finds: the packaged language model, ready, in a cache of the try's own."""
        cache = folder / "cache"
        cache.mkdir()
        for part in ("models", "calibration"):
            shutil.copytree(self.warm_cache / part, cache / part, copy_function=_link)

    def command(self, folder, number):
        raise NotImplementedError

    def meanwhile(self, folder, number):
        """Lost, doubled and unlike right after a kill."""
        return 0, 0, []

    def compare(self, folder, number):
        """Lost, doubled and unlike after the resumed run came to its end."""
        raise NotImplementedError

    def is_over(self, ended):
        """Whether a failed resumption only says that there was nothing left to do."""
        return False

    def strangers(self, folder):
        """What the tries left beside the result."""
        known = {"cache", "cache-huggingface", self.result, "lines.txt", "tiny.json"}
        left = {path.name for path in folder.iterdir()} - known
        left |= {path.name for path in (folder / "cache").rglob("*.unfinished")}
        return [f"{folder.name}: {name} was left" for name in sorted(left)]


def _link(source, target):
    Path(target).symlink_to(Path(source).resolve())


class Annotate(Kind):
    name = "annotate"
    result = "run"
    least_parts = 2

    def __init__(self, root, warm_cache, items):
        super().__init__(root, warm_cache)
        self.items = items

    def prepare(self, folder, number):
        super().prepare(folder, number)
        (folder / "lines.txt").write_text("\n".join(LINES), "utf-8")

    def command(self, folder, number):
        corpora = ("--corpus", "text=lines.txt", "--corpus", "samples")
        options = ("--limit", self.items, "--seed", 3, "--workers", 1, "--out", "run")
        return ("annotate", *corpora, *options), self.settings(folder)

    def settings(self, folder):
        return environment(folder / "cache", FAULT_CONSTANTS=json.dumps(SMALL))

    def undisturbed(self):
        """As others; it must have come to so many parts, and have set something aside."""
        whole = super().undisturbed()
        assert len(list((self.root / "run" / "parts").iterdir())) >= self.least_parts
        assert (self.root / "run" / "rejects.jsonl").stat().st_size > 0
        return whole

    def compare(self, folder, number):
        expected, found = self.root / "run", folder / "run"
        lost, doubled = lost_and_doubled(ids_of_run(expected), ids_of_run(found))
        unlike = differences(run_hashes(expected), run_hashes(found), folder.name)
        return lost, doubled, unlike + self.strangers(folder)


def ids_of_run(run):
    lines = []
    for path in [*sorted((run / "parts").iterdir()), run / "rejects.jsonl"]:
        lines += path.read_text("utf-8").splitlines()
    return [json.loads(line)["entry"]["id"] for line in lines]


def run_hashes(run):
    """Hashes of a run's files, without what tells of the session."""
    found = hashes(run)
    del found["run.lock"]
    statistics = json.loads((run / "stats.json").read_text("utf-8"))
    del statistics["last_session"]
    return found | {"stats.json": statistics}


class Build(Kind):
    """Every other try stands on an older dataset, which must be there until the new one is."""

    name = "build"
    result = "dataset"

    def __init__(self, root, warm_cache, source):
        super().__init__(root, warm_cache)
        self.source = source

    def dataset(self):
        """The undisturbed dataset."""
        self.undisturbed()
        return self.root / "dataset"

    def prepare(self, folder, number):
        super().prepare(folder, number)
        if number % 2:
            shutil.copytree(self.other(), folder / "dataset")

    def command(self, folder, number):
        settings = environment(folder / "cache", TMPDIR=folder / "cache")
        return ("build", self.source, "--out", "dataset", "--seed", 1, "--no-cues"), settings

    def meanwhile(self, folder, number):
        found = hashes(folder / "dataset") if (folder / "dataset").exists() else None
        allowed = [hashes(self.root / "dataset"), hashes(self.other()) if number % 2 else None]
        return (0, 0, []) if found in allowed else (1, 0, [f"{folder.name}: not whole"])

    def compare(self, folder, number):
        expected, found = self.root / "dataset", folder / "dataset"
        lost, doubled = lost_and_doubled(ids_of_dataset(expected), ids_of_dataset(found))
        unlike = differences(hashes(expected), hashes(found), folder.name)
        return lost, doubled, unlike + self.strangers(folder)


def ids_of_dataset(dataset):
    files = sorted((dataset / "data").glob("*.parquet"))
    return [name for file in files for name in parquet.read_table(file)["id"].to_pylist()]


class Train(Kind):
    """Every other try replaces an older checkpoint, which must be there until the new one is."""

    name = "train"
    result = "model"

    def __init__(self, root, warm_cache, building):
        super().__init__(root, warm_cache)
        self.building = building

    def prepare(self, folder, number):
        super().prepare(folder, number)
        (folder / "tiny.json").write_text(json.dumps(TINY_TRAINING))
        if number % 2:
            shutil.copytree(self.other(), folder / "model")

    def command(self, folder, number):
        arguments = ["train", self.building.dataset(), "--out", "model", "--preset", "tiny.json"]
        arguments += ["--overwrite"] if number % 2 else []
        return arguments, environment(folder / "cache", TMPDIR=folder / "cache")

    def is_over(self, ended):
        return "already holds a checkpoint" in ended.errors

    def meanwhile(self, folder, number):
        place = folder / "model"
        found = checkpoint_facts(place) if place.exists() else None
        allowed = [checkpoint_facts(self.root / "model")]
        allowed.append(checkpoint_facts(self.other()) if number % 2 else None)
        return (0, 0, []) if found in allowed else (1, 0, [f"{folder.name}: not whole"])

    def compare(self, folder, number):
        expected = checkpoint_facts(self.root / "model")
        unlike = differences(expected, checkpoint_facts(folder / "model"), folder.name)
        return int(bool(unlike)), 0, unlike + self.strangers(folder)


def checkpoint_facts(folder):
    """Hashes of a checkpoint's files; times are left out, and whether it replaced another."""
    found = hashes(folder)
    del found["README.md"]  # states the seconds; that it is there is what counts
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    for name in ("seconds", "samples_per_second"):
        del metrics[name]
    settings = json.loads((folder / "training_config.json").read_text("utf-8"))
    del settings["overwrite"]
    return found | {"metrics.json": metrics, "training_config.json": settings}


class Push(Kind):
    """Each try has a Hub of its own; every other one publishes a second version."""

    name = "push"

    def __init__(self, root, warm_cache, building):
        super().__init__(root, warm_cache)
        self.building = building
        self.hubs = {}

    def prepare(self, folder, number):
        super().prepare(folder, number)
        hub = LoopbackHub(folder / "hub").start()
        hub.server.handle_error = lambda *_: None  # a killed client hangs up on it
        self.hubs[folder] = hub
        if number % 2:
            older = self.building.other()
            content = {path: (older / path).read_bytes() for path in hashes(older)}
            hub.store.create("datasets", "org/faces", False)
            operations = [("file", {"path": p, "bytes": b}) for p, b in content.items()]
            hub.store.commit("datasets", "org/faces", "main", operations, "older", None)

    def command(self, folder, number):
        settings = environment(folder / "cache", HF_ENDPOINT=self.hubs[folder].endpoint)
        settings |= {"HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        del settings["HF_HUB_OFFLINE"]
        arguments = ("push", "dataset", self.building.dataset(), "org/faces", "--revision", "v2")
        return arguments, settings

    def _remote(self, hub):
        store = hub.store
        if not store.exists("datasets", "org/faces"):
            return {}
        tree = store.tree("datasets", "org/faces")
        return {path: e["sha256"] for path, e in tree.items() if path != ".gitattributes"}

    def meanwhile(self, folder, number):
        older = hashes(self.building.other()) if number % 2 else {}
        allowed = [hashes(self.building.dataset()), older]
        found = self._remote(self.hubs[folder])
        return (0, 0, []) if found in allowed else (1, 0, [f"{folder.name}: main is half done"])

    def compare(self, folder, number):
        hub = self.hubs.pop(folder)
        expected, found = hashes(self.building.dataset()), self._remote(hub)
        titles = [title for _, title in hub.store.commits("datasets", "org/faces")]
        repository = hub.store.repo("datasets", "org/faces")
        hub.stop()
        unlike = differences(expected, found, folder.name)
        if repository["tags"] != {"v2": repository["branches"]["main"]}:
            unlike.append(f"{folder.name}: tags {repository['tags']}")
        before = ["older", "initial commit"] if number % 2 else ["initial commit"]
        return len(set(expected) - set(found)), len(titles) - len(before) - 1, unlike

    def undisturbed(self):
        whole = super().undisturbed()
        hub = self.hubs.pop(self.root, None)
        if hub:
            hub.stop()
        return whole
