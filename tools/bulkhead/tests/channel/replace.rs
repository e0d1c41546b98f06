//! `bulkhead ctl replace`: another image reaches the machine whole, or nothing changes.

use mgmt_proto::{Handler, ImagePart, MAX_DATA, Name, Request};

use crate::support::machine::{Machine, Partition};
use crate::support::{Bench, Line};

/// The kernel that stands in for beta's own.
fn kernel(bench: &Bench) -> Option<Vec<u8>> {
    let machine = bench.machine();
    let room = machine.partitions[1].room.as_ref().unwrap();
    room.images().kernel.map(<[u8]>::to_vec)
}

#[test]
fn an_image_is_replaced_byte_for_byte() {
    let image: Vec<u8> = (0..1_000_u32).flat_map(u32::to_le_bytes).collect();
    let bench = Bench::new(Line::LosesAnswers(1));
    let file = bench.file("vmlinuz", &image);
    bench.text(&["replace", "beta", "kernel", &file]);
    assert_eq!(kernel(&bench), Some(image));
    assert_eq!(bench.asked("ReplaceCommit"), 1);
    let events = bench.text(&["events"]);
    assert!(events.contains("beta: kernel replaced"), "{events}");
}

#[test]
fn a_transfer_that_broke_off_goes_on_where_it_stopped() {
    let image = vec![7; 5 * MAX_DATA];
    let bench = Bench::new(Line::Good);
    let file = bench.file("vmlinuz", &image);
    let partition = Name::new("beta").unwrap();
    bench.machine().answer(&Request::ReplaceBegin {
        partition,
        part: ImagePart::Kernel,
        bytes: image.len() as u64,
        crc32c: plan::crc32c(&image),
    });
    bench.machine().answer(&Request::ReplaceChunk {
        partition,
        offset: 0,
        bytes: &image[..3 * MAX_DATA],
    });
    let before = bench.asked("ReplaceChunk");
    bench.text(&["replace", "beta", "kernel", &file]);
    assert_eq!(bench.asked("ReplaceChunk") - before, 2);
    assert_eq!(kernel(&bench), Some(image));
}

#[test]
fn show_tells_images_of_the_bundle_from_others() {
    let bench = Bench::new(Line::Good);
    let file = bench.file("initrd", b"small");
    bench.text(&["replace", "beta", "initrd", &file]);
    let text = bench.text(&["show", "beta"]);
    let images = "kernel        8000000 bytes, CRC-32C 0000c0de\n\
                  initrd        5 bytes, CRC-32C 7eddf949 (replaced)\n\
                  replaceable   by images of up to 1048576 bytes\n";
    assert!(text.contains(images), "{text}");
    let shown = &bench.json(&["show", "beta"])[0];
    assert_eq!(shown["images"][0]["origin"], "bundle");
    assert_eq!(shown["images"][1]["origin"], "channel");
    assert_eq!(shown["images"][1]["bytes"], 5);
    assert_eq!(shown["largest_image"], 1 << 20);
}

#[test]
fn the_bundles_image_comes_back() {
    let bench = Bench::new(Line::Good);
    let file = bench.file("vmlinuz", b"another");
    bench.text(&["replace", "beta", "kernel", &file]);
    assert!(kernel(&bench).is_some());
    bench.text(&["replace", "beta", "kernel", "--original"]);
    assert_eq!(kernel(&bench), None);
    let events = bench.json(&["events"]);
    let last = events.last().unwrap();
    assert_eq!(last["event"], "image-restored");
    bench.complaint(2, &["replace", "beta", "kernel"]);
    bench.complaint(2, &["replace", "beta", "kernel", &file, "--original"]);
}

#[test]
fn an_image_that_cannot_be_started_is_refused_with_the_reason() {
    let bench = Bench::new(Line::Good);
    let file = bench.file("script", b"#!/bin/sh\n");
    let text = bench.complaint(1, &["replace", "beta", "kernel", &file]);
    assert!(text.contains("boot signature 0xaa55 is missing"), "{text}");
    assert!(text.contains("the old image is still in use"), "{text}");
    assert_eq!(kernel(&bench), None);
}

#[test]
fn an_image_without_room_is_refused_before_a_byte_of_it_is_sent() {
    let mut machine = Machine::example();
    machine.partitions[0].room = None;
    let bench = Bench::with(machine, Line::Good);
    let file = bench.file("vmlinuz", &vec![1; (1 << 20) + 1]);
    let text = bench.complaint(1, &["replace", "beta", "kernel", &file]);
    assert!(text.contains("room for 1048576 bytes only"), "{text}");
    assert!(text.contains("a third of the partition's `room`"), "{text}");
    let text = bench.complaint(1, &["replace", "alpha", "kernel", &file]);
    assert!(
        text.contains("the plan gives the partition no room"),
        "{text}"
    );
    assert!(text.contains("write `room = "), "{text}");
    let text = bench.complaint(1, &["replace", "alpha", "kernel", "--original"]);
    assert!(
        text.contains("the plan gives the partition no room"),
        "{text}"
    );
    let shown = bench.text(&["show", "alpha"]);
    assert!(
        shown.contains("replaceable   no: the plan gives no room"),
        "{shown}"
    );
    assert_eq!(bench.asked("ReplaceChunk"), 0);
}

#[test]
fn what_is_wrong_with_the_file_is_said_before_anything_is_sent() {
    let bench = Bench::with(Machine::new(vec![Partition::new("beta", &[1])]), Line::Good);
    let text = bench.complaint(2, &["replace", "beta", "kernel", "/nonexistent"]);
    assert!(text.contains("cannot read /nonexistent"), "{text}");
    let empty = bench.file("empty", b"");
    let text = bench.complaint(2, &["replace", "beta", "kernel", &empty]);
    assert!(text.contains("empty has no bytes"), "{text}");
    assert_eq!(bench.asked("Replace"), 0);
}
