"""Who may log in to a class: passwords, sessions, and how fast passwords can be tried.

A password is kept as its Argon2id hash (OWASP's parameters: 19 MiB, 2 passes). A first password is random, of one
person alone, and good for nothing but to set another. A session's key is 256 random bits, kept as its SHA-256. Failed
tries are counted in the store, by 学号 and by address, before the password is looked at: neither a restart nor many
tries at once get past the count. A try counts as failed until its password was found right, so that few are looked at
at once: a class that logs in behind one address is not taken for many failures.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import sqlite3
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rondo.lab.store import Person, Store

PASSES, MEMORY = 2, 19 << 10  # of Argon2id; KiB
IDLE, LONGEST = 3 * 3600.0, 12 * 3600.0  # seconds: a session that is not used ends, and any session ends
SEEN = 60.0  # seconds after which the use of a session is noted again
MOST_SESSIONS = 8  # of one person; the oldest ends
SHORTEST_PASSWORD, LONGEST_PASSWORD, FEWEST = 8, 128, 4  # characters; different ones
LOOKED_AT = 4  # tries at once; the others wait for their turn
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that look like another
FORGOTTEN = 3600.0  # seconds after which failed tries no longer count
COMMON = (
    "12345678",
    "123456789",
    "1234567890",
    "87654321",
    "11223344",
    "password",
    "password1",
    "qwertyui",
    "1q2w3e4r",
)


class AccountError(ValueError):
    """A log-in or a password that is refused; the message says why."""


class WaitError(AccountError):
    """Too many tries; `seconds` until the next is looked at."""

    def __init__(self, seconds: float) -> None:
        self.seconds = int(seconds) + 1
        super().__init__(f"试得太多，请等 {self.seconds} 秒 / too many tries: please wait {self.seconds} seconds")


@dataclass(frozen=True)
class Rule:
    """So many tries are free; the wait after each further one doubles from a second up to `longest`."""

    free: int
    longest: float

    def wait(self, failed: int) -> float:
        return 0.0 if failed < self.free else min(2.0 ** min(failed - self.free, 30), self.longest)


OF_NUMBER, OF_ADDRESS = Rule(5, 600.0), Rule(40, 60.0)  # a whole room may sit behind one address


@dataclass(frozen=True)
class Session:
    """Who is logged in; `first`: the first password has not been changed yet."""

    person: Person
    first: bool


class Accounts:
    """The people of a store. `clock` gives seconds since 1970."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        """Raises AccountError where the library of password hashes is missing."""
        try:
            from argon2 import PasswordHasher
        except ImportError:
            raise AccountError(
                "密码需要 argon2-cffi / passwords need argon2-cffi: pip install 'rondo[class]'"
            ) from None
        self.store, self.clock = store, clock
        self._turns = threading.BoundedSemaphore(LOOKED_AT)
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY, parallelism=1)
        self._stand_in = self._hasher.hash(secrets.token_hex())

    # --- people ------------------------------------------------------------------------------------

    def missing(self, people: Iterable[Person]) -> list[Person]:
        """Those of a roster who have no password yet."""
        known = {row["number"] for row in self.store.db.execute("SELECT number FROM people WHERE hash != ''")}
        return [one for one in people if one.number not in known]

    def enrol(self, people: Iterable[Person], passwords: dict[str, str]) -> None:
        """Make the class that of a roster. `passwords`: first ones, of those who are new. Who is no longer in the
        roster can no longer log in; what they did is kept."""
        hashes = {number: self._hasher.hash(password) for number, password in passwords.items()}
        with self.store.writing() as db:
            db.execute("UPDATE people SET active = 0")
            for one in people:
                role = "teacher" if one.teacher else "student"
                db.execute(
                    "INSERT INTO people VALUES (?1, ?2, ?3, ?4, 1, 1) ON CONFLICT DO UPDATE "
                    "SET name = ?2, role = ?3, active = 1",
                    (one.number, one.name, role, hashes.get(one.number, "")),
                )
            db.execute("DELETE FROM sessions WHERE number IN (SELECT number FROM people WHERE active = 0)")

    def people(self) -> list[Person]:
        """All who may log in, by number."""
        rows = self.store.db.execute("SELECT * FROM people WHERE active = 1 ORDER BY number")
        return [_person(row) for row in rows]

    def person(self, number: str) -> Person:
        """Raises AccountError."""
        row = self._row(number)
        if row is None:
            raise AccountError(f"名单里没有 {number[:40]} / {number[:40]} is not in the class")
        return _person(row)

    def reset(self, number: str) -> str:
        """A new first password; whoever is logged in under the number no longer is. Raises AccountError."""
        number = self.person(number).number
        password = first_password()
        found = self._hasher.hash(password)
        with self.store.writing() as db:
            db.execute("UPDATE people SET hash = ?, first = 1 WHERE number = ?", (found, number))
            db.execute("DELETE FROM sessions WHERE number = ?", (number,))
            db.execute("DELETE FROM tries WHERE key = ?", (_of_number(number),))
        return password

    # --- logging in --------------------------------------------------------------------------------

    def log_in(self, number: str, password: str, address: str) -> str:
        """The key of a new session. Raises AccountError, WaitError."""
        row = self._tried(unicodedata.normalize("NFKC", number).strip(), password, address)
        return self._begin(row["number"], row["hash"])

    def _tried(self, number: str, password: str, address: str) -> sqlite3.Row:
        """The person whose password this is. The try is counted first, and forgotten where it was right."""
        keys = {_of_number(number): OF_NUMBER, _of_address(address): OF_ADDRESS}
        with self._turns:
            self._count(keys)
            row = self._row(number)
            right = self._is(row["hash"] if row else self._stand_in, password)  # as long for a number not there
            if row is None or not right:
                raise AccountError("学号或密码不对 / the number or the password is not right")
            with self.store.writing() as db:
                db.execute("DELETE FROM tries WHERE key = ?", (_of_number(number),))
                db.execute("UPDATE tries SET failed = failed - 1 WHERE key = ? AND failed > 0", (_of_address(address),))
            return row

    def _count(self, keys: dict[str, Rule]) -> None:
        with self.store.writing() as db:
            now = self.clock()  # in turn with the writing: an earlier time than the last one written looks like a wait
            db.execute("DELETE FROM tries WHERE until < ?", (now - FORGOTTEN,))
            rows = {r["key"]: r for r in db.execute("SELECT * FROM tries WHERE key IN (?, ?)", tuple(keys))}
            until = max((row["until"] for row in rows.values()), default=0.0)
            if until > now:
                raise WaitError(until - now)
            for key, rule in keys.items():
                failed = rows[key]["failed"] + 1 if key in rows else 1
                db.execute("INSERT OR REPLACE INTO tries VALUES (?, ?, ?)", (key, failed, now + rule.wait(failed)))

    def _is(self, found: str, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            return self._hasher.verify(found, password[:LONGEST_PASSWORD])
        except (VerificationError, InvalidHashError):
            return False

    def _begin(self, number: str, found: str) -> str:
        key, now = secrets.token_urlsafe(32), self.clock()
        with self.store.writing() as db:
            row = self._row(number)
            if row is None or row["hash"] != found:  # changed while it was looked at
                raise AccountError("学号或密码不对 / the number or the password is not right")
            db.execute("DELETE FROM sessions WHERE seen < ? OR begun < ?", (now - IDLE, now - LONGEST))
            db.execute("INSERT INTO sessions VALUES (?, ?, ?, ?)", (_digest(key), number, now, now))
            db.execute(
                "DELETE FROM sessions WHERE number = ?1 AND digest NOT IN "
                "(SELECT digest FROM sessions WHERE number = ?1 ORDER BY begun DESC LIMIT ?2)",
                (number, MOST_SESSIONS),
            )
        return key

    def whose(self, key: str) -> Session | None:
        """The session of a key; None where it has ended or never was."""
        now = self.clock()
        row = self.store.db.execute(
            "SELECT * FROM sessions JOIN people USING (number) WHERE digest = ? AND active = 1", (_digest(key),)
        ).fetchone()
        if row is None or now - row["seen"] > IDLE or now - row["begun"] > LONGEST:
            return None
        if now - row["seen"] > SEEN:
            with self.store.writing() as db:
                db.execute("UPDATE sessions SET seen = ? WHERE digest = ?", (now, row["digest"]))
        return Session(_person(row), bool(row["first"]))

    def log_out(self, key: str) -> None:
        """End a session."""
        with self.store.writing() as db:
            db.execute("DELETE FROM sessions WHERE digest = ?", (_digest(key),))

    def change(self, number: str, old: str, new: str, address: str) -> str:
        """Set a new password; the key of a new session, all others end. Raises AccountError, WaitError."""
        _fit(number, old, new)
        row = self._tried(number, old, address)
        found = self._hasher.hash(new)
        with self.store.writing() as db:
            changed = db.execute(
                "UPDATE people SET hash = ?, first = 0 WHERE number = ? AND hash = ?", (found, number, row["hash"])
            )
            if not changed.rowcount:
                raise AccountError("密码刚被改过 / the password has just been changed")
            db.execute("DELETE FROM sessions WHERE number = ?", (number,))
        return self._begin(number, found)

    def _row(self, number: str) -> sqlite3.Row | None:
        found: sqlite3.Row | None = self.store.db.execute(
            "SELECT * FROM people WHERE number = ? COLLATE NOCASE AND active = 1", (number,)
        ).fetchone()
        return found


def first_password() -> str:
    """Random, 49 bits, easily typed from paper: k7mwp-3hpxa."""
    found = "".join(secrets.choice(LETTERS) for _ in range(10))
    return f"{found[:5]}-{found[5:]}"


def _fit(number: str, old: str, new: str) -> None:
    """Raises AccountError for a password that is no good."""
    if not SHORTEST_PASSWORD <= len(new) <= LONGEST_PASSWORD:
        raise AccountError(
            f"密码要有 {SHORTEST_PASSWORD} 到 {LONGEST_PASSWORD} 个字符 / a password has {SHORTEST_PASSWORD} to "
            f"{LONGEST_PASSWORD} characters"
        )
    if new == old:
        raise AccountError("新密码与旧的相同 / the new password is the old one")
    if number.casefold() in new.casefold() or new.casefold() in COMMON or len(set(new)) < FEWEST:
        raise AccountError("这个密码太容易猜 / this password is easily guessed: take another")


def _person(row: sqlite3.Row) -> Person:
    return Person(row["number"], row["name"], row["role"] == "teacher")


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def _of_number(number: str) -> str:
    return f"number {number[:40].casefold()}"


def _of_address(address: str) -> str:
    """An address, or the network of a version 6 address: a machine has as many of these as it likes."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return f"address {address[:60]}"
    if isinstance(found, ipaddress.IPv6Address):
        return f"address {found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False)}"
    return f"address {found}"
