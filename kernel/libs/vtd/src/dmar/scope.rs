//! Device scopes: which functions a structure is about (VT-d, section 8.3.1 "Device Scope
//! Structure").

use core::ops::RangeInclusive;

use addr::RequesterId;
use byte_fields::u8_at;

/// What a scope names.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ScopeKind(u8);

impl ScopeKind {
    /// A bridge with everything below it.
    const SUB_HIERARCHY: Self = Self(2);
    /// An I/O APIC.
    const IO_APIC: Self = Self(3);
    /// An HPET that sends messages.
    const HPET: Self = Self(4);
}

/// A device scope. Its path leads from `start_bus` through bridges: each step is a device and
/// function on the bus behind the step before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeviceScope<'a> {
    kind: ScopeKind,
    /// The bus on which the path begins.
    pub start_bus: u8,
    path: &'a [u8],
}

impl<'a> DeviceScope<'a> {
    const LENGTH: usize = 1;
    const START_BUS: usize = 5;
    const PATH: usize = 6;

    /// The steps of the path, at least one: device number and function number.
    pub fn path(&self) -> impl Iterator<Item = (u8, u8)> + use<'a> {
        self.path
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[device, function]| (*device, *function))
    }

    /// Whether it names the function at `address`, alone or with all that is behind a bridge.
    /// `behind` tells the buses behind the bridge at an address; the answer is `None` if a bridge
    /// of the path has none.
    pub fn names(
        &self,
        address: RequesterId,
        behind: &impl Fn(RequesterId) -> Option<RangeInclusive<u8>>,
    ) -> Option<bool> {
        match self.kind {
            ScopeKind::IO_APIC | ScopeKind::HPET => Some(false),
            ScopeKind::SUB_HIERARCHY => {
                let bridge = self.last(behind)?;
                Some(bridge == address || behind(bridge)?.contains(&address.bus()))
            }
            _ => self.last(behind).map(|function| function == address),
        }
    }

    /// Where the path ends.
    fn last(
        &self,
        behind: &impl Fn(RequesterId) -> Option<RangeInclusive<u8>>,
    ) -> Option<RequesterId> {
        let mut path = self.path();
        let (device, function) = path.next()?;
        let first = RequesterId::new(self.start_bus, device, function)?;
        path.try_fold(first, |bridge, (device, function)| {
            RequesterId::new(*behind(bridge)?.start(), device, function)
        })
    }

    /// The scope at the start of `bytes`, and what follows it.
    fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let length = usize::from(u8_at(bytes, Self::LENGTH)?);
        let (scope, rest) = bytes.split_at_checked(length)?;
        let path = scope.get(Self::PATH..)?;
        if path.is_empty() || !path.len().is_multiple_of(2) {
            return None;
        }
        let scope = Self {
            kind: ScopeKind(u8_at(scope, 0)?),
            start_bus: u8_at(scope, Self::START_BUS)?,
            path,
        };
        Some((scope, rest))
    }
}

/// The device scopes of a structure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scopes<'a> {
    rest: &'a [u8],
}

impl<'a> Scopes<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether the scopes fill their structure exactly.
    pub fn are_whole(self) -> bool {
        let mut scopes = self;
        scopes.by_ref().for_each(drop);
        scopes.rest.is_empty()
    }
}

impl<'a> Iterator for Scopes<'a> {
    type Item = DeviceScope<'a>;

    /// Each scope takes eight bytes at least off the rest, so this ends.
    fn next(&mut self) -> Option<Self::Item> {
        let (scope, rest) = DeviceScope::read(self.rest)?;
        self.rest = rest;
        Some(scope)
    }
}
