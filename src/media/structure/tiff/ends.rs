//! Ends of files that were lost, where pictures alone cannot tell.

use super::Page;
use crate::media::structure::tail::metadata::Blank;

/// Where zeros, or FF, begin that go on to the end of the file and took the end of the metadata of a page with them.
pub fn lost_end(bytes: &[u8], page: &Page) -> Option<usize> {
    let blank = Blank::of(bytes)?;
    let packet = page.xmp.as_ref().is_some_and(|range| blank.tear_packet(range));
    let profile = page.icc.as_ref().is_some_and(|range| blank.tear_profile(range));
    let resources = page.resources.as_ref().is_some_and(|range| blank.tear_resources(range));
    (packet || profile || resources).then_some(blank.start)
}
