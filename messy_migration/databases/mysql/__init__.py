"""MySQL and MariaDB: read and proven."""
