"""Cells own what they declare: what a cell no longer declares is gone, the rest is swapped."""

import contextlib
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from types import SimpleNamespace
from typing import Any, TypeAlias

import pytest

import wsflow.graph.cells
from wsflow import Context, Flow, PathError, WiringError
from wsflow.graph.cells import Ledger, cited, interactive, notebook
from wsflow.panel.diagram import DiagramPart
from wsflow.replay.virtual_time import VirtualLoop
from wsflow.views.svg import Drawing


class Shell:
    """What wsflow asks of an IPython shell: its announcements of cells."""

    execution_count = 1

    def __init__(self, running: str | None = None) -> None:
        self.events = self
        self.callbacks: dict[str, list[Callable[[Any], None]]] = defaultdict(list)
        parent = {"metadata": {"cellId": running}} if running else {}
        self.kernel = SimpleNamespace(get_parent=lambda channel: parent)

    def register(self, name: str, callback: Callable[[Any], None]) -> None:
        self.callbacks[name].append(callback)

    def say(self, name: str, what: SimpleNamespace) -> None:
        for callback in self.callbacks[name]:
            callback(what)

    def run(self, id: str | None, *declarations: Callable[[], object]) -> None:
        """Run a cell; an exception ends it and is raised again."""
        info = SimpleNamespace(cell_id=id)
        self.say("pre_run_cell", info)
        success = False
        try:
            for declare in declarations:
                declare()
            success = True
        finally:
            self.say("post_run_cell", SimpleNamespace(info=info, success=success))


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    shell = Shell()
    monkeypatch.setattr(wsflow.graph.cells, "ipython", lambda: shell)
    monkeypatch.setattr(Flow, "_by_name", {})
    yield shell
    monkeypatch.setattr(notebook, "_shell", None)
    monkeypatch.setattr(notebook, "cell", None)


@pytest.fixture
def book(shell: Shell) -> Flow:
    """A flow in a notebook, with a trigger that cell `t` declared."""
    flow = Flow("book")
    shell.run("t", lambda: flow.websocket("/chat", name="chat"))
    return flow


def node(flow: Flow, name: str, **options: Any) -> Callable[[], object]:
    return lambda: flow.node(lambda ev, ctx: None, name=name, **options)


def wire(flow: Flow, target: str, port: str = "message") -> Callable[[], object]:
    return lambda: flow.connect(flow.nodes["chat"][port], flow.nodes[target])  # type: ignore[arg-type]


def targets(flow: Flow) -> list[str]:
    return [wire.target.node.name for wire in flow._host.wires]


# ---- the ledger


def ended(ledger: Ledger, cell: str, *keys: Hashable, ok: bool = True) -> list[Hashable]:
    """Run a cell that declares `keys`; return what goes."""
    ledger.begin(cell)
    for key in keys:
        ledger.declare(key, cell)
    return ledger.end(cell, ok)


def test_what_a_cell_declares_again_is_renewed() -> None:
    ledger = Ledger()
    assert ended(ledger, "1", "a", "b") == []
    assert ended(ledger, "1", "a", "b") == []
    assert ended(ledger, "1", "a") == ["b"]
    assert ended(ledger, "1") == ["a"]
    assert ended(ledger, "1") == []


def test_a_cell_that_failed_keeps_what_it_had() -> None:
    ledger = Ledger()
    ended(ledger, "1", "a", "b")
    assert ended(ledger, "1", "a", ok=False) == []
    assert ended(ledger, "1", "a") == ["b"]


def test_the_last_cell_to_declare_a_thing_owns_it() -> None:
    ledger = Ledger()
    ended(ledger, "1", "a")
    ended(ledger, "2", "a")
    assert ended(ledger, "1") == []
    assert ended(ledger, "2") == ["a"]


def test_what_its_last_owner_drops_is_gone_though_another_cell_had_it_before() -> None:
    ledger = Ledger()
    ended(ledger, "1", "a")
    ended(ledger, "2", "a")
    assert ended(ledger, "2") == ["a"]


def test_a_shared_thing_lives_while_one_cell_declares_it() -> None:
    ledger = Ledger()
    for cell in "12":
        ledger.begin(cell)
        ledger.declare("wire", cell, shared=True)
        ledger.end(cell, True)
    assert ended(ledger, "1") == []
    assert ended(ledger, "2") == ["wire"]


