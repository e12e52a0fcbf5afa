//! What decides: walk, reconcile, schedule, judge, run.

pub mod budget;
pub mod cancel;
pub mod config;
pub mod end;
pub mod inventory;
pub mod judge;
pub mod loose;
pub mod machine;
pub mod open;
pub mod reconcile;
pub mod roots;
pub mod scan;

pub use cancel::Cancel;
pub use config::{
    CheckConfig, Config, Db, MapRule, RenderConfig, RepairConfig, Resources, Selection, Shard, VerifyConfig,
};
pub use end::{RunEnd, RunError, RunErrorKind, StoppedBy};
