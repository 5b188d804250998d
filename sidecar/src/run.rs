//! Puts the parts together.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hyper::body::Incoming;
use tagalong_runtime::serve::{Events, Http1, Limits, Server};
use tagalong_runtime::{drain, logging, net};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::config::{Config, Exit, LabelSource, VERSION};
use crate::kong::{Kong, TlsSetupError};
use crate::labels_file::LabelsFile;
use crate::memory::{self, Room};
use crate::metrics::Metrics;
use crate::push::LabelClient;
use crate::routes::Routes;
use crate::scrape::Scraper;
use crate::summary::Summaries;
use crate::table::{ActiveTable, TableHandle};

/// The pause before work that panicked is begun again.
const RESTART: Duration = Duration::from_secs(10);
/// How long requests under way may go on after the stop.
const DRAIN: Duration = Duration::from_secs(10);
/// Longer than any usual scrape interval, so that a scraper keeps its connection.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// What the sidecar's port bears. [`memory`] counts with it.
#[must_use]
pub fn limits() -> Limits {
    Limits {
        connections: memory::CONNECTIONS,
        keep_alive: KEEP_ALIVE,
        idle: KEEP_ALIVE,
        buffer: 16 * 1024,
        kernel: memory::KERNEL,
        ..Limits::default()
    }
}

/// Runs the sidecar until SIGTERM or SIGINT.
///
/// # Errors
/// Something that it was told cannot be. Nothing from outside ends it later.
pub fn run(config: Config) -> Result<(), Exit> {
    logging::init(&config.log).map_err(|error| Exit::Usage(error.to_string()))?;
    logging::log_panics();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // For compression and name lookups, both bounded and short.
        .max_blocking_threads(8)
        .build()
        .and_then(|runtime| runtime.block_on(async { Ok(start(config).await) }))
        .map_err(|error| Exit::Failed(format!("no event loop: {error}")))?
}

async fn start(config: Config) -> Result<(), Exit> {
    let stop =
        stop_signal().map_err(|error| Exit::Failed(format!("no signal handler: {error}")))?;
    let listener = net::listen(config.listen)
        .map_err(|error| Exit::Failed(format!("--listen {}: {error}", config.listen)))?;
    serve_on(listener, config, stop).await
}

/// Runs the sidecar on a listener until `stop` is done.
///
/// # Errors
/// As [`run`].
pub async fn serve_on(
    listener: TcpListener,
    config: Config,
    stop: impl Future<Output = ()>,
) -> Result<(), Exit> {
    let metrics = Arc::new(Metrics::default());
    let told = config.kong.to_string();
    let kong = Kong::new(config.kong).map_err(|error: TlsSetupError| {
        Exit::Usage(format!("--kong-metrics-url {told}: {error}"))
    })?;
    let tables = TableHandle::default();
    let limit = memory::limit();
    let room = Room::within(limit);
    let summaries = Summaries::new(Room::for_summaries(limit), Arc::clone(&metrics));
    let follow = match config.labels {
        LabelSource::File(path) => {
            let (file, loaded) = LabelsFile::open(path, room)
                .map_err(|error| Exit::Usage(format!("--labels-file {error}")))?;
            tables.store(Arc::new(loaded));
            let (tables, counted) = (Arc::clone(&tables), Arc::clone(&metrics));
            tokio::spawn(keep_up(Arc::clone(&metrics), move || {
                file.clone()
                    .follow(Arc::clone(&tables), Arc::clone(&counted))
            }))
        }
        LabelSource::Stream {
            url,
            token_file,
            ca_file,
        } => {
            let push = LabelClient::new(url, token_file, ca_file, room);
            let (tables, counted) = (Arc::clone(&tables), Arc::clone(&metrics));
            tokio::spawn(keep_up(Arc::clone(&metrics), move || {
                push.clone()
                    .follow(Arc::clone(&tables), Arc::clone(&counted))
            }))
        }
    };
    announce(&listener, &told, &tables.load());
    let scraper = Scraper::new(kong, tables, Arc::clone(&metrics), Arc::new(summaries));
    let routes = Routes::new(scraper, Arc::clone(&metrics), config.pod_uid.as_deref());
    let server = Server::<Http1>::on(listener)
        .map_err(|error| Exit::Failed(format!("the listener has no address: {error}")))?
        .with_limits(limits())
        .with_events(Arc::clone(&metrics) as Arc<dyn Events>);
    let routes = Arc::new(routes);
    let answer = move |request| {
        let routes = Arc::clone(&routes);
        async move { routes.handle::<Incoming>(request).await }
    };
    let (trigger, drain) = drain::channel();
    tokio::spawn(server.serve(answer, drain));
    stop.await;
    if !trigger.drain(DRAIN).await {
        let open = metrics.connections.load(Relaxed);
        tracing::warn!(open, "connections were still in use at the end");
    }
    follow.abort();
    tracing::info!("stopped");
    Ok(())
}

/// Runs what never ends; should it panic, then again after a pause.
async fn keep_up<F>(metrics: Arc<Metrics>, work: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut running = JoinSet::new();
    loop {
        running.spawn(work());
        // A set, since that ends its task when it is dropped.
        if let Some(Err(_)) = running.join_next().await {
            metrics.panics.fetch_add(1, Relaxed);
        }
        tokio::time::sleep(RESTART).await;
    }
}

fn announce(listener: &TcpListener, kong: &str, table: &ActiveTable) {
    let listen = listener
        .local_addr()
        .map_or_else(|_| "?".into(), |address| address.to_string());
    tracing::info!(
        version = VERSION,
        listen,
        kong,
        services = table.labels.services(),
        upstreams = table.labels.upstreams(),
        "serving /metrics"
    );
}

/// Done at the first SIGTERM or SIGINT. The next one ends the process at once.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(0);
        });
    })
}

#[cfg(test)]
mod tests;
