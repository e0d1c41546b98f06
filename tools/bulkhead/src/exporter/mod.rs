//! `bulkhead exporter`: a machine's counters for Prometheus.
//!
//! Each scrape connects and asks the machine anew; nothing is kept between two. A machine that does not
//! answer is no error of the exporter's: `bulkhead_up` is 0 then, until it is back.

mod metrics;

use std::io;
use std::process::ExitCode;

use tiny_http::{Header, Method, Request, Response, Server};

use crate::arguments::Exporter;
use crate::channel::{Client, Connection};
use crate::output::{self, Format};
use crate::problem::Problem;
use metrics::Reading;

/// Where Prometheus looks.
const PATH: &str = "/metrics";
/// What `prometheus-client` writes (OpenMetrics 1.0.0, section "Overall Structure").
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers scrapes until it is ended.
pub fn run(arguments: &Exporter) -> ExitCode {
    output::status(try_run(arguments), Format::Text)
}

fn try_run(arguments: &Exporter) -> Result<(), Problem> {
    let connection = arguments.channel.connection()?;
    let server = listen(&arguments.listen)?;
    output::note(&format!("http://{}{PATH}", server.server_addr()));
    for request in server.incoming_requests() {
        // Who asked may have gone; the next one has not.
        let _ = answer(request, &connection);
    }
    Ok(())
}

fn listen(address: &str) -> Result<Server, Problem> {
    Server::http(address).map_err(|error| {
        let what = format!("cannot listen on {address}: {error}");
        let kind = error.downcast_ref().map(io::Error::kind);
        match kind {
            Some(io::ErrorKind::AddrInUse) => Problem::here_with(
                what,
                "another program has this port; name one with --listen",
            ),
            Some(io::ErrorKind::PermissionDenied) => {
                Problem::here_with(what, "name a port of 1024 or above with --listen")
            }
            _ => Problem::here_with(
                what,
                "write HOST:PORT, with an address of this machine and a port of up to 65535",
            ),
        }
    })
}

fn answer(request: Request, connection: &Connection) -> io::Result<()> {
    if request.url() != PATH {
        let text = format!("the counters are at {PATH}\n");
        return request.respond(Response::from_string(text).with_status_code(404));
    }
    if !matches!(request.method(), Method::Get | Method::Head) {
        return request.respond(Response::empty(405));
    }
    match metrics::text(read(connection).as_ref()) {
        Ok(text) => {
            let kind = Header::from_bytes("Content-Type", CONTENT_TYPE);
            let response = Response::from_string(text);
            request.respond(match kind {
                Ok(kind) => response.with_header(kind),
                Err(()) => response,
            })
        }
        Err(error) => {
            let what = error.to_string();
            request.respond(Response::from_string(what).with_status_code(500))
        }
    }
}

/// All that is exported; `None`, and a note, if the machine does not answer.
///
/// The line is let go again at once: one program at a time can use it, and who manages the
/// machine is to find it free.
fn read(connection: &Connection) -> Option<Reading> {
    let reading = Client::connect(connection).and_then(|mut client| Reading::take(&mut client));
    if let Err(problem) = &reading {
        output::note(&format!("bulkhead: {problem}"));
    }
    reading.ok()
}
