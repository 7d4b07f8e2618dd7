import os

import sqlalchemy
from alembic import context

if not context.is_offline_mode():
    with sqlalchemy.create_engine(os.environ["DATABASE_URL"]).connect() as connection:
        context.configure(connection=connection, transaction_per_migration=os.path.exists("apart"))
        with context.begin_transaction():
            context.run_migrations()
