"""How a command ends: every error becomes one sentence on the error output and an exit status.

0 done; 1 verify found a difference, or check a fault; 2 bad input, or a run that cannot go on; 130 stopped by ctrl+c
(129 and 143: by the system); 141 the reader of the output has closed it.
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

from engine.errors import EngineError, first_cause, is_out_of_memory, is_out_of_threads, system_says
from microgpt_tui.cli._words import WordedContext
from microgpt_tui.drawing.terminal_text import lines, printable, shell_word
from microgpt_tui.texts.say import say

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

BAD, STOPPED, CLOSED_PIPE = 2, 130, 141
NO_MEMORY = say("cli.exit.no_memory")
NO_THREADS = say("cli.exit.no_threads")


class OutputError(OSError):
    """An error of the standard output, not of another file."""


class _Output(io.FileIO):
    """The standard output; its errors are OutputErrors."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OutputError(error.errno, error.strerror) from error


class Failure(click.ClickException):
    """An error that ends the command with its sentence."""

    exit_code = BAD


def print_result(text: str) -> None:
    """Print results for a person, with what a terminal would obey written out."""
    click.echo(lines(text))


def print_notice(text: str, *, error: bool = False) -> None:
    """Print one line on the error output, apart from results."""
    text = printable(" ".join(text.split("\n")))
    with suppress(OSError):  # the command goes on without its terminal
        try:
            from rich.console import Console
            from rich.text import Text

            parts = [(say("cli.exit.error"), "bold red"), text] if error else [text]
            Console(stderr=True).print(Text.assemble(*parts), soft_wrap=True)
        except (MemoryError, ImportError, SystemError):  # no memory for rich
            os.write(2, f"{say('cli.exit.error') * error}{text}\n".encode(errors="backslashreplace"))


class Commands(click.RichGroup):
    """The group of commands: ends each of them in the same way, and refuses options before the name of one."""

    context_class = WordedContext

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line, and exit with its status; without `standalone_mode` return the status."""
        _never_fail_to_print()
        try:
            outcome = super().main(*args, **extra | {"standalone_mode": False})
            status = outcome if isinstance(outcome, int) else 0
        except click.ClickException as error:
            text = error.format_message().strip()
            if isinstance(error, click.UsageError) and error.ctx is not None:
                text = say("cli.exit.help_says_more", error=text.removesuffix("."), command=error.ctx.command_path)
            print_notice(text, error=True)
            status = error.exit_code
        except click.Abort:
            print_notice(say("cli.exit.stopped"))
            status = STOPPED
        if extra.get("standalone_mode", True):
            sys.exit(status)
        return status

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Parse the command line up to a command; --help and --version end here."""
        with _errors_as_sentences():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _errors_as_sentences():
            return super().invoke(ctx)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command. Raises UsageError for options before it, which it would not see."""
        try:
            name, *rest = super().resolve_command(ctx, args)
        except click.UsageError:
            if Path(args[0]).is_file():
                way = "open" if _is_run(Path(args[0])) else "--data"
                command = f"{ctx.info_name} {way} {shell_word(args[0])}"
                raise click.UsageError(say("cli.exit.file_is_no_command", name=args[0], command=command), ctx) from None
            raise
        early = [
            p
            for p in self.params
            if p.expose_value and ctx.get_parameter_source(p.name or "") is ParameterSource.COMMANDLINE
        ]
        if early:
            flag = early[0].opts[0]
            raise click.UsageError(
                say("cli.exit.option_before_command", flag=flag, name=name, program=ctx.info_name), ctx
            )
        return name, *rest


def _is_run(path: Path) -> bool:
    """Whether a file is a saved run, by its name or its first bytes."""
    try:
        with path.open("rb") as file:
            start = file.read(9)  # the length of a description in JSON, which has fewer than 2**32 bytes
            return path.suffix.lower() == ".safetensors" or start[4:] == b"\0\0\0\0{"
    except OSError:
        return False


@contextmanager
def _errors_as_sentences() -> Iterator[None]:
    """Turn errors inside into a Failure or an Exit, after all output is written.

    An error that neither the user nor the system has caused is a fault of the program, and is raised as it is.
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
        discard_output()
        if error.errno == errno.EPIPE:
            raise Exit(CLOSED_PIPE) from None
        raise Failure(say("cli.exit.output_unwritable", strerror=system_says(error))) from error
    except BrokenPipeError:  # of a log that is a pipe
        discard_output()
        raise Exit(CLOSED_PIPE) from None
    except Exception as error:
        sentence = _sentence_of_the_system(error)
        if sentence is None:
            raise
        raise Failure(sentence) from None  # without the traceback, whose objects may fill the memory


def _sentence_of_the_system(error: Exception) -> str | None:
    """The sentence for an error that the system caused; None for any other error."""
    if is_out_of_memory(error):
        return NO_MEMORY
    if is_out_of_threads(error):
        return NO_THREADS
    if not isinstance(error, OSError | EOFError):
        return None
    try:
        folder_exists = Path.cwd().exists()
    except OSError:
        folder_exists = False
    if not folder_exists:
        return say("cli.exit.folder_gone")
    file = getattr(error, "filename", None)
    if file is not None:
        return say("cli.exit.file_unusable", file=file, error=first_cause(error))
    return say("cli.exit.system_failed", error=first_cause(error))


def _never_fail_to_print() -> None:
    """Let a stream that lacks a character print its number instead, and replace closed streams."""
    if not os.environ.get("COLUMNS", "80").strip("0"):
        del os.environ["COLUMNS"]  # a width of 0 means that it is unknown; rich would print lines of no width
    sys.stdout = _output(sys.stdout) if sys.stdout else open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _output(stream: TextIO) -> TextIO:
    """The same output as an `_Output`; unchanged if it is a console of Windows, or replaced by a caller."""
    if stream is not sys.__stdout__:
        return stream
    unbuffered = not hasattr(stream.buffer, "raw")
    if type(stream.buffer if unbuffered else stream.buffer.raw) is not io.FileIO:
        return stream
    stream.flush()
    file = _Output(stream.fileno(), "wb", closefd=False)
    buffer = file if unbuffered else io.BufferedWriter(file)
    return io.TextIOWrapper(buffer, stream.encoding, line_buffering=stream.line_buffering, write_through=unbuffered)


def discard_output() -> None:
    """Send what is still in the buffer to the null device: Python would complain about a closed pipe when it ends."""
    buffer = getattr(sys.stdout, "buffer", None)
    if sys.stdout is not None and (sys.stdout is sys.__stdout__ or isinstance(getattr(buffer, "raw", buffer), _Output)):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
