//! What decides: walk, reconcile, schedule, judge, run.

pub mod cancel;
pub mod config;
pub mod end;
pub mod judge;
pub mod open;

pub use cancel::Cancel;
pub use config::{
    CheckConfig, Config, Db, MapRule, RenderConfig, RepairConfig, Resources, Selection, Shard, VerifyConfig,
};
pub use end::{RunEnd, RunError, RunErrorKind, StoppedBy};
