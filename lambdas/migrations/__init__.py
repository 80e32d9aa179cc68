"""The PostgreSQL schema: numbered SQL files, and what applies them."""
