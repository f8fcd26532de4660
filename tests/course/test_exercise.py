"""Exercises: right solutions pass, typical mistakes are named, hints come in steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

import wsflow
from tests.course.exercises.echo import echo, echo_not_wired
from tests.course.task import Mistake, Task
from tests.course.tasks import NOTEBOOK, TASKS, notebook, write
from wsflow import Context, Flow, Recording, RecordingError, WsflowError, check
from wsflow.course.exercise import SHIPPED, Exercise, exercises, make_exercise
from wsflow.types import MessageEvent

SOLVED = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
WRONG = pytest.mark.parametrize(
    ("task", "mistake"),
    [
        pytest.param(task, one, id=f"{task.name}-{one.build.__name__}")
        for task in TASKS
        for one in task.mistakes
    ],
)


@pytest.fixture(autouse=True)
def no_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsflow.course.exercise._tries", type(wsflow.course.exercise._tries)())


def flow_of(build: Any) -> Flow:
    flow = Flow("mine")
    build(flow)
    return flow


def test_there_are_ten_and_each_has_three_mistakes_and_three_hints() -> None:
    assert [one.name for one in exercises()] == [task.name for task in TASKS]
    assert len(TASKS) == 10
    assert all(len(task.mistakes) >= 3 and len(task.hints) == 3 for task in TASKS)


@SOLVED
def test_a_right_solution_passes(task: Task) -> None:
    verdict = check(task.name, flow_of(task.solution))
    assert verdict.ok, repr(verdict)
    assert verdict.answers > 0
    assert "solved" in repr(verdict)
    assert "All " in verdict._repr_html_()


@WRONG
def test_a_typical_mistake_is_named(task: Task, mistake: Mistake) -> None:
    verdict = check(task.name, flow_of(mistake.build))
    assert not verdict
    assert mistake.told in " ".join(verdict.words)


@SOLVED
def test_what_is_given_to_begin_with_runs_and_is_not_yet_right(task: Task) -> None:
    given: dict[str, Any] = {"Flow": Flow}
    exec(task.starter, given)
    verdict = check(task.name, given["flow"])
    assert not verdict
    assert all("raised" not in word for word in verdict.words)


@SOLVED
def test_what_ships_is_what_the_course_says_today(task: Task) -> None:
    shipped = Exercise.open(task.name)
    assert (shipped.title, shipped.task, shipped.hints, shipped.starter, shipped.rules) == (
        task.title,
        task.task,
        task.hints,
        task.starter,
        task.rules,
    )


@SOLVED
async def test_it_can_be_made_again_from_the_right_solution(task: Task, tmp_path: Path) -> None:
    await write(task, tmp_path)
    made = Exercise.open(tmp_path / f"{task.name}.jsonl")
    assert made.task == task.task
    verdict = await anyio.to_thread.run_sync(made.check, flow_of(task.solution))
    assert verdict.ok, repr(verdict)


def test_the_notebook_has_the_tasks_of_the_course() -> None:
    assert json.loads(NOTEBOOK.read_text()) == notebook()


def test_what_ships_names_nothing_of_the_machine_it_was_made_on() -> None:
    for path in SHIPPED.iterdir():
        text = path.read_text()
        for word in ("/home/", "/tmp/", str(Path.home()), str(Path.cwd())):
            assert word not in text


# ---- hints


def test_each_try_in_vain_shows_one_more_hint() -> None:
    flow = flow_of(echo_not_wired)
    shown = [check("01-echo", flow) for _ in range(5)]
    assert [len(verdict.hints) for verdict in shown] == [0, 1, 2, 3, 3]
    assert [verdict.more for verdict in shown] == [3, 2, 1, 0, 0]
    assert "3 more hints when you try again" in repr(shown[0])
    assert "Hint 1: " in repr(shown[1])
    assert "<b>Hint 2:</b>" in shown[2]._repr_html_()


def test_hints_begin_anew_once_it_is_solved() -> None:
    flow = flow_of(echo_not_wired)
    check("01-echo", flow)
    check("01-echo", flow)
    flow.nodes["/echo"].message >> flow.nodes["back"]
    assert check("01-echo", flow).ok
    flow.disconnect(flow.nodes["/echo"].output("message"), flow.nodes["back"])
    assert check("01-echo", flow).hints == ()


def test_one_can_ask_for_hints() -> None:
    assert len(check("01-echo", flow_of(echo_not_wired), hints=2).hints) == 2


# ---- beside what is live


async def test_clients_that_are_connected_notice_nothing() -> None:
    flow = flow_of(echo)
    async with flow.client("/echo") as alice:
        await alice.send("before")
        assert await alice.receive() == "before"
        assert check("01-echo", flow)
        await alice.send("after")
        assert await alice.receive() == "after"
    await flow.stop()


def test_a_flow_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsflow.course.exercise.TIMEOUT", 0.3)
    done = False

    def endless(flow: Flow) -> None:
        @flow.node
        def back(ev: MessageEvent, ctx: Context) -> None:
            while not done:
                pass

        flow.websocket("/echo").message >> back

    verdict = check("01-echo", flow_of(endless))
    done = True
    assert "did not come to an end within 0.3 s" in verdict.words[0]


# ---- a teacher's own


async def made(folder: Path, **more: Any) -> Exercise:
    flow = flow_of(echo)
    with flow.record("hello", folder=folder):
        async with flow.client("/echo?name=ada") as ada:
            await ada.send("hello")
            await ada.receive()
    await flow.stop()
    recording = Recording.open("hello", folder=folder)
    return make_exercise(
        recording, "mine", title="An echo", task="Echo.", folder=folder / "own", **more
    )


async def test_a_teacher_makes_one_of_a_recording(tmp_path: Path) -> None:
    exercise = await made(tmp_path, hints=["Listen.", "Answer."], starter="flow = ...")
    assert exercise.path == tmp_path / "own" / "mine.jsonl"
    assert exercise.hints == ("Listen.", "Answer.")
    assert (await anyio.to_thread.run_sync(check, exercise.path, flow_of(echo))).ok
    told = await anyio.to_thread.run_sync(check, str(exercise.path), flow_of(echo_not_wired))
    assert "Ada sent 'hello' and nobody was answered; expected 'hello' for ada" in told.words[0]
    assert [one.name for one in exercises(tmp_path / "own")] == ["mine"]


async def test_a_rule_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(WsflowError, match="no rule 'ignor'; rules: any_order, early, ignore"):
        await made(tmp_path, rules={"ignor": ["id"]})


# ---- asked for what is not there


def test_an_exercise_may_be_called_by_a_part_of_its_name() -> None:
    assert Exercise.open("echo").name == "01-echo"
    assert exercises()["05"].name == "05-manager"
    assert exercises()[0].name == "01-echo"


def test_an_exercise_that_does_not_exist_names_those_there_are() -> None:
    with pytest.raises(WsflowError, match="no exercise '11-moon'; there are: 01-echo, 02-greet"):
        check("11-moon", Flow())
    with pytest.raises(WsflowError, match="no exercise '0'; there are"):
        exercises()["0"]


def test_a_recording_that_is_no_exercise_says_how_it_becomes_one() -> None:
    with pytest.raises(RecordingError, match=r"no exercise: wsflow\.make_exercise"):
        check(Path("recordings/hello.jsonl"), Flow())


def test_what_is_no_flow_is_told_so() -> None:
    with pytest.raises(WsflowError, match="takes the name of an exercise and a Flow, not str"):
        check("01-echo", "flow")  # type: ignore[arg-type]


def test_an_exercise_shows_its_task_and_its_code() -> None:
    bundle = exercises()["01"]._repr_mimebundle_()
    assert bundle["text/markdown"].startswith("#### 01-echo · An echo")
    assert "```python\nflow = Flow" in bundle["text/markdown"]
    assert "@flow.node" in bundle["text/plain"]
    assert "01-echo" in exercises()._repr_html_()
    assert json.dumps(bundle)


def test_arguments_the_wrong_way_round_are_told() -> None:
    wrong: Any = Flow("mine")
    with pytest.raises(WsflowError, match="the name of an exercise comes first, not <Flow mine"):
        check(wrong, wrong)
