"""The reason of a failure in the end of a log."""

from __future__ import annotations

import pytest

from airflow_dlaas.plugin.failure import MAX_LINES, find_failure

FRAME = '  File "train.py", line 3, in <module>\n    fit()\n    ~~~^^\n'
HEADING = "Traceback (most recent call last):\n"


@pytest.mark.parametrize(
    ("log", "exception"),
    [
        ("Epoch 1\n" + HEADING + FRAME + "ValueError: shapes do not match\n", "ValueError: shapes do not match"),
        (
            HEADING
            + FRAME
            + "KeyError: 'x'\n\nDuring handling of the above exception, another exception occurred:\n\n"
            + HEADING
            + FRAME
            + "RuntimeError: no x\n",
            "RuntimeError: no x",
        ),
        (
            HEADING
            + FRAME
            + "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n[dlaas] The command failed\n",
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
        ),
        (HEADING + FRAME + "queue.Empty\n", "queue.Empty"),
        (HEADING + FRAME + "AssertionError\nmore text\n", "AssertionError"),
        ('  File "train.py", line 1\n    if\n      ^\nSyntaxError: invalid syntax\n', "SyntaxError: invalid syntax"),
        (
            "".join(f"[rank1]: {line}\n" for line in (HEADING + FRAME + "ValueError: bad rank").splitlines())
            + HEADING
            + FRAME
            + "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n=====\ntrain.py FAILED\n",
            "ValueError: bad rank",
        ),
        (
            (
                "  + Exception Group Traceback (most recent call last):\n"
                '  |   File "a.py", line 1, in <module>\n'
                "  | ExceptionGroup: two (1 sub-exception)\n"
                "  +-+---------------- 1 ----------------\n"
                "    | Traceback (most recent call last):\n"
                '    |   File "a.py", line 2, in f\n'
                "    | TypeError: not a number\n"
                "    +------------------------------------\n"
            ),
            "TypeError: not a number",
        ),
        (
            HEADING + FRAME + "subprocess.CalledProcessError: Command 'x' returned 1\n",
            "subprocess.CalledProcessError: Command 'x' returned 1",
        ),
        ("bash: line 1: pyhton3: command not found\n", "bash: line 1: pyhton3: command not found"),
        ("sh: 1: nvcc: not found\n", "sh: 1: nvcc: not found"),
        ("main.sh: line 3:    71 Killed                  python3 train.py\n", "main.sh: line 3:    71 Killed"),
        ("Epoch 3\nKilled\n", "Killed"),
        ("Segmentation fault (core dumped)\n", "Segmentation fault (core dumped)"),
        ("usage: train.py [-h]\ntrain.py: error: unrecognized arguments: --lr\n", "train.py: error: unrecognized"),
        (
            "python3: can't open file '/x/train.py': [Errno 2] No such file or directory\n",
            "python3: can't open file '/x/train.py'",
        ),
        ("E0000 failed call to cuInit: CUDA_ERROR_OUT_OF_MEMORY: out of memory\n", "E0000 failed call to cuInit"),
        (HEADING + FRAME + "\x1b[31mValueError\x1b[0m: red\r\n", "ValueError: red"),
        ("Epoch 1\nloss: 0.3\nFinished. Errors: none\n", None),
        ("[dlaas] x: command not found\n", None),
        (HEADING + FRAME + "ValueError: once\n[dlaas] training-1 (attempt 2) runs on TensorFlow\nEpoch 1\n", None),
        (
            "Killed\n[dlaas] Attempt 2 begins with checkpoint 7 of attempt 1\n" + HEADING + FRAME + "KeyError: 'x'\n",
            "KeyError: 'x'",
        ),
        (HEADING, None),
        ("", None),
    ],
)
def test_last_error_of_a_log_is_found(log: str, exception: str | None) -> None:
    found = find_failure(log).exception
    if exception is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith(exception)


def test_last_lines_are_plain_text() -> None:
    failure = find_failure("".join(f"line {number}\n" for number in range(100)) + "10%\r90%\r\n\x1b[1mbold\x07\n\n\n")
    assert len(failure.lines) == MAX_LINES
    assert failure.lines[-3:] == ["line 99", "90%", "bold\\x07"]
    assert find_failure("").lines == []


def test_long_line_is_cut() -> None:
    assert len(find_failure("x" * 60_000).lines[0]) < 2000
