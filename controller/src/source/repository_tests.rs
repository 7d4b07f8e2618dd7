use std::io::Read;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::*;
use crate::source::testing::Repo;
use crate::space::testing::SmallDisk;

#[tokio::test]
async fn follows_a_branch_and_fetches_only_what_moved() {
    let repo = Repo::new();
    let first = repo.commit("first");
    let source = repo.source();
    assert_eq!(source.last_tip().unwrap(), None);
    let tip = source.poll().await.unwrap();
    assert_eq!((&tip.revision, tip.moved, tip.forced), (&first, true, false));
    let again = source.poll().await.unwrap();
    assert_eq!((&again.revision, again.moved, again.forced), (&first, false, false));
    let second = repo.commit("second");
    let tip = source.poll().await.unwrap();
    assert_eq!((&tip.revision, tip.moved, tip.forced), (&second, true, false));
    assert_eq!(source.last_tip().unwrap(), Some(second.clone()));
    assert_eq!(source.checkout(&second).unwrap().meta().unwrap().subject, "second");
}

fn kept(source: &Source) -> Vec<Revision> {
    let kept = source.mirror().and_then(|repository| mirror::kept(&repository)).unwrap();
    kept.iter().map(|id| id.to_string().into()).collect()
}

#[tokio::test]
async fn a_force_push_is_followed_and_a_kept_commit_stays() {
    let repo = Repo::new();
    repo.commit("base");
    let old = repo.commit("old");
    let source = repo.source();
    source.poll().await.unwrap();
    source.keep(&old).unwrap();
    repo.git(&["reset", "-q", "--hard", "HEAD~1"]);
    let new = repo.commit("new");
    let tip = source.poll().await.unwrap();
    assert_eq!((&tip.revision, tip.moved, tip.forced, tip.back), (&new, true, true, false));
    assert_eq!(kept(&source), std::slice::from_ref(&old));
    // git's own garbage collection leaves a kept commit alone, and takes it once it is let go.
    let mirror = source.layout.repository();
    crate::source::testing::git(&mirror, &["gc", "-q", "--prune=now"]);
    assert_eq!(source.checkout(&old).unwrap().meta().unwrap().subject, "old");
    source.unkeep(&old).unwrap();
    source.unkeep(&old).unwrap();
    crate::source::testing::git(&mirror, &["gc", "-q", "--prune=now"]);
    assert_eq!(source.checkout(&old).unwrap_err(), TreeError::NoCommit(old));
}

#[tokio::test]
async fn a_branch_that_goes_back_is_forced() {
    let repo = Repo::new();
    let base = repo.commit("base");
    let later = repo.commit("later");
    let source = repo.source();
    source.poll().await.unwrap();
    repo.git(&["reset", "-q", "--hard", "HEAD~1"]);
    let tip = source.poll().await.unwrap();
    assert_eq!((&tip.revision, tip.moved, tip.forced, tip.back), (&base, true, true, true));
    let tip = source.poll().await.unwrap();
    assert_eq!((&tip.revision, tip.moved, tip.back), (&base, false, false));
    repo.git(&["reset", "-q", "--hard", later.as_str()]);
    let tip = source.poll().await.unwrap();
    assert_eq!((tip.revision, tip.forced, tip.back), (later, false, false), "it goes on again");
}

#[tokio::test]
async fn a_vanished_branch_names_those_that_exist() {
    let repo = Repo::new();
    let first = repo.commit("first");
    let source = repo.source();
    source.poll().await.unwrap();
    repo.git(&["branch", "-m", "main", "trunk"]);
    repo.git(&["branch", "feature/x"]);
    let error = source.poll().await.unwrap_err();
    let SourceError::BranchVanished { branch, existing, .. } = &error else { panic!("{error}") };
    assert_eq!((branch.as_str(), existing.join(",").as_str()), ("main", "feature/x,trunk"));
    assert!(!error.transient());
    assert_eq!(source.last_tip().unwrap(), Some(first));
}

#[tokio::test]
async fn branches_whose_names_collide_can_follow_each_other() {
    let repo = Repo::new();
    repo.commit("first");
    for branch in ["release", "release/1", "keep"] {
        repo.git(&["branch", "-m", branch]);
        let mut config = repo.config();
        config.branch = branch.to_owned();
        let source = Source::open(config).unwrap();
        let tip = source.poll().await.unwrap();
        source.keep(&tip.revision).unwrap();
        assert!(tip.moved);
    }
}

#[tokio::test]
async fn an_empty_repository_has_no_branch_yet() {
    let error = Repo::new().source().poll().await.unwrap_err();
    assert!(error.to_string().contains("no branches yet"), "{error}");
}

