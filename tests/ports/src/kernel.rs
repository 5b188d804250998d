//! What the kernel holds of connections, as `ss` of iproute2 tells it: that is what a control group charges.

use std::io;
use std::process::Command;

/// What it holds in the sockets whose own port this is, in bytes: received, written and set aside.
///
/// # Errors
///
/// When `ss` cannot be run, or fails.
pub fn kernel_memory(port: u16) -> io::Result<u64> {
    let output = Command::new("ss")
        .args(["-tmnaH", "state", "all", &format!("sport = :{port}")])
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{output:?}")));
    }
    let sum = String::from_utf8_lossy(&output.stdout)
        .split("skmem:(")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .flat_map(|fields| fields.split(','))
        .filter_map(|field| {
            let digits = field.find(|c: char| c.is_ascii_digit())?;
            let (name, value) = field.split_at(digits);
            matches!(name, "r" | "w" | "f").then(|| value.parse::<u64>().ok())?
        })
        .sum();
    Ok(sum)
}
