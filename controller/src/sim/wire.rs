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
        let address = authority.split(':').next().unwrap_or(authority);
        let answer = self.look(|world| {
            let place = world.at(address).ok_or("no route to host")?;
            world.answer(place, &format!("/{path}"))
        })?;
        Ok(match answer {
            Ok(()) => Answer { status: 200, body: "ok".to_owned() },
            Err(body) => Answer { status: 500, body },
        })
    }

    async fn connect(&self, address: &str, _port: u16, _timeout: Duration) -> Result<(), String> {
        self.look(|world| world.at(address)).map(drop).ok_or_else(|| "no route to host".to_owned())
    }
}