def test_the_second_declaration_of_one_run_is_told() -> None:
    ledger = Ledger()
    ledger.begin("1")
    assert ledger.declare("a", "1")
    assert not ledger.declare("a", "1")
    ledger.end("1", True)
    ledger.begin("1")
    assert ledger.declare("a", "1")


def test_without_a_cell_nothing_is_owned() -> None:
    ledger = Ledger()
    assert ledger.declare("a", None)
    assert ledger.declare("a", None)
    assert ended(ledger, "1") == []


def test_what_is_forgotten_is_not_taken_away_again() -> None:
    ledger = Ledger()
    ended(ledger, "1", "a")
    ledger.forget("a")
    assert ended(ledger, "1") == []


# ---- the notebook


def test_a_script_is_not_interactive() -> None:
    assert not interactive()


def test_a_shell_is_interactive(shell: Shell) -> None:
    assert interactive()


def test_the_cell_that_imports_wsflow_is_known_by_the_kernel(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Shell(running="first")
    monkeypatch.setattr(wsflow.graph.cells, "ipython", lambda: first)
    flow = Flow("first")
    node(flow, "a")()
    first.say("post_run_cell", SimpleNamespace(info=None, success=True))
    assert notebook.cell is None
    first.run("first")
    assert flow.nodes == {}


def test_a_shell_is_hooked_once(shell: Shell) -> None:
    for name in ("one", "two", "three"):
        Flow(name)
    assert len(shell.callbacks["pre_run_cell"]) == 1


def test_the_notebook_keeps_no_watcher_alive(shell: Shell) -> None:
    class Watcher:
        def cell_started(self, cell: str) -> None: ...

        def cell_ended(self, cell: str, ok: bool) -> None: ...

    watcher = Watcher()
    notebook.watch(watcher)
    gone = weakref.ref(watcher)
    del watcher
    assert gone() is None


# ---- a cell that runs again


def test_an_edited_wire_replaces_the_one_before(shell: Shell, book: Flow) -> None:
    shell.run("n", node(book, "shout"), node(book, "whisper"))
    shell.run("w", wire(book, "shout"))
    shell.run("w", wire(book, "whisper"))
    assert targets(book) == ["whisper"]


def test_a_cell_run_again_unchanged_changes_nothing(shell: Shell, book: Flow) -> None:
    for _ in range(20):
        shell.run("n", node(book, "shout"), wire(book, "shout"))
    assert (list(book.nodes), targets(book)) == (["chat", "shout"], ["shout"])


def test_a_node_declared_again_is_changed_in_place_and_keeps_its_wires(
    shell: Shell, book: Flow
) -> None:
    shell.run("n", node(book, "shout"))
    shell.run("w", wire(book, "shout"))
    before, function = book.nodes["shout"], book.nodes["shout"].function
    shell.run("n", node(book, "shout"))
    assert book.nodes["shout"] is before
    assert before.function is not function
    assert targets(book) == ["shout"]


def test_a_node_no_longer_declared_is_gone_with_its_wires(shell: Shell, book: Flow) -> None:
    shell.run("n", node(book, "shout"))
    shell.run("w", wire(book, "shout"))
    shell.run("n", node(book, "whisper"))
    assert (list(book.nodes), targets(book)) == (["chat", "whisper"], [])


def test_a_cell_that_raises_keeps_what_it_had(shell: Shell, book: Flow) -> None:
    shell.run("n", node(book, "a"), node(book, "b"))
    with pytest.raises(ZeroDivisionError):
        shell.run("n", node(book, "a"), lambda: 1 / 0)
    assert list(book.nodes) == ["chat", "a", "b"]
    shell.run("n", node(book, "a"))
    assert list(book.nodes) == ["chat", "a"]


def test_a_wire_two_cells_declare_lives_while_one_of_them_does(shell: Shell, book: Flow) -> None:
    shell.run("n", node(book, "shout"))
    shell.run("1", wire(book, "shout"))
    shell.run("2", wire(book, "shout"))
    shell.run("1")
    assert targets(book) == ["shout"]
    shell.run("2")
    assert targets(book) == []


def test_a_node_moved_to_another_cell_belongs_there(shell: Shell, book: Flow) -> None:
    shell.run("1", node(book, "shout"))
    shell.run("2", node(book, "shout"))
    shell.run("1")
    assert "shout" in book.nodes
    shell.run("2")
    assert "shout" not in book.nodes


def test_ports_no_longer_declared_go_with_their_wires(shell: Shell, book: Flow) -> None:
    shell.run("n", node(book, "split", outputs=("yes", "no")), node(book, "sink"))
    shell.run("w", lambda: [book.nodes["split"][p] >> book.nodes["sink"] for p in ("yes", "no")])
    shell.run("n", node(book, "split", outputs=("yes",)), node(book, "sink"))
    assert [wire.key[1] for wire in book._host.wires] == ["yes"]


@pytest.mark.parametrize("inner", [None, "n"])
def test_what_a_magic_inside_a_cell_declares_belongs_to_the_cell(
    shell: Shell, book: Flow, inner: str | None
) -> None:
    def magic() -> None:
        shell.run(inner, node(book, "b"))

    shell.run("n", node(book, "a"), magic, node(book, "c"))
    shell.run("n", node(book, "a"), magic, node(book, "c"))
    assert list(book.nodes) == ["chat", "a", "b", "c"]
    shell.run("n", node(book, "a"))
    assert list(book.nodes) == ["chat", "a"]


def test_a_cell_whose_end_was_never_told_does_not_own_what_comes_later(
    shell: Shell, book: Flow
) -> None:
    shell.say("pre_run_cell", SimpleNamespace(cell_id="dies"))
    shell.run("n", node(book, "a"))
    shell.run("dies")
    assert "a" in book.nodes
    shell.run("n")
    assert "a" not in book.nodes


def test_one_name_twice_in_one_run_is_an_error(shell: Shell, book: Flow) -> None:
    with pytest.raises(WiringError, match="has a node 'a' already"):
        shell.run("n", node(book, "a"), node(book, "a"))


def test_a_name_used_for_another_kind_makes_a_new_node(shell: Shell, book: Flow) -> None:
    shell.run("n", node(book, "x"))
    shell.run("n", lambda: book.connections(name="x"))
    assert list(book.nodes["x"].inputs) == ["req", "close", "broadcast"]


def test_a_connection_manager_declared_again_is_the_same(shell: Shell, book: Flow) -> None:
    shell.run("m", lambda: book.connections())
    before = book.nodes["connections"]
    shell.run("m", lambda: book.connections())
    assert book.nodes["connections"] is before


def test_where_no_cell_is_known_names_alone_decide(shell: Shell, book: Flow) -> None:
    shell.run(None, node(book, "a"), node(book, "b"))
    before = book.nodes["a"]
    shell.run(None, node(book, "a"))
    assert book.nodes["a"] is before
    assert "b" in book.nodes


def test_what_a_handler_declares_between_cells_belongs_to_no_cell(shell: Shell, book: Flow) -> None:
    node(book, "between")()
    shell.run("n")
    assert "between" in book.nodes


def test_a_handler_that_is_refused_keeps_the_one_before(shell: Shell, book: Flow) -> None:
    shell.run("n", node(book, "a", outputs=("yes",)))
    function = book.nodes["a"].function
    with pytest.raises(TypeError):
        shell.run("n", lambda: book.node(lambda a, b, c: None, name="a"))
    assert book.nodes["a"].function is function
    assert list(book.nodes["a"].outputs) == ["yes"]


# ---- triggers


def test_a_trigger_declared_again_is_the_same(shell: Shell, book: Flow) -> None:
    before = book.nodes["chat"]
    shell.run("t", lambda: book.websocket("/chat", name="chat"))
    assert book.nodes["chat"] is before


def test_a_trigger_moves_to_another_path(shell: Shell, book: Flow) -> None:
    shell.run("t", lambda: book.websocket("/room", name="chat"))
    assert book._host.graph.paths() == ["/room"]


def test_a_trigger_that_can_not_move_stays_where_it_was(shell: Shell, book: Flow) -> None:
    shell.run("o", lambda: book.websocket("/taken", name="other"))
    with pytest.raises(PathError):
        shell.run("t", lambda: book.websocket("/taken", name="chat"))
    assert book._host.graph.paths() == ["/chat", "/taken"]
    assert set(book.nodes) == {"chat", "other"}


def test_an_http_trigger_declared_with_another_method_answers_that_one(
    shell: Shell, book: Flow
) -> None:
    shell.run("h", lambda: book.http("/push", method="POST", name="push"))
    shell.run("h", lambda: book.http("/push", method="PUT", name="push"))
    found = book._host.graph.http("/push")
    assert found is not None
    assert list(found[0]) == ["PUT"]


def test_a_trigger_declared_with_other_subprotocols_speaks_those(shell: Shell, book: Flow) -> None:
    shell.run("t", lambda: book.websocket("/chat", name="chat", subprotocols=["v2"]))
    found = book._host.graph.socket("/chat")
    assert found is not None
    assert found[0].subprotocols == ("v2",)


async def test_an_edited_handler_answers_the_session_that_was_open(
    shell: Shell, book: Flow
) -> None:
    def answer(text: str) -> Callable[[], object]:
        def shout(ev: Any, ctx: Context) -> None:
            ctx.emit("response", {"body": text})

        return lambda: book.node(shout)

    shell.run("n", answer("one"))
    shell.run("w", wire(book, "shout"))
    client = await book.client("/chat")
    await client.send("x")
    shell.run("n", answer("two"))
    await client.send("x")
    assert [await client.receive() for _ in range(2)] == ["one", "two"]
    await book.stop()


# ---- what a running cell sees


def _copied(flow: Flow) -> dict[str, Any]:
    with contextlib.closing(VirtualLoop()) as loop:
        return flow._sandbox(loop, 0)[0]._host.describe()


LOOKS: dict[str, Callable[[Flow], str]] = {
    "repr": lambda flow: f"{flow._repr_mimebundle_()}",
    "nodes": lambda flow: f"{flow.nodes}",
    "svg": lambda flow: Drawing().svg(flow.nodes.values()),
    "wires": lambda flow: f"{flow._host.wires} {flow._host.describe()}",
    "panel": lambda flow: f"{DiagramPart(flow).news()}",
    "contract": lambda flow: f"{flow.to_asyncapi()}",
    "replay": lambda flow: f"{_copied(flow)}",
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_an_edited_cell_shows_what_it_declares_now(
    shell: Shell, book: Flow, look: Callable[[Flow], str]
) -> None:
    """found D1: in its middle and at its end, a renamed handler and a renamed route."""
    seen: list[str] = []
    shout = (node(book, "shout"), lambda: book.websocket("/old"))
    shell.run("n", *shout, wire(book, "shout"))
    shell.run(
        "n",
        lambda: seen.append(look(book)),
        node(book, "whisper"),
        lambda: book.websocket("/new"),
        wire(book, "whisper"),
        lambda: seen.append(look(book)),
    )
    seen.append(look(book))
    for text in seen:
        assert "shout" not in text
        assert "/old" not in text
    assert "/new" not in seen[0]
    assert "/new" in seen[1]
    assert seen[1] == seen[2]


def test_the_number_of_nodes_in_a_repr_is_that_of_the_cell(shell: Shell, book: Flow) -> None:
    """found D1: `print(flow)`."""
    seen: list[str] = []
    shell.run("n", node(book, "a"), node(book, "b"))
    shell.run("n", node(book, "a"), lambda: seen.append(repr(book)))
    assert seen == [repr(book)] == ["<Flow book 2 nodes>"]


def test_a_deleted_wire_is_not_shown_by_its_cell(shell: Shell, book: Flow) -> None:
    """found D1."""
    seen: list[list[str]] = []
    shell.run("n", node(book, "shout"))
    shell.run("w", wire(book, "shout"))
    shell.run("w", lambda: seen.append(targets(book)))
    assert (seen, targets(book)) == ([[]], [])


def test_others_see_the_old_graph_until_the_cell_has_ended(shell: Shell, book: Flow) -> None:
    """found D1: a panel that is open, a handler, a thread; the cell may declare it yet, or fail."""
    seen: list[list[str]] = []

    def elsewhere() -> None:
        thread = threading.Thread(target=lambda: seen.append(list(book.nodes)))
        thread.start()
        thread.join()

    shell.run("n", node(book, "shout"))
    shell.run("n", elsewhere)
    elsewhere()
    assert seen == [["chat", "shout"], ["chat"]]


def test_a_cell_that_failed_half_way_shows_all_that_is_kept(shell: Shell, book: Flow) -> None:
    """found D1."""
    shell.run("n", node(book, "a"), wire(book, "a"), node(book, "b"))
    with pytest.raises(ZeroDivisionError):
        shell.run("n", node(book, "b"), wire(book, "b"), lambda: 1 / 0)
    shell.run("look")
    assert list(book.nodes) == ["chat", "a", "b"]
    assert sorted(targets(book)) == ["a", "b"]


def test_a_new_wire_takes_the_place_of_those_not_declared_again(shell: Shell, book: Flow) -> None:
    """found D1: the cell's own next line, a client's message, meets the new handler alone."""
    met: list[list[str]] = []

    def meet() -> None:
        met.append([wire.target.node.name for wire in book.nodes["chat"].outputs["message"].wires])

    shell.run("n", node(book, "old"), wire(book, "old"), node(book, "kept"), wire(book, "kept"))
    kept = book.nodes["chat"].outputs["message"].wires[1]
    shell.run(
        "n",
        node(book, "new"),
        wire(book, "new"),
        meet,
        node(book, "kept"),
        wire(book, "kept"),
        meet,
    )
    assert met == [["new"], ["new", "kept"]]
    assert book.nodes["chat"].outputs["message"].wires[1] is kept


def test_a_route_is_given_another_name_by_the_cell_that_has_it(shell: Shell, book: Flow) -> None:
    """found D1: the name before was in its way."""
    shell.run("t", lambda: book.websocket("/chat", name="talk"))
    shell.run("h", lambda: book.http("/push", name="push"))
    shell.run("h", lambda: book.http("/push", name="shove"))
    assert list(book.nodes) == ["talk", "shove"]


def test_a_function_of_another_cell_stays_wired_however_often(shell: Shell, book: Flow) -> None:
    """found D1: every second run of an unchanged cell took its node and its wire away."""

    def shout(ev: Any, ctx: Context) -> None: ...

    for _ in range(3):
        shell.run("w", lambda: book.connect(book.nodes["chat"].message, shout))
        assert (list(book.nodes), targets(book)) == (["chat", "shout"], ["shout"])
    shell.run("w")
    assert list(book.nodes) == ["chat"]


# ---- wires of other cells

Declares: TypeAlias = Callable[[Flow], object]
GONE: dict[str, tuple[Declares, Declares, str]] = {
    "handler": (
        lambda flow: flow.node(lambda: None, name="end"),
        lambda flow: flow.node(lambda: None, name="another"),
        "chat.message >> end.in",
    ),
    "route": (
        lambda flow: flow.websocket("/old", name="start"),
        lambda flow: flow.websocket("/new"),
        "start.message >> sink.in",
    ),
    "path": (
        lambda flow: flow.websocket("/old", name="start"),
        lambda flow: flow.websocket("/new", name="start"),
        "start.message >> sink.in",
    ),
    "port": (
        lambda flow: flow.node(lambda: None, name="start", outputs=("message", "b")),
        lambda flow: flow.node(lambda: None, name="start", outputs=("b",)),
        "start.message >> sink.in",
    ),
}


@pytest.mark.parametrize(("first", "again", "lost"), GONE.values(), ids=GONE)
def test_wires_of_other_cells_that_go_are_told_with_the_cell_to_run_again(
    shell: Shell,
    book: Flow,
    capsys: pytest.CaptureFixture[str],
    first: Declares,
    again: Declares,
    lost: str,
) -> None:
    """found D14: a route of another name dropped them in silence."""
    shell.run("sink", node(book, "sink"))
    shell.run("n", lambda: first(book))
    ends = [book.nodes[label.split(".")[0]] for label in lost.split(" >> ")]
    shell.execution_count = 4
    shell.run("w", lambda: book.connect(ends[0]["message"], ends[1]))  # type: ignore[arg-type]
    shell.execution_count = 5
    shell.run("n", lambda: again(book))
    told = capsys.readouterr().err
    assert f"wires of cell In[4], and they are gone: {lost}. Run cell In[4] again" in told
    assert told.strip() in [row.data for row in book.log.tail(5)]
    shell.run("n", lambda: again(book))
    assert capsys.readouterr().err == ""


def test_wires_that_were_taken_away_on_purpose_are_no_news(
    shell: Shell, book: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run("n", node(book, "a"), node(book, "b"))
    shell.run("w", wire(book, "a"), wire(book, "b"))
    port: Any = book.nodes["chat"]["message"]
    shell.run("x", lambda: book.disconnect(port, book.nodes["a"]))
    shell.run("x", book.clear)
    assert capsys.readouterr().err == ""


# ---- flows


def test_a_flow_named_again_is_the_same_flow(shell: Shell) -> None:
    flow = Flow("chat")
    flow.state.set("n", 1)
    again = Flow("chat")
    assert again is flow
    assert again.state.get("n") == 1
    assert Flow("other") is not flow


def test_outside_a_notebook_every_flow_is_new() -> None:
    assert Flow("chat") is not Flow("chat")


def test_a_cleared_flow_may_declare_the_same_names_in_the_same_cell(
    shell: Shell, book: Flow
) -> None:
    shell.run("n", node(book, "a"), book.clear, node(book, "a"))
    assert list(book.nodes) == ["a"]


# ---- how a line is called


def test_a_line_of_a_file_is_called_by_its_name_without_the_folder() -> None:
    assert cited("/somewhere/app.py", 31) == "app.py:31"


def test_a_line_of_a_cell_is_called_as_the_notebook_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"/scratch/123.py": ("Cell", "In[5]")}
    shell = SimpleNamespace(compile=SimpleNamespace(format_code_name=names.get))
    monkeypatch.setattr("wsflow.graph.cells.ipython", lambda: shell)
    assert cited("/scratch/123.py", 2) == "cell In[5], line 2"
    assert cited("/somewhere/app.py", 31) == "app.py:31"


# ---- ready-made nodes and the other triggers

FAMILY: list[tuple[str, Callable[[Flow, Any], Any], Any, Any, str]] = [
    ("timer", lambda flow, seconds: flow.timer(seconds), 1.0, 2.0, "seconds"),
    ("inject", lambda flow, payload: flow.inject(payload), {"a": 1}, {"a": 2}, "payload"),
    ("throttle", lambda flow, seconds: flow.throttle(seconds), 1.0, 2.0, "seconds"),
    ("debounce", lambda flow, seconds: flow.debounce(seconds), 1.0, 2.0, "seconds"),
    ("where a", lambda flow, field: flow._host.switch(field, "where a"), "a", "b", "field"),
]


@pytest.mark.parametrize(("name", "declare", "first", "second", "setting"), FAMILY)
def test_a_cell_run_again_changes_it_in_place_and_keeps_its_wires(
    shell: Shell,
    book: Flow,
    name: str,
    declare: Callable[[Flow, Any], Any],
    first: Any,
    second: Any,
    setting: str,
) -> None:
    shell.run("sink", node(book, "sink"))
    shell.run("a", lambda: declare(book, first))
    made: Any = book.nodes[name]
    shell.run("w", lambda: made >> book.nodes["sink"])
    shell.run("a", lambda: declare(book, second))
    assert book.nodes[name] is made
    assert getattr(made, setting) == second
    assert targets(book) == ["sink"]
    shell.run("a")
    assert name not in book.nodes


def test_a_cell_run_again_changes_the_schema_at_the_door(shell: Shell, book: Flow) -> None:
    shell.run("a", lambda: book.multi("/things", schema={"type": "object"}))
    made: Any = book.nodes["/things"]
    with pytest.raises(WiringError, match="is no JSON Schema"):
        shell.run("a", lambda: book.multi("/things", schema={"type": "x"}))
    assert made.schema.document == {"type": "object"}, "half a run says nothing"
    shell.run("a", lambda: book.multi("/things"))
    assert (book.nodes["/things"], made.schema) == (made, None)


async def test_a_case_that_a_cell_no_longer_has_goes_to_default(shell: Shell, book: Flow) -> None:
    seen: list[str] = []

    def sort(*cases: str) -> Callable[[], object]:
        def cell() -> None:
            actions: Any = book.nodes["chat"]["message"].where("action")  # type: ignore[union-attr]
            for case in cases:
                actions[case] >> book.node(lambda case=case: seen.append(case), name=f"do {case}")
            actions.default >> book.node(lambda: seen.append("else"), name="else")

        return cell

    async with book.client("/chat") as client:
        shell.run("a", sort("move", "say"))
        await client.send('{"action": "say"}')
        shell.run("a", sort("move"))
        await client.send('{"action": "say"}')
        await client.send('{"action": "move"}')
    assert seen == ["say", "else", "move"]
    assert list(book.nodes) == ["chat", "chat.message where action", "do move", "else"]
    await book.stop()