#[tokio::test]
async fn a_missing_repository_is_not_found() {
    let repo = Repo::new();
    for url in ["file:///nowhere/at/all".to_owned(), repo.directory.path().display().to_string()] {
        let mut config = repo.config();
        config.url = url;
        let error = Source::open(config).unwrap().poll().await.unwrap_err();
        assert_eq!(error.kind(), "not_found", "{error}");
    }
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for scheme in ["http", "https", "ssh"] {
        let repo = Repo::new();
        let mut config = repo.config();
        config.url = format!("{scheme}://127.0.0.1:{port}/x.git");
        let error = Source::open(config).unwrap().poll().await.unwrap_err();
        assert_eq!(error.kind(), "unreachable", "{error}");
        assert!(error.transient());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_remote_is_given_up_and_its_helper_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for scheme in ["http", "https", "ssh"] {
        let repo = Repo::new();
        let mut config = repo.config();
        config.url = format!("{scheme}://{}/x.git", listener.local_addr().unwrap());
        config.silence = Duration::from_secs(2);
        let (started, source) = (Instant::now(), Source::open(config).unwrap());
        let poll = tokio::spawn(async move { source.poll().await.unwrap_err() });
        let (mut connection, _) = tokio::task::block_in_place(|| listener.accept()).unwrap();
        let error = poll.await.unwrap();
        assert_eq!(error.kind(), "unreachable", "{error}");
        assert!(started.elapsed() < Duration::from_secs(10));
        // The other end is closed: nobody is left behind.
        connection.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        connection.read_to_end(&mut Vec::new()).unwrap();
    }
}

#[tokio::test]
async fn a_broken_mirror_is_made_anew_with_what_was_kept() {
    let repo = Repo::new();
    let old = repo.commit("kept");
    let tip = repo.commit("tip");
    let source = repo.source();
    source.poll().await.unwrap();
    source.keep(&old).unwrap();
    let packs = source.layout.repository().join("objects/pack");
    for file in fs::read_dir(&packs).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    for file in ["HEAD", "config"] {
        fs::write(source.layout.repository().join(file), "\0garbage").unwrap();
    }
    assert!(source.checkout(&tip).is_err());
    let anew = source.poll().await.unwrap();
    let recloned = anew.recloned.unwrap();
    assert_eq!((anew.revision, recloned.lost), (tip.clone(), Vec::new()));
    assert!(recloned.aside.exists());
    assert_eq!(kept(&source), [old]);
    assert!(source.checkout(&tip).is_ok());
    assert_eq!(source.poll().await.unwrap().recloned, None);
}

#[tokio::test]
async fn lost_objects_are_noticed_and_a_kept_rewritten_commit_is_rescued() {
    let repo = Repo::new();
    repo.commit("base");
    let rewritten = repo.commit("rewritten");
    let source = repo.source();
    source.poll().await.unwrap();
    source.keep(&rewritten).unwrap();
    repo.git(&["reset", "-q", "--hard", "HEAD~1"]);
    let tip = repo.commit("tip");
    source.poll().await.unwrap();
    // A reader that stumbles says so; the mirror is well enough to save the commit that the remote has no more.
    source.distrust().unwrap();
    let anew = source.poll().await.unwrap();
    assert_eq!((anew.revision, anew.recloned.unwrap().lost), (tip, Vec::new()));
    assert_eq!(source.checkout(&rewritten).unwrap().meta().unwrap().subject, "rewritten");
    assert_eq!(source.poll().await.unwrap().recloned, None);
}

/// What only the broken mirror still has survives a process that is killed, or a disk that fills up, while a new one is made.
#[tokio::test]
async fn an_interrupted_renewal_loses_nothing_that_was_kept() {
    let repo = Repo::new();
    repo.commit("base");
    let rewritten = repo.commit("rewritten");
    let source = repo.source();
    source.poll().await.unwrap();
    source.keep(&rewritten).unwrap();
    repo.git(&["reset", "-q", "--hard", "HEAD~1"]);
    let tip = repo.commit("tip");
    source.poll().await.unwrap();
    // Moved aside; of the new one there is half.
    let aside = crate::source::mirror::set_aside(&source.layout).unwrap();
    fs::create_dir_all(source.layout.repository().join("objects")).unwrap();
    let anew = source.poll().await.unwrap();
    assert_eq!((anew.revision, anew.recloned.unwrap().lost), (tip, Vec::new()));
    assert_eq!(source.checkout(&rewritten).unwrap().meta().unwrap().subject, "rewritten");
    assert!(aside.exists() && !source.layout.renewing().exists());
    assert_eq!(source.poll().await.unwrap().recloned, None);
}

#[tokio::test]
async fn a_full_disk_breaks_no_mirror() {
    let Some(small) = SmallDisk::mount(2_048) else { return };
    let repo = Repo::new();
    let first = repo.commit("first");
    let config = SourceConfig::new("x", repo.config().url, "main", small.path());
    let source = Source::open(config.clone()).unwrap();
    source.poll().await.unwrap();
    source.keep(&first).unwrap();
    small.fill();
    repo.write("large", &(0..60_000).map(|it: u32| it.to_string()).collect::<String>());
    let second = repo.commit("second");
    for _ in 0..3 {
        let error = source.poll().await.unwrap_err();
        assert_eq!(error.kind(), "local", "{error}");
        assert!(error.to_string().contains("no space left in ") && error.transient(), "{error}");
    }
    assert!(source.keep(&second).unwrap_err().to_string().contains("no space left in "));
    assert_eq!(source.checkout(&first).unwrap().meta().unwrap().subject, "first");
    let source = Source::open(config).expect("evenkeel starts on a full disk");
    small.relieve();
    let tip = source.poll().await.unwrap();
    assert_eq!((tip.revision, tip.recloned), (second, None));
    assert_eq!(kept(&source), [first]);
}

#[tokio::test]
async fn what_a_killed_fetch_left_is_cleared() {
    let repo = Repo::new();
    repo.commit("first");
    let source = repo.source();
    source.poll().await.unwrap();
    let mirror = source.layout.repository();
    let (pack, lock) =
        (mirror.join("objects/pack/pack_git2_x"), mirror.join("refs/evenkeel/branch/main.lock"));
    fs::write(&pack, "half").unwrap();
    fs::File::create(&lock).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let second = repo.commit("second");
    assert_eq!(source.poll().await.unwrap().revision, second);
    assert!(!pack.exists() && !lock.exists());
}

#[tokio::test]
async fn several_processes_share_a_mirror() {
    let repo = Repo::new();
    repo.write("large", &"x".repeat(1 << 20));
    let tip = repo.commit("first");
    let polls =
        (0..6).map(|_| repo.source()).map(|source| tokio::spawn(async move { source.poll().await.unwrap() }));
    let mut moved = 0;
    for poll in polls.collect::<Vec<_>>() {
        let seen = poll.await.unwrap();
        assert_eq!(seen.revision, tip);
        moved += usize::from(seen.moved);
    }
    assert_eq!(moved, 1);
    crate::source::testing::git(&repo.source().layout.repository(), &["fsck", "--strict"]);
}

#[tokio::test]
async fn a_poll_that_is_dropped_takes_its_helper_along() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let repo = Repo::new();
    let mut config = repo.config();
    config.url = format!("http://{}/x.git", listener.local_addr().unwrap());
    let source = Source::open(config).unwrap();
    let poll = tokio::spawn(async move { source.poll().await });
    let (mut connection, _) = tokio::task::spawn_blocking(move || listener.accept()).await.unwrap().unwrap();
    poll.abort();
    let _ = poll.await;
    connection.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let end = tokio::task::spawn_blocking(move || connection.read_to_end(&mut Vec::new())).await.unwrap();
    assert!(end.is_ok(), "{end:?}");
}

