//! Sealing the machine: what only starting guests need, and guests that set themselves up, is
//! overwritten. What runs goes on; it can be stopped, and nothing can be started.

use lifecycle::State;

use super::custody::Custody;
use crate::cpu::hold;
use crate::host::given_up::{self, Sealed};

/// Why the machine is not sealed. Nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSealed {
    /// A partition is on its way from one state to another.
    Unsteady(State),
    /// A core stays in root mode, for it has crashed there or waits for a device.
    CoreStays,
}

/// Overwrites what a sealed machine can do without and closes the way to it, for good. A machine that is sealed
/// already is left as it is.
///
/// # Errors
/// Nothing is done while a partition is being started or stopped, or a core cannot be held.
pub fn seal(custodies: &mut [Custody]) -> Result<Sealed, NotSealed> {
    if let Some(sealed) = given_up::sealed() {
        return Ok(sealed);
    }
    let lifecycles = custodies.iter().map(Custody::lifecycle);
    if let Some(unsteady) = { lifecycles }.find(|one| !one.is_steady()) {
        return Err(NotSealed::Unsteady(unsteady.state()));
    }
    let owned = custodies.iter().map(|custody| custody.partition);
    let cores = owned.flat_map(|partition| partition.cores.iter().copied());
    let overwrite = || {
        // SAFETY: all cores that run guests stand at the beginning of their loop, which stays,
        // and serialise before they go on; cores that nobody owns wait in that loop; this one
        // serialises by its loads of CR0. Guests' exits are answered by what stays, or end
        // in a crash record; nothing is started from here on, because of `Custody::seal`.
        unsafe { given_up::seal() }
    };
    let stood = hold::while_standing(cores, overwrite).ok().flatten();
    let sealed = stood.ok_or(NotSealed::CoreStays)?;
    custodies.iter_mut().for_each(Custody::seal);
    Ok(sealed)
}
