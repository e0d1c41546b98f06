//! The completions and the manual pages.

#![expect(clippy::unwrap_used, reason = "whatever is missing fails the test")]

use std::io::Write;
use std::process::{Command, Stdio};

fn bulkhead(arguments: &[&str]) -> String {
    let program = env!("CARGO_BIN_EXE_bulkhead");
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What bash offers behind `line`.
fn offered(line: &str) -> Vec<String> {
    let script = bulkhead(&["completions", "bash"]);
    let words = format!(
        "{script}\nCOMP_WORDS=({line} \"\")\nCOMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))\n\
         _bulkhead bulkhead \"\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
    );
    let mut bash = Command::new("bash")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    bash.stdin
        .take()
        .unwrap()
        .write_all(words.as_bytes())
        .unwrap();
    let output = bash.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_their_arguments() {
    let commands = offered("bulkhead ctl");
    for command in ["list", "console", "replace", "--json"] {
        assert!(commands.iter().any(|one| one == command), "{commands:?}");
    }
    let parts = offered("bulkhead ctl replace beta");
    for part in ["initrd", "--original"] {
        assert!(parts.iter().any(|one| one == part), "{parts:?}");
    }
}

#[test]
fn each_command_has_its_manual_page() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("share/man1");
    bulkhead(&["man", folder.to_str().unwrap()]);
    for (page, text) in [
        ("bulkhead.1", "top"),
        ("bulkhead-ctl-replace.1", "goes on where it stopped"),
        ("bulkhead-plan-show.1", "picture"),
    ] {
        let page = std::fs::read_to_string(folder.join(page)).unwrap();
        assert!(page.contains(text), "{page}");
    }
}
