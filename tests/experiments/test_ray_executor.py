"""A real Ray cluster on this machine: a head and two nodes, of which one is killed while it trains."""

import json
import re
import shlex
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
import ray
from ray.cluster_utils import Cluster

from mmer.cli import build_command_parser, main
from mmer.cluster.ray_cluster import ClusterJob, Node, Resources, choose_needs, connect, count_slots, open_job, wants_card
from mmer.cluster.ray_executor import RayExecutor, wait_until_free
from mmer.datasets.reading import read_dataset
from mmer.errors import DataError
from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.run_status import is_held, lock_run, read_status
from mmer.experiments.prepare import claim_experiment
from mmer.experiments.report.reproduce import choose_cells
from mmer.experiments.trainer.run_experiment import run_experiment
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.extraction import extract_dataset
from mmer.feature_store.feature_set import read_feature_set

SENTENCES = {
    "anger": ("I am furious about this", "Stop shouting at me", "How dare you lie to me", "You ruined it all", "I hate this awful noise"),
    "happiness": (
        "I am so glad to see you",
        "What a lovely surprise",
        "We won the whole match",
        "This is the best cake",
        "I love this day",
    ),
    "sadness": ("I miss her so much", "He cried all night long", "Nobody came to the funeral", "I lost my only friend", "We said goodbye"),
    "neutral": (
        "The train leaves at nine",
        "Put the box on the table",
        "We meet in room four",
        "He reads at noon",
        "My number is on the form",
    ),
}
STORE = 80 * 2**20  # bytes
ENDINGS = ("", " today", " again")
CELLS = {"short": ("linear", 0), "other": ("linear", 1), "long": ("transformer", 0)}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """60 sentences of 6 speakers; their sound files are not there."""
    folder = tmp_path_factory.mktemp("corpus")
    rows = ["path,text,label,speaker"]
    for label, sentences in SENTENCES.items():
        for number, sentence in enumerate(sentences):
            for copy, ending in enumerate(ENDINGS):
                rows.append(f"{label}-{number}-{copy}.wav,{sentence}{ending},{label},s{(3 * number + copy) % 6}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def features(corpus, tmp_path_factory):
    """Extracted here, without Ray."""
    cache = FeatureCache(tmp_path_factory.mktemp("features"))
    extract_dataset(read_dataset(corpus, audio=False), cache, units=("T",))
    return cache.folder


def claim_cells(corpus, features, root, names):
    settings = {"folds": 2, "repetitions": 1, "epochs": 30, "batch_size": 4, "threads": 1, "device": "cpu"}
    cells = {}
    for name in names:
        fusion, seed = CELLS[name]
        given = Experiment(data=str(corpus), features=str(features), fusion=fusion, units=("T",), seed=seed, **settings)
        cells[name] = claim_experiment(root, name, given)
    return cells


# what needs no cluster


def test_cores_are_shared_out():
    small, large = Node(4, 0, 16e9), Node(16, 0, 64e9)
    assert choose_needs((small, large), 2, cpus=0, gpus=0, memory=4e9).cpus == 8  # both on the large one
    assert choose_needs((small, large), 5, cpus=0, gpus=0, memory=4e9).cpus == 4
    assert choose_needs((small, large), 100, cpus=0, gpus=0, memory=4e9).cpus == 1
    assert choose_needs((small, large), 100, cpus=3, gpus=0, memory=4e9).cpus == 3
    assert count_slots((small, large), Resources(1, 0, 8e9)) == 2 + 8  # memory holds no more


def test_a_card_is_asked_for_where_one_was_named_or_there_is_any():
    bare, rich = (Node(4, 0, 8e9),), (Node(4, 1, 8e9),)
    assert [wants_card(name, bare) for name in ("cpu", "auto", "cuda", "cuda:1", "mps")] == [False, False, True, True, False]
    assert wants_card("auto", rich) and not wants_card("cpu", rich)


def test_gpus_are_shared_out():
    nodes = (Node(16, 2, 64e9), Node(16, 0, 64e9))
    assert choose_needs(nodes, 9, cpus=0, gpus=1, memory=4e9) == Resources(8, 1, 4e9)
    assert choose_needs(nodes, 9, cpus=0, gpus=0.5, memory=4e9) == Resources(4, 0.5, 4e9)
    with pytest.raises(DataError, match="No node of the Ray cluster has 1 CPU and 4 GPU for a task"):
        choose_needs(nodes, 1, cpus=0, gpus=4, memory=4e9)
    with pytest.raises(DataError, match="has 32 CPUs for a task; ask for less with --ray-cpus"):
        choose_needs(nodes, 1, cpus=32, gpus=0, memory=4e9)


def test_node_that_sees_other_folders_says_so(tmp_path):
    with open_job([tmp_path]) as job:
        job.check_node()
        with pytest.raises(DataError, match=r"instead of 0\.0; install the same version on all nodes"):
            ClusterJob(job.places, "0.0", ()).check_node()
    with pytest.raises(DataError, match=f"does not see {tmp_path} as the machine that asked does; .* filesystem that all nodes see"):
        job.check_node()
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_lost_node_is_waited_for(corpus, features, tmp_path):
    folder = claim_cells(corpus, features, tmp_path, ["short"])["short"]
    held, ended = threading.Event(), threading.Event()

    def train():
        with lock_run(folder):
            held.set()
            ended.wait(60)

    other = threading.Thread(target=train)
    other.start()
    assert held.wait(60)
    begun = time.monotonic()
    wait_until_free(folder, seconds=0.1)  # not for ever
    assert is_held(folder) and time.monotonic() - begun >= 0.1
    waiting = threading.Thread(target=wait_until_free, args=(folder,), kwargs={"seconds": 60})
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    ended.set()
    waiting.join(60)
    assert not waiting.is_alive() and not is_held(folder)
    other.join()


def test_missing_ray_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DataError, match=r"Ray is not installed; run pip install -e '.\[ray\]'"), connect(None):
        pass


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense"])
def test_missing_cluster_is_told_at_once(address, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    begun = time.monotonic()
    with pytest.raises(DataError, match=f"No Ray cluster .* at {address}.*start one with `ray start --head`"), connect(address):
        pass
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    "flags, sentence",
    [
        (["--ray-address", "auto"], "--ray-address is for --executor ray"),
        (["--executor", "ray", "--ray-cpus", "0"], "--ray-cpus 0: a task needs at least 1"),
        (["--executor", "ray", "--ray-gpus", "1.5"], "--ray-gpus 1.5: a task takes a part of one GPU"),
        (["--executor", "ray", "--shard", "1/2"], "leave --shard out"),
        (["--shards", "2"], "--shards is for --executor ray"),
    ],
)
def test_flags_that_do_not_fit_are_refused(flags, sentence, corpus, tmp_path, capsys):
    assert main(["extract", str(corpus), "--no-audio", "--features", str(tmp_path), *flags]) == 2
    assert sentence in capsys.readouterr().err


