//! What was verified, when: SQLite.
