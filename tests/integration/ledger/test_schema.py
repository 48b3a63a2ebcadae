"""The ledger that the revisions create is the ledger that the program works with."""

from __future__ import annotations

import warnings

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, Table, create_engine, inspect, text

from messy_migration.errors import TargetError
from messy_migration.ledger import schema
from messy_migration.ledger.tables import SCHEMA, naming


def configuration(connection=None):
    config = Config()
    config.set_main_option("script_location", str(schema.revisions()))
    config.attributes["connection"] = connection
    return config


def ours(site, names):
    _, prefix = naming(site.kind)
    return sorted(name for name in names if name.startswith(prefix))


def tables(site):
    with site.begin() as connection:
        names = inspect(connection).get_table_names(schema=naming(site.kind)[0])
        return ours(site, names)


def upgraded(site):
    with site.begin() as connection:
        schema.upgrade(connection)


def revised(site):
    """As an upgrade makes it: one revision after the other."""
    with site.begin() as connection:
        command.upgrade(configuration(connection), "head")


def test_the_head_of_the_program_is_the_head_of_the_revisions():
    scripts = ScriptDirectory.from_config(configuration())
    assert scripts.get_heads() == [schema.HEAD]
    assert len(scripts.get_bases()) == 1


def test_the_revisions_create_exactly_what_the_program_expects(bare_site):
    revised(bare_site)
    own, _ = naming(bare_site.kind)
    version_table = schema.version_table(bare_site.kind)

    def is_ours(name, kind, parents):
        if kind == "schema":
            return name == own
        return kind != "table" or (name or "").startswith(naming(bare_site.kind)[1])

    # The driver as it is: Alembic looks for schemas with LIKE, which statements of ours must not.
    url = bare_site.target.engine.url
    is_server = bare_site.kind == "postgresql"
    engine = create_engine(url.set(drivername="postgresql+psycopg") if is_server else url)
    with engine.begin() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_schemas": own is not None,
                "include_name": is_ours,
                "version_table": version_table,
                "version_table_schema": own,
            },
        )
        assert compare_metadata(context, bare_site.ledger.metadata) == []
    engine.dispose()


def checks(connection, table):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = inspect(connection).get_check_constraints(table.name, schema=table.schema)
    return {item["name"]: "".join(filter(str.isalnum, item["sqltext"])).lower() for item in found}


def test_the_checks_that_autogenerate_does_not_see_are_the_same_too(bare_site):
    """Both ways of making the ledger, side by side."""
    revised(bare_site)
    with bare_site.begin() as connection:
        migrated = {
            table.name: shape(connection, table)
            for table in bare_site.ledger.metadata.tables.values()
        }
        migrated[None] = version_table(connection)
        command.downgrade(configuration(connection), "base")
        bare_site.ledger.metadata.drop_all(connection)
        connection.execute(text(f"DROP TABLE {place_of(bare_site)}version"))
        schema.upgrade(connection)
        created = {
            table.name: shape(connection, table)
            for table in bare_site.ledger.metadata.tables.values()
        }
        created[None] = version_table(connection)
    assert migrated == created
    names = {name for place, (found, *_) in migrated.items() if place for name in found}
    assert names >= {"receipt_balance", "run_state", "quarantine_encoding"}


def place_of(site):
    own, prefix = naming(site.kind)
    return f'"{own}".' if own else prefix


def shape(connection, table):
    look, place = inspect(connection), {"schema": table.schema}
    key = look.get_pk_constraint(table.name, **place)
    indexes = sorted(
        (item["name"], item["column_names"]) for item in look.get_indexes(table.name, **place)
    )
    return checks(connection, table), columns(connection, table), key, indexes


def version_table(connection):
    own, _ = naming(connection.dialect.name)
    name = schema.version_table(connection.dialect.name)
    rows = connection.execute(text(f"SELECT * FROM {own + '.' if own else ''}{name}")).all()
    return shape(connection, Table(name, MetaData(schema=own))), [tuple(row) for row in rows]


def columns(connection, table):
    found = inspect(connection).get_columns(table.name, schema=table.schema)
    return {item["name"]: (str(item["type"]), item["nullable"]) for item in found}


def test_an_upgrade_repeated_changes_nothing(bare_site):
    with bare_site.begin() as connection:
        assert schema.version(connection) is None
    upgraded(bare_site)
    first = tables(bare_site)
    upgraded(bare_site)
    assert tables(bare_site) == first
    with bare_site.begin() as connection:
        assert schema.version(connection) == schema.HEAD