def test_commands_of_the_document_are_understood():
    text = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")
    lines = [line for line in re.findall(r"python -m mmer ([^`\n]+)$", text, flags=re.MULTILINE) if "COMMAND" not in line]
    assert len(lines) >= 6
    known = {"$TABLE": "2", "$PRESET": "paper", "$SLURM_CPUS_PER_TASK": "8", "$SLURM_ARRAY_TASK_COUNT": "20"}
    for line in lines:
        given = re.sub(r"\$\(python[^)]*\)?", "CELL", re.sub(r" \| .*", "", line).replace("$((SLURM_ARRAY_TASK_ID + 1))", "1"))
        for name, value in known.items():
            given = given.replace(name, value)
        command, *arguments = shlex.split(given.rstrip('"') + '"' * (given.rstrip('"').count('"') % 2))
        build_command_parser(command).parse_args(arguments)
    assert [len(choose_cells(table)) for table in (1, 2, 3)] == [10, 16, 17] and "10 for Table 1, 16 for Table 2, 17 for Table 3" in text
    assert "#SBATCH --array=0-15\n" in text


# on the cluster, in this order: the last one kills a node


@pytest.fixture(scope="module")
def cluster():
    """The head takes no task; the two nodes have a core each. A lost one is noticed after 3 s, not 30."""
    quick = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 1000, "health_check_failure_threshold": 3}
    head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False, "_system_config": quick}
    found = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        found.add_node(num_cpus=1, object_store_memory=STORE)
    yield found
    ray.shutdown()
    found.shutdown()


