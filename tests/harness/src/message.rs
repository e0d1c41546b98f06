//! One line of the serial port, understood.
//!
//! Key types: [`Message`] (who says what), [`Event`] (Bulkhead's machine-readable lines) and
//! [`Check`] (a guest's). Every line is untrusted: a guest can print what it likes, so a line
//! counts as Bulkhead's only with the prefix that Bulkhead alone puts in front.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The name in front of Bulkhead's own lines.
pub const BULKHEAD: &str = "bulkhead";

/// A line and who said it.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Bulkhead, for people.
    Text(String),
    /// Bulkhead, for machines.
    Event(Event),
    /// A partition's console.
    Console {
        /// The partition's name.
        partition: String,
        /// What it printed.
        text: String,
    },
    /// A partition's finding about itself.
    Check {
        /// The partition's name.
        partition: String,
        /// The finding.
        check: Check,
    },
    /// Anything else, such as the firmware's lines.
    Other(String),
}

/// What Bulkhead reports in its `json` lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A partition starts with what it owns.
    Partition {
        /// The partition's name.
        name: String,
        /// Its cores' APIC IDs.
        cores: Vec<u32>,
        /// Its memory.
        memory_bytes: u64,
        /// Its PCI functions' requester IDs.
        #[serde(default)]
        functions: Vec<String>,
        /// The CPU's second-stage table.
        #[serde(default)]
        cpu_tables: Tables,
        /// The IOMMU's.
        #[serde(default)]
        iommu_tables: Tables,
    },
    /// A partition does not start.
    Refused {
        /// The partition's name.
        name: String,
        /// The rule and the values that break it.
        why: String,
    },
    /// A partition has stopped.
    Stopped {
        /// The partition's name.
        name: String,
        /// Why: `poweroff`, `reset`, `triple fault` and so on.
        cause: String,
        /// Its exits by reason.
        #[serde(default)]
        exits: Map<String, Value>,
        /// How many accesses were denied.
        #[serde(default)]
        denied: u64,
    },
    /// The machine was sealed.
    Sealed {
        /// The bytes of Bulkhead's text that were overwritten.
        overwritten_bytes: u64,
        /// The bytes that there were.
        text_bytes: u64,
    },
    /// A partition has been started again.
    Started {
        /// The partition's name.
        name: String,
    },
    /// A partition can run no guest any more.
    Failed {
        /// The partition's name.
        name: String,
        /// What did not come back.
        why: String,
    },
    /// The memory that Bulkhead keeps for itself.
    Resident {
        /// In bytes.
        bytes: u64,
    },
    /// The IOMMU has blocked an access.
    Fault {
        /// The partition that owns the requester, if one does.
        #[serde(default)]
        partition: Option<String>,
        /// The requester ID.
        requester: String,
        /// The fault reason, as VT-d's specification numbers or names it.
        #[serde(default)]
        reason: Value,
        /// The address, or the interrupt's index.
        #[serde(default)]
        address: Value,
    },
    /// Every partition has stopped.
    Halted,
    /// An event of a later version.
    #[serde(other)]
    Unknown,
}

/// A second-stage table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tables {
    /// What it takes, in bytes.
    pub bytes: u64,
    /// The bytes of RAM that leaves of 2 MiB or more map.
    pub large_leaf_bytes: u64,
}

/// One finding of a partition about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// Whether it holds.
    pub ok: bool,
    /// The values it was judged by.
    #[serde(flatten)]
    pub values: Map<String, Value>,
}

/// The name of the finding that ends a partition's checks.
pub const DONE: &str = "done";

impl Message {
    /// Understands one line, without its line ending.
    pub fn parse(line: &str) -> Self {
        let Some((name, text)) = split(line) else {
            return Self::Other(line.to_owned());
        };
        if name == BULKHEAD {
            return parse_event(text).map_or_else(|| Self::Text(text.to_owned()), Self::Event);
        }
        let partition = name.to_owned();
        match parse_check(text) {
            Some(check) => Self::Check { partition, check },
            None => Self::Console {
                partition,
                text: text.to_owned(),
            },
        }
    }
}

/// How Bulkhead's line starts when it cannot use the machine.
pub const REFUSAL: &str = "cannot run here: ";
/// How the last line of a crash record starts.
const CRASH_END: &str = "crash: this core stops";

impl Message {
    /// Why nothing more is to come after this message, if Bulkhead has given up.
    pub fn given_up(&self) -> Option<&str> {
        match self {
            Self::Text(text) if text.starts_with(REFUSAL) => Some(text),
            Self::Text(text) if text.starts_with(CRASH_END) => Some("Bulkhead crashed"),
            _ => None,
        }
    }
}

/// Splits `[name] text`.
fn split(line: &str) -> Option<(&str, &str)> {
    let (name, text) = line.strip_prefix('[')?.split_once(']')?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || !name.chars().all(allowed) {
        return None;
    }
    Some((name, text.strip_prefix(' ').unwrap_or(text)))
}

fn parse_event(text: &str) -> Option<Event> {
    serde_json::from_str(text.strip_prefix("json ")?).ok()
}

fn parse_check(text: &str) -> Option<Check> {
    serde_json::from_str(text.strip_prefix("check: ")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_event_is_bulkheads_alone() {
        let json = r#"json {"event":"halted"}"#;
        let own = Message::parse(&format!("[bulkhead] {json}"));
        assert_eq!(own, Message::Event(Event::Halted));
        let forged = Message::parse(&format!("[alpha] {json}"));
        assert!(matches!(forged, Message::Console { .. }));
    }

    #[test]
    fn a_stop_carries_its_exits() {
        let line = r#"[bulkhead] json {"event":"stopped","name":"alpha","cause":"poweroff","exits":{"cpuid":12},"denied":3}"#;
        let Message::Event(Event::Stopped { exits, denied, .. }) = Message::parse(line) else {
            panic!("not understood");
        };
        assert_eq!(exits.get("cpuid"), Some(&Value::from(12)));
        assert_eq!(denied, 3);
    }

    #[test]
    fn a_check_keeps_its_values() {
        let line = r#"[beta] check: {"name":"nproc","ok":true,"expected":2,"found":2}"#;
        let Message::Check { partition, check } = Message::parse(line) else {
            panic!("not understood");
        };
        assert_eq!(partition, "beta");
        assert!(check.ok);
        assert_eq!(check.values.get("found"), Some(&Value::from(2)));
    }

    #[test]
    fn kernel_time_stamps_are_not_names() {
        let line = "[    0.000000] Linux version 6.1";
        assert_eq!(Message::parse(line), Message::Other(line.to_owned()));
    }

    #[test]
    fn only_bulkhead_itself_can_give_up() {
        let own = Message::parse("[bulkhead] cannot run here: no SVM; enable it");
        assert_eq!(own.given_up(), Some("cannot run here: no SVM; enable it"));
        let crash = Message::parse("[bulkhead] crash: this core stops; more");
        assert_eq!(crash.given_up(), Some("Bulkhead crashed"));
        assert_eq!(
            Message::parse("[alpha] cannot run here: x").given_up(),
            None
        );
    }

    #[test]
    fn an_event_of_a_later_version_is_unknown() {
        let line = r#"[bulkhead] json {"event":"later","value":1}"#;
        assert_eq!(Message::parse(line), Message::Event(Event::Unknown));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(line in ".*", tail in ".*") {
            let _ = Message::parse(&line);
            let _ = Message::parse(&format!("[bulkhead] json {tail}"));
            let _ = Message::parse(&format!("[alpha] check: {tail}"));
        }
    }
}
