//! The demo, once, checking itself.

use std::process::Command;

use tagalong_cluster::programs;

#[test]
fn every_byte_is_as_it_should_be() -> Result<(), Box<dyn std::error::Error>> {
    programs::build(&["tagalong-operator", "tagalong-sidecar"])?;
    let demo = Command::new(env!("CARGO_BIN_EXE_tagalong-demo"))
        .env("DEMO_ONESHOT", "1")
        .output()?;
    let (out, err) = (
        String::from_utf8_lossy(&demo.stdout),
        String::from_utf8_lossy(&demo.stderr),
    );
    assert!(demo.status.success(), "{out}\n{err}");
    assert!(out.contains("kong-1"), "{out}\n{err}");
    Ok(())
}
