//! One replica of the operator, on an async runtime of its own, so that it lives from test to test and
//! can be killed like a process.

use super::{HOME, Result, operator_config};
use clap::Parser as _;
use kube::{Client, Config};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use tagalong_cluster::{Cluster, until};
use tagalong_operator::args::Cli;
use tagalong_operator::metrics::Metrics;
use tagalong_operator::operate::cluster;
use tagalong_operator::world::World;
use tagalong_runtime::{Readiness, drain};

pub struct Replica {
    pub push: SocketAddr,
    pub world: World,
    pub metrics: Metrics,
    pub readiness: Readiness,
    end: Option<tokio::sync::oneshot::Sender<bool>>,
    thread: Option<JoinHandle<Option<String>>>,
}

impl Replica {
    /// Starts a replica and waits until it is ready.
    pub async fn start(cluster: &Cluster, name: &str) -> Result<Self> {
        Self::with(operator_config(cluster).await?, name, &[]).await
    }

    pub async fn with(config: Config, name: &str, flags: &[&str]) -> Result<Self> {
        let replica = Self::begin(config, name, flags)?;
        until(
            "the operator to be ready",
            Duration::from_secs(60),
            || async {
                match replica.readiness.missing() {
                    missing if missing.is_empty() => Ok(()),
                    missing => Err(missing.join(", ").into()),
                }
            },
        )
        .await?;
        Ok(replica)
    }

    /// Starts a replica, which may not become ready.
    pub fn begin(config: Config, name: &str, flags: &[&str]) -> Result<Self> {
        let (ready, started) = mpsc::channel();
        let (end, ended) = tokio::sync::oneshot::channel();
        let mut arguments = vec![
            "tagalong-operator",
            "--push-address=127.0.0.1:0",
            "--pod-name",
            name,
        ];
        if !flags.iter().any(|flag| flag.starts_with("--namespace=")) {
            arguments.extend(["--namespace", HOME]);
        }
        arguments.extend(flags);
        let args = Cli::try_parse_from(arguments)?.operate;
        let thread =
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(2)
                    .enable_all()
                    .build();
                let runtime = runtime.ok()?;
                let ended = runtime.block_on(async {
                let _log = tagalong_runtime::logging::init(&args.runtime.log);
                let metrics = Metrics::default();
                let (readiness, (mut trigger, drain)) = (Readiness::default(), drain::channel());
                let client = Client::try_from(config).ok()?;
                let operator = cluster::start(client, &args, metrics.clone(), &readiness, &drain);
                let operator = operator.await.map_err(|error| error.to_string());
                let operator = match operator {
                    Ok(operator) => operator,
                    Err(error) => {
                        let _nobody = ready.send(Err(error));
                        return None;
                    }
                };
                let up = (operator.push_address, operator.world.clone(), metrics, readiness);
                let _nobody = ready.send(Ok(up));
                drop(drain);
                tokio::select! {
                    lost = operator.lease => match lost {
                        Ok(Err(lost)) => Some(lost.to_string()),
                        _ => None,
                    },
                    failed = trigger.failed() => Some(failed.to_string()),
                    orderly = ended => {
                        if orderly == Ok(true) && !trigger.drain(Duration::from_secs(20)).await {
                            return Some("did not drain".to_owned());
                        }
                        None
                    }
                }
            });
                runtime.shutdown_background();
                ended
            });
        let (push, world, metrics, readiness) = started.recv_timeout(Duration::from_secs(60))??;
        Ok(Self {
            push,
            world,
            metrics,
            readiness,
            end: Some(end),
            thread: Some(thread),
        })
    }

    pub fn leads(&self) -> bool {
        self.metrics.reconcile.leader.get() == 1
    }

    /// As SIGTERM does. Says what went wrong, if something did.
    pub async fn stop(mut self) -> Result<Option<String>> {
        // Not on this thread: the test's own connections must go on to end in order.
        Ok(tokio::task::spawn_blocking(move || self.finish(true)).await?)
    }

    /// As SIGKILL does.
    pub fn kill(mut self) {
        self.finish(false);
    }

    /// Waits for the process to end by itself, and says why it did.
    pub async fn ended(mut self) -> Result<Option<String>> {
        let ended = tokio::task::spawn_blocking(move || self.thread.take()?.join().ok()?);
        Ok(ended.await?)
    }

    fn finish(&mut self, orderly: bool) -> Option<String> {
        let _gone = self.end.take()?.send(orderly);
        self.thread.take()?.join().ok()?
    }
}
