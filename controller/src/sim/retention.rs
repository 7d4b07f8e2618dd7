//! What is kept of old releases because something that runs still needs it.

use std::path::Path;

use super::enumerate::block_on;
use super::image::Image;
use super::process::Circumstances;
use super::stage::Stage;
use super::stories::{MOUNTING, all};

/// It mounts the files of the first release, and is the same in all that follow.
#[test]
fn a_service_that_stays_as_it_is_keeps_the_files_that_it_mounts() {
    let story = all().into_iter().find(|story| story.name == "retention").unwrap().with(MOUNTING);
    block_on(async {
        let stage = Stage::set(&story);
        let process = stage.start(&Image::blank(), 0, Circumstances::default());
        for revision in &stage.revisions {
            process.driver.follow(revision);
            process.settle().await.unwrap();
        }
        let kept = process.ledger.releases(&process.app).unwrap().len();
        assert!(kept < stage.revisions.len(), "nothing was removed of {kept} releases");
        let containers = process.machine.snapshot().containers;
        let reader = containers.into_iter().find(|it| it.seen.name == "shop-reader-1").unwrap().seen;
        let (source, ..) = reader.mounts.iter().find(|(_, target, _)| target == "/etc/app.ini").unwrap();
        assert!(Path::new(source).exists(), "{source} is gone");
    });
}
