//! What Prometheus is told.

use std::fmt;

use mgmt_proto::{Channel, Counters, State, Summary};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use vdev::exit_reason::ExitReason;

use crate::channel::{Client, Machine};
use crate::problem::Problem;

/// A metric's labels.
type Labels = Vec<(&'static str, String)>;

/// What the machine says at one moment.
#[derive(Debug)]
pub struct Reading {
    machine: Machine,
    channel: Channel,
    partitions: Vec<Summary>,
    counters: Vec<Counters>,
}

impl Reading {
    /// Asks for all of it. The greeting comes first: it finds the session, whatever has
    /// happened to the machine since the last time.
    pub fn take(client: &mut Client) -> Result<Self, Problem> {
        Ok(Self {
            machine: client.machine()?,
            channel: client.channel()?,
            partitions: client.partitions()?,
            counters: client.counters()?,
        })
    }
}

/// All metrics in OpenMetrics' text format; all but one are missing without a reading.
pub fn text(reading: Option<&Reading>) -> Result<String, fmt::Error> {
    let mut metrics = Metrics(Registry::with_prefix("bulkhead"));
    let up = u8::from(reading.is_some()).into();
    metrics.gauge("up", "Whether the machine answers", [(Vec::new(), up)]);
    if let Some(reading) = reading {
        metrics.machine(&reading.machine);
        metrics.channel(&reading.channel);
        metrics.partitions(&reading.partitions);
        metrics.counters(&reading.counters);
    }
    let mut text = String::new();
    encode(&mut text, &metrics.0)?;
    Ok(text)
}

struct Metrics(Registry);

impl Metrics {
    fn machine(&mut self, machine: &Machine) {
        let labels = vec![
            ("version", machine.build.clone()),
            ("back_end", machine.back_end.clone()),
            ("plan_crc32c", format!("{:08x}", machine.plan_crc32c)),
        ];
        self.gauge("build_info", "What runs", [(labels, 1)]);
        let uptime = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
        let milliseconds = std::time::Duration::from_millis(machine.uptime_milliseconds);
        uptime.set(milliseconds.as_secs_f64());
        let help = "How long the machine is up";
        self.0
            .register_with_unit("uptime", help, Unit::Seconds, uptime);
    }

    fn channel(&mut self, channel: &Channel) {
        let dropped = &channel.dropped;
        let kinds = [
            ("too-long", dropped.too_long),
            ("bad-cobs", dropped.bad_cobs),
            ("bad-crc", dropped.bad_crc),
            ("wrong-version", dropped.wrong_version),
            ("bad-message", dropped.bad_message),
        ];
        let kinds = kinds.map(|(kind, count)| (vec![("kind", kind.to_owned())], count));
        self.counter("channel_dropped_frames", "Frames dropped, by reason", kinds);
        for (name, help, count) in [
            (
                "channel_requests",
                "Requests that were answered",
                channel.requests,
            ),
            (
                "channel_repeated",
                "Requests that came again",
                channel.repeated,
            ),
            (
                "channel_overruns",
                "Bytes that the line lost",
                channel.overruns,
            ),
            (
                "channel_unsent",
                "Answers that were not read whole",
                channel.unsent,
            ),
        ] {
            self.counter(name, help, [(Vec::new(), count)]);
        }
    }

    fn partitions(&mut self, partitions: &[Summary]) {
        let states = partitions.iter().flat_map(|one| {
            State::ALL.into_iter().map(|state| {
                let labels = vec![
                    ("partition", one.name.to_string()),
                    ("state", state.name().to_owned()),
                ];
                (labels, u64::from(one.state == state))
            })
        });
        self.gauge(
            "partition_state",
            "1 for the state that the partition is in",
            states,
        );
        let each = |value: fn(&Summary) -> u64| {
            let values = partitions
                .iter()
                .map(move |one| (labels(one.name), value(one)));
            values.collect::<Vec<_>>()
        };
        let cores = each(|one| one.cores.into());
        self.gauge("partition_cores", "Cores of the partition", cores);
        let memory = each(|one| one.memory_bytes);
        self.gauge("partition_memory_bytes", "Memory of the partition", memory);
        let restarts = each(|one| one.restarts.into());
        self.counter(
            "partition_restarts",
            "How often the partition was started again",
            restarts,
        );
    }

    fn counters(&mut self, counters: &[Counters]) {
        let exits = counters.iter().flat_map(|one| {
            ExitReason::ALL.into_iter().map(|reason| {
                let labels = vec![
                    ("partition", one.name.to_string()),
                    ("reason", reason.name().to_owned()),
                ];
                (labels, one.exits.of(reason))
            })
        });
        self.counter(
            "partition_exits",
            "Exits of the partition, by reason",
            exits,
        );
        for (name, help, value) in [
            (
                "partition_denied",
                "Accesses that the partition was denied",
                (|one| one.denied) as fn(&Counters) -> u64,
            ),
            (
                "partition_faults",
                "Requests of the partition's functions that the IOMMU refused",
                |one| one.faults,
            ),
            (
                "partition_console_dropped_bytes",
                "Bytes that the guest printed and nobody can read",
                |one| one.console_dropped_bytes,
            ),
        ] {
            let values = counters.iter().map(|one| (labels(one.name), value(one)));
            self.counter(name, help, values);
        }
    }

    fn gauge(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Gauge>::default();
        for (labels, value) in values {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            family.get_or_create(&labels).set(value);
        }
        self.0.register(name, help, family);
    }

    /// The counters begin at 0 with each scrape, and are raised to what the machine says.
    fn counter(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Counter>::default();
        for (labels, value) in values {
            family.get_or_create(&labels).inc_by(value);
        }
        self.0.register(name, help, family);
    }
}

fn labels(partition: mgmt_proto::Name) -> Labels {
    vec![("partition", partition.to_string())]
}
