"""Alembic's environment: runs revisions on the connection that the program hands over."""

from __future__ import annotations

from alembic import context
from sqlalchemy import inspect
from sqlalchemy.schema import CreateSchema

from messy_migration.ledger.schema import version_table
from messy_migration.ledger.tables import ledger, naming

connection = context.config.attributes["connection"]
dialect = connection.dialect.name
schema, _ = naming(dialect)
# IF NOT EXISTS asks for the right to create schemas even where an administrator made this one.
if schema and not inspect(connection).has_schema(schema):
    connection.execute(CreateSchema(schema))
context.configure(
    connection=connection,
    target_metadata=ledger(dialect).metadata,
    version_table=version_table(dialect),
    version_table_schema=schema,
    include_schemas=schema is not None,
    transactional_ddl=False,  # the caller's transaction holds it all
)
context.run_migrations()
