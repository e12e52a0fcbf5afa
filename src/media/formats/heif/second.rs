//! What libheif's complaints are worth, beside our own walk and a second decoder.
//!
//! libheif and the decoders behind it refuse sound pictures now and then, and dav1d paints over what is wrong in AV1
//! tiles.

use crate::media::formats::films::Opinion;
use crate::model::DecodeError;

/// What `error` of libheif is worth, after what the walk and the second decoder said about the items shown.
pub(super) fn weigh(
    error: DecodeError,
    walked: bool,
    opinions: impl Iterator<Item = Opinion>,
) -> DecodeError {
    if error.damage().is_none() {
        return error;
    }
    if walked {
        return DecodeError::unsupported(format!(
            "libheif: {error}; yet every HEVC slice is sound to its last bit"
        ));
    }
    let opinions: Vec<Opinion> = opinions.collect();
    if opinions.iter().any(|opinion| matches!(opinion, Opinion::Refused(_))) {
        return error;
    }
    let second = if opinions.contains(&Opinion::None) || opinions.is_empty() {
        "no second decoder confirms it"
    } else {
        "FFmpeg decodes it"
    };
    DecodeError::unsupported(format!("libheif: {error}; {second}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::formats::own_check;

    #[test]
    fn libheif_alone_accuses_nobody() {
        let error = || DecodeError::malformed("bad", None);
        let damaged =
            |walked, opinions: Vec<Opinion>| weigh(error(), walked, opinions.into_iter()).damage().is_some();
        let refused = || Opinion::Refused(own_check("second decoder"));
        assert!(!damaged(true, vec![refused()]));
        assert!(!damaged(false, vec![]));
        assert!(!damaged(false, vec![Opinion::Sound, Opinion::None]));
        assert!(damaged(false, vec![Opinion::Sound, refused()]));
        let limit = DecodeError::limit("memory", "1");
        assert_eq!(weigh(limit.clone(), false, [refused()].into_iter()), limit);
    }
}
