"""A migrated database kept in the cache, keyed by everything that made it, so that unchanged migrations run once.

Migrating from nothing takes about ten seconds of processor time; reading the dump takes one. A dump is used only with the
server's version, the locked packages, the migrations and the kernel that made it, and never on a server that somebody gave us.
"""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from devstack import paths
from devstack.postgres import SUPERUSER, Access, Installation

KEPT_MAX: Final = 12
"""Dumps of half a megabyte; branches of one checkout alternate."""
_MADE_BY: Final = (
    "*/migrations/*.py",
    "*/*/migrations/*.py",
    "marketplace/kernel/row_security.py",
    "marketplace/kernel/feeds.py",
    "uv.lock",
    "devstack/template.py",
)


def find_dump(installation: Installation) -> Path:
    """Where the dump for this state of the code is, or would be."""
    digest = hashlib.sha256(installation.origin.encode())
    for pattern in _MADE_BY:
        for path in sorted(paths.REPOSITORY.glob(pattern)):
            if ".venv" not in path.parts:
                digest.update(f"{path.relative_to(paths.REPOSITORY)}\0".encode() + path.read_bytes() + b"\0")
    directory = paths.cache_directory() / "templates"
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory / f"{digest.hexdigest()[:32]}.sql"


def write_dump(*, access: Access, installation: Installation, database: str, dump: Path) -> None:
    """Keep a migrated database; a failure costs only the next start its time, and the oldest dumps go.

    Written beside and renamed, so that another run never reads half of it.
    """
    descriptor, beside = tempfile.mkstemp(dir=dump.parent, suffix=".part")
    os.close(descriptor)
    command = [str(installation.root / "bin/pg_dump"), "--quote-all-identifiers", "--file", beside, database]
    try:
        done = subprocess.run(command, env=_environment(access), capture_output=True, check=False)
        if done.returncode == 0:
            Path(beside).replace(dump)
    except OSError:
        pass  # no pg_dump: servers come without it in some distributions
    finally:
        Path(beside).unlink(missing_ok=True)
    for old in sorted(dump.parent.glob("*.sql"), key=lambda path: path.stat().st_mtime, reverse=True)[KEPT_MAX:]:
        old.unlink(missing_ok=True)


def read_dump(*, access: Access, installation: Installation, database: str, dump: Path) -> bool:
    """Fill an empty database in one transaction; False when there is no dump or it did not fit, with the database still empty."""
    if not dump.exists():
        return False
    command = [
        str(installation.root / "bin/psql"), "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1",
        "--file", str(dump), database,
    ]  # fmt: skip
    try:
        done = subprocess.run(command, env=_environment(access), capture_output=True, check=False)
    except OSError:
        return False
    if done.returncode != 0:
        dump.unlink(missing_ok=True)
    return done.returncode == 0


def _environment(access: Access) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", ""),
        "PGHOST": access.host,
        "PGPORT": str(access.port),
        "PGUSER": SUPERUSER,
        "PGPASSWORD": access.superuser_password,
    }
