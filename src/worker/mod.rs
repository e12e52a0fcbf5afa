//! Decoding in processes that may die.
//!
//! The parent ([`pool`]) opens files and passes their descriptors; the child ([`serve`]) reads, decodes and
//! renders inside its [`sandbox`] and answers with small typed values ([`protocol`]). A child that dies, hangs
//! or grows past its grant costs one file its verdict and nobody else anything.

mod direct;
mod exchange;
#[cfg(feature = "faulty-decoder")]
mod faulty;
mod looks;
pub mod memory;
mod parent;
pub mod pool;
mod process;
pub mod protocol;
pub mod sandbox;
pub mod serve;
mod sys;
pub mod wire;

pub use memory::{MemoryDenied, MemoryGrant, Permit, Unlimited};
pub use pool::{PoolConfig, PoolStats, Worker, WorkerFailure, WorkerPool};
pub use process::allocator;
pub use protocol::{HashWish, Job, MediaReport};
