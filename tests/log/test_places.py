"""Where rows happen: numbers, and how many names clients may bring (P28, found A6)."""

from wsflow.log.places import MAX_FOREIGN, MAX_NAME, OTHER, Places


def test_the_same_names_have_the_same_number() -> None:
    places = Places()
    first = places.number("req", "chat", "req", "/chat/{room}")
    assert places.number("req", "chat", "close", "/chat/{room}") != first
    assert places.number("req", "chat", "req", "/chat/{room}") == first
    assert places[first].path == "/chat/{room}"
    assert places.weight == 0


def test_p28_paths_and_signals_of_clients_are_bounded_and_weighed() -> None:
    places = Places()
    for number in range(3 * MAX_FOREIGN):
        places.number("drop", "", "wire", f"/{number}")
        places.number("signal", "node", f"type {number}")
    assert len(places.all()) <= MAX_FOREIGN + 2
    assert MAX_FOREIGN * 200 < places.weight < MAX_FOREIGN * 1_000
    assert places[places.number("drop", "", "wire", "/new")].path == ""
    assert places[places.number("signal", "node", "new")].port == OTHER
    assert places[places.number("signal", "node", "type 0")].port == "type 0"
    assert places[places.number("req", "mine", "req", "/mine")].path == "/mine"


def test_long_names_are_cut() -> None:
    places = Places()
    number = places.number("signal", "node", "x" * 10_000)
    assert len(places[number].port) == MAX_NAME
    assert places.number("signal", "node", "x" * 20_000) == number


def test_what_clients_named_is_forgotten_and_numbers_held_go_on() -> None:
    places = Places()
    mine = places.number("req", "chat", "req", "/chat")
    theirs = places.number("drop", "", "wire", "/theirs")
    places.forget_foreign()
    assert places.weight == 0
    assert places[mine].path == "/chat"
    assert (places[theirs].kind, places[theirs].path) == ("drop", "")
    assert places.number("req", "chat", "req", "/chat") == mine
    again = places.number("drop", "", "wire", "/theirs")
    assert again != theirs
    assert places[again].path == "/theirs"
