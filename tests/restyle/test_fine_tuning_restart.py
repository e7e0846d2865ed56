from __future__ import annotations

import gc
import json
import tracemalloc

from fine_tuning import BASE, MARKED, TRAINING, events, running, say, upload, wait


def test_models_jobs_and_files_survive_a_restart(tmp_path):
    with running(tmp_path) as client:
        job = wait(client, client.fine_tuning.jobs.create(model=BASE, training_file=upload(client, TRAINING)))
        told = events(client, job)
    damaged = tmp_path / "state" / "jobs" / f"ftjob-{'0' * 24}.json"
    damaged.write_text('{"job": 3}', encoding="utf-8")
    with running(tmp_path) as client:
        assert client.fine_tuning.jobs.retrieve(job.id) == job
        assert [each.id for each in client.fine_tuning.jobs.list()] == [job.id]
        assert events(client, job) == told
        assert client.files.content(job.training_file).content == TRAINING
        assert say(client, job.fine_tuned_model) == MARKED


def test_a_job_that_a_dead_server_left_is_started_again(tmp_path):
    with running(tmp_path) as client:
        job = wait(client, client.fine_tuning.jobs.create(model=BASE, training_file=upload(client, TRAINING)))
    # What a server killed in the middle of the training leaves behind.
    path = tmp_path / "state" / "jobs" / f"{job.id}.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["job"] |= {"status": "running", "fine_tuned_model": None, "finished_at": None, "result_files": []}
    record["checkpoints"], record["events"] = [], record["events"][:3]
    path.write_text(json.dumps(record), encoding="utf-8")
    (tmp_path / "state" / "models" / f"{job.id}.json.gz").unlink()
    with running(tmp_path) as client:
        again = wait(client, job)
        assert again.status == "succeeded"
        assert again.fine_tuned_model == job.fine_tuned_model
        assert say(client, again.fine_tuned_model) == MARKED
        assert len(list(client.fine_tuning.jobs.checkpoints.list(job.id))) == 1
        assert "The server was restarted: the job begins again" in [event.message for event in events(client, job)]


def test_a_server_remembers_nothing_of_what_it_is_sent(tmp_path):
    with running(tmp_path) as client:
        upload(client, TRAINING)
        gc.collect()
        tracemalloc.start()
        try:
            for _ in range(4):
                upload(client, b"x" * 2**20)
            gc.collect()
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert kept < 2**20
