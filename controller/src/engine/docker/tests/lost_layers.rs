//! Somebody else removes what a build stands on, in the middle of it.

use std::io::Read as _;
use std::net::TcpListener;

use super::builds::{build, context, request};
use super::*;
use crate::engine::{BuildRequest, EngineError};

/// A build that has made its first stage and waits in its second until the first is gone, `times` over.
async fn disturbed(test: &str, cache: bool, times: usize) -> (Bench, Result<(), EngineError>, Vec<String>) {
    let bench = Bench::new(test);
    let gate = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let port = gate.local_addr().expect("an address").port();
    let mark = bench.name("hull");
    let context = context(&format!(
        "FROM {DEBIAN} AS hull\nLABEL engine.hull={mark}\nRUN echo oak > /hull\n\
         FROM {DEBIAN}\nRUN [\"bash\", \"-c\", \"cat < /dev/tcp/127.0.0.1/{port}\"]\nCOPY --from=hull /hull /\n"
    ));
    let tag = bench.image("ship");
    let somebody = std::thread::spawn(move || {
        for mut waiting in gate.incoming().take(times).map(|it| it.expect("a build that waits")) {
            let hulls = docker(&format!("images -aq --no-trunc --filter label=engine.hull={mark}"));
            docker(&format!("rmi {}", hulls.join(" ")));
            waiting.shutdown(std::net::Shutdown::Write).expect("told to go on");
            drop(waiting.read(&mut [0]));
        }
    });
    let wanted = BuildRequest { network: Some("host".into()), cache, ..request(&tag, &context) };
    let (built, lines) = build(&bench, wanted).await;
    somebody.join().expect("removed");
    (bench, built.map(drop), lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_lost_a_layer_begins_again() {
    let (_bench, built, lines) = disturbed("lost", true, 1).await;
    built.expect("an image");
    assert!(lines.iter().any(|line| line.contains("starting again")), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_loses_its_layers_again_and_again_is_not_the_releases_fault() {
    let (_bench, built, lines) = disturbed("lostagain", false, 3).await;
    let error = built.expect_err("a failure");
    assert!(matches!(&error, EngineError::LayerLost { .. }), "{error:?}");
    assert_eq!(lines.iter().filter(|line| line.contains("starting again")).count(), 2, "{lines:?}");
    let failure = crate::rollout::Failure::from(error);
    assert!(matches!(&failure, crate::rollout::Failure::Transient { .. }), "{failure:?}");
}
