//! Nested page tables (AMD APM 24593-3.42, volume 2, section 15.25 "Nested Paging").

use addr::{HostPhysical, PageSize};

use super::Format;
use super::host::{Host, USER};
use crate::{Access, Level, MemoryKind};

/// The host's format with U/S set everywhere: the walker takes every access of a guest for a
/// user's (section 15.25.5 "Nested Table Walk"). NX needs the *host's* EFER.NXE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nested {}

impl Format for Nested {
    const ROOT: Level = Level::Four;
    const ADDRESS_BITS: u32 = 48;

    fn table_entry(table: HostPhysical) -> u64 {
        Host::table_entry(table) | USER
    }

    fn leaf_entry(
        size: PageSize,
        page: HostPhysical,
        access: Access,
        kind: MemoryKind,
    ) -> Option<u64> {
        Host::leaf_entry(size, page, access, kind).map(|entry| entry | USER)
    }

    fn is_present(entry: u64) -> bool {
        Host::is_present(entry)
    }

    fn access(entry: u64) -> Access {
        Host::access(entry)
    }

    fn kind(entry: u64) -> MemoryKind {
        Host::kind(entry)
    }
}
