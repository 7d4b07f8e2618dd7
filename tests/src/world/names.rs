//! What would collide between two worlds on one host: names and ports.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Names that are this world's alone.
#[derive(Clone, Debug)]
pub struct Names {
    /// What every one of them begins with.
    pub id: String,
    /// The application, and its Compose project.
    pub app: String,
    /// The proxy's application, and its Compose project.
    pub proxy: String,
    /// The external network between the two.
    pub network: String,
}

impl Names {
    /// New ones.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("tests-{:x}-{:05x}{count}", std::process::id(), moment() & 0xf_ffff);
        Self {
            app: format!("{id}-convertik"),
            proxy: format!("{id}-caddy"),
            network: format!("{id}-edge"),
            id,
        }
    }

    /// The name of the container of one of the application's services.
    pub fn container(&self, service: &str) -> String {
        format!("{}-{}", self.id, service)
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

fn moment() -> u32 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map(|since| since.subsec_nanos() ^ since.as_secs() as u32)
        .unwrap_or(0)
}

/// A port that belongs to this process until it ends. The claim is a UDP socket on the same number: the kernel keeps it, two
/// processes cannot hold it at once, it is gone with the process, and nothing here uses UDP.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _claim: UdpSocket,
}

impl Port {
    /// A free one, below those that the kernel hands out by itself.
    pub fn claim() -> Self {
        let start = moment() % 10_000;
        let mut tries = (0..10_000).map(|step| 20_000 + ((start + step * 7) % 10_000) as u16);
        tries.find_map(Self::try_claim).expect("one of ten thousand ports is free")
    }

    fn try_claim(number: u16) -> Option<Self> {
        let claim = UdpSocket::bind(("0.0.0.0", number)).ok()?;
        TcpListener::bind(("0.0.0.0", number)).ok()?;
        Some(Self { number, _claim: claim })
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// The ports of a world.
#[derive(Debug)]
pub struct Ports {
    /// The proxy.
    pub proxy: Port,
    /// The application's published port.
    pub api: Port,
    /// PostgreSQL.
    pub database: Port,
    /// Redis.
    pub redis: Port,
    /// The controller.
    pub controller: Port,
}

impl Ports {
    /// Claims them.
    pub fn claim() -> Self {
        Self {
            proxy: Port::claim(),
            api: Port::claim(),
            database: Port::claim(),
            redis: Port::claim(),
            controller: Port::claim(),
        }
    }
}
