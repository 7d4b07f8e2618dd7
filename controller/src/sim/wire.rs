//! Requests to what runs on the simulated host.

use std::time::Duration;

use async_trait::async_trait;

use super::machine::Machine;
use crate::verify::{Answer, Ask, Wire};

#[async_trait]
impl Wire for Machine {
    async fn http(&self, ask: Ask<'_>, _follow: bool) -> Result<Answer, String> {
        let rest = ask.url.strip_prefix("http://").unwrap_or(ask.url);
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (address, port) = authority.split_once(':').unwrap_or((authority, "80"));
        let port = port.parse().map_err(|_| "no such port")?;
        let answer = self.look(|world| {
            let (place, port) = world.reached(address, port).ok_or("no route to host")?;
            if !world.listens(place, port) {
                return Err("connection refused".to_owned());
            }
            let path = format!("/{path}");
            world.containers[place].asked.insert(path.clone());
            world.answer(place, &path)
        })?;
        Ok(match answer {
            Ok(()) => Answer { status: 200, body: "ok".to_owned() },
            Err(body) => Answer { status: 500, body },
        })
    }

    async fn connect(&self, address: &str, port: u16, _timeout: Duration) -> Result<(), String> {
        self.look(|world| {
            let (place, port) = world.reached(address, port).ok_or("no route to host")?;
            world.listens(place, port).then_some(()).ok_or("connection refused")
        })
        .map_err(str::to_owned)
    }
}