def test_shards_are_merged(corpus, features, cluster, tmp_path, capsys):
    dataset = read_dataset(corpus, audio=False)
    command = ["extract", str(corpus), "--no-audio", "--features", str(tmp_path), "--executor", "ray", "--ray-address", cluster.address]
    assert main([*command, "--shards", "2"]) == 0
    said = capsys.readouterr()
    assert "60 utterances with features (compact): T 60" in said.out and "texts: 60 of 60" in said.err
    here, there = (read_feature_set(dataset, FeatureCache(folder)) for folder in (features, tmp_path))
    assert here.items == there.items
    assert all(FeatureCache(tmp_path).is_whole(item.text) for item in there.items)
    assert not list(tmp_path.glob(".ray-*"))


def test_what_can_not_be_trained_is_named_at_the_end(corpus, features, cluster, tmp_path):
    """One experiment's data have changed; the other is trained all the same."""
    cells = claim_cells(corpus, features, tmp_path, ["other", "short"])
    cells["other"].write("data", cells["other"].read("data") | {"fingerprint": "f" * 64})
    trained = RayExecutor(cluster.address, tell=lambda text: None)([folder.path for folder in cells.values()])
    assert next(trained) == cells["short"].path
    with pytest.raises(DataError, match=r"^1 of 2 experiments was not trained\. other: .* changed since the experiment other was made"):
        next(trained)
    assert read_status(cells["other"]).state == "failed"


def find_parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def kill_node_of(cluster, folder, killed):
    """As soon as the experiment has a checkpoint, the node that trains it is killed."""
    end = time.monotonic() + 100
    while time.monotonic() < end and not (folder.checkpoint / "group1.safetensors").exists():
        time.sleep(0.02)
    status = read_status(folder)
    node = next(n for n in cluster.worker_nodes if n.all_processes["raylet"][0].process.pid == find_parent(status.pid))
    cluster.remove_node(node, allow_graceful=False)
    killed.append(status)


def test_lost_node(corpus, features, cluster, tmp_path):
    """Everything ends with the predictions of a local training; what was lost goes on from its checkpoint on the other node."""
    there, here = (claim_cells(corpus, features, tmp_path / place, ["long", "short"]) for place in ("there", "here"))
    killed, shown = [], []
    killer = threading.Thread(target=kill_node_of, args=(cluster, there["long"], killed))
    killer.start()
    paths = [folder.path for folder in there.values()]
    assert sorted(RayExecutor(cluster.address, tell=shown.append)(paths)) == sorted(paths)
    killer.join()
    after = read_status(there["long"])
    assert (killed[0].state, after.state) == ("running", "finished") and killed[0].pid != after.pid
    assert any(text.startswith(f"long: process {killed[0].pid} on ") and text.endswith("goes on") for text in shown)
    assert shown[-1] == "2 of 2 experiments trained" and any("long " in text and " %" in text for text in shown)
    rows = [json.loads(line) for line in (there["long"].path / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) < 1.5 * len(there["long"].read_metrics())  # most epochs were not done twice
    for name, folder in here.items():
        run_experiment(folder, say=lambda text: None)
        pd.testing.assert_frame_equal(there[name].read_predictions(), folder.read_predictions())
    commands = {cells["long"].read("environment")["command"] for cells in (there, here)}
    assert after.runs_finished == 2 and len(commands) == 1  # what was typed, not what Ray calls
