//! `bulkhead exporter`, scraped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use crate::support::{Bench, Line};

/// An exporter that runs.
struct Exporter {
    child: Child,
    host: String,
}

impl Exporter {
    fn new(bench: &Bench) -> Self {
        let arguments = ["exporter", "--timeout", "0.5", "--listen", "127.0.0.1:0"];
        let mut child = bench
            .command(&arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut notes = BufReader::new(child.stderr.take().unwrap());
        notes.read_line(&mut line).unwrap();
        let host = line.trim().strip_prefix("http://").unwrap();
        let host = host.strip_suffix("/metrics").unwrap().to_owned();
        // Its later notes need a reader as well.
        std::thread::spawn(move || std::io::copy(&mut notes, &mut std::io::sink()));
        Self { child, host }
    }

    /// The answer to a request, with its headers.
    fn request(&self, line: &str) -> String {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        write!(
            stream,
            "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn scrape(&self) -> String {
        let answer = self.request("GET /metrics");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("application/openmetrics-text"), "{answer}");
        answer
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_scrape_has_what_the_machine_says_now() {
    let bench = Bench::new(Line::Twice);
    let exporter = Exporter::new(&bench);
    let text = exporter.scrape();
    for line in [
        "bulkhead_up 1",
        "bulkhead_build_info{version=\"0.1.0 (example)\",back_end=\"svm\",plan_crc32c=\"0badcafe\"} 1",
        "bulkhead_partition_state{partition=\"beta\",state=\"running\"} 1",
        "bulkhead_partition_state{partition=\"beta\",state=\"stopped\"} 0",
        "bulkhead_partition_cores{partition=\"beta\"} 2",
        "bulkhead_partition_memory_bytes{partition=\"alpha\"} 671088640",
        "bulkhead_partition_exits_total{partition=\"alpha\",reason=\"port-io\"} 682",
        "bulkhead_partition_denied_total{partition=\"alpha\"} 307",
        "bulkhead_channel_dropped_frames_total{kind=\"bad-crc\"} 0",
        "# HELP bulkhead_channel_dropped_frames Frames dropped, by reason.",
        "# HELP bulkhead_partition_cores Cores of the partition.",
        "# TYPE bulkhead_uptime_seconds gauge",
        "# EOF",
    ] {
        assert!(text.contains(line), "no {line} in {text}");
    }
    bench.machine().partitions[0].denied = 308;
    let text = exporter.scrape();
    assert!(
        text.contains("denied_total{partition=\"alpha\"} 308"),
        "{text}"
    );
}

#[test]
fn a_machine_that_is_away_is_down_and_one_that_is_back_is_up() {
    let bench = Bench::new(Line::Good);
    let exporter = Exporter::new(&bench);
    assert!(exporter.scrape().contains("bulkhead_up 1"));
    bench.reboot();
    assert!(exporter.scrape().contains("bulkhead_up 1"));
    bench.pull_plug();
    let text = exporter.scrape();
    assert!(text.contains("bulkhead_up 0"), "{text}");
    assert!(!text.contains("partition"), "{text}");
    bench.put_plug_in();
    assert!(exporter.scrape().contains("bulkhead_up 1"));
}

#[test]
fn the_line_is_free_between_two_scrapes() {
    let bench = Bench::new(Line::OneAtATime);
    let exporter = Exporter::new(&bench);
    for _ in 0..2 {
        assert!(exporter.scrape().contains("bulkhead_up 1"));
        assert!(bench.text(&["list"]).contains("alpha"));
    }
}

#[test]
fn other_addresses_are_not_found() {
    let bench = Bench::new(Line::Good);
    let exporter = Exporter::new(&bench);
    let text = exporter.request("GET /");
    assert!(text.starts_with("HTTP/1.1 404"), "{text}");
    assert!(text.ends_with("the counters are at /metrics\n"), "{text}");
    assert!(
        exporter
            .request("POST /metrics")
            .starts_with("HTTP/1.1 405")
    );
}

#[test]
fn a_port_in_use_is_said() {
    let bench = Bench::new(Line::Good);
    let exporter = Exporter::new(&bench);
    let output = bench
        .command(&["exporter", "--listen", &exporter.host])
        .output();
    let text = String::from_utf8(output.unwrap().stderr).unwrap();
    assert!(text.contains("cannot listen on 127.0.0.1"), "{text}");
    assert!(text.contains("another program has this port"), "{text}");
}

#[test]
fn what_is_no_address_to_listen_on_is_answered_with_its_form() {
    let bench = Bench::new(Line::Good);
    for listen in ["99999", "localhost:99999", "nothing"] {
        let mut command = bench.command(&["exporter", "--listen", listen]);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("write HOST:PORT"), "{text}");
    }
}
