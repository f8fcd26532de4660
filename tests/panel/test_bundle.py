"""The modules in the page: joined to one, they parse, load nothing and clash nowhere."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

from tests.needs import node
from wsflow.panel import bundle

HERE = Path(bundle.__file__).parent

TOP_LEVEL = re.compile(
    r"^(?:export )?(?:default )?(?:async )?(?:function\*?|const|let|var|class) (\w+)", re.MULTILINE
)


def test_no_name_is_used_twice_at_the_top_of_the_modules() -> None:
    names = Counter(TOP_LEVEL.findall(bundle.script()))
    assert [name for name, times in names.items() if times > 1] == []
    assert "render" in names


def test_the_modules_are_joined_to_one_without_imports() -> None:
    script = bundle.script()
    assert not re.search(r"^import\b", script, re.MULTILINE)
    assert len(re.findall(r"^export\b", script, re.MULTILINE)) == 1
    assert "http://" not in script.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in script
    assert "innerHTML" not in script
    order = bundle.order()
    assert order[-1] == "page.js"
    assert {path.name for path in HERE.glob("*.js")} == set(order)


def test_styles_load_nothing_and_stay_inside_the_panel() -> None:
    style = bundle.style()
    assert "url(" not in style
    assert "@import" not in style
    bare = re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)
    selectors = re.findall(r"(?:^|[};])\s*([^{};@]+?)\s*\{", bare)
    assert selectors
    assert [one for one in selectors if ".wf" not in one and one not in ("from", "to")] == []


def test_the_modules_parse(tmp_path: Path) -> None:
    whole = tmp_path / "panel.mjs"
    whole.write_text(bundle.script())
    for path in (whole, *HERE.glob("*.js")):
        module = tmp_path / f"{path.stem}.mjs"
        module.write_text(path.read_text())
        done = subprocess.run(
            [node(), "--check", module], capture_output=True, text=True, check=False, timeout=30
        )
        assert done.returncode == 0, done.stderr
