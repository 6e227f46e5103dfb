//! A message that is carried about before it is shown.
use crate::say;
use std::fmt;

/// A message without arguments: what was wanted, what is wrong, what to do. It compares and copies as the id it is, and is in the
/// language of whoever shows it. Made by [`words!`](crate::words).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Words(&'static str);

impl Words {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(id: &'static str) -> Self {
        Self(id)
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&say(self.0, &mut []))
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words({})", self.0)
    }
}

/// What an [`std::io::Error`] of our own says.
impl std::error::Error for Words {}

impl From<Words> for String {
    fn from(words: Words) -> Self {
        words.to_string()
    }
}
