//! The webhook of a git host. It carries no fact: a true one only makes evenkeel look again sooner, a false one costs a fetch.
//! With a shared secret, GitHub's and Gitea's signatures and GitLab's token are checked, in constant time.

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use evenkeel_core::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use tokio_stream::StreamExt;

use super::Api;

/// GitHub sends no larger payload.
const LARGEST: usize = 25 * 1024 * 1024;

#[derive(Deserialize)]
pub(super) struct About {
    source: Option<String>,
}

pub(super) async fn receive(
    State(api): State<Api>,
    Query(about): Query<About>,
    headers: HeaderMap,
    body: Body,
) -> (StatusCode, &'static str) {
    if let Some(file) = &api.webhook_secret {
        let Ok(secret) = file.read().inspect_err(|error| tracing::error!(%error, "cannot check a webhook"))
        else {
            return (StatusCode::SERVICE_UNAVAILABLE, "the webhook's secret cannot be read\n");
        };
        if let Err(refusal) = check(&secret, &headers, body).await {
            return refusal;
        }
    }
    api.control.webhook(about.source.as_deref());
    (StatusCode::ACCEPTED, "looking again\n")
}

async fn check(secret: &Secret, headers: &HeaderMap, body: Body) -> Result<(), (StatusCode, &'static str)> {
    let known = match Proof::of(headers) {
        Some(Proof::Signature(signature)) => signed(secret, body).await?.verify_slice(&signature).is_ok(),
        Some(Proof::Token(token)) => same(secret, &token),
        None => false,
    };
    known.then_some(()).ok_or((StatusCode::UNAUTHORIZED, "the webhook's secret is missing or wrong\n"))
}

/// How a git host shows that it knows the secret.
enum Proof {
    /// An HMAC-SHA256 of the body.
    Signature(Vec<u8>),
    /// The secret itself.
    Token(Vec<u8>),
}

impl Proof {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(token) = headers.get("x-gitlab-token") {
            return Some(Self::Token(token.as_bytes().to_owned()));
        }
        let signature = text("x-hub-signature-256")
            .and_then(|value| value.strip_prefix("sha256="))
            .or_else(|| text("x-gitea-signature"))
            .or_else(|| text("x-forgejo-signature"))?;
        hex::decode(signature).ok().map(Self::Signature)
    }
}

/// The body's authentication code, made while it arrives: it is never held in memory.
async fn signed(secret: &Secret, body: Body) -> Result<Hmac<Sha256>, (StatusCode, &'static str)> {
    let mut mac =
        keyed(secret).ok_or((StatusCode::SERVICE_UNAVAILABLE, "the webhook's secret cannot be used\n"))?;
    let mut chunks = body.into_data_stream();
    let mut size = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| (StatusCode::BAD_REQUEST, "the body broke off\n"))?;
        size += chunk.len();
        if size > LARGEST {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n"));
        }
        mac.update(&chunk);
    }
    Ok(mac)
}

/// Compares by authentication codes, which takes the same time wherever the two differ.
fn same(secret: &Secret, token: &[u8]) -> bool {
    let code = |bytes: &[u8]| keyed(secret).map(|mac| mac.chain_update(bytes));
    match (code(secret.expose().as_bytes()), code(token)) {
        (Some(expected), Some(given)) => given.verify_slice(&expected.finalize().into_bytes()).is_ok(),
        _ => false,
    }
}

fn keyed(secret: &Secret) -> Option<Hmac<Sha256>> {
    Hmac::new_from_slice(secret.expose().as_bytes()).ok()
}
