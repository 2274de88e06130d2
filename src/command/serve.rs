//! `linkledger serve`.

use std::io::Write as _;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use crate::app::{self, Roles, Running};
use crate::clock::Clock;
use crate::config::Config;

/// Serves until SIGTERM or SIGINT, then drains and returns success.
///
/// # Errors
/// [`Failure`] when it could not start.
pub async fn serve(config: &Config, roles: Roles) -> Result<ExitCode, Failure> {
    let failed = |source| Failure::System {
        doing: "listening to signals",
        source,
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    // A file that may not grow is an error to handle (the journal is full), not a death.
    let mut file_size = signal(SignalKind::from_raw(SIGXFSZ)).map_err(failed)?;
    tokio::spawn(async move { while file_size.recv().await.is_some() {} });

    // A node that waits for its store must still end when it is told to.
    let mut running = tokio::select! {
        started = app::start(config, roles, Clock::system()) => started?,
        _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
        _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
    };
    let first_key = running.first_operator_key().await?;
    // Standard output may lie on a full disk: that keeps nobody from being served.
    if let Err(error) = greet(&running, config, first_key.as_deref()) {
        tracing::warn!(%error, "what a start prints could not be printed");
    }
    let asked_to = tokio::select! {
        _ = terminate.recv() => true,
        _ = interrupt.recv() => true,
        () = running.task_ended() => false,
    };
    tracing::info!("stopping: finishing requests, committing what is journaled");
    running.stop().await;
    tracing::info!("stopped");
    Ok(if asked_to { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `SIGXFSZ` on Linux.
const SIGXFSZ: i32 = 25;

fn greet(running: &Running, config: &Config, first_key: Option<&str>) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "linkledger {} serves {}",
        env!("CARGO_PKG_VERSION"),
        config.data_dir.display()
    )?;
    if let Some(address) = running.addresses.redirect {
        writeln!(out, "  short links  {} (listening on {address})", running.public_url)?;
    }
    if let Some(address) = running.addresses.api {
        writeln!(
            out,
            "  API          {} (listening on {address})",
            running.api_public_url
        )?;
    }
    writeln!(out, "  metrics      http://{}/metrics", running.addresses.metrics)?;
    let Some(key) = first_key else {
        return out.flush();
    };
    let api = running.api_public_url.as_str();
    writeln!(
        out,
        "\nThis is the first start. The operator key is shown this once; keep it:\n\n  {key}\n\n\
         Three lines to try, one after the other:\n\n\
         curl -s -H 'Authorization: Bearer {key}' {api}v1/influencers -d '{{\"handle\":\"ada\",\"name\":\"Ada\"}}'\n\n\
         curl -s -H 'Authorization: Bearer {key}' {api}v1/campaigns \
         -d '{{\"name\":\"First campaign\",\"destination_url\":\"https://example.com/\"}}'\n\n\
         curl -s -H 'Authorization: Bearer {key}' '{api}v1/reports?by=total'\n"
    )?;
    out.flush()
}
