//! The read-only listener: metrics, health, status and history; and a webhook that only says "look again".

use axum::Router;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Api, ApiError, query, webhook};

/// A TCP listener.
pub(crate) struct Listener(TcpListener);

impl Listener {
    /// Listens on `host:port`.
    ///
    /// # Errors
    /// When the address is wrong or taken.
    pub(crate) async fn bind(address: &str) -> Result<Self, ApiError> {
        TcpListener::bind(address)
            .await
            .map(Self)
            .map_err(|source| ApiError::Listen { address: address.to_owned(), source })
    }

    /// Where it listens: the port that the system chose, where the address said 0.
    pub(crate) fn address(&self) -> Option<std::net::SocketAddr> {
        self.0.local_addr().ok()
    }

    /// Serves until cancelled, then until the requests that are under way have ended.
    pub(crate) async fn serve(self, api: Api, stop: CancellationToken) {
        let served = axum::serve(self.0, router(api)).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, "the listener failed");
        }
    }
}

fn router(api: Api) -> Router {
    Router::new()
        .route("/metrics", get(query::metrics))
        .route("/healthz", get(query::healthz))
        .route("/readyz", get(query::readyz))
        .route("/webhook", post(webhook::receive))
        .route("/api/v1/status", get(query::status))
        .route("/api/v1/history", get(query::history))
        .with_state(api)
}
