//! Whether there is room for a repair, asked before it begins.

use std::io;
use std::path::Path;

use crate::model::{Code, Evidence, Finding, ImageFormat, OutputSettings, RunCode, display_path};

/// Room that a repair leaves to everybody else.
const RESERVE: u64 = 256 << 20;

/// What one generated picture takes on disk, generously: pictures of 3:2 at the setting's size.
pub fn estimate(output: &OutputSettings) -> u64 {
    let side = u64::from(output.size);
    let pixels = side.saturating_mul(side).saturating_mul(3) / 2;
    // Bytes for 1000 pixels of a detailed photo at quality 80; better qualities take up to thrice that.
    let per_thousand = match output.format {
        ImageFormat::Jpeg => 350,
        ImageFormat::Webp => 200,
    };
    let per_thousand = match output.quality {
        0..=80 => per_thousand,
        81..=90 => per_thousand * 2,
        _ => per_thousand * 3,
    };
    // A block is the least that a file takes.
    (pixels.saturating_mul(per_thousand) / 1000).max(4096)
}

/// Bytes that a user without privileges may still write below `folder`, or below its nearest existing parent.
pub fn free(folder: &Path) -> io::Result<u64> {
    let existing = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(folder);
    let stat = rustix::fs::statvfs(existing)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// The finding `space.low`, when `needed` bytes do not fit into `folder` with some room to spare.
pub fn low(folder: &Path, needed: u64) -> io::Result<Option<Finding>> {
    let free = free(folder)?;
    if needed == 0 || free >= needed.saturating_add(RESERVE) {
        return Ok(None);
    }
    let advice = format!(
        "free about {} MiB below {} before repairing; what does not fit is not written",
        needed.saturating_add(RESERVE).saturating_sub(free).div_ceil(1 << 20),
        display_path(folder)
    );
    let evidence =
        Evidence::new().with("free_bytes", free).with("needed_bytes", needed).with("reserve_bytes", RESERVE);
    Ok(Some(Finding::new(Code::Run(RunCode::SpaceLow)).at(folder).seen(evidence).advise(advice)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::model::ImageSettings;

    #[test]
    fn room_is_told() {
        let here = std::env::temp_dir();
        assert_eq!(low(&here, 0).unwrap(), None);
        let finding = low(&here.join("not/there"), u64::MAX).unwrap().unwrap();
        assert_eq!(finding.code, Code::Run(RunCode::SpaceLow));
        assert!(finding.advice.contains("MiB"));
    }

    #[test]
    fn default_pictures_take_what_experience_says() {
        let settings = ImageSettings::default();
        let preview = estimate(&settings.preview);
        assert!((500_000..2_000_000).contains(&preview), "{preview}");
        let thumbnail = estimate(&settings.thumbnail);
        assert!((10_000..40_000).contains(&thumbnail), "{thumbnail}");
    }
}
