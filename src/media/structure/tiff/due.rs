//! What a strip or tile must give, and what keeps it from being sound.

/// Bytes that a strip or tile must give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// What its rows in the picture need.
    pub least: usize,
    /// A whole strip: writers may fill the last one up.
    pub most: usize,
}

/// What keeps a strip from being sound.
#[derive(Clone, Debug, PartialEq)]
pub enum Slip {
    /// Contradicts its format, so many bytes into the data.
    Wrong {
        /// What is wrong.
        what: String,
        /// Where in the strip.
        at: usize,
        /// It may be the habit of a writer, if all strips are so.
        habit: bool,
        /// Share of the strip's rows that is sound, where the unpacked bytes do not tell.
        sound: Option<f32>,
    },
    /// A kind of data that is not followed here.
    NotFollowed(String),
}

impl Slip {
    /// Contradicts its format.
    pub fn wrong(what: impl Into<String>, at: usize) -> Self {
        Self::Wrong { what: what.into(), at, habit: false, sound: None }
    }

    /// Ends before its rows are complete.
    pub fn short(at: usize) -> Self {
        Self::wrong("a strip or tile ends before its rows are complete", at)
    }

    /// More data than its rows need.
    pub fn surplus(at: usize) -> Self {
        Self::Wrong {
            what: "a strip or tile of more data than its rows need".into(),
            at,
            habit: true,
            sound: None,
        }
    }
}
