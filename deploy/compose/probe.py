"""Asks a web process of this container whether it serves: `python deploy/compose/probe.py PORT`; exit status 0 when it does."""

import http.client
import os
import sys


def main() -> int:
    """Ask `/healthz` under a host name that the process answers to."""
    host = os.environ.get("ONDOL_ALLOWED_HOSTS", "127.0.0.1").split(",")[0].strip()
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=2)
    try:
        connection.request("GET", "/healthz", headers={"Host": host})
        return 0 if connection.getresponse().status == http.HTTPStatus.OK else 1
    except (OSError, http.client.HTTPException):
        return 1


if __name__ == "__main__":
    sys.exit(main())
