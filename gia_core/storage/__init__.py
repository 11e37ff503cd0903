"""How `RunStore` keeps its runs in SQLite or PostgreSQL."""
