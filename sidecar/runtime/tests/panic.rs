//! A whole process, one of whose tasks panics: this test starts itself as that process.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a process that is made to fail"
)]

use clap::Parser as _;
use std::process::Command;
use tagalong_runtime::{Runtime, RuntimeArgs};

const CHILD: &str = "TAGALONG_TEST_PANICS";

#[derive(clap::Parser)]
struct Args {
    #[command(flatten)]
    runtime: RuntimeArgs,
}

/// The process. Returns its exit code.
fn child() -> i32 {
    let arguments = ["x", "--log-format=json", "--admin-address=127.0.0.1:0"];
    let args = Args::parse_from(arguments).runtime;
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let ended = tokio.block_on(async {
        let runtime = Runtime::start(&args, None).await.expect("it starts");
        let drain = runtime.drain();
        // A server goes on until the drain.
        let server = drain.clone();
        drain.spawn("a server", async move { server.begun().await });
        drain.spawn("the reconciler", async { panic!("out of its depth") });
        drop(drain);
        runtime.run(std::future::pending::<()>()).await
    });
    match ended {
        Ok(_) => 0,
        Err(error) => {
            eprintln!("{error}");
            7
        }
    }
}

#[test]
fn a_panic_is_logged_like_everything_else_and_ends_the_process() {
    if std::env::var_os(CHILD).is_some() {
        std::process::exit(child());
    }
    let name = "a_panic_is_logged_like_everything_else_and_ends_the_process";
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{said}");
    let mut lines: Vec<&str> = said.lines().collect();
    let last = lines.pop().unwrap_or_default();
    assert!(
        last.contains("the reconciler") && last.contains("out of its depth"),
        "{last}"
    );
    let mut panics = 0;
    for line in lines {
        assert!(line.starts_with('{') && line.ends_with('}'), "JSON: {line}");
        if line.contains("panicked at") && line.contains("out of its depth") {
            assert!(line.contains(r#""level":"ERROR""#), "{line}");
            panics += 1;
        }
        assert!(!line.contains("did not finish"), "{line}");
    }
    assert!(panics > 0, "{said}");
}
