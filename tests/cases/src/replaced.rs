//! Another kernel for a partition, over the management channel: its next start uses it. What
//! breaks off, comes damaged or cannot be started changes nothing.

use anyhow::{Context, Result, bail, ensure};
use harness::{Bench, Channel, Emulator, Message};
use mgmt_proto::{
    Answer, Error, ImagePart, ImageStatus, MAX_DATA, Name, Origin, Request, StopManner,
};
use plan::crc32c;

use crate::guest_file::{self, guest};
use crate::managed::{exits, name, summary};
use crate::plans::{Guest, start_managed};
use crate::transcript::LIMIT;

/// The room for alpha's images, and what one of them may have of it.
const ROOM_MEBIBYTES: u64 = 2;
const LARGEST_IMAGE: u64 = (ROOM_MEBIBYTES << 20) / 3;

/// Kernels are replaced one after another while alpha runs, restarts in the middle of a
/// transfer, and is off; the bundle's comes back. Its neighbour makes not one exit meanwhile.
pub fn kernel_of_a_running_partition(bench: &Bench) -> Result<()> {
    let (mut emulator, mut channel) = start(bench)?;
    let exits = exits(&mut channel, "beta")?;
    let mut alpha = Alpha::new(&mut channel)?;
    let own = alpha.kernel()?;
    ensure!(own.origin == Origin::Bundle, "{own:?}");
    let hello = guest(bench, "hello")?;
    alpha.replace(&hello)?;
    let replaced = alpha.kernel()?;
    ensure!(replaced == status_of(&hello)?, "{replaced:?}");
    ensure!(alpha.restarts()? == 0, "it runs on");
    alpha.restart()?;
    emulator.wait_for_text("PASS hello", LIMIT)?;
    // The same, but nothing works where the one before began.
    let elsewhere = guest_file::entered_elsewhere(&hello)?;
    alpha.replace(&elsewhere)?;
    alpha.restart()?;
    emulator.wait_for_text("PASS hello", LIMIT)?;
    alpha.replace(&guest(bench, "echo")?)?;
    alpha.restart()?;
    emulator.wait_for_text("type", LIMIT)?;
    // A restart in the middle of a transfer: the image that was whole is used.
    let halted = guest(bench, "halted")?;
    ensure!(
        alpha.begin(&halted)? == Answer::Taken { bytes: 0 },
        "not new"
    );
    let half = halted.len().div_euclid(2);
    alpha.send(&halted, 0, half)?;
    alpha.restart()?;
    emulator.wait_for_text("type", LIMIT)?;
    let bytes = u64::try_from(half)?;
    ensure!(
        alpha.begin(&halted)? == Answer::Taken { bytes },
        "forgotten"
    );
    alpha.send(&halted, half, halted.len())?;
    ensure!(alpha.commit()? == Answer::Done, "not taken");
    alpha.restart()?;
    emulator.wait_for_text("halts", LIMIT)?;
    let (partition, part) = (alpha.name, ImagePart::Kernel);
    channel.order(&Request::ReplaceUndo { partition, part })?;
    let mut alpha = Alpha::new(&mut channel)?;
    ensure!(alpha.kernel()? == own, "{:?}", alpha.kernel()?);
    alpha.restart()?;
    emulator.wait_for_text("PASS spin", LIMIT)?;
    let after = self::exits(&mut channel, "beta")?;
    ensure!(after == exits, "{exits} exits became {after}");
    Ok(())
}

/// Whatever is wrong with an image or its transfer is answered with the reason, and after a
/// restart the kernel from before runs.
pub fn by_nothing_that_cannot_be_started(bench: &Bench) -> Result<()> {
    let (mut emulator, mut channel) = start(bench)?;
    let hello = guest(bench, "hello")?;
    let mut alpha = Alpha::new(&mut channel)?;
    let own = alpha.kernel()?;
    // A piece out of the blue.
    ensure!(alpha.commit()? == refused(Error::NotBegun), "nothing came");
    // Damaged on the way: what comes is not what was announced.
    let mut damaged = hello.clone();
    *damaged.last_mut().context("an empty guest")? ^= 1;
    alpha.begin(&hello)?;
    alpha.send(&damaged, 0, damaged.len())?;
    ensure!(
        alpha.commit()? == refused(Error::BadChecksum),
        "not damaged"
    );
    ensure!(alpha.commit()? == refused(Error::NotBegun), "not over");
    // No kernel, and one for memory that alpha does not have.
    let text = alpha.refusal(&vec![b'#'; 3000])?;
    ensure!(text.contains("no ELF file"), "{text}");
    let text = alpha.refusal(&guest_file::moved(&hello)?)?;
    ensure!(text.contains("does not lie in the memory"), "{text}");
    let text = alpha.refusal(&guest_file::piled(&hello)?)?;
    ensure!(text.contains("does not follow the one before"), "{text}");
    let large = vec![0; usize::try_from(LARGEST_IMAGE)?.saturating_add(1)];
    let bytes = LARGEST_IMAGE;
    let no_room = refused(Error::NoRoom { bytes });
    ensure!(
        alpha.begin(&large)? == no_room,
        "{:?}",
        alpha.begin(&large)?
    );
    ensure!(alpha.kernel()? == own, "{:?}", alpha.kernel()?);
    alpha.restart()?;
    emulator.wait_for_text("PASS spin", LIMIT)?;
    ensure_others_are_refused(&mut channel, &hello)
}

