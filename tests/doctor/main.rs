//! `doctor` from outside: small libraries with planted faults, a fake Docker, a fake Immich behind a real nginx, a real
//! PostgreSQL; and that it writes nothing anywhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

mod docker;
mod files;
mod library;
mod proxy;

#[path = "../common/fake_immich.rs"]
mod fake_immich;
#[path = "../common/postgres.rs"]
mod postgres;
