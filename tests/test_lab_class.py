"""A class's store, roster and accounts: what is kept, what is refused, what a crash leaves."""

from __future__ import annotations

import contextlib
import csv
import datetime
import hashlib
import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.lab import slips
from rondo.lab.accounts import IDLE, AccountError, Accounts, WaitError
from rondo.lab.accounts import LONGEST as LONGEST_SESSION
from rondo.lab.experiment import Experiment
from rondo.lab.outcome import Outcome
from rondo.lab.overview import as_csv, overview
from rondo.lab.report import LONGEST, Student
from rondo.lab.roster import RosterError, people
from rondo.lab.roster import read as read_roster
from rondo.lab.store import FOLDER, Person, Progress, Receipt, Store, StoreError, filled, what_is_read
from rondo.lab.words import words
from rondo.lab.work import find

SIXTH = "06-rnn"
NOON = datetime.datetime(2026, 11, 28, 12, tzinfo=datetime.UTC)
LI = Student(number="2026001", name="李雷")
HAN = Student(number="2026002", name="韩梅梅")


@pytest.fixture(scope="module")
def sixth() -> Experiment:
    return find(SIXTH)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path / "class.sqlite")
    yield found
    found.close()


def outcome(part: str, check: str, points: float, hidden: bool = False) -> Outcome:
    return Outcome(
        part=part,
        check=check,
        title=words("甲", "a"),
        passed=points > 0,
        points=points,
        message=words("对", "right"),
        hidden=hidden,
    )


def test_answers_are_there_for_the_next_process(store: Store) -> None:
    store.keep("1", SIXTH, "forward", "hand", "0.65")
    store.keep("1", SIXTH, "forward", "hand", "0.6525")
    store.keep("2", SIXTH, "forward", "hand", "7")
    other = Store(store.path)
    assert other.answers("1", SIXTH) == {"forward": {"hand": "0.6525"}}
    assert other.answers("1", "07-own") == {}
    other.close()


def test_an_answer_too_long_or_no_text_is_refused(store: Store) -> None:
    store.keep("1", SIXTH, "forward", "hand", "诗" * LONGEST)
    for wrong, said in (("x" * (LONGEST + 1), "too long"), ("\0", "no text"), ("\ud800", "no text")):
        with pytest.raises(StoreError, match=said):
            store.keep("1", SIXTH, "forward", "hand", wrong)


def test_every_answer_is_filled_with_its_start(store: Store, sixth: Experiment) -> None:
    store.keep("1", SIXTH, "forward", "hand", "0.6525")
    found = filled(sixth, store.answers("1", SIXTH))
    assert found["forward"]["hand"] == "0.6525"
    assert found["forward"]["program"] == sixth.part("forward").answer("program").start
    assert [(p.id, a.id) for p in sixth.parts for a in p.answers] == [(p, a) for p in found for a in found[p]]


def test_an_outcome_counts_while_its_answer_stays(store: Store, sixth: Experiment) -> None:
    store.keep("1", SIXTH, "forward", "hand", "0.6525")
    read = what_is_read(sixth, store.answers("1", SIXTH))
    store.keep_outcomes("1", SIXTH, [outcome("forward", "hand", 5), outcome("forward", "step", 0)], read)
    assert store.progress("1", SIXTH).points == 5
    store.keep("1", SIXTH, "forward", "analysis", "another answer of the part")
    assert [o.check for o in store.outcomes("1", SIXTH)] == ["hand", "step"]
    store.keep("1", SIXTH, "forward", "hand", "0.7")  # the check that runs now has read the answer before
    assert [o.check for o in store.outcomes("1", SIXTH)] == ["step"]
    assert [(c.outcome.check, c.fresh) for c in store.checked("1", SIXTH)] == [("hand", False), ("step", True)]
    store.keep_outcomes("1", SIXTH, [outcome("forward", "hand", 5)], read)
    assert store.progress("1", SIXTH).points == 0
    assert store.passed(SIXTH) == {"1": {("forward", "step"): False}}


def test_outcomes_of_hidden_checks_are_not_kept(store: Store, sixth: Experiment) -> None:
    hidden = next((p.id, c.id) for p in sixth.parts for c in p.checks if c.hidden)
    store.keep_outcomes("1", SIXTH, [outcome(*hidden, 5, hidden=True)], what_is_read(sixth, {}))
    assert store.checked("1", SIXTH) == []


