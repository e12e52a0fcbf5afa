//! The markers of a JPEG (ITU-T T.81, annex B), as far as the generator has to know them.

/// Where things stand in the first picture of a JPEG file.
pub struct Layout {
    /// Where each header segment begins, at its 0xFF: everything from behind SOI to the first SOS.
    pub headers: Vec<usize>,
    /// Where the entropy-coded data of the first scan begin.
    pub scan: usize,
    /// Markers that end entropy-coded data, at their 0xFF: RSTn, the segments between scans, EOI.
    pub breaks: Vec<usize>,
    /// Where EOI begins.
    pub end: usize,
    /// The body of the first EXIF segment, from its byte order on.
    pub exif: Option<std::ops::Range<usize>>,
}

impl Layout {
    /// `None` for what is not put together as a JPEG.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let mut layout = Self { headers: Vec::new(), scan: 0, breaks: Vec::new(), end: 0, exif: None };
        let mut at = 2;
        loop {
            let code = *bytes.get(at + 1)?;
            if bytes[at] != 0xff {
                return None;
            }
            if code == 0xff {
                at += 1;
                continue;
            }
            if code == 0xd9 {
                layout.end = at;
                return (layout.scan > 0).then_some(layout);
            }
            let len = usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]));
            if layout.scan == 0 {
                layout.headers.push(at);
            }
            if code == 0xe1 && layout.exif.is_none() && bytes.get(at + 4..at + 10) == Some(b"Exif\0\0") {
                layout.exif = Some(at + 10..at + 2 + len);
            }
            at += 2 + len;
            if code == 0xda {
                if layout.scan == 0 {
                    layout.scan = at;
                }
                at = layout.skip_scan(bytes, at)?;
            }
        }
    }

    /// Goes to the marker behind entropy-coded data.
    fn skip_scan(&mut self, bytes: &[u8], mut at: usize) -> Option<usize> {
        loop {
            match (*bytes.get(at)?, *bytes.get(at + 1)?) {
                (0xff, 0xd0..=0xd7) => {
                    self.breaks.push(at);
                    at += 2;
                }
                (0xff, 0x00) => at += 2,
                (0xff, code) if code != 0xff => {
                    self.breaks.push(at);
                    return Some(at);
                }
                _ => at += 1,
            }
        }
    }
}

/// Where the value of the orientation stands in EXIF data, and whether they are little-endian.
pub fn orientation(tiff: &[u8]) -> Option<(usize, bool)> {
    let little = tiff.get(..2)? == b"II";
    let short = |at: usize| {
        let pair = tiff.get(at..at + 2)?.try_into().ok()?;
        Some(usize::from(if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }))
    };
    let long = |at: usize| {
        let four = tiff.get(at..at + 4)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) } as usize)
    };
    let directory = long(4)?;
    (0..short(directory)?)
        .map(|index| directory + 2 + 12 * index)
        .find(|&entry| short(entry) == Some(0x0112) && short(entry + 2) == Some(3))
        .map(|entry| (entry + 8, little))
}
