"""The data that is given answers for the file that a script opens, looks for or would download, whatever its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ScriptError
from engine.script.process import ScriptProcess

DATA = "anna\r\nzoë\n가나\n"


def printed(folder: Path, code: str) -> str:
    """What a script prints that has this data; it has nothing to record."""
    (folder / "script.py").write_text(code)
    with ScriptProcess(folder / "script.py", data=DATA.encode()) as process:
        with pytest.raises(ScriptError, match="defines no class of scalars"):
            process.run_out()
        return "".join(process.printed)


READS = {
    "open": "print(repr(open('input.txt').read()))",
    "open, with all that can be said": "print(repr(open('words.csv', 'rt', -1, 'utf-8', 'strict', '').read()))",
    "bytes": "print(open('names.txt', 'rb').read())",
    "lines": "with open('input.txt', encoding='utf-8') as file:\n    print([line.strip() for line in file])",
    "twice": "print(open('a.txt').read() == open('./a.txt').read(), open('a.txt').name)",
    "a path": "from pathlib import Path\npath = Path('data') / 'x.txt'\nprint(path.exists(), path.read_text().split())",
    "a check": "import os\nprint(os.path.isfile('x.txt'), os.path.getsize('x.txt'), len(open('x.txt').read()))",
    "a download": "from urllib.request import *\nurlretrieve('http://x/y.txt', 'y.txt')\nprint(open('y.txt').read())",
    "a download to another ending": (
        "import urllib.request\nurllib.request.urlretrieve('http://x/y', 'z.json')\nprint(open('z.json').read())"
    ),
    "an answer": (
        "from urllib.request import urlopen\nwith urlopen('http://x/y.txt') as got:\n"
        "    print(got.status, got.geturl(), got.read().decode())"
    ),
    "its own file is not looked at": "print(len(open('there.txt').read()))",
}
SAID = {
    "open": repr(DATA.replace("\r", "")),
    "open, with all that can be said": repr(DATA),
    "bytes": repr(DATA.encode()),
    "lines": "['anna', 'zoë', '가나']",
    "twice": "True a.txt",
    "a path": "True ['anna', 'zoë', '가나']",
    "a check": f"True {len(DATA.encode())} {len(DATA) - 1}",
    "a download": DATA.replace("\r", ""),
    "a download to another ending": DATA.replace("\r", ""),
    "an answer": f"200 http://x/y.txt {DATA}",
    "its own file is not looked at": str(len(DATA) - 1),
}


@pytest.mark.parametrize("how", READS)
def test_the_data_is_what_the_script_reads(how: str, tmp_path: Path) -> None:
    (tmp_path / "there.txt").write_text("other words that are longer")
    assert printed(tmp_path, READS[how]) == f"{SAID[how]}\n"
    assert {path.name for path in tmp_path.iterdir()} == {"script.py", "there.txt"}


OTHERS = {
    "a second file": "open('input.txt')\nprint(open('there.txt').read())",
    "a second file that is missing": (
        "import os\nopen('input.txt')\nprint(os.path.exists('saved.txt'))\ntry:\n    open('saved.txt')\n"
        "except FileNotFoundError:\n    print('none')"
    ),
    "a file of another kind": "import os\nprint(os.path.exists('model.pkl'))\nprint(open('there.json').read())",
    "a file of Python": "import os\nprint(open(os.__file__).readline()[:5])",
    "a file of the system": "import sys\nprint(open('/proc/self/cmdline').read() != '', open('input.txt').readline())",
    "a file by its number": "import os\nprint(os.fstat(1).st_size, os.stat(1).st_size)",
    "what it writes": "print(open('a.txt').readline())\nopen('b.txt', 'w').write('x')\nprint(open('b.txt').read())",
}
OTHERS_SAID = {
    "a second file": "mine\n",
    "a second file that is missing": "False\nnone\n",
    "a file of another kind": "False\nmine\n",
    "a file of Python": 'r"""O\n',
    "a file of the system": "True anna\n\n",
    "a file by its number": "0 0\n",
    "what it writes": "anna\n\nx\n",
}


@pytest.mark.parametrize("how", OTHERS)
def test_other_files_are_as_they_are(how: str, tmp_path: Path) -> None:
    for name in ("there.txt", "there.json"):
        (tmp_path / name).write_text("mine")
    assert printed(tmp_path, OTHERS[how]) == OTHERS_SAID[how]


def test_requests_are_answered_too(tmp_path: Path) -> None:
    """Of a module of that name beside the script, which would go nowhere."""
    (tmp_path / "requests.py").write_text("def get(url): raise OSError('no network')\n")
    code = "import requests\ngot = requests.get('http://x')\ngot.raise_for_status()\nprint(got.text.splitlines())"
    assert printed(tmp_path, code) == "['anna', 'zoë', '가나']\n"
