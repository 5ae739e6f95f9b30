"""Makes a database what an older version would have left: the older files of schema/ alone, and every row that has a place in it.

As a program: aged_store.py DATABASE VERSIONS-BACK, the daemon being stopped."""
import os
import pathlib
import sqlite3
import sys

SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "schema"
MIGRATIONS = sorted(SCHEMA.glob("[0-9][0-9][0-9][0-9]_*.sql"))
NEWEST = len(MIGRATIONS)


def make_old(database, version):
    """The daemon is stopped. Leaves one file, without a WAL."""
    full = database.with_suffix(".full")
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    os.rename(database, full)
    connection = sqlite3.connect(database, isolation_level=None)
    for pragma in ("page_size = 1024", "auto_vacuum = incremental", "journal_mode = wal"):
        connection.execute(f"PRAGMA {pragma}")
    for number, file in enumerate(MIGRATIONS[:version], 1):
        connection.executescript(f"BEGIN; {file.read_text()} PRAGMA user_version = {number}; COMMIT;")
    connection.execute("ATTACH ? AS full", (str(full),))
    for (table,) in connection.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'").fetchall():
        columns = ", ".join(row[1] for row in connection.execute(f"PRAGMA main.table_info({table})"))
        connection.execute(f"INSERT INTO main.{table}({columns}) SELECT {columns} FROM full.{table}")
    connection.execute("DETACH full")
    assert connection.execute("SELECT count(*) FROM journal").fetchone()[0] > 0, "there is something to lose"
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    full.unlink()


def version_of(database):
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return version


def set_version(database, version):
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def main():
    database = pathlib.Path(sys.argv[1])
    owner = database.stat()
    make_old(database, NEWEST - int(sys.argv[2]))
    for file in database.parent.glob(database.name + "*"):
        os.chown(file, owner.st_uid, owner.st_gid)
    database.chmod(owner.st_mode & 0o777)


if __name__ == "__main__":
    main()
