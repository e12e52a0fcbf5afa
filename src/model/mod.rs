//! The words everybody here speaks: plain values without I/O, knowing nothing of any other module.

mod asset;
mod comparison;
mod coverage;
mod file;
mod finding;
mod measure;
mod media;
mod part;
mod path;
mod picture;
mod repair;
mod report;
mod settings;

pub use asset::{AssetId, Role};
pub use comparison::Comparison;
pub use coverage::Coverage;
pub use file::FileIdentity;
pub use finding::{Code, Evidence, Finding, RunCode, Severity, What};
pub use measure::Measure;
pub use media::{
    DamageClass, DecodeError, DecoderId, Depth, Fault, MediaFormat, Orientation, PixelSize, Verdict,
};
pub use part::{Area, Edits, FaceBox};
pub use path::{PathText, display_path, is_own_temporary, own_temporary_name, shell_word};
pub use picture::{AssetFacts, Shows, SmallPicture};
pub use repair::{RepairAction, RepairEvent, RepairStatus};
pub use report::{
    CheckedCount, CoveredDay, Event, EventSink, ItemReport, MapEntry, RecordsInfo, RunInfo, SkipReason,
    Stage, Tally,
};
pub use settings::{Colorspace, ImageFormat, ImageSettings, OutputSettings, ToneMap};
