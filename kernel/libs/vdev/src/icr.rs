//! Inter-processor interrupts: decodes and checks a guest's write to the x2APIC's Interrupt
//! Command Register (Intel SDM 325384-080, volume 3A, section 11.12.9 "ICR Operation in
//! x2APIC Mode").
//!
//! A guest may reach its own cores only. Whatever it writes is rewritten into one physical
//! unicast a target ([`unicast`]): hardware's shorthands and broadcasts would reach every
//! core of the machine. [`is_own_unicast`] is the short way for what a running guest does
//! all the time.

use addr::ApicId;

/// Vectors below are exceptions; the APIC refuses to send them.
const LOWEST_VECTOR: u8 = 16;
/// Destination of a broadcast, in both destination modes.
const BROADCAST: u32 = u32::MAX;

const LOGICAL: u32 = 1 << 11;
const ASSERT: u32 = 1 << 14;
const LEVEL_TRIGGERED: u32 = 1 << 15;
/// Bits 31:20, 17:16 and 13. Bit 12 is the delivery status of xAPIC, ignored.
const RESERVED: u32 = 0xfff0_0000 | 0b11 << 16 | 1 << 13;

/// What an interrupt does to its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Raises a vector.
    Fixed {
        /// The vector, 16 or more.
        vector: u8,
    },
    /// Raises an NMI.
    Nmi,
    /// Resets the core, which then waits for a start-up.
    Init,
    /// Starts a waiting core.
    StartUp {
        /// The number of the page where it starts, in real mode.
        vector: u8,
    },
}

/// A set of the partition's own cores, by their index; at most 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Targets(u64);

impl Targets {
    /// Whether nobody is to be interrupted.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The indices of the cores, in rising order.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let index = rest.trailing_zeros();
            // Clears the lowest bit that is set.
            rest &= rest.checked_sub(1)?;
            usize::try_from(index).ok()
        })
    }

    const fn lowest(self) -> Self {
        Self(self.0 & self.0.wrapping_neg())
    }
}

/// An interrupt that the guest may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// What it does.
    pub kind: Kind,
    /// To whom. Empty where hardware ignores the command too, as an INIT level de-assert.
    pub targets: Targets,
}

/// Why an interrupt is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The destination names a core that is not the partition's.
    ForeignCore,
    /// SMI, ExtINT, a reserved mode, or one that the shorthand does not allow.
    DeliveryMode,
    /// A vector below 16.
    Vector,
    /// A reserved bit is set.
    ReservedBits,
}

/// The partition's own cores, for the short way: a flag for each APIC ID, which one instruction
/// looks up. Those from 256 on are not in it, and go the long way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnCores([bool; 256]);

impl OwnCores {
    /// The set of `own`.
    #[must_use]
    pub fn new(own: &[ApicId]) -> Self {
        let mut flags = [false; 256];
        for core in own {
            if let Some(flag) = flags.get_mut(core.0 as usize) {
                *flag = true;
            }
        }
        Self(flags)
    }

    #[inline]
    fn contains(&self, id: u32) -> bool {
        self.0.get(id as usize).is_some_and(|own| *own)
    }
}

/// Whether the value of two halves, as WRMSR takes it, is a fixed interrupt with a legal vector
/// to the physical ID of one of `own`: then it may go to the real ICR as it stands.
#[inline]
#[must_use]
pub fn is_own_unicast(destination: u32, low: u32, own: &OwnCores) -> bool {
    // All bits but assert and the vector are clear, and the vector is not below 16.
    let legal = u32::from(LOWEST_VECTOR)..=0xff;
    legal.contains(&(low & !ASSERT)) && own.contains(destination)
}

/// Decodes and checks a write of `value` by `sender`, one of the partition's cores `own`.
///
/// # Errors
/// The interrupt is not the guest's to send, or is none.
pub fn check(value: u64, sender: ApicId, own: &[ApicId]) -> Result<Request, Refusal> {
    let (low, destination) = (value as u32, (value >> 32) as u32);
    if low & RESERVED != 0 {
        return Err(Refusal::ReservedBits);
    }
    let kind = kind(low)?;
    let all = all_of(own);
    let itself = all_where(own, |core| core == sender);
    let fixed = matches!(kind, Kind::Fixed { .. });
    let targets = match (low >> 18) & 0b11 {
        0b00 => destinations(destination, low & LOGICAL != 0, own)?,
        // Self and all including self exist for fixed interrupts only (table 11-3).
        0b01 if fixed => itself,
        0b10 if fixed => all,
        0b11 => Targets(all.0 & !itself.0),
        _ => return Err(Refusal::DeliveryMode),
    };
    let targets = match (low >> 8) & 0b111 {
        LOWEST_PRIORITY => targets.lowest(),
        INIT if low & (LEVEL_TRIGGERED | ASSERT) == LEVEL_TRIGGERED => Targets(0),
        _ => targets,
    };
    Ok(Request { kind, targets })
}

/// The value for the real ICR that sends `kind` to one core by its physical ID.
#[must_use]
pub fn unicast(kind: Kind, target: ApicId) -> u64 {
    let (mode, vector) = match kind {
        Kind::Fixed { vector } => (FIXED, vector),
        Kind::Nmi => (NMI, 0),
        Kind::Init => (INIT, 0),
        Kind::StartUp { vector } => (START_UP, vector),
    };
    u64::from(target.0) << 32 | u64::from(ASSERT | mode << 8 | u32::from(vector))
}

const FIXED: u32 = 0b000;
const LOWEST_PRIORITY: u32 = 0b001;
const NMI: u32 = 0b100;
const INIT: u32 = 0b101;
const START_UP: u32 = 0b110;

fn kind(low: u32) -> Result<Kind, Refusal> {
    let [vector, ..] = low.to_le_bytes();
    match (low >> 8) & 0b111 {
        FIXED | LOWEST_PRIORITY if vector < LOWEST_VECTOR => Err(Refusal::Vector),
        FIXED | LOWEST_PRIORITY => Ok(Kind::Fixed { vector }),
        NMI => Ok(Kind::Nmi),
        INIT => Ok(Kind::Init),
        START_UP => Ok(Kind::StartUp { vector }),
        _ => Err(Refusal::DeliveryMode),
    }
}

/// The cores that a destination without shorthand names. All of them must be own ones.
fn destinations(destination: u32, logical: bool, own: &[ApicId]) -> Result<Targets, Refusal> {
    if destination == BROADCAST {
        return Ok(all_of(own));
    }
    if !logical {
        let targets = all_where(own, |core| core.0 == destination);
        return if targets.is_empty() {
            Err(Refusal::ForeignCore)
        } else {
            Ok(targets)
        };
    }
    // A logical ID is a cluster and a set of its up to 16 cores.
    let same_cluster = |core: ApicId| core.logical() >> 16 == destination >> 16;
    let targets = all_where(own, |core| {
        same_cluster(core) && core.logical() & destination & 0xffff != 0
    });
    let named = (destination & 0xffff).count_ones();
    if targets.is_empty() || targets.0.count_ones() != named {
        return Err(Refusal::ForeignCore);
    }
    Ok(targets)
}

fn all_of(own: &[ApicId]) -> Targets {
    all_where(own, |_| true)
}

fn all_where(own: &[ApicId], matches: impl Fn(ApicId) -> bool) -> Targets {
    let bits = own
        .iter()
        .zip(0_u32..u64::BITS)
        .filter(|(core, _)| matches(**core));
    Targets(bits.fold(0, |set, (_, index)| set | 1_u64.wrapping_shl(index)))
}

#[cfg(test)]
mod tests;
