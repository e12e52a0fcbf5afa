//! What makes a picture a sphere to look around in: the GPano properties of its XMP packet.

use resvg::usvg::roxmltree::{Document, Node};

/// XML namespace of the properties (Google's Photo Sphere XMP metadata).
pub const NAMESPACE: &str = "http://ns.google.com/photos/1.0/panorama/";

/// Longer packets hold pictures, not properties.
const MAX_PACKET: usize = 1 << 20;
/// More than there are, and longer than they get. Escaped, all of them fit into one segment of a JPEG.
const MAX_TAGS: usize = 64;
const MAX_NAME: usize = 64;
const MAX_VALUE: usize = 128;

/// The properties of an equirectangular panorama: names without their prefix, and values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panorama {
    /// In the order of the packet.
    pub tags: Vec<(String, String)>,
}

impl Panorama {
    /// Reads an XMP packet. `None` where it does not say that the projection is equirectangular, which is all that Immich shows
    /// as a sphere.
    pub fn read(packet: &[u8]) -> Option<Self> {
        if packet.len() > MAX_PACKET || memchr::memmem::find(packet, NAMESPACE.as_bytes()).is_none() {
            return None;
        }
        let text = std::str::from_utf8(packet).ok()?.trim_matches(['\0', '\u{feff}']);
        let document = Document::parse(text).ok()?;
        let tags: Vec<_> = document.descendants().flat_map(properties).take(MAX_TAGS).collect();
        let equirectangular = |(name, value): &(String, String)| {
            name == "ProjectionType" && value.eq_ignore_ascii_case("equirectangular")
        };
        tags.iter().any(equirectangular).then_some(Self { tags })
    }
}

/// The properties that a node states: as attributes, or as itself.
fn properties(node: Node<'_, '_>) -> Vec<(String, String)> {
    let attributes = node
        .attributes()
        .filter(|attribute| attribute.namespace() == Some(NAMESPACE))
        .map(|attribute| (attribute.name(), attribute.value()));
    let own = (node.tag_name().namespace() == Some(NAMESPACE))
        .then(|| node.text().map(|text| (node.tag_name().name(), text.trim())))
        .flatten();
    let short = |(name, value): &(&str, &str)| {
        name.len() <= MAX_NAME
            && value.len() <= MAX_VALUE
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric())
    };
    attributes.chain(own).filter(short).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    fn packet(projection: &str) -> String {
        format!(
            r#"<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
            xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:P="{NAMESPACE}"
            P:ProjectionType="{projection}" P:FullPanoWidthPixels="8000"><P:PoseHeadingDegrees> 12.5 </P:PoseHeadingDegrees>
            <other xmlns="urn:x">no</other></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"#
        )
    }

    #[test]
    fn attributes_and_elements_of_spheres_only() {
        let found = Panorama::read(packet("equirectangular").as_bytes()).unwrap();
        let tags: Vec<_> = found.tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            tags,
            [
                ("ProjectionType", "equirectangular"),
                ("FullPanoWidthPixels", "8000"),
                ("PoseHeadingDegrees", "12.5")
            ]
        );
        assert!(Panorama::read(packet("EQUIRECTANGULAR").as_bytes()).is_some());
        assert_eq!(Panorama::read(packet("cylindrical").as_bytes()), None);
        assert_eq!(Panorama::read(b"<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"/>"), None);
        assert_eq!(Panorama::read(NAMESPACE.as_bytes()), None);
    }

    #[test]
    fn padding_and_marks_around_the_packet() {
        let padded = format!("\u{feff}{}  \n \0\0", packet("equirectangular"));
        assert!(Panorama::read(padded.as_bytes()).is_some());
        let whole = packet("equirectangular");
        for end in 0..whole.len() {
            let _ = Panorama::read(whole.as_bytes().get(..end).unwrap());
        }
    }
}
