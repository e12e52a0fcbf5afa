//! What decides: walk, reconcile, schedule, judge, run.

mod against;
mod announce;
mod beyond;
pub mod budget;
pub mod cancel;
mod check;
pub mod choice;
mod concerned;
pub mod config;
pub mod content;
mod crew;
pub mod end;
pub mod fresh;
mod gallery;
pub mod ground;
pub mod inventory;
pub mod judge;
mod ledger;
pub mod look;
pub mod loose;
pub mod machine;
pub mod open;
mod order;
mod pace;
pub mod page_cache;
mod priority;
pub mod reconcile;
pub mod record;
pub mod roots;
pub mod scan;
mod setup;
mod sizes;
pub mod sources;
mod undo;
mod unit;
mod untracked;
mod verify;
mod views;
mod whereabouts;

pub use cancel::Cancel;
pub use check::{check, repair};
pub use config::{
    CheckConfig, Config, Db, MapRule, Pace, Register, RenderConfig, RepairConfig, Resources, Selection,
    Shard, UndoConfig, VerifyConfig,
};
pub use end::{RunEnd, RunError, RunErrorKind, StoppedBy};
pub use machine::Machine;
pub use priority::step_back;
pub use setup::{Station, now, run_id};
pub use undo::undo;
pub use verify::{render, verify};