#[test]
fn configuration_that_cannot_work_is_refused_without_showing_secrets() {
    use evenkeel_core::secret::Secret;
    let token = || Credentials::Token { user: None, token: Secret::new("s3cret") };
    let key = || Credentials::SshKey { key: "/nowhere".into(), passphrase: None, known_hosts: None };
    let open = |name: &str, url: &str, branch: &str, credentials| {
        let directory = tempfile::TempDir::new().unwrap();
        let mut config = SourceConfig::new(name, url, branch, directory.path());
        config.credentials = credentials;
        Source::open(config)
    };
    for (name, url, branch, credentials, word) in [
        ("../x", "https://h/x", "main", Credentials::None, "name"),
        ("x", "gopher://h/x", "main", Credentials::None, "url"),
        ("x", "https://h/x", "a..b", Credentials::None, "branch"),
        ("x", "http://h/x", "main", token(), "https"),
        ("x", "http://me:s3cret@h/x", "main", Credentials::None, "https"),
        ("x", "git@h:x", "main", token(), "https"),
        ("x", "https://h/x", "main", key(), "ssh"),
        ("x", "git@h:x", "main", key(), "/nowhere"),
    ] {
        let error = open(name, url, branch, credentials).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
    let fine = open("x", "https://me:s3cret@h/x", "main", Credentials::None).unwrap();
    assert!(!format!("{fine:?}").contains("s3cret"));
    assert_eq!(fine.config().url, "https://h/x");
}
