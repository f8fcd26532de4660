"""Cells own what they declare: what a cell no longer declares is gone, the rest is swapped."""

import weakref
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import wsflow.graph.cells
from wsflow import Context, Flow, PathError, WiringError
from wsflow.graph.cells import Ledger, cited, interactive, notebook


class Shell:
    """What wsflow asks of an IPython shell: its announcements of cells."""

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
