//! AV1 image items: the row of open bitstream units (AV1 specification 5.3 to 5.5).
//!
//! Tile data has no structure of its own that could be walked without decoding symbols; that is a decoder's part.

const SEQUENCE_HEADER: u8 = 1;
const FRAME_HEADER: u8 = 3;
const TILE_GROUP: u8 = 4;
const FRAME: u8 = 6;
const REDUNDANT_FRAME_HEADER: u8 = 7;

/// The units must fill the item exactly and hold a frame. Tells what is wrong and at which byte.
pub fn walk(bytes: &[u8]) -> Result<(), (String, usize)> {
    let wrong = |what: &str, at| Err((what.to_owned(), at));
    let mut at = 0;
    let mut has_header = false;
    let mut has_tiles = false;
    while let Some(&first) = bytes.get(at) {
        let start = at;
        let kind = first >> 3 & 15;
        if first & 0x80 != 0 {
            return wrong("AV1 unit with the forbidden bit set", start);
        }
        at += 1 + usize::from(first >> 2 & 1);
        let rest = bytes.get(at..).unwrap_or_default();
        let len = if first & 2 == 0 {
            rest.len()
        } else {
            let Some((len, taken)) = leb128(rest) else {
                return wrong("AV1 unit with an impossible length", start);
            };
            at += taken;
            len
        };
        let Some(payload) = at.checked_add(len).and_then(|end| bytes.get(at..end)) else {
            return Err((format!("AV1 unit of {len} bytes does not fit into the item"), start));
        };
        at += len;
        match kind {
            FRAME_HEADER | REDUNDANT_FRAME_HEADER => has_header = true,
            FRAME => (has_header, has_tiles) = (true, true),
            TILE_GROUP if !has_header => return wrong("AV1 tiles before their frame header", start),
            TILE_GROUP => has_tiles = true,
            _ => {}
        }
        // 5.3.4 and 8.2.4: all of them end with a bit that is 1.
        let is_stopped =
            matches!(kind, SEQUENCE_HEADER | FRAME_HEADER | TILE_GROUP | FRAME | REDUNDANT_FRAME_HEADER);
        if is_stopped && !payload.is_empty() && payload.iter().all(|&byte| byte == 0) {
            return wrong("AV1 unit without a trailing bit", start);
        }
    }
    if !has_tiles {
        return wrong("AV1 item without a frame", bytes.len());
    }
    Ok(())
}

/// `leb128()` (4.10.5): the number and how many bytes it takes.
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(u32::try_from(value).ok()?).ok()?, index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &[u8] = b"\x0a\x01\x80\x32\x03abc";

    #[test]
    fn units_fill_the_item() {
        assert_eq!(walk(SOUND), Ok(()));
        assert_eq!(walk(b"\x0a\x01\x80\x30abc"), Ok(()));
        for len in 0..SOUND.len() {
            assert!(walk(SOUND.get(..len).unwrap_or_default()).is_err(), "{len}");
        }
    }

    #[test]
    fn zeroed_and_forbidden() {
        assert!(walk(b"\x0a\x01\x80\x32\x03\0\0\0").is_err());
        assert!(walk(b"\x0a\x01\x80\xb2\x03abc").is_err());
        assert!(walk(b"\x0a\x01\x80\x32\xff\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
    }
}
