//! `bulkhead ctl seal`

use mgmt_proto::{Error, Sealed};

use super::confirm::Consent;
use super::json;
use crate::channel::Client;
use crate::output::{self, Format};
use crate::problem::Problem;

/// Seals the machine and says how much of Bulkhead is left.
pub fn seal(client: &mut Client, consent: Consent, format: Format) -> Result<(), Problem> {
    consent.require(client, "seals the machine until its reset")?;
    let sealed = client.seal().map_err(explain)?;
    output::line(&match format {
        Format::Text => describe(&sealed),
        Format::Json => json::sealed(&sealed).to_string(),
    })
}

/// What has become of the machine, for people.
pub fn describe(sealed: &Sealed) -> String {
    format!(
        "the machine is sealed: {} of {} bytes of Bulkhead's text are overwritten",
        sealed.overwritten_bytes, sealed.text_bytes
    )
}

fn explain(problem: Problem) -> Problem {
    match problem {
        Problem::Refused(Error::Unsupported) => Problem::CannotBeSealed,
        problem => problem,
    }
}
