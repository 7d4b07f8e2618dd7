use super::*;
use crate::source::testing::Repo;

struct Case {
    repo: Repo,
    releases: Releases,
}

impl Case {
    fn new() -> Self {
        let repo = Repo::new();
        repo.write("conf/nginx.conf", "events {}\n");
        repo.write("conf/d/site", "x");
        repo.write("run.sh", "#!/bin/sh\n");
        fs::set_permissions(repo.path().join("run.sh"), Permissions::from_mode(0o755)).unwrap();
        repo.link("conf/link", "nginx.conf");
        repo.link("alias", "conf");
        repo.commit("x");
        let releases = Releases::new(&repo.data_dir());
        Self { repo, releases }
    }

    fn write(&self, digest: &str, paths: &[&str]) -> Result<PathBuf, MaterialiseError> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        self.releases.materialise(&self.repo.checkout(), &"app".into(), &digest.into(), &paths)
    }
}

fn rights(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn writes_files_directories_and_links_read_only() {
    let case = Case::new();
    let files = case.write("d1", &["conf", "run.sh", "./alias/"]).unwrap();
    assert_eq!(files, case.releases.directory(&"app".into(), &"d1".into()));
    assert_eq!(fs::read(files.join("conf/nginx.conf")).unwrap(), b"events {}\n");
    assert_eq!(fs::read(files.join("alias/d/site")).unwrap(), b"x");
    assert_eq!(fs::read_link(files.join("conf/link")).unwrap(), Path::new("nginx.conf"));
    assert!(!files.join("alias").is_symlink());
    assert_eq!((rights(&files.join("run.sh")), rights(&files.join("conf/d/site"))), (0o555, 0o444));
    assert_eq!((rights(&files.join("conf")), rights(&files)), (0o755, 0o755));
}

#[test]
fn a_second_call_changes_nothing_and_mends_what_was_changed() {
    use std::os::unix::fs::MetadataExt;
    let case = Case::new();
    let files = case.write("d1", &["conf", "run.sh"]).unwrap();
    let inode = |path: &str| fs::symlink_metadata(files.join(path)).unwrap().ino();
    let before = ["run.sh", "conf/nginx.conf", "conf/link"].map(inode);
    case.write("d1", &["run.sh", "conf"]).unwrap();
    assert_eq!(["run.sh", "conf/nginx.conf", "conf/link"].map(inode), before);
    fs::remove_file(files.join("conf/nginx.conf")).unwrap();
    fs::write(files.join("conf/nginx.conf"), "tampered").unwrap();
    fs::remove_file(files.join("conf/link")).unwrap();
    fs::remove_dir_all(files.join("conf/d")).unwrap();
    fs::set_permissions(files.join("run.sh"), Permissions::from_mode(0o777)).unwrap();
    case.write("d1", &["conf", "run.sh"]).unwrap();
    assert_eq!(fs::read(files.join("conf/nginx.conf")).unwrap(), b"events {}\n");
    assert_eq!(
        (fs::read(files.join("conf/d/site")).unwrap(), rights(&files.join("run.sh"))),
        (b"x".to_vec(), 0o555)
    );
    assert!(files.join("conf/link").is_symlink());
}

#[test]
fn paths_may_be_added_later_but_content_never_changes() {
    let case = Case::new();
    let files = case.write("d1", &["run.sh"]).unwrap();
    case.write("d1", &["conf/d"]).unwrap();
    assert!(files.join("run.sh").exists() && files.join("conf/d/site").exists());
    case.repo.write("run.sh", "other");
    case.repo.commit("y");
    let error = case.write("d1", &["run.sh"]).unwrap_err();
    assert!(matches!(error, MaterialiseError::Conflict { .. }), "{error}");
    case.write("d2", &["run.sh"]).unwrap();
}

#[test]
fn what_leaves_the_tree_is_refused_and_leaves_nothing() {
    let case = Case::new();
    case.repo.link("bad/out", "../../etc");
    case.repo.link("dangling/x", "nothing");
    case.repo.commit("x");
    for path in ["bad", "bad/out", "../x", "/etc", "a/../../x"] {
        let error = case.write("d1", &[path]).unwrap_err().to_string();
        assert!(error.contains("leads out of the repository"), "{error}");
    }
    assert!(case.write("d1", &["nothing"]).is_err());
    assert!(!case.releases.directory(&"app".into(), &"d1".into()).exists());
    assert!(case.write("d1", &["dangling"]).unwrap().join("dangling/x").is_symlink());
}

#[test]
fn releases_are_removed() {
    let (case, app) = (Case::new(), AppName::from("app"));
    case.write("d1", &["conf"]).unwrap();
    case.write("d2", &["conf"]).unwrap();
    case.releases.remove_release(&app, &"d1".into()).unwrap();
    case.releases.remove_release(&app, &"d1".into()).unwrap();
    assert!(!case.releases.directory(&app, &"d1".into()).exists());
    assert!(case.releases.directory(&app, &"d2".into()).exists());
}

#[test]
fn several_at_once_agree() {
    let case = Case::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| case.write("d1", &["conf", "run.sh"]).unwrap());
        }
    });
    let names = fs::read_dir(case.repo.data_dir().join("releases/app")).unwrap();
    assert_eq!(names.count(), 1);
}
