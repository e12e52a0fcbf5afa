//! XMP sidecars: XML that must be well-formed from the first byte to the last.

use crate::media::Source;
use crate::media::structure::xml;
use crate::model::{DecodeError, DecoderId, MediaFormat};

use super::{Examined, Format, FormatSpec, Target, Wanted, decoder_id};

/// Sidecars are some kilobytes long; files beyond this are something else.
const MAX_LENGTH: u64 = 256 << 20;

/// The family.
pub struct Xmp;

static SPECS: &[FormatSpec] = &[FormatSpec {
    format: MediaFormat::Xmp,
    name: "XMP sidecar",
    extensions: &["xmp"],
    recognised_by: "an xpacket or an x:xmpmeta or rdf:RDF element near the start",
    proves: "well-formed XML: every element and quote closed, one root",
    blind_to: "wrong values",
    preview: false,
}];

impl Format for Xmp {
    fn specs(&self) -> &'static [FormatSpec] {
        SPECS
    }

    fn decoder(&self) -> DecoderId {
        decoder_id("photofsck-xml", "1")
    }

    fn recognise(&self, head: &[u8], source: &Source<'_>) -> Option<MediaFormat> {
        let text: Vec<u8> = head.iter().copied().filter(|&byte| byte != 0).collect();
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text);
        let text = text
            .strip_prefix(b"\xFF\xFE")
            .or(text.strip_prefix(b"\xFE\xFF"))
            .unwrap_or(text)
            .trim_ascii_start();
        if !text.starts_with(b"<") {
            return None;
        }
        let named = [&b"<?xpacket"[..], b"xmpmeta", b"rdf:RDF"];
        let found = named.iter().any(|name| memchr::memmem::find(text, name).is_some());
        // A sidecar that was cut inside its XML declaration is still one by its name.
        (found || source.extension == "xmp" && text.starts_with(b"<?xml")).then_some(MediaFormat::Xmp)
    }

    fn estimate(&self, _format: MediaFormat, source: &Source<'_>, _target: Target) -> u64 {
        source.len().min(MAX_LENGTH) * 2 + (1 << 20)
    }

    fn examine(&self, _format: MediaFormat, source: &Source<'_>, wanted: Wanted<'_>) -> Examined {
        let mut examined = Examined::by(self.decoder());
        if source.len() > MAX_LENGTH {
            let what = format!("a sidecar of {} bytes", source.len());
            examined.problem = Some(DecodeError::limit(what, format!("{MAX_LENGTH} bytes")));
            return examined;
        }
        examined.problem = source.load(wanted.limits).and_then(|bytes| xml::check(&bytes)).err();
        examined
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is a failed test")]

    use super::super::testing::examine_bytes;
    use super::*;

    const SIDECAR: &[u8] = b"<?xpacket begin='\xEF\xBB\xBF' id='W5M0MpCehiHzreSzNTczkc9d'?>\n\
        <x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>\
        <!-- a > comment --><rdf:Description rdf:about='' a=\"x > y\"/><![CDATA[ <raw> ]]>\
        </rdf:RDF></x:xmpmeta>\n<?xpacket end='w'?>";

    #[test]
    fn a_whole_sidecar_is_sound_and_no_prefix_is() {
        assert!(examine_bytes(&Xmp, SIDECAR, Target::None).is_ok());
        let root = SIDECAR.windows(12).position(|window| window == b"</x:xmpmeta>").unwrap() + 12;
        for end in 0..root {
            assert!(examine_bytes(&Xmp, &SIDECAR[..end], Target::None).is_err(), "{end}");
        }
    }

    #[test]
    fn zeros_and_crossed_elements_are_noticed() {
        let mut zeroed = SIDECAR.to_vec();
        let middle = zeroed.len() / 2;
        zeroed[middle..middle + 16].fill(0);
        assert!(examine_bytes(&Xmp, &zeroed, Target::None).is_err());
        let crossed = b"<x:xmpmeta><a><b></a></b></x:xmpmeta>";
        assert!(examine_bytes(&Xmp, crossed, Target::None).is_err());
    }

    #[test]
    fn sixteen_bit_text() {
        let text = std::str::from_utf8(SIDECAR).unwrap();
        let mut bytes = vec![0xFF, 0xFE];
        bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        assert!(examine_bytes(&Xmp, &bytes, Target::None).is_ok());
        assert!(examine_bytes(&Xmp, &bytes[..bytes.len() / 2], Target::None).is_err());
    }
}
