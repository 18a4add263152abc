"""The state machine of a job: every order of events ends in one final state."""

import pickle

from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import OutOfMemory, StudioError
from studio.core.events import Cancelled, Failed, JobEvent, Started, Stepped
from studio.core.job import Job, JobState, advance, ask_to_cancel
from studio.core.recipe import Recipe

RECIPE = Recipe(prompt="p", seed=1, steps=10)
FAILED = Failed(job_id=1, error=StudioError("No."))
events = st.lists(
    st.sampled_from([Started(job_id=1), Stepped(job_id=1, step=3, steps=10, seconds=1.5), Cancelled(job_id=1), FAILED])
)


@given(events)
def test_final_states_never_change(sequence: list[JobEvent]) -> None:
    job = Job(id=1, recipe=RECIPE)
    for event in sequence:
        after = advance(job, event)
        assert not job.state.is_final or after == job
        job = after


def test_cancelling_a_running_job_shows_at_once_and_ends_when_the_engine_says_so() -> None:
    job = ask_to_cancel(advance(Job(id=1, recipe=RECIPE), Started(job_id=1)))
    assert job.state is JobState.CANCELLING
    assert advance(job, Stepped(job_id=1, step=4, steps=10, seconds=1)).state is JobState.CANCELLING
    assert advance(job, Cancelled(job_id=1)).state is JobState.CANCELLED


def test_cancelling_a_waiting_job_ends_it() -> None:
    assert ask_to_cancel(Job(id=1, recipe=RECIPE)).state is JobState.CANCELLED


def test_time_left_follows_the_steps_done() -> None:
    job = advance(Job(id=1, recipe=RECIPE), Stepped(job_id=1, step=4, steps=10, seconds=2.0))
    assert job.steps_per_second == 2.0
    assert job.seconds_left == 3.0


def test_errors_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(OutOfMemory("Too large.", "Make it smaller.", "detail")))
    assert (type(error), error.headline, error.hint, error.detail) == (
        OutOfMemory,
        "Too large.",
        "Make it smaller.",
        "detail",
    )
