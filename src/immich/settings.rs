//! Immich's image settings, read from its configuration.
//!
//! Immich stores only what differs from its defaults. Older servers used flat keys (`previewSize`,
//! `thumbnailFormat`, one `quality` for all), and the oldest a section `thumbnail` with `jpegSize` and `webpSize`;
//! they are still found in databases and still understood here.

use serde_json::{Map, Value};

use crate::model::{Colorspace, ImageFormat, ImageSettings, OutputSettings, ToneMap};

/// An image configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

/// Reads a JSON object like Immich's `image` configuration, with only the keys that differ from the defaults.
/// A whole configuration with a key `image` or `ffmpeg` is taken as well. Wrong or unknown values are errors.
pub fn parse_image_config(json: &str) -> Result<ImageSettings, SettingsError> {
    let value: Value = serde_json::from_str(json)
        .map_err(|error| SettingsError(format!("the image configuration is not JSON: {error}")))?;
    let Value::Object(object) = &value else {
        return Err(SettingsError(format!(
            "the image configuration is {}, expected an object",
            kind(&value)
        )));
    };
    let mut reader = Reader::default();
    if object.contains_key("image") || object.contains_key("ffmpeg") {
        reader.whole(&value);
    } else {
        reader.image(object);
    }
    match reader.notes.into_iter().next() {
        Some(note) => Err(SettingsError(note)),
        None => Ok(reader.settings),
    }
}

/// Reads the value of Immich's `system-config`. What is wrong in it keeps its default and is told in a note.
pub fn from_system_config(config: &Value) -> (ImageSettings, Vec<String>) {
    let mut reader = Reader::default();
    match config.get("thumbnail") {
        Some(Value::Object(oldest)) => reader.oldest(oldest),
        Some(other) => reader.wrong("thumbnail", other, "an object"),
        None => {}
    }
    reader.whole(config);
    let notes = reader.notes.into_iter().map(|note| format!("Immich's configuration: {note}")).collect();
    (reader.settings, notes)
}

#[derive(Default)]
struct Reader {
    settings: ImageSettings,
    notes: Vec<String>,
}

impl Reader {
    /// The sections that pictures depend on.
    fn whole(&mut self, config: &Value) {
        match config.get("image") {
            Some(Value::Object(image)) => self.image(image),
            Some(other) => self.wrong("image", other, "an object"),
            None => {}
        }
        if let Some(value) = config.get("ffmpeg").and_then(|ffmpeg| ffmpeg.get("tonemap")) {
            let known = word(
                value,
                &[
                    ("hable", ToneMap::Hable),
                    ("mobius", ToneMap::Mobius),
                    ("reinhard", ToneMap::Reinhard),
                    ("disabled", ToneMap::Disabled),
                ],
            );
            set(&mut self.settings.tone_map, known);
            let expected = "\"hable\", \"mobius\", \"reinhard\" or \"disabled\"";
            self.check(known.is_some(), "ffmpeg.tonemap", value, expected);
        }
    }