def test_progress_is_each_students_own(store: Store, sixth: Experiment) -> None:
    store.keep("1", SIXTH, "forward", "hand", "0.6525")
    store.keep_outcomes("1", SIXTH, [outcome("forward", "hand", 5)], what_is_read(sixth, store.answers("1", SIXTH)))
    store.hand_in(HAN, SIXTH, b"two", NOON)
    assert store.course("3", [SIXTH]) == {SIXTH: Progress()}
    everybody = store.everybody(SIXTH)
    assert (everybody["1"].points, everybody["1"].times, everybody[HAN.number].times) == (5, 0, 1)
    assert everybody[HAN.number].changed is None


def test_what_is_handed_in_lies_in_the_store_and_as_a_page(store: Store) -> None:
    called = "第6次实验-2026001-李雷.html"
    first = store.hand_in(LI, SIXTH, b"one", NOON, called=called)
    again = store.hand_in(LI, SIXTH, b"two", NOON + datetime.timedelta(hours=1), NOON, called, shown=b"drawn again")
    assert (first.late, again.late, again.sha256) == (False, True, hashlib.sha256(b"two").hexdigest())
    folder = store.path.parent / FOLDER / SIXTH
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {called: b"drawn again"}
    assert store.handed(LI.number, first.id)[1] == b"one"
    assert [r.id for r in store.receipts(LI.number)] == [again.id, first.id]
    renamed = store.hand_in(LI, SIXTH, b"three", NOON, called="第6次实验-2026001-李蕾.html")
    assert [p.name for p in folder.iterdir()] == [renamed.file]


def test_a_page_that_is_gone_is_written_again(store: Store) -> None:
    path = store.path.parent / FOLDER / SIXTH / store.hand_in(LI, SIXTH, b"one", NOON).file
    path.unlink()
    store.show_all()
    assert path.read_bytes() == b"one"
    path.write_bytes(b"hal")
    store.show_all()
    assert path.read_bytes() == b"one"


def test_receipts_are_told_from_made_up_ones(store: Store, tmp_path: Path) -> None:
    given = store.hand_in(LI, SIXTH, b"one", NOON, NOON)
    read = Receipt.model_validate_json(given.model_dump_json())
    assert store.genuine(read)
    assert store.has(read)
    for change in (
        {"time": "2026-11-01T00:00:00+00:00"},
        {"late": True},
        {"number": "2026002"},
        {"seal": "0" * 64},
        {"seal": "诗"},
    ):
        assert not store.genuine(read.model_copy(update=change))
    other = Store(tmp_path / "other.sqlite")
    assert not other.genuine(read)
    assert not other.has(read)
    other.close()


def test_what_another_handed_in_is_not_given_out(store: Store) -> None:
    given = store.hand_in(LI, SIXTH, b"one", NOON)
    assert store.receipts(HAN.number) == []
    with pytest.raises(StoreError, match="no such receipt"):
        store.handed(HAN.number, given.id)


@pytest.mark.parametrize("name", ["../a.html", "a/b.html", "..", ".hidden", "a\0b", "a\\b", "C:x", "x" * 300, "a\nb"])
def test_names_that_leave_the_folder_are_refused(store: Store, name: str) -> None:
    with pytest.raises(StoreError, match="no name of a file"):
        store.hand_in(LI, SIXTH, b"one", NOON, called=name)
    with pytest.raises(StoreError, match="no name of a file"):
        store.hand_in(LI, name, b"one", NOON, called="a.html")
    assert store.receipts(LI.number) == []


def test_one_student_cannot_fill_the_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rondo.lab.store.BUDGET", 1000)
    store.hand_in(LI, SIXTH, b"x" * 400, NOON)
    with pytest.raises(StoreError, match="ask your teacher"):
        store.hand_in(LI, SIXTH, b"y" * 400, NOON)
    store.hand_in(HAN, SIXTH, b"y" * 400, NOON)
    assert len(store.receipts(LI.number)) == 1


def test_threads_write_one_after_the_other(store: Store) -> None:
    def work(k: int) -> None:
        for n in range(5):
            store.keep(str(k), SIXTH, "forward", "hand", str(n))
            store.hand_in(Student(number=str(k), name="甲"), SIXTH, f"{k} {n}".encode(), NOON)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert {number: p.times for number, p in store.everybody(SIXTH).items()} == {str(k): 5 for k in range(8)}
    assert all(store.answers(str(k), SIXTH) == {"forward": {"hand": "4"}} for k in range(8))


