//! The kinds of work that exits are counted over. Each core does its share at the same time as
//! the others. Reads of the disk are in [`crate::storage`].

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing at all.
pub fn rest(duration: Duration) -> io::Result<()> {
    thread::sleep(duration);
    Ok(())
}

/// A loop.
pub fn compute(duration: Duration) -> io::Result<()> {
    let start = Instant::now();
    let mut rounds = 0_u64;
    while start.elapsed() < duration {
        for _ in 0..10_000 {
            rounds = std::hint::black_box(rounds.wrapping_add(1));
        }
    }
    Ok(())
}

/// Two cores that wake one another in turn, by a byte through a pipe.
pub struct Exchange {
    there: (PipeReader, PipeWriter),
    back: (PipeReader, PipeWriter),
}

impl Exchange {
    /// Makes the pipes.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            there: io::pipe()?,
            back: io::pipe()?,
        })
    }

    /// The part of `core`: each of the first two wakes the other half of `wakes` times; further
    /// ones have none.
    pub fn take_part(&self, core: usize, wakes: u64) -> io::Result<()> {
        let mut byte = [0];
        for _ in 0..wakes / 2 {
            match core {
                0 => {
                    (&self.there.1).write_all(&byte)?;
                    (&self.back.0).read_exact(&mut byte)?;
                }
                1 => {
                    (&self.there.0).read_exact(&mut byte)?;
                    (&self.back.1).write_all(&byte)?;
                }
                _ => break,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_of_an_exchange_come_to_an_end() {
        let exchange = Exchange::new().unwrap();
        let exchange = &exchange;
        thread::scope(|scope| {
            let parts: Vec<_> = (0..3)
                .map(|core| scope.spawn(move || exchange.take_part(core, 100)))
                .collect();
            for part in parts {
                part.join().unwrap().unwrap();
            }
        });
    }
}