    fn image(&mut self, image: &Map<String, Value>) {
        // One quality for all comes first, so that the newer keys win whatever their order.
        if let Some(quality) = image.get("quality").and_then(|value| self.quality("image.quality", value)) {
            self.all_qualities(quality);
        }
        for (key, value) in image {
            let path = format!("image.{key}");
            match (key.as_str(), value) {
                ("preview", Value::Object(object)) => {
                    self.settings.preview = self.output(&path, object, self.settings.preview);
                }
                ("thumbnail", Value::Object(object)) => {
                    self.settings.thumbnail = self.output(&path, object, self.settings.thumbnail);
                }
                ("fullsize", Value::Object(object)) => {
                    self.settings.fullsize = self.output(&path, object, self.settings.fullsize);
                    if let Some(enabled) = object.get("enabled") {
                        set(&mut self.settings.fullsize_enabled, flag(enabled));
                        self.check(flag(enabled).is_some(), &format!("{path}.enabled"), enabled, "true or false");
                    }
                }
                ("preview" | "thumbnail" | "fullsize", _) => self.wrong(&path, value, "an object"),
                ("colorspace", _) => {
                    let known = word(value, &[("srgb", Colorspace::Srgb), ("p3", Colorspace::P3)]);
                    set(&mut self.settings.colorspace, known);
                    self.check(known.is_some(), &path, value, "\"srgb\" or \"p3\"");
                }
                ("extractEmbedded", _) => {
                    set(&mut self.settings.extract_embedded, flag(value));
                    self.check(flag(value).is_some(), &path, value, "true or false");
                }
                // Not Immich's: which of its ways of resizing, since no setting tells that.
                ("linearLight", _) => {
                    set(&mut self.settings.linear_light, flag(value));
                    self.check(flag(value).is_some(), &path, value, "true or false");
                }
                ("previewFormat", _) => {
                    let known = self.format(&path, value);
                    set(&mut self.settings.preview.format, known);
                }
                ("thumbnailFormat", _) => {
                    let known = self.format(&path, value);
                    set(&mut self.settings.thumbnail.format, known);
                }
                ("previewSize", _) => {
                    let known = self.size(&path, value);
                    set(&mut self.settings.preview.size, known);
                }
                ("thumbnailSize", _) => {
                    let known = self.size(&path, value);
                    set(&mut self.settings.thumbnail.size, known);
                }
                ("quality", _) => {}
                _ => self.notes.push(format!(
                    "{path} is not known; known are preview, thumbnail, fullsize, colorspace, extractEmbedded and linearLight"
                )),
            }
        }
    }

    /// The section `thumbnail` of the oldest servers.
    fn oldest(&mut self, section: &Map<String, Value>) {
        for (key, value) in section {
            let path = format!("thumbnail.{key}");
            match key.as_str() {
                "jpegSize" => {
                    let known = self.size(&path, value);
                    set(&mut self.settings.preview.size, known);
                }
                "webpSize" => {
                    let known = self.size(&path, value);
                    set(&mut self.settings.thumbnail.size, known);
                }
                "quality" => {
                    if let Some(quality) = self.quality(&path, value) {
                        self.all_qualities(quality);
                    }
                }
                "colorspace" => {
                    let known = word(value, &[("srgb", Colorspace::Srgb), ("p3", Colorspace::P3)]);
                    set(&mut self.settings.colorspace, known);
                }
                _ => {}
            }
        }
    }

    fn output(&mut self, path: &str, object: &Map<String, Value>, default: OutputSettings) -> OutputSettings {
        let mut output = default;
        let fullsize = path == "image.fullsize";
        for (key, value) in object {
            let path = format!("{path}.{key}");
            match key.as_str() {
                "format" => set(&mut output.format, self.format(&path, value)),
                "size" if !fullsize => set(&mut output.size, self.size(&path, value)),
                "quality" => set(&mut output.quality, self.quality(&path, value)),
                "progressive" => {
                    set(&mut output.progressive, flag(value));
                    self.check(flag(value).is_some(), &path, value, "true or false");
                }
                "enabled" if fullsize => {}
                _ => self.notes.push(format!("{path} is not known")),
            }
        }
        output
    }

    fn format(&mut self, path: &str, value: &Value) -> Option<ImageFormat> {
        let known = word(value, &[("jpeg", ImageFormat::Jpeg), ("webp", ImageFormat::Webp)]);
        self.check(known.is_some(), path, value, "\"jpeg\" or \"webp\"");
        known
    }

    /// The largest side of a WebP is 16383, of a JPEG 65535 pixels.
    fn size(&mut self, path: &str, value: &Value) -> Option<u32> {
        let known =
            whole(value).and_then(|n| u32::try_from(n).ok()).filter(|size| (1..=65_535).contains(size));
        self.check(known.is_some(), path, value, "a whole number from 1 to 65535");
        known
    }

    fn quality(&mut self, path: &str, value: &Value) -> Option<u8> {
        let known =
            whole(value).and_then(|n| u8::try_from(n).ok()).filter(|quality| (1..=100).contains(quality));
        self.check(known.is_some(), path, value, "a whole number from 1 to 100");
        known
    }

    fn all_qualities(&mut self, quality: u8) {
        for output in [&mut self.settings.preview, &mut self.settings.thumbnail, &mut self.settings.fullsize]
        {
            output.quality = quality;
        }
    }