def test_a_backup_is_whole_while_the_store_is_used(store: Store, tmp_path: Path) -> None:
    given = store.hand_in(LI, SIXTH, b"one", NOON)
    copy = tmp_path / "away" / "copy.sqlite"
    store.backup(copy)
    store.hand_in(LI, SIXTH, b"two", NOON)
    assert [p.name for p in copy.parent.iterdir()] == ["copy.sqlite"]
    with pytest.raises(StoreError, match="nothing is overwritten"):
        store.backup(copy)
    restored = Store(copy)
    assert [r.id for r in restored.receipts(LI.number)] == [given.id]
    assert restored.genuine(given)
    restored.show_all()
    assert (copy.parent / FOLDER / SIXTH / given.file).read_bytes() == b"one"
    restored.close()


def test_a_file_that_is_no_store_is_told(tmp_path: Path) -> None:
    path = tmp_path / "class.sqlite"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(path)


def test_alone_a_name_is_asked_for(store: Store) -> None:
    with pytest.raises(StoreError, match="number or name"):
        Person("", "").student()
    assert store.profile("") is None
    store.keep_profile("", LI)
    assert store.profile("") == LI


def test_the_table_of_a_class(store: Store, sixth: Experiment) -> None:
    store.keep("1", SIXTH, "forward", "hand", "0.6525")
    store.keep_outcomes("1", SIXTH, [outcome("forward", "hand", 5)], what_is_read(sixth, store.answers("1", SIXTH)))
    everybody = [Person("1", "=HYPERLINK(A1)"), Person("2", "李雷"), Person("T", "王老师", True)]
    found = overview(store, everybody, {SIXTH: sixth})
    assert [row.number for row in found.students] == ["1", "2"]
    assert not {c.id for c in found.experiments[0].checks} & {
        f"{p.id}/{c.id}" for p in sixth.parts for c in p.checks if c.hidden
    }
    head, one, two = csv.reader(io.StringIO(as_csv(found)))
    assert (one[:3], two[:3]) == (["1", "'=HYPERLINK(A1)", "5"], ["2", "李雷", "0"])
    assert one[head.index(f"{SIXTH} forward/hand")] == "1"
    assert two[head.index(f"{SIXTH} forward/hand")] == ""


# --- the roster ------------------------------------------------------------------------------------

