//! Partitions' names.

use core::fmt;

use plan::{MAX_NAME, is_partition_name};
use serde::{Deserialize, Serialize};

use crate::text::Text;

/// A partition's name: what the plan allows as one, checked. On the wire it is a string.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "&str")]
pub struct Name(Text<MAX_NAME>);

impl Name {
    /// `text` as a name; `None` if no partition can be called so.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        is_partition_name(text).then(|| Self(Text::new(text)))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl TryFrom<&str> for Name {
    type Error = &'static str;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::new(text).ok_or("no name for a partition")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}