    fn check(&mut self, fits: bool, path: &str, value: &Value, expected: &str) {
        if !fits {
            self.wrong(path, value, expected);
        }
    }

    fn wrong(&mut self, path: &str, value: &Value, expected: &str) {
        let mut found = value.to_string();
        if found.chars().count() > 40 {
            kind(value).clone_into(&mut found);
        }
        self.notes.push(format!("{path} is {found}, expected {expected}"));
    }
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

fn flag(value: &Value) -> Option<bool> {
    value.as_bool()
}

/// A whole number, also when it is written with a decimal point.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..1e9).contains(number))?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number in range")]
        Some(number as u64)
    })
}

fn word<T: Copy>(value: &Value, known: &[(&str, T)]) -> Option<T> {
    let text = value.as_str()?;
    known.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning)
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_given() {
        let settings =
            parse_image_config(r#"{"preview":{"size":1920,"format":"webp"},"fullsize":{"enabled":true}}"#)
                .unwrap();
        let expected = ImageSettings {
            preview: OutputSettings {
                size: 1920,
                format: ImageFormat::Webp,
                ..ImageSettings::default().preview
            },
            fullsize_enabled: true,
            ..ImageSettings::default()
        };
        assert_eq!(settings, expected);
        assert_eq!(parse_image_config("{}").unwrap(), ImageSettings::default());
        let whole = parse_image_config(r#"{"ffmpeg":{},"image":{"colorspace":"srgb"}}"#).unwrap();
        assert_eq!(whole.colorspace, Colorspace::Srgb);
        for (word, tone_map) in [("mobius", ToneMap::Mobius), ("disabled", ToneMap::Disabled)] {
            let settings = parse_image_config(&format!(r#"{{"ffmpeg":{{"tonemap":"{word}","crf":30}}}}"#));
            assert_eq!(settings.unwrap(), ImageSettings { tone_map, ..ImageSettings::default() });
        }
    }

    #[test]
    fn a_mistake_in_a_given_file_is_named() {
        for (json, words) in [
            ("[]", "expected an object"),
            ("{", "not JSON"),
            (r#"{"preview":{"size":0}}"#, "image.preview.size is 0, expected a whole number"),
            (r#"{"preview":{"format":"jpg"}}"#, "expected \"jpeg\" or \"webp\""),
            (r#"{"thumbnail":{"quality":101}}"#, "from 1 to 100"),
            (r#"{"extractEmbedded":"yes"}"#, "expected true or false"),
            (r#"{"prewiew":{}}"#, "image.prewiew is not known"),
            (r#"{"preview":7}"#, "expected an object"),
            (r#"{"ffmpeg":{"tonemap":"clip"}}"#, "ffmpeg.tonemap is \"clip\", expected \"hable\""),
        ] {
            let error = parse_image_config(json).unwrap_err().to_string();
            assert!(error.contains(words), "{json}: {error}");
        }
    }

    #[test]
    fn older_keys_are_understood_and_wrong_ones_keep_the_default() {
        let (settings, notes) = from_system_config(&json!({
            "thumbnail": {"webpSize": 200, "jpegSize": 1080, "quality": 70},
            "image": {"previewSize": 2160, "thumbnailFormat": "jpeg", "quality": 90, "preview": {"quality": "best"}},
            "trash": {"days": 3}, "ffmpeg": {"tonemap": "reinhard", "crf": 23}
        }));
        assert_eq!(settings.tone_map, ToneMap::Reinhard);
        assert_eq!(settings.preview.size, 2160);
        assert_eq!(settings.thumbnail.size, 200);
        assert_eq!(settings.thumbnail.format, ImageFormat::Jpeg);
        assert_eq!((settings.preview.quality, settings.fullsize.quality), (90, 90));
        assert_eq!(notes.len(), 1);
        assert!(notes.iter().all(|note| note.contains("image.preview.quality is \"best\"")));
        let (settings, notes) = from_system_config(&json!({"image": null}));
        assert_eq!(settings, ImageSettings::default());
        assert_eq!(notes.len(), 1);
    }
}