ROSTER = "学号,姓名,班级,角色\r\n2026001,李雷,一班,\r\n\r\n2026002,韩梅梅,一班,学生\r\nT07,王老师,,教师\r\n"
CLASS = [Person("2026001", "李雷"), Person("2026002", "韩梅梅"), Person("T07", "王老师", True)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_a_roster_is_read_in_the_encoding_that_it_is_in(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "roster.csv"
    path.write_bytes(ROSTER.encode(encoding))
    assert read_roster(path) == CLASS


@pytest.mark.parametrize(
    "text",
    [
        "number,name\n2026001,李雷\n",
        "Name;NUMBER\n李雷;2026001\n",
        "姓名\t学号\n李雷\t２０２６００１\n",
        '学号,姓名\n"=""2026001""", 李雷 \n,\n',
        "\n\n学号，姓名\n2026001，李雷",
    ],
)
def test_a_roster_as_spreadsheets_write_it(text: str) -> None:
    assert people(text) == [CLASS[0]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1: .*it is empty"),
        ("姓名\n李雷\n", "1: .*缺列 学号"),
        ("number\n1\n", "1: .*缺列 姓名"),
        ("学号,姓名\n1,李雷\n\n1,韩梅梅\n", "4: .*stands in line 2 already"),
        ("学号,姓名\na1,李雷\nA1,韩梅梅\n", "3: .*already"),
        ("学号,姓名\n,李雷\n", "2: .*letters, digits"),
        ("学号,姓名\n../1,李雷\n", "2: .*letters, digits"),
        ("学号,姓名\n1,李雷\n2\n", "3: .*1 to 60"),
        ("学号,姓名\n1,李\x1b[2J雷\n", "2: .*1 to 60"),
        (f"学号,姓名\n1,{'李' * 61}\n", "2: .*1 to 60"),
        ("学号,姓名\n2.026E+11,李雷\n", "2: .*make the column text"),
        ("学号,姓名,角色\n1,李雷,校长\n", "2: .*a role is"),
        ("学号,姓名\n", "1: 0 "),
    ],
)
def test_a_fault_of_a_roster_names_its_line(text: str, said: str) -> None:
    with pytest.raises(RosterError, match=said):
        people(text)


def test_a_roster_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_bytes(b"PK\x03\x04\xff\xff\xff")
    with pytest.raises(RosterError, match="save it as CSV UTF-8"):
        read_roster(path)
    with pytest.raises(RosterError, match="cannot be read"):
        read_roster(tmp_path / "none.csv")


@given(st.text())
def test_any_text_is_a_roster_or_a_fault(text: str) -> None:
    with contextlib.suppress(RosterError):
        assert people(text)


# --- accounts --------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Accounts:
    monkeypatch.setattr("rondo.lab.accounts.PASSES", 1)  # hashes that cost nothing
    monkeypatch.setattr("rondo.lab.accounts.MEMORY", 8)
    found = Accounts(store, clock)
    found.enrol(CLASS, {one.number: f"first-{one.number}" for one in CLASS})
    return found


def fails(accounts: Accounts, number: str = "2026001", password: str = "wrong", address: str = "10.0.0.1") -> type:
    with pytest.raises(AccountError) as raised:
        accounts.log_in(number, password, address)
    return raised.type


def test_a_first_password_is_good_to_set_another(accounts: Accounts) -> None:
    key = accounts.log_in(" 2026001 ", "first-2026001", "10.0.0.1")
    found = accounts.whose(key)
    assert found is not None
    assert (found.person, found.first) == (CLASS[0], True)
    again = accounts.change("2026001", "first-2026001", "a better one", "10.0.0.1")
    assert accounts.whose(key) is None
    found = accounts.whose(again)
    assert found is not None
    assert not found.first
    assert fails(accounts, password="first-2026001") is AccountError
    accounts.log_in("2026001", "a better one", "10.0.0.1")


@pytest.mark.parametrize(
    "new", ["short", "first-2026001", "my2026001!", "12345678", "aaaaaaaabb", "x" * 129, "PASSWORD"]
)
def test_a_password_that_is_easily_guessed_is_refused(accounts: Accounts, new: str) -> None:
    with pytest.raises(AccountError):
        accounts.change("2026001", "first-2026001", new, "10.0.0.1")
    accounts.log_in("2026001", "first-2026001", "10.0.0.1")


def test_nothing_that_lets_one_in_lies_in_the_store(accounts: Accounts) -> None:
    key = accounts.log_in("2026001", "first-2026001", "10.0.0.1")
    accounts.store.close()
    raw = accounts.store.path.read_bytes()
    assert key.encode() not in raw
    assert b"first-2026001" not in raw
    assert b"$argon2id$" in raw


def test_hashes_cost_what_owasp_asks_for(store: Store) -> None:
    assert Accounts(store)._stand_in.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_wrong_and_unknown_are_told_alike(accounts: Accounts) -> None:
    said = set()
    for number, password in (("2026001", "wrong"), ("2099999", "wrong"), ("2026001", "")):
        with pytest.raises(AccountError) as raised:
            accounts.log_in(number, password, "10.0.0.1")
        said.add(str(raised.value))
    assert len(said) == 1


def test_tries_are_slowed_down_by_number(accounts: Accounts, clock: Clock) -> None:
    for k in range(5):
        assert fails(accounts, address=f"10.0.0.{k}") is AccountError
    waits = []
    for k in range(5):
        with pytest.raises(WaitError) as raised:  # from any address, and with the right password too
            accounts.log_in("2026001", "first-2026001", f"10.0.1.{k}")
        waits.append(raised.value.seconds)
        clock.now += raised.value.seconds
        assert fails(accounts, address=f"10.0.2.{k}") is AccountError
    assert waits == sorted(waits)
    assert waits[-1] >= 8 * waits[0]
    accounts.log_in("2026002", "first-2026002", "10.0.3.1")  # nobody else is kept out


def test_tries_are_slowed_down_by_address(accounts: Accounts, clock: Clock) -> None:
    for k in range(40):
        assert fails(accounts, f"{k}") is AccountError
    assert fails(accounts, "2026002") is WaitError
    assert fails(accounts, "2026002", address="::ffff:10.0.0.1") is WaitError  # the same one
    accounts.log_in("2026002", "first-2026002", "10.0.0.2")
    clock.now += 2
    accounts.log_in("2026002", "first-2026002", "10.0.0.1")


def test_addresses_of_one_network_count_together(accounts: Accounts) -> None:
    for k in range(40):
        assert fails(accounts, f"{k}", address=f"2001:db8::{k + 1:x}") is AccountError
    assert fails(accounts, "2026002", address="2001:db8::ffff") is WaitError


def test_a_restart_forgets_no_tries(accounts: Accounts, clock: Clock) -> None:
    for _ in range(5):
        fails(accounts)
    other = Store(accounts.store.path)
    assert fails(Accounts(other, clock)) is WaitError
    other.close()


def test_many_tries_at_once_are_all_counted(accounts: Accounts) -> None:
    with ThreadPoolExecutor(16) as pool:
        kinds = list(pool.map(lambda _: fails(accounts), range(24)))
    assert kinds.count(AccountError) <= 5


def test_a_class_that_logs_in_at_once_behind_one_address_is_let_in(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [Person(f"{2026100 + k}", f"学生{k}", False) for k in range(60)]
    accounts.enrol(whole, {one.number: f"first-{one.number}" for one in whole})
    looked, never = accounts._is, threading.Event()

    def slow(found: str, password: str) -> bool:
        never.wait(0.005)  # as long as a hash takes, and the processor free for the others
        return looked(found, password)

    monkeypatch.setattr(accounts, "_is", slow)
    with ThreadPoolExecutor(60) as pool:
        keys = list(pool.map(lambda one: accounts.log_in(one.number, f"first-{one.number}", "10.0.0.1"), whole))
    assert len(set(keys)) == 60


def test_who_reads_the_clock_first_and_writes_last_need_not_wait(accounts: Accounts) -> None:
    """Two log-ins behind one address: the one is held up between its look at the clock and its count."""
    times, others = iter([100.0, 100.5]), ThreadPoolExecutor(1)

    def clock() -> float:
        now = next(times, 101.0)
        if now == 100.0:
            later = others.submit(accounts.log_in, "2026002", "first-2026002", "10.0.0.1")
            wait([later], 0.5)
        return now

    accounts.clock = clock
    assert accounts.log_in("2026001", "first-2026001", "10.0.0.1")
    others.shutdown()


def test_a_session_ends_where_it_is_not_used_and_in_any_case(accounts: Accounts, clock: Clock) -> None:
    key = accounts.log_in("2026001", "first-2026001", "10.0.0.1")
    clock.now += IDLE - 1
    assert accounts.whose(key)
    clock.now += IDLE - 1  # it was used just now
    assert accounts.whose(key)
    clock.now += IDLE + 1
    assert accounts.whose(key) is None
    key, until = accounts.log_in("2026001", "first-2026001", "10.0.0.1"), clock.now + LONGEST_SESSION
    while clock.now < until:
        assert accounts.whose(key)
        clock.now += IDLE / 2
    clock.now += 1
    assert accounts.whose(key) is None


def test_a_session_ends_by_logging_out_by_a_reset_and_off_the_roster(accounts: Accounts) -> None:
    one, other = (accounts.log_in("2026001", "first-2026001", "10.0.0.1") for _ in range(2))
    accounts.log_out(one)
    assert accounts.whose(one) is None
    assert accounts.whose(other)
    password = accounts.reset("2026001")
    assert accounts.whose(other) is None
    key = accounts.log_in("2026001", password, "10.0.0.1")
    accounts.enrol(CLASS[1:], {})
    assert accounts.whose(key) is None
    assert fails(accounts, password=password) is AccountError
    accounts.enrol(CLASS, {})
    accounts.log_in("2026001", password, "10.0.0.1")
    for wrong in ("", "x", "../../etc"):
        assert accounts.whose(wrong) is None


def test_a_number_is_known_however_it_is_typed(accounts: Accounts) -> None:
    for number in ("T07", "t07", " Ｔ０７ "):
        found = accounts.whose(accounts.log_in(number, "first-T07", "10.0.0.1"))
        assert found is not None
        assert found.person.number == "T07"


def test_a_reset_lifts_the_wait(accounts: Accounts) -> None:
    for _ in range(6):
        fails(accounts)
    accounts.log_in("2026001", accounts.reset("2026001"), "10.0.0.2")


def test_first_passwords_are_each_ones_own_and_on_paper(tmp_path: Path) -> None:
    odd = Person("2026003", "<b>欧阳</b>")
    given = slips.passwords([*CLASS, odd])
    assert len(set(given.values())) == 4
    path = slips.write(tmp_path, [*CLASS, odd], given, "http://10.0.0.1:8000/")
    text = path.read_text()
    assert all(password in text for password in given.values())
    assert "<b>欧阳" not in text
    assert path.stat().st_mode & 0o077 == 0
    assert slips.write(tmp_path, CLASS, given).name == "first-passwords-2.html"
