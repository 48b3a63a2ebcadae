"""A way to a database that others can read or change is refused, or has a reason."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

from messy_migration.errors import ConfigurationError
from messy_migration.reflection import refuse_open_way

FREE = [
    "sqlite:///shop.db",
    "duckdb:///shop.duckdb",
    "postgresql:///shop",
    "postgresql://me@localhost/shop",
    "postgresql://me@127.0.0.9:5433/shop",
    "postgresql://me@[::1]:5433/shop",
    "postgresql:///shop?host=/var/run/postgresql",
    "postgresql:///shop?host=127.0.0.1:5432&host=localhost:5433",
    "postgresql://me@localhost/shop?sslmode=disable",
    "postgresql://me@db.example.org/shop?sslmode=verify-full",
    "postgresql://me@db.example.org/shop?sslmode=verify-ca&sslrootcert=ca.pem",
    "mysql://me@localhost/shop",
    "mariadb://me@127.0.0.1:3307/shop",
    "mysql://me@db.example.org/shop?ssl_ca=ca.pem",
]
OPEN = [
    "postgresql://me@db.example.org/shop",
    "postgresql://me@10.0.0.1/shop?sslmode=prefer",
    "postgresql://me@10.0.0.1/shop?sslmode=require",
    "postgresql://me@10.0.0.1/shop?sslmode=disable",
    "postgresql:///shop?host=127.0.0.1&host=10.0.0.1",
    "postgresql:///shop?host=localhost,db.example.org",
    # The address is what is connected to.
    "postgresql://me@localhost/shop?hostaddr=10.0.0.1",
    "postgresql:///shop?service=far",
    "postgresql://me@localhost.example.org/shop",
    "postgresql://me@127.0.0.1.example.org/shop",
    "mysql://me@db.example.org/shop",
    "mariadb://me@10.0.0.1/shop?ssl_ca=ca.pem&ssl_check_hostname=false",
    "mariadb://me@10.0.0.1/shop?ssl_ca=ca.pem&ssl_verify_cert=false",
]


def refused(text, **more):
    with pytest.raises(ConfigurationError) as caught:
        refuse_open_way(make_url(text), "target", "insecure_reason", **{"env": {}, **more})
    return caught.value


@pytest.mark.parametrize("text", FREE)
def test_a_way_that_nobody_else_can_read_is_free(text):
    refuse_open_way(make_url(text), "target", "insecure_reason", env={})


@pytest.mark.parametrize("text", OPEN)
def test_g21_an_open_way_is_refused_unless_there_is_a_reason(text):
    error = refused(text)
    assert error.exit_code == 3
    assert "insecure_reason" in error.next
    assert "is not this machine" in error.why
    refuse_open_way(make_url(text), "target", "insecure_reason", "a private network", env={})
    assert refused(text, reason="  ")


def test_g21_variables_of_libpq_count():
    near = make_url("postgresql:///shop")
    assert "far.example.org" in refused(str(near), env={"PGHOST": "far.example.org"}).why
    assert refused(str(near), env={"PGHOSTADDR": "10.0.0.1"})
    assert refused(str(near), env={"PGSERVICE": "far"})
    far = make_url("postgresql://db.example.org/shop")
    refuse_open_way(far, "target", "insecure_reason", env={"PGSSLMODE": "verify-full"})
    assert refused("postgresql://h/x?sslmode=require", env={"PGSSLMODE": "verify-full"})


def test_g21_no_word_of_a_password_is_told():
    error = refused("postgresql://me:hunter2@db.example.org/shop")
    assert "hunter2" not in str(error)
