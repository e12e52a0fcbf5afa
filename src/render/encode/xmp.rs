//! The XMP packet of generated pictures: the properties that make a panorama a sphere, and nothing else.

use std::fmt::Write as _;

use crate::media::panorama::{NAMESPACE, Panorama};

/// A read-only packet with these properties.
pub fn packet(panorama: &Panorama) -> Vec<u8> {
    let mut properties = String::new();
    for (name, value) in &panorama.tags {
        let _ = write!(properties, "<GPano:{name}>{}</GPano:{name}>", escape(value));
    }
    format!(
        "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?><x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF \
         xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description rdf:about=\"\" xmlns:GPano=\"{NAMESPACE}\">\
         {properties}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end=\"r\"?>"
    )
    .into_bytes()
}

fn escape(value: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_the_same() {
        let tags = [("ProjectionType", "equirectangular"), ("StitchingSoftware", "A & B <3>")];
        let panorama =
            Panorama { tags: tags.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec() };
        assert_eq!(Panorama::read(&packet(&panorama)), Some(panorama));
    }
}
