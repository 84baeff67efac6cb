"""What goes over the writer's socket: read back as it was, or refused."""

import socket
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import errors
from ledger.entries import UnplacedEntry
from ledger.errors import LedgerError, MalformedError, PushbackError, RefusedError, StoppedError
from ledger.operate.log_writer import Place, Record, Submission, Written
from ledger.operate.vault import HeldKey, IndexRow, VaultRow
from ledger.operate.writer_client import RemoteWriter, WriterConnection
from ledger.operate.writer_process import WriterProcess
from ledger.operate.writer_protocol import (
    MAX_FRAME_BYTES,
    Answer,
    Frames,
    Request,
    Trouble,
    address,
    frame,
    local_socket,
    parse_answer,
    parse_request,
)
from tests.ledger.operate.premises import Open, Premises

HELD = HeldKey("key", b"t" * 32, b"h" * 61, b"w" * 61)
INDEX = IndexRow("id", b"t" * 32, "declined", "ab" * 32, "cd" * 32, -5, 7)
ENTRY = UnplacedEntry(b"", b'"a":1,', b"", b'"v":1,')
RECORDS = (
    Record("one", ENTRY, ("ab",), b"sealed", VaultRow("one", HELD, INDEX)),
    Record("two", ENTRY, kept=VaultRow("two", HELD, detail=b"\x00\xff")),
    Record("three", ENTRY),
)


def content(message: Request | Answer) -> bytes:
    (one,) = Frames().feed(frame(message))
    return one


@pytest.mark.parametrize(
    "request_", [Request(1, "decisions", Submission(RECORDS, True)), Request(0, "access", None)]
)
def test_a_request_is_read_back(request_: Request) -> None:
    assert parse_request(content(request_)) == request_


@pytest.mark.parametrize(
    "answer",
    [
        Answer(1, Written((Place(7, b"raw", (b"h" * 32,)), Place(3), Place(-1)), "note\n")),
        Answer(2),
        Answer(3, trouble=Trouble("StoppedError", "log: it stopped", "seq", None)),
    ],
)
def test_an_answer_is_read_back(answer: Answer) -> None:
    assert parse_answer(content(answer)) == answer


@given(st.lists(st.integers(1, 9), max_size=40))
def test_frames_are_cut_alike_however_they_arrive(cuts: list[int]) -> None:
    messages = [Request(number, "decisions", None) for number in range(6)]
    stream, frames, found = b"".join(map(frame, messages)), Frames(), []
    for cut in cuts:
        found += list(frames.feed(stream[:cut]))
        stream = stream[cut:]
    found += list(frames.feed(stream))
    assert list(map(parse_request, found)) == messages


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_our_error(data: bytes) -> None:
    for parse in (parse_request, parse_answer):
        try:
            parse(data)
        except MalformedError:
            continue


def test_a_frame_that_is_too_long_is_left() -> None:
    with pytest.raises(MalformedError, match="too long"):
        list(Frames().feed((MAX_FRAME_BYTES + 1).to_bytes(4, "big")))


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_arrives_as_itself_or_as_an_outage(name: str) -> None:
    kind = getattr(errors, name)
    extra = {"retry_after": 3.0} if name == "PushbackError" else {}
    extra |= {"size": 3} if name == "SizeConflict" else {}
    sent = kind("log: something", **extra)
    got = Trouble.of(sent).error()
    assert str(got) == "log: something"
    assert type(got) is kind or isinstance(got, PushbackError)
    assert isinstance(got, LedgerError)


def test_an_unknown_error_is_an_outage() -> None:
    assert isinstance(Trouble("SystemExit", "x").error(), PushbackError)


def test_a_second_writer_does_not_start(premises: Premises, ledger: Open) -> None:
    path = premises.directory / "writer.sock"
    with WriterProcess(path, {}), pytest.raises(RefusedError, match="another"):
        WriterProcess(path, {})
    with WriterProcess(path, {}):
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()


def test_strangers_and_unknown_logs_do_not_disturb(premises: Premises, ledger: Open) -> None:
    path = premises.directory / "writer.sock"
    with WriterProcess(path, {"decisions": ledger.writer}) as process:
        thread = threading.Thread(target=process.serve)
        thread.start()
        try:
            for noise in (b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00\x00\x01\xc1", b"\xff" * 8):
                with local_socket() as stranger, address(path) as place:
                    stranger.connect(place)
                    stranger.sendall(noise)
                    stranger.settimeout(5)
                    assert stranger.recv(1) == b""
            connection = WriterConnection(path)
            with pytest.raises(LedgerError, match="no such log"):
                RemoteWriter(connection, "other").check()
            RemoteWriter(connection, "decisions").check()
            connection.close()
        finally:
            process.stop()
            thread.join()


def test_an_address_may_be_long(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90) / ("e" * 90)
    deep.mkdir(parents=True)
    with local_socket() as listener, address(deep / "w.sock") as place:
        listener.bind(place)
    assert (deep / "w.sock").is_socket()


def test_whoever_waits_is_told_when_the_writer_goes(tmp_path: Path) -> None:
    path = tmp_path / "w.sock"
    with local_socket() as listener:
        listener.bind(str(path))
        listener.listen()
        connection = WriterConnection(path)
        waiting: list[BaseException] = []

        def ask() -> None:
            try:
                RemoteWriter(connection, "decisions").check()
            except LedgerError as error:
                waiting.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        peer, _ = listener.accept()
        peer.recv(100)
        peer.shutdown(socket.SHUT_RDWR)
        peer.close()
        thread.join(10)
        assert isinstance(waiting[0], PushbackError)
        assert not isinstance(waiting[0], StoppedError)
        connection.close()


def test_a_writer_that_answers_before_it_reads_on_is_heard(tmp_path: Path) -> None:
    """Neither side waits for the other to take what it sends: more than a socket holds."""
    path, large = tmp_path / "w.sock", b"x" * 4_000_000
    listener = local_socket()
    listener.bind(str(path))
    listener.listen()
    taken, blocked = threading.Barrier(2), threading.Event()

    def peer() -> None:
        connected, _ = listener.accept()
        frames, numbers = Frames(), list[int]()
        with connected:
            connected.settimeout(5)
            while len(numbers) < len(asking):
                for each in frames.feed(connected.recv(65_536)):
                    numbers.append(parse_request(each).number)
                if len(numbers) == len(asking) - 1 and not blocked.is_set():
                    taken.wait(5)
                    blocked.wait(5)
                    for number in numbers:
                        written = Written((Place(number, large),), "note\n")
                        connected.sendall(frame(Answer(number, written)))
            connected.sendall(frame(Answer(numbers[-1], Written((Place(9),), "note\n"))))

    connection = WriterConnection(path)
    writer = RemoteWriter(connection, "decisions")
    answers: list[Written] = []

    def ask(one: Record) -> None:
        answers.append(writer.write(Submission((one,))))

    records = (RECORDS[2], RECORDS[2], Record("four", ENTRY, sealed=large))
    asking = [threading.Thread(target=ask, args=(one,)) for one in records]
    thread = threading.Thread(target=peer)
    for each in (thread, *asking[:2]):
        each.start()
    taken.wait(5)
    asking[2].start()
    time.sleep(0.2)  # it fills what the socket holds, and blocks
    blocked.set()
    for each in (*asking, thread):
        each.join()
    assert sorted(answer.places[0].seq for answer in answers) == [0, 1, 9]
    connection.close()
    listener.close()
