"""How a command ends: whatever goes wrong becomes one sentence on the error output and an exit status.

0 done; 1 verify found a difference; 2 bad input, or a run that cannot go on; 130 stopped by ctrl+c (129 and 143:
by the system); 141 nobody reads.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import rich_click as click
from click.core import ParameterSource
from click.exceptions import Exit

from engine.errors import EngineError, first_cause, is_out_of_memory, is_out_of_threads
from microgpt_tui.drawing.terminal_text import lines, printable, shell_word

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

BAD, STOPPED, UNREAD = 2, 130, 141
NO_MEMORY = "there is not enough memory for this; choose a smaller n_embd, n_layer or block_size, or free some memory"
NO_THREADS = (
    "the system allows no more threads or processes; close other programs, or raise its limits (ulimit -u and -v)"
)


class OutputError(OSError):
    """The standard output cannot be written on; other errors of the system have nothing to do with it."""


class _Output(io.FileIO):
    """The standard output, whose errors can be told from those of other files."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write some bytes; how many were written. Raises OutputError."""
        try:
            return super().write(data)
        except OSError as error:
            raise OutputError(error.errno, error.strerror) from error


class Failure(click.ClickException):
    """A sentence for the person at the keyboard."""

    exit_code = BAD


def tell(text: str) -> None:
    """Lines of results for a person to read."""
    click.echo(lines(text))


def say(text: str, *, error: bool = False) -> None:
    """One line on the error output, where it does not mix with results."""
    text = printable(" ".join(text.split("\n")))
    with suppress(OSError):  # nobody is there any more, and that is no reason to do less
        try:
            from rich.console import Console
            from rich.text import Text

            parts = [("error: ", "bold red"), text] if error else [text]
            Console(stderr=True).print(Text.assemble(*parts), soft_wrap=True)
        except (MemoryError, ImportError, SystemError):  # no memory for rich
            os.write(2, f"{'error: ' * error}{text}\n".encode(errors="backslashreplace"))


class Commands(click.RichGroup):
    """The group of commands. It ends every one of them in the same way, and refuses options put in front of one."""

    def main(
        self,
        args: Any = None,
        prog_name: Any = None,
        complete_var: Any = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line and, unless told otherwise, leave with its exit status."""
        _never_fail_to_print()
        try:
            outcome = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
            status = outcome if isinstance(outcome, int) else 0
        except click.ClickException as error:
            say(_sentence(error), error=True)
            status = error.exit_code
        except click.Abort:
            say("stopped")
            status = STOPPED
        if standalone_mode:
            sys.exit(status)
        return status

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the command line up to a command; --help and --version end here."""
        with _errors_as_sentences():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        with _errors_as_sentences():
            return super().invoke(ctx)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command; options that came before it are refused, because it would not see them."""
        try:
            found = super().resolve_command(ctx, args)
        except click.UsageError:
            if Path(args[0]).is_file():
                way = "open" if _is_run(Path(args[0])) else "--data"
                raise click.UsageError(
                    f"There is no command {args[0]!r}; to open the file, write "
                    f"{ctx.info_name} {way} {shell_word(args[0])}.",
                    ctx,
                ) from None
            raise
        early = [p for p in self.params if ctx.get_parameter_source(p.name or "") is ParameterSource.COMMANDLINE]
        if early:
            flag = early[0].opts[0]
            raise click.UsageError(
                f"{flag} stands before {found[0]}, which does not see it; write {ctx.info_name} {found[0]} {flag}", ctx
            )
        return found


def _is_run(path: Path) -> bool:
    """Whether a file is a saved run, by its name or, since it may have any name, by how its content begins."""
    try:
        with path.open("rb") as file:
            begins = file.read(9)  # the length of a description in JSON, which has fewer than 2**32 bytes
            return path.suffix.lower() == ".safetensors" or begins[4:] == b"\0\0\0\0{"
    except OSError:
        return False


@contextmanager
def _errors_as_sentences() -> Iterator[None]:
    """Turn whatever goes wrong inside into a Failure or an Exit, as soon as all output is written.

    Raises what is neither the user's nor the system's fault as it is: it is the program's.
    """
    try:
        try:
            yield
        except Exit:
            sys.stdout.flush()
            raise
        sys.stdout.flush()
    except (click.ClickException, click.Abort, Exit):
        raise
    except EngineError as error:
        raise Failure(str(error)) from error
    except OutputError as error:
        throw_output_away()
        if error.errno == errno.EPIPE:
            raise Exit(UNREAD) from None
        raise Failure(f"the output cannot be written on ({error.strerror})") from error
    except BrokenPipeError:  # of a log that somebody read
        throw_output_away()
        raise Exit(UNREAD) from None
    except Exception as error:
        sentence = _sentence_of_the_system(error)
        if sentence is None:
            raise
        raise Failure(sentence) from None  # what was reached may have to be freed before the sentence can be printed


def _sentence_of_the_system(error: Exception) -> str | None:
    """What to tell the user of an error that the system caused; None for any other error."""
    if is_out_of_memory(error):
        return NO_MEMORY
    if is_out_of_threads(error):
        return NO_THREADS
    if not isinstance(error, OSError | EOFError):
        return None
    if not _folder_exists():
        return "the folder that this was started in is gone; start it in one that exists"
    file = getattr(error, "filename", None)
    if file is not None:
        return f"{file} cannot be used ({first_cause(error)}); see to it that this user may use it, and try again"
    return f"the system did not do what this needs ({first_cause(error)}); try again"


def _sentence(error: click.ClickException) -> str:
    text = error.format_message().strip()
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{text.removesuffix('.')}; {error.ctx.command_path} --help says more"
    return text


def _never_fail_to_print() -> None:
    """A terminal that lacks a character shows its number instead; a stream that is closed takes anything.

    A width of 0 says that nobody knows it; rich would write lines of no width, that is, nothing.
    """
    if not os.environ.get("COLUMNS", "80").strip("0"):
        del os.environ["COLUMNS"]
    sys.stdout = _output(sys.stdout) if sys.stdout else open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _folder_exists() -> bool:
    try:
        return Path.cwd().exists()
    except OSError:
        return False


def _output(stream: TextIO) -> TextIO:
    """The same output with errors of its own; as it is where it is a console of Windows, or somebody's stand-in."""
    if stream is not sys.__stdout__:
        return stream
    unbuffered = not hasattr(stream.buffer, "raw")
    if type(stream.buffer if unbuffered else stream.buffer.raw) is not io.FileIO:
        return stream
    stream.flush()
    file = _Output(stream.fileno(), "wb", closefd=False)
    buffer = file if unbuffered else io.BufferedWriter(file)
    return io.TextIOWrapper(buffer, stream.encoding, line_buffering=stream.line_buffering, write_through=unbuffered)


def throw_output_away() -> None:
    """Let what is still in the buffer go nowhere, or Python would complain about the closed pipe when it ends."""
    buffer = getattr(sys.stdout, "buffer", None)
    if sys.stdout is not None and (sys.stdout is sys.__stdout__ or isinstance(getattr(buffer, "raw", buffer), _Output)):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
