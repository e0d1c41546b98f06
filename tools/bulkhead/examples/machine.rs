//! A machine to try the tool on, without one: `cargo run --package bulkhead --example machine --
//! SOCKET`, then `bulkhead top --to unix:SOCKET`. Its partitions are made of numbers.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "the machine is the tests', where whatever is missing fails the test"
)]

#[path = "../tests/channel/support/machine.rs"]
mod machine;

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use machine::Machine;
use mgmt_proto::{FRAME_BYTES, Server};

fn main() {
    let path = std::env::args().nth(1).unwrap();
    // One that an earlier run left there.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let machine = Arc::new(Mutex::new(Machine::example()));
    let server = Arc::new(Mutex::new(Server::new(std::process::id())));
    let living = Arc::clone(&machine);
    thread::spawn(move || live(&living));
    println!("bulkhead ctl --to unix:{path} list");
    for stream in listener.incoming() {
        let (machine, server) = (Arc::clone(&machine), Arc::clone(&server));
        thread::spawn(move || serve(stream.unwrap(), &machine, &server));
    }
}

/// Lets the partitions do something.
fn live(machine: &Mutex<Machine>) {
    for second in 0_u64.. {
        let mut machine = machine.lock().unwrap();
        machine.partitions[1].exits[0].1 += 40 + second % 7;
        let line = format!("[{second:>5}.000000] nvme0n1: read 2048 blocks\r\n");
        machine.partitions[1].console.extend(line.into_bytes());
        drop(machine);
        thread::sleep(Duration::from_secs(1));
    }
}

fn serve(mut stream: UnixStream, machine: &Mutex<Machine>, server: &Mutex<Server>) {
    let mut out = [0; FRAME_BYTES];
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut bytes) {
        for byte in &bytes[..length] {
            let mut server = server.lock().unwrap();
            let answer = server.push(*byte, &mut *machine.lock().unwrap(), &mut out);
            if answer.is_some_and(|answer| stream.write_all(answer).is_err()) {
                return;
            }
        }
    }
}
