//! Whether a process computes, by the processor time that the system counts for it.

use std::fs;
use std::time::{Duration, Instant};

/// Less than this part of the time that passes is no computing, however busy the machine is.
const LEAST_SHARE: u32 = 50;
/// No judgement before so much time has passed.
const LEAST_TIME: Duration = Duration::from_secs(10);
/// What the system counts in (proc(5), "/proc/pid/stat"): `USER_HZ` is 100 on x86.
const TICK: Duration = Duration::from_millis(10);

/// The processor time of one process, since a moment.
#[derive(Debug)]
pub struct Pulse {
    process: u32,
    since: Instant,
    used: Duration,
}

impl Pulse {
    /// The pulse of the process with this identifier, from now on.
    pub fn of(process: u32) -> Self {
        Self {
            process,
            since: Instant::now(),
            used: read_used(process),
        }
    }

    /// Counts from now on.
    pub fn restart(&mut self) {
        *self = Self::of(self.process);
    }

    /// Whether the process has not computed for a good while.
    pub fn is_still(&self) -> bool {
        let used = read_used(self.process).saturating_sub(self.used);
        is_still(self.since.elapsed(), used)
    }
}

fn is_still(passed: Duration, used: Duration) -> bool {
    passed >= LEAST_TIME && used.saturating_mul(LEAST_SHARE) < passed
}

/// What a process has used; nothing if it is gone.
fn read_used(process: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    TICK.saturating_mul(parse_used(&text).unwrap_or(0))
}

/// The sum of the fields 14, `utime`, and 15, `stime`. The second field, a name in
/// parentheses, may hold anything.
fn parse_used(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11);
    let user: u32 = ticks.next()?.parse().ok()?;
    let system: u32 = ticks.next()?.parse().ok()?;
    user.checked_add(system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_process_is_read_whatever_its_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 250 31 0 0 20 0 1 0 5 6 7";
        assert_eq!(parse_used(stat), Some(281));
        assert_eq!(parse_used(""), None);
        assert!(read_used(std::process::id()) < Duration::from_secs(3600));
    }

    #[test]
    fn a_busy_machine_slows_a_process_but_does_not_still_it() {
        let seconds = Duration::from_secs;
        assert!(is_still(seconds(60), seconds(0)));
        assert!(!is_still(seconds(60), seconds(4)));
        assert!(!is_still(seconds(2), seconds(0)), "too early to say");
    }
}
