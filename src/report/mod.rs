//! What is told: counting, text, NDJSON, progress.
