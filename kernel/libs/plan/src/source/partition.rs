//! The tables `[[partition]]`.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use addr::RequesterId;

use super::images::{Images, Wanted};
use super::machine::{REQUESTER_ID, read_cores, read_memory};
use super::reader::{Finding, Reader, Table, Value};
use super::restart::read_restart;
use super::rights::read_names;
use crate::{Function, Image, ImageIndex, Partition, PartitionPlace, Place, Rule};

const PARTITION_KEYS: [&str; 11] = [
    "name",
    "cores",
    "memory",
    "function",
    "image",
    "config_ports",
    "restart",
    "restart_limit",
    "denied_limit",
    "may_see",
    "may_control",
];
const LINUX_KEYS: [&str; 5] = [
    "kernel",
    "kernel_sha256",
    "initrd",
    "initrd_sha256",
    "command_line",
];
const ELF_KEYS: [&str; 3] = ["kernel", "kernel_sha256", "command_line"];

/// Reads the partitions; `None` if they are no array. What is missing or wrong in one is
/// reported and left empty. No `[[partition]]` at all is an empty list.
pub fn read_partitions(
    reader: &mut Reader,
    images: &mut Images,
    plan: &Table<'_>,
) -> Option<Vec<Partition>> {
    let Some(value) = plan.get("partition") else {
        return Some(Vec::new());
    };
    let mut partitions = Vec::new();
    for element in reader.array(&value, "`[[partition]]`")? {
        let known = PARTITION_KEYS;
        if let Some(table) = reader.table(&element, "[[partition]]", &known) {
            let index = partitions.len();
            reader.mark(Place::Partition(index, PartitionPlace::Whole), table.span());
            partitions.push(read_partition(reader, images, &table, index));
        }
    }
    Some(partitions)
}

fn read_partition(
    reader: &mut Reader,
    images: &mut Images,
    table: &Table<'_>,
    index: usize,
) -> Partition {
    let at = |place| Place::Partition(index, place);
    Partition {
        name: read_name(reader, table, index),
        cores: read_list(
            reader,
            table,
            "cores",
            at(PartitionPlace::Cores),
            |reader, value| read_cores(reader, value, |number| at(PartitionPlace::Core(number))),
        ),
        memory: read_list(
            reader,
            table,
            "memory",
            at(PartitionPlace::Memory),
            |reader, value| {
                read_memory(reader, value, |number| {
                    at(PartitionPlace::MemoryRange(number))
                })
            },
        ),
        functions: table
            .get("function")
            .map(|value| read_functions(reader, &value, index))
            .unwrap_or_default(),
        image: read_image(reader, images, table, index),
        config_ports: table
            .get("config_ports")
            .and_then(|value| reader.boolean(&value))
            .unwrap_or_default(),
        restart: read_restart(reader, table, at(PartitionPlace::RestartLimit)),
        denied_limit: table.get("denied_limit").and_then(|value| {
            reader.mark(at(PartitionPlace::DeniedLimit), value.span());
            reader.integer(&value, "a number of denied accesses, 1 to 4294967295")
        }),
        may_see: read_names(reader, table.get("may_see"), |number| {
            at(PartitionPlace::MaySee(number))
        }),
        may_control: read_names(reader, table.get("may_control"), |number| {
            at(PartitionPlace::MayControl(number))
        }),
        image_room: read_room(reader, table, at(PartitionPlace::Room)),
    }
}

/// The name. One that cannot be read becomes one that no other partition has.
fn read_name(reader: &mut Reader, table: &Table<'_>, index: usize) -> String {
    let value = reader.require(table, "name");
    let name = value.and_then(|value| reader.string(&value).map(|name| (name, value.span())));
    match name {
        Some((name, span)) => {
            reader.mark(Place::Partition(index, PartitionPlace::Name), span);
            name.to_owned()
        }
        None => format!("#{index}"),
    }
}

/// Reads the list that must be at `key`, and marks its `place` if all of it could be read.
fn read_list<T>(
    reader: &mut Reader,
    table: &Table<'_>,
    key: &'static str,
    place: Place,
    read: impl Fn(&mut Reader, &Value<'_>) -> Vec<T>,
) -> Vec<T> {
    let found_before = reader.count();
    let Some(value) = reader.require(table, key) else {
        return Vec::new();
    };
    let list = read(reader, &value);
    if reader.count() == found_before {
        reader.mark(place, value.span());
    }
    list
}

fn read_functions(reader: &mut Reader, value: &Value<'_>, index: usize) -> Vec<Function> {
    let mut functions = Vec::new();
    for element in reader
        .array(value, "`[[partition.function]]`")
        .into_iter()
        .flatten()
    {
        let mark = |reader: &mut Reader, place, value: &Value<'_>| {
            reader.mark(Place::Partition(index, place), value.span());
        };
        if let Some(function) = read_function(reader, &element, functions.len(), mark) {
            functions.push(function);
        }
    }
    functions
}

