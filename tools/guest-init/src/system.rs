//! The system calls and instructions that the standard library does not have: the only file
//! of this program with `unsafe`.

#![expect(unsafe_code, reason = "system calls through the C library")]

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::ptr;

/// For `open`: reads and writes bypass the page cache.
pub const DIRECT: i32 = libc::O_DIRECT;

/// `syslog(2)`: read everything in the kernel's log.
const SYSLOG_READ_ALL: i32 = 3;
/// How much of the kernel's log is read at most.
const LOG_BYTES: usize = 1 << 20;

/// What `CPUID` answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuidAnswer {
    pub eax: u32,
    pub ebx: u32,
    pub ecx: u32,
    pub edx: u32,
}

/// Executes `CPUID`.
pub fn cpuid(leaf: u32, subleaf: u32) -> CpuidAnswer {
    let answer = core::arch::x86_64::__cpuid_count(leaf, subleaf);
    CpuidAnswer {
        eax: answer.eax,
        ebx: answer.ebx,
        ecx: answer.ecx,
        edx: answer.edx,
    }
}

/// Mounts a file system that has no device; one that is mounted already stays.
pub fn mount(source: &str, target: &str, kind: &str) -> io::Result<()> {
    let source = CString::new(source)?;
    let target = CString::new(target)?;
    let kind = CString::new(kind)?;
    // SAFETY: the three strings end in NUL and live until the call returns; a null pointer
    // for the data is what these file systems take.
    let result = unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            0,
            ptr::null(),
        )
    };
    match check(result) {
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Ok(()),
        other => other,
    }
}

/// Makes the standard streams lead nowhere, so that nothing holds the console open.
pub fn detach_standard_streams() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    for stream in 0..3 {
        // SAFETY: dup2 takes any two numbers and fails on those that are not descriptors.
        check(unsafe { libc::dup2(null.as_raw_fd(), stream) })?;
    }
    Ok(())
}

/// Loads a kernel module.
pub fn load_module(module: &File) -> io::Result<()> {
    let arguments = c"";
    // SAFETY: finit_module takes a descriptor, a string that ends in NUL, and flags.
    let result = unsafe {
        libc::syscall(
            libc::SYS_finit_module,
            module.as_raw_fd(),
            arguments.as_ptr(),
            0,
        )
    };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EEXIST) => Ok(()),
        _ => Err(error),
    }
}

/// The kernel's log.
pub fn kernel_log() -> io::Result<String> {
    let mut bytes = vec![0_u8; LOG_BYTES];
    let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
    // SAFETY: the buffer is valid for writes of `length` bytes.
    let read = unsafe { libc::klogctl(SYSLOG_READ_ALL, bytes.as_mut_ptr().cast(), length) };
    check(read)?;
    bytes.truncate(usize::try_from(read).unwrap_or(0));
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Keeps all of the program's memory, present and future, resident.
pub fn lock_memory() -> io::Result<()> {
    // SAFETY: mlockall takes flags alone.
    check(unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) })
}

/// Binds the calling thread to one core, by the kernel's number.
pub fn pin_to(core: usize) -> io::Result<()> {
    pin_thread(0, core)
}

/// Binds a thread to one core, both by the kernel's numbers; 0 is the calling thread.
pub fn pin_thread(thread: i32, core: usize) -> io::Result<()> {
    let mut mask = [0_u64; 16];
    let word = core >> 6;
    let Some(word) = mask.get_mut(word) else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    *word = 1 << (core & 63);
    // SAFETY: the mask is valid for reads of its own size, and any bits are a mask.
    check(unsafe { libc::sched_setaffinity(thread, size_of_val(&mask), mask.as_ptr().cast()) })
}

/// An NVMe admin command as the driver takes it (Linux 6.1, `include/uapi/linux/nvme_ioctl.h`,
/// `struct nvme_passthru_cmd`).
#[repr(C)]
#[derive(Debug, Default)]
pub struct AdminCommand {
    pub opcode: u8,
    pub flags: u8,
    pub reserved_1: u16,
    pub namespace: u32,
    pub dword_2: u32,
    pub dword_3: u32,
    pub metadata: u64,
    pub address: u64,
    pub metadata_bytes: u32,
    pub data_bytes: u32,
    pub dword_10: u32,
    pub dword_11: u32,
    pub dwords_12_to_15: [u32; 4],
    pub timeout_milliseconds: u32,
    pub result: u32,
}

/// `NVME_IOCTL_ADMIN_CMD`, which holds the command's size.
const NVME_ADMIN_COMMAND: u64 = 0xC048_4E41;
const _: () = assert!(size_of::<AdminCommand>() == 0x48);

/// Has the controller carry out `command` with `data`.
pub fn submit(controller: &File, mut command: AdminCommand, data: &mut [u8]) -> io::Result<()> {
    command.address = u64::try_from(data.as_mut_ptr().expose_provenance()).unwrap_or(0);
    command.data_bytes = u32::try_from(data.len()).unwrap_or(0);
    let place = &raw mut command;
    // SAFETY: the command is valid, and its data for reads and writes of its length, until the
    // call returns; none of the commands used has more data than that.
    let status = unsafe { libc::ioctl(controller.as_raw_fd(), NVME_ADMIN_COMMAND, place) };
    check(status)?;
    match status {
        0 => Ok(()),
        status => Err(io::Error::other(format!(
            "the NVMe command {:#04x} failed with status {status:#x}",
            command.opcode
        ))),
    }
}

/// Powers the machine off. Returns only if the kernel refuses.
pub fn power_off() {
    sync();
    reboot(libc::RB_POWER_OFF);
}

/// Restarts the machine. Returns only if the kernel refuses.
pub fn restart() {
    sync();
    reboot(libc::RB_AUTOBOOT);
}

/// Crashes the kernel; what follows is up to `/proc/sys/kernel/panic`.
pub fn crash() -> io::Result<()> {
    fs::write("/proc/sys/kernel/sysrq", "1")?;
    fs::write("/proc/sysrq-trigger", "c")
}

fn sync() {
    // SAFETY: sync takes nothing and cannot fail.
    unsafe { libc::sync() };
}

fn reboot(command: i32) {
    // SAFETY: the commands given end the machine; no memory is passed.
    let _ = unsafe { libc::reboot(command) };
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
