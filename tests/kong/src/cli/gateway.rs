//! `tagalong-kong gateway`: runs the gateway until a signal or `kong quit` ends it.

use std::io::IsTerminal as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use tagalong_kong::{Gateway, Quitter, Settings};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::Failure;

/// Serves until the graceful end is over.
///
/// # Errors
///
/// If a variable cannot be understood, an address not be bound or a certificate not be used.
pub fn run() -> Result<(), Failure> {
    let filter = EnvFilter::try_from_env("TAGALONG_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(terminal)
        .with_writer(std::io::stderr)
        .init();

    let settings = Settings::from_env(|name| std::env::var(name).ok())?;
    let gateway = Gateway::start(&settings)?;
    for (api, address) in [
        ("proxy", gateway.proxy()),
        ("proxy with TLS", gateway.proxy_tls()),
        ("admin", gateway.admin()),
        ("status", gateway.status()),
    ] {
        if let Some(address) = address {
            tracing::info!(%address, "{api} listens");
        }
    }
    listen_for_quit(settings.prefix, gateway.quitter());
    end_on_signal(gateway.quitter())?;
    gateway.wait();
    Ok(())
}

/// Kong's image is stopped by SIGQUIT, which is graceful; SIGTERM is so here too, as what follows a preStop hook is.
/// SIGINT ends at once.
fn end_on_signal(quitter: Quitter) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                let (Ok(mut quit), Ok(mut terminate)) =
                    (signal(SignalKind::quit()), signal(SignalKind::terminate()))
                else {
                    return;
                };
                tokio::select! {
                    _ = quit.recv() => (),
                    _ = terminate.recv() => (),
                }
                tracing::info!("told to quit by a signal");
                quitter.quit();
            });
        })?;
    Ok(())
}

/// Waits for `kong quit` on a socket. Each connection stays open until the process is gone, which is what its other end
/// waits for.
fn listen_for_quit(prefix: Option<PathBuf>, quitter: Quitter) {
    let bind = |path: PathBuf| {
        std::fs::create_dir_all(path.parent()?).ok()?;
        // One that a gateway before this one left behind.
        let _ = std::fs::remove_file(&path);
        UnixListener::bind(&path).ok()
    };
    let Some(listener) = super::sockets(prefix).into_iter().find_map(bind) else {
        tracing::warn!(
            "no folder for a socket: kong quit will not find this gateway, signals will"
        );
        return;
    };
    let wait = move || {
        let mut held: Vec<UnixStream> = Vec::new();
        for stream in listener.incoming().flatten() {
            tracing::info!("told to quit by kong quit");
            held.push(stream);
            quitter.quit();
        }
    };
    if let Err(error) = std::thread::Builder::new()
        .name("quit".to_owned())
        .spawn(wait)
    {
        tracing::warn!(%error, "no thread for kong quit");
    }
}
