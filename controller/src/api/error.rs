//! Errors: those of serving, and refusals as HTTP answers.

use std::path::PathBuf;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::{ControlError, ControlStatus};

/// Why a socket or listener cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// Another process answers there.
    #[error("another process answers on {}; stop it, or give this one its own with --socket", .path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is not a socket has its name.
    #[error("{} is not a socket; move it away, or choose another place with --socket", .path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: String,
        /// Why not.
        source: std::io::Error,
    },
}

/// A refusal on its way to the command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErrorBody {
    /// Its kind.
    pub(crate) kind: ControlStatus,
    /// What is wrong.
    pub(crate) error: String,
    /// What to do.
    pub(crate) hint: Option<String>,
}

impl From<ControlError> for ErrorBody {
    fn from(error: ControlError) -> Self {
        let ControlError { status, message, hint } = error;
        Self { kind: status, error: message, hint }
    }
}

impl ControlStatus {
    fn code(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        (self.status.code(), Json(ErrorBody::from(self))).into_response()
    }
}
