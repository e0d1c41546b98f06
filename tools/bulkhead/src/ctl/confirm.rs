//! Whether the user means what cannot be undone.

use std::io::{self, BufRead, IsTerminal};

use mgmt_proto::State;

use crate::channel::Client;
use crate::output;
use crate::problem::Problem;

/// What the user has said about it so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// That it is meant.
    Given,
    /// Nothing.
    Open,
}

impl Consent {
    /// What the flag `--yes` says.
    pub const fn from_flag(yes: bool) -> Self {
        if yes { Self::Given } else { Self::Open }
    }

    /// Asks, if it is not given yet. `deed` is what the command does.
    ///
    /// # Errors
    /// The user does not mean it, or cannot be asked.
    pub fn require(self, client: &mut Client, deed: &str) -> Result<(), Problem> {
        if self == Self::Given || confirm(client, deed)? {
            return Ok(());
        }
        Err(Problem::here("nothing was done"))
    }
}

fn confirm(client: &mut Client, deed: &str) -> Result<bool, Problem> {
    let partitions = client.partitions()?;
    let running = partitions.iter().filter(|one| one.state == State::Running);
    if !io::stdin().is_terminal() {
        return Err(Problem::here(format!(
            "this {deed}: say --yes if that is meant"
        )));
    }
    output::note(&format!(
        "This {deed}; {} partitions run. Type `yes` if that is meant:",
        running.count()
    ));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    Ok(read.is_ok() && answer.trim() == "yes")
}
