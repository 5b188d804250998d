//! What the operator's log says of pods that cannot be collected: each change, once.

use crate::support;

use support::Result;
use support::pods::{Host, Manner, Pod, tell};
use support::prometheus::operator;

#[tokio::test(flavor = "multi_thread")]
async fn once_whenever_a_pod_fares_otherwise() -> Result {
    let (manifests, directory) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let changes = Host::start(1, Pod::new("kong-changes")).await?;
    let steady = Host::start(2, Pod::new("kong-steady")).await?;
    let pods = [&changes, &steady].map(|host| (host.pod(), host.address));
    tell(manifests.path(), &pods)?;
    let operator = operator(manifests.path(), directory.path()).await?;
    for manner in [
        Manner::Answers,
        Manner::Fails,
        Manner::CutsOff,
        Manner::Answers,
    ] {
        changes.change(|pod| pod.manner = manner);
        for _ in 0..3 {
            operator.get("/metrics").await?;
        }
    }
    let log = std::fs::read_to_string(operator.process.log())?;
    let said = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    assert_eq!(said("kong-changes"), 3, "{log}");
    for words in [
        "it answered 500",
        "the answer was cut off",
        "metrics are collected again",
    ] {
        assert_eq!(said(words), 1, "{words}: {log}");
    }
    assert_eq!(said("kong-steady"), 0, "{log}");
    Ok(())
}
