//! Smoke checks: once, after the take-over.

use std::time::Duration;

use evenkeel_core::manifest::Smoke;
use evenkeel_core::observed::Container;

use super::VerifyError;
use super::probe::{Reach, address, http, url_once};
use super::wire::Ask;

const PATIENCE: Duration = Duration::from_secs(10);

/// One bad answer decides nothing where asking again changes nothing.
const TRIES: u32 = 3;
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// Runs one check, again where it failed and only reads. `container`: whom one that asks a service goes to.
pub(crate) async fn smoke(
    reach: &Reach<'_>,
    check: &Smoke,
    container: Option<&Container>,
) -> Result<(), VerifyError> {
    let mut tries = if check.reads() { TRIES } else { 1 };
    loop {
        tries -= 1;
        match once(reach, check, container).await {
            Err(_) if tries > 0 => tokio::time::sleep(BETWEEN_TRIES).await,
            decided => return decided,
        }
    }
}

async fn once(reach: &Reach<'_>, check: &Smoke, container: Option<&Container>) -> Result<(), VerifyError> {
    if let Some(url) = &check.url {
        return url_once(reach.wire, url).await.map_err(VerifyError::Failed);
    }
    let Some(request) = &check.http else { return Ok(()) };
    let address = container.and_then(|container| address(container, reach.network));
    let Some(address) = address else {
        return Err(VerifyError::Failed(format!("service {} has no address to ask", request.service)));
    };
    let url = format!("http://{address}:{}{}", request.port, request.path);
    let ask = Ask { method: &request.method, url: &url, host: None, timeout: PATIENCE };
    http(reach.wire, ask, &request.expect).await.map_err(VerifyError::Failed)
}
