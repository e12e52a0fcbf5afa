//! Copies that somebody could have drawn as they are: byte for byte what an encoder writes for what they show now.

mod bmp;
mod gif;

/// Whether nothing but a record of the file can tell that this copy is not the picture it was.
pub fn is_drawable(sound: &[u8], copy: &[u8]) -> bool {
    bmp::is_drawable(sound, copy) || gif::is_drawable(sound, copy)
}