def test_a_ledger_of_the_first_revision_keeps_its_rows_when_it_is_upgraded(bare_site):
    own, prefix = naming(bare_site.kind)
    place = f'"{own}".' if own else prefix
    with bare_site.begin() as connection:
        command.upgrade(configuration(connection), "0001")
        connection.execute(text(f"INSERT INTO {place}epoch (id, epoch) VALUES (1, 7)"))
        receipt = {
            **dict.fromkeys(("batch_id", "kind", "run_id", "stream", "tenant", "partition"), "a"),
            **dict.fromkeys(("filters", "started_at", "committed_at"), "{}"),
            **dict.fromkeys(("ordinal", "last", "warnings", "epoch", "pid", "filtered"), 0),
            "extracted": 3,
            "loaded": 2,
            "quarantined": 1,
        }
        first = bare_site.ledger.receipt
        connection.execute(first.insert().values(receipt))
    upgraded(bare_site)
    with bare_site.begin() as connection:
        assert schema.version(connection) == schema.HEAD
        row = connection.execute(first.select()).mappings().one()
        assert {name: row[name] for name in receipt} == receipt
        assert row["xid"] is None
        assert connection.execute(bare_site.ledger.chain.select()).all() == []
        command.downgrade(configuration(connection), "0001")
    with bare_site.begin() as connection:
        names = {
            column["name"] for column in inspect(connection).get_columns(first.name, schema=own)
        }
        assert "xid" not in names
        kept = connection.execute(text(f"SELECT extracted FROM {place}receipt")).scalar_one()
        assert kept == 3


def test_a_ledger_of_the_second_revision_keeps_its_rows_and_gets_room_for_seals(bare_site):
    own, prefix = naming(bare_site.kind)
    place = f'"{own}".' if own else prefix
    values = dict.fromkeys(("stream", "tenant", "partition", "run_id", "path", "sha256"), "a")
    with bare_site.begin() as connection:
        command.upgrade(configuration(connection), "0002")
        names = ", ".join((*values, "records", "landed_at"))
        filled = ", ".join((*(f"'{value}'" for value in values.values()), "5", "''"))
        connection.execute(text(f"INSERT INTO {place}landing ({names}) VALUES ({filled})"))
    upgraded(bare_site)
    with bare_site.begin() as connection:
        assert schema.version(connection) == schema.HEAD
        row = connection.execute(bare_site.ledger.landing.select()).mappings().one()
        assert {name: row[name] for name in values} == values
        assert connection.execute(bare_site.ledger.change.select()).all() == []
        command.downgrade(configuration(connection), "0002")
    with bare_site.begin() as connection:
        found = inspect(connection).get_columns(bare_site.ledger.table_state.name, schema=own)
        assert "schema_name" not in {column["name"] for column in found}
        kept = connection.execute(text(f"SELECT records FROM {place}landing")).scalar_one()
        assert kept == 5


def test_an_upgrade_that_is_rolled_back_leaves_nothing(bare_site):
    with bare_site.target.engine.connect() as connection:
        transaction = connection.begin()
        schema.upgrade(connection)
        assert schema.version(connection) == schema.HEAD
        transaction.rollback()
    with bare_site.begin() as connection:
        assert schema.version(connection) is None
    assert tables(bare_site) == []


def test_a_downgrade_to_the_base_leaves_nothing_and_touches_nothing_else(bare_site):
    bare_site.run("CREATE TABLE tickets (id integer)", "INSERT INTO tickets VALUES (1)")
    upgraded(bare_site)
    with bare_site.begin() as connection:
        command.downgrade(configuration(connection), "base")
    assert set(tables(bare_site)) <= {schema.version_table(bare_site.kind), "tickets"}
    with bare_site.begin() as connection:
        assert schema.version(connection) is None
    assert bare_site.rows("tickets") == [(1,)]
    upgraded(bare_site)
    with bare_site.begin() as connection:
        assert schema.version(connection) == schema.HEAD


def test_the_ledger_stays_out_of_the_way_of_the_users_tables(bare_site):
    names = ("run", "receipt", "quarantine", "epoch", "version", "partition")
    bare_site.run(*(f'CREATE TABLE "{name}" (id integer)' for name in names))
    upgraded(bare_site)
    assert [bare_site.rows(name) for name in names] == [[]] * len(names)


def test_the_ledger_of_a_newer_program_is_refused(bare_site):
    upgraded(bare_site)
    own, _ = naming(bare_site.kind)
    place = f'"{own}".' if own else ""
    table = f'{place}"{schema.version_table(bare_site.kind)}"'
    bare_site.run(f"UPDATE {table} SET version_num = '9999'")
    with pytest.raises(TargetError, match="newer version") as caught:
        upgraded(bare_site)
    assert "9999" in caught.value.why
    assert SCHEMA in caught.value.where
    with bare_site.begin() as connection:
        assert connection.execute(text(f"SELECT version_num FROM {table}")).scalar_one() == "9999"