/// An initial RAM disk for a bare guest, and a kernel for a partition without room.
fn ensure_others_are_refused(channel: &mut Channel, kernel: &[u8]) -> Result<()> {
    let begin = |partition, part| {
        Ok::<_, anyhow::Error>(Request::ReplaceBegin {
            partition: name(partition)?,
            part,
            bytes: u64::try_from(kernel.len())?,
            crc32c: crc32c(kernel),
        })
    };
    let ramdisk = channel.ask(&begin("alpha", ImagePart::InitialRamdisk)?)?;
    let Answer::Error(Error::ImageRefused { why }) = ramdisk.answer() else {
        bail!("{:?}", ramdisk.answer());
    };
    ensure!(why.as_str().contains("no initial RAM disk"), "{why}");
    let roomless = channel.ask(&begin("beta", ImagePart::Kernel)?)?;
    let expected = refused(Error::NoImageRoom);
    ensure!(roomless.answer() == expected, "{:?}", roomless.answer());
    Ok(())
}

/// Alpha spins, and beta stands still; both have begun.
fn start(bench: &Bench) -> Result<(Emulator, Channel)> {
    let alpha = Guest::alpha("spin").with_room(ROOM_MEBIBYTES);
    let mut emulator = start_managed(bench, &[alpha, Guest::beta("halted")])?;
    let mut ready = 0_u32;
    emulator.wait_for("both guests", LIMIT, |message| {
        if let Message::Console { text, .. } = message
            && matches!(text.as_str(), "PASS spin" | "halts")
        {
            ready = ready.saturating_add(1);
        }
        (ready == 2).then_some(())
    })?;
    let channel = emulator.channel()?;
    Ok((emulator, channel))
}

const fn refused(error: Error) -> Answer<'static> {
    Answer::Error(error)
}

/// What is shown of a kernel that came over the channel.
fn status_of(kernel: &[u8]) -> Result<ImageStatus> {
    Ok(ImageStatus {
        part: ImagePart::Kernel,
        bytes: u64::try_from(kernel.len())?,
        crc32c: crc32c(kernel),
        origin: Origin::Channel,
    })
}

/// Alpha, as the channel has it.
struct Alpha<'a> {
    channel: &'a mut Channel,
    name: Name,
}

impl<'a> Alpha<'a> {
    fn new(channel: &'a mut Channel) -> Result<Self> {
        let name = name("alpha")?;
        Ok(Self { channel, name })
    }

    /// What is shown of its kernel.
    fn kernel(&mut self) -> Result<ImageStatus> {
        let partition = self.name;
        let reply = self.channel.ask(&Request::Show { partition })?;
        let Answer::Partition(details) = reply.answer() else {
            bail!("{:?}", reply.answer());
        };
        let limit = details.largest_image;
        ensure!(limit == Some(LARGEST_IMAGE), "{limit:?}");
        let kernel = details.images.iter().next();
        kernel.context("no image is shown")
    }

    fn restarts(&mut self) -> Result<u32> {
        Ok(summary(self.channel, "alpha")?.restarts)
    }

    fn restart(&mut self) -> Result<()> {
        self.channel.order(&Request::Restart {
            partition: self.name,
            manner: StopManner::Forced,
        })
    }

    /// Asks something that is answered without data.
    fn ask(&mut self, request: &Request<'_>) -> Result<Answer<'static>> {
        let reply = self.channel.ask(request)?;
        Ok(match reply.answer() {
            Answer::Taken { bytes } => Answer::Taken { bytes },
            Answer::Done => Answer::Done,
            Answer::Error(error) => Answer::Error(error),
            other => bail!("{other:?}"),
        })
    }

    fn begin(&mut self, kernel: &[u8]) -> Result<Answer<'static>> {
        self.ask(&Request::ReplaceBegin {
            partition: self.name,
            part: ImagePart::Kernel,
            bytes: u64::try_from(kernel.len())?,
            crc32c: crc32c(kernel),
        })
    }

    /// Sends the bytes of `kernel` from `start` up to `end`.
    fn send(&mut self, kernel: &[u8], start: usize, end: usize) -> Result<()> {
        let mut start = start;
        while start < end {
            let next = start.saturating_add(MAX_DATA).min(end);
            let taken = self.ask(&Request::ReplaceChunk {
                partition: self.name,
                offset: u64::try_from(start)?,
                bytes: kernel.get(start..next).context("behind the end")?,
            })?;
            let bytes = u64::try_from(next)?;
            ensure!(taken == Answer::Taken { bytes }, "{taken:?} at {start}");
            start = next;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<Answer<'static>> {
        let partition = self.name;
        self.ask(&Request::ReplaceCommit { partition })
    }

    fn replace(&mut self, kernel: &[u8]) -> Result<()> {
        self.begin(kernel)?;
        self.send(kernel, 0, kernel.len())?;
        let committed = self.commit()?;
        ensure!(committed == Answer::Done, "{committed:?}");
        Ok(())
    }

    /// Why `kernel`, which has come as it should, is refused.
    fn refusal(&mut self, kernel: &[u8]) -> Result<String> {
        self.begin(kernel)?;
        self.send(kernel, 0, kernel.len())?;
        match self.commit()? {
            Answer::Error(Error::ImageRefused { why }) => Ok(why.to_string()),
            other => bail!("{other:?}"),
        }
    }
}
