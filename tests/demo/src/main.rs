//! The main job on one machine, without a cluster: Kong's `/metrics`, enriched, out of a real sidecar,
//! labelled by a real operator that reads the published example from files.
//!
//! `DEMO_ONESHOT=1` fetches once, checks every byte and exits; without it the demo stays until Ctrl-C.

mod check;
mod example;
mod fetch;
mod operator;
mod pod;
mod show;
mod webhook;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut out = show::Screen::new();
    let outcome = tokio::select! {
        outcome = demo(&mut out) => outcome,
        () = interrupted() => Ok(()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            show::Screen::new().failure(&*error);
            ExitCode::FAILURE
        }
    }
}

type Failure = Box<dyn std::error::Error>;

async fn demo(out: &mut show::Screen) -> Result<(), Failure> {
    let table = example::table()?;
    out.table(&table);
    let folder = tempfile::Builder::new()
        .prefix("tagalong-demo-")
        .tempdir()?;
    let operator = operator::Operator::start(&example::folder()).await?;

    let mut pods = Vec::new();
    for (name, capture) in [("kong-0", "small"), ("kong-1", "small-latency-only")] {
        pods.push(pod::Pod::start(name, capture, &operator, folder.path()).await?);
    }
    for pod in &pods {
        out.pod(pod);
    }
    for (index, pod) in pods.iter_mut().enumerate() {
        let before = fetch::body(&pod.kong_url()).await?;
        let after = pod.enriched().await?;
        if index == 0 {
            out.samples(&before, &after, &table);
        }
        out.verdict(pod, &check::check(&table, &before, &after)?);
    }
    out.patch(&webhook::patch()?);
    if std::env::var_os("DEMO_ONESHOT").is_some_and(|value| value != "0" && !value.is_empty()) {
        return Ok(());
    }
    out.invite(&pods);
    pod::first_to_end(&mut pods).await
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => (),
        _ = terminate.recv() => (),
    }
}