fn read_function(
    reader: &mut Reader,
    value: &Value<'_>,
    number: usize,
    mark: impl Fn(&mut Reader, PartitionPlace, &Value<'_>),
) -> Option<Function> {
    let known = ["address", "physical", "virtual", "namespace"];
    let table = reader.table(value, "[[partition.function]]", &known)?;
    let parse = |reader: &mut Reader, value: &Value<'_>| -> Option<RequesterId> {
        let address = reader.parse(value, REQUESTER_ID, |text| text.parse().ok())?;
        mark(reader, PartitionPlace::Function(number), value);
        Some(address)
    };
    if let Some(value) = table.get("address") {
        for key in ["physical", "virtual", "namespace"] {
            if let Some(span) = table.key_span(key) {
                let what = format!("`{key}` is for a virtual function, `address` for a whole one");
                reader.report(Finding {
                    other: table.key_span("address"),
                    ..Finding::new(Rule::ConflictingKeys, Some(span), what)
                });
            }
        }
        return parse(reader, &value).map(|address| Function::Whole { address });
    }
    let physical = reader
        .require(&table, "physical")
        .and_then(|value| parse(reader, &value));
    let virtual_number = reader.require(&table, "virtual").and_then(|value| {
        mark(reader, PartitionPlace::VirtualNumber(number), &value);
        reader.integer(&value, "the number of a virtual function, 1 to 65535")
    });
    let namespace = match table.get("namespace") {
        Some(value) => {
            mark(reader, PartitionPlace::Namespace(number), &value);
            Some(reader.integer(&value, "the number of an NVMe namespace")?)
        }
        None => None,
    };
    Some(Function::Virtual {
        physical: physical?,
        number: virtual_number?,
        namespace,
    })
}

/// Reads what the partition starts with; an image that cannot be read has index 0.
fn read_image(reader: &mut Reader, images: &mut Images, table: &Table<'_>, index: usize) -> Image {
    let unread = Image::Elf {
        kernel: ImageIndex(0),
        command_line: String::new(),
    };
    let image = reader.require(table, "image");
    let Some(image) = image
        .and_then(|value| reader.table(&value, "[partition.image]", &["linux", "elf", "room"]))
    else {
        return unread;
    };
    let mut image_reader = ImageReader {
        reader,
        images,
        partition: index,
    };
    match (image.get("linux"), image.get("elf")) {
        (Some(_), Some(_)) => {
            let what = "an image is either `linux` or `elf`, not both".into();
            reader.report(Finding {
                other: image.key_span("linux"),
                ..Finding::new(Rule::ConflictingKeys, image.key_span("elf"), what)
            });
            unread
        }
        (Some(linux), None) => image_reader.read_linux(&linux).unwrap_or(unread),
        (None, Some(elf)) => image_reader.read_elf(&elf).unwrap_or(unread),
        (None, None) => {
            let what = "neither `linux` nor `elf` is in [partition.image]".into();
            let remedy = "add `linux = { kernel = … }` or `elf = { kernel = … }`";
            reader.report(Finding {
                remedy: Some(remedy.into()),
                ..Finding::new(Rule::MissingKey, Some(image.span()), what)
            });
            unread
        }
    }
}

/// Reads the room for new images. What is wrong with the table is [`read_image`]'s to say.
fn read_room(reader: &mut Reader, table: &Table<'_>, place: Place) -> Option<u64> {
    let image = table.get("image")?;
    let room = image.get("room")?;
    reader.mark(place, room.span());
    reader.bytes(&room, "a size, such as \"64M\"")
}

struct ImageReader<'r> {
    reader: &'r mut Reader,
    images: &'r mut Images,
    partition: usize,
}

impl ImageReader<'_> {
    fn read_linux(&mut self, value: &Value<'_>) -> Option<Image> {
        let table = self.reader.table(value, "`linux`", &LINUX_KEYS)?;
        if let (None, Some(span)) = (table.get("initrd"), table.key_span("initrd_sha256")) {
            let what = "`initrd` is missing where `initrd_sha256` is given".into();
            self.reader
                .report(Finding::new(Rule::MissingKey, Some(span), what));
        }
        let kernel = self.read_kernel(&table);
        let initial_ramdisk = table.get("initrd").map(|file| {
            let place = PartitionPlace::InitialRamdisk;
            self.read_file(&file, table.get("initrd_sha256"), place)
        });
        let command_line = self.read_command_line(&table);
        Some(Image::Linux {
            kernel,
            initial_ramdisk,
            command_line,
        })
    }

    fn read_elf(&mut self, value: &Value<'_>) -> Option<Image> {
        let table = self.reader.table(value, "`elf`", &ELF_KEYS)?;
        let kernel = self.read_kernel(&table);
        Some(Image::Elf {
            kernel,
            command_line: self.read_command_line(&table),
        })
    }

    fn read_kernel(&mut self, table: &Table<'_>) -> ImageIndex {
        let Some(file) = self.reader.require(table, "kernel") else {
            return ImageIndex(0);
        };
        self.read_file(&file, table.get("kernel_sha256"), PartitionPlace::Kernel)
    }

    fn read_file(
        &mut self,
        file: &Value<'_>,
        sha256: Option<Value<'_>>,
        place: PartitionPlace,
    ) -> ImageIndex {
        let wanted = Wanted {
            file: *file,
            sha256,
        };
        let Some(index) = self.images.read(self.reader, &wanted) else {
            return ImageIndex(0);
        };
        self.reader
            .mark(Place::Partition(self.partition, place), file.span());
        index
    }

    fn read_command_line(&mut self, table: &Table<'_>) -> String {
        let Some(value) = table.get("command_line") else {
            return String::new();
        };
        let place = PartitionPlace::CommandLine;
        self.reader
            .mark(Place::Partition(self.partition, place), value.span());
        self.reader.string(&value).unwrap_or_default().to_owned()
    }
}
