//! A certificate authority of one test's own.

use std::path::Path;
use std::process::{Command, Stdio};

/// A key on a curve, in the clear.
const KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

pub(in crate::database) struct Authority {
    directory: tempfile::TempDir,
}

impl Authority {
    /// `None`, and a word about it, where this machine has no `openssl` command.
    pub(in crate::database) fn new(name: &str) -> Option<Self> {
        if Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err() {
            eprintln!("skipped: this machine has no openssl command (apt-get install openssl)");
            return None;
        }
        let authority = Self { directory: tempfile::tempdir().unwrap() };
        authority.signed_by_itself("root", name);
        Some(authority)
    }

    /// Where a file of it is: `root.crt`, and `.crt` and `.key` of whatever it signed.
    pub(in crate::database) fn path(&self, file: &str) -> String {
        self.directory.path().join(file).display().to_string()
    }

    /// A certificate for a common name; without extensions it is one of the first version.
    pub(in crate::database) fn sign(&self, file: &str, name: &str, extensions: Option<&str>) {
        self.openssl(&["req"], &KEY, &["-subj", &format!("/CN={name}")], &self.out(file, "csr"));
        let request = self.path(&format!("{file}.csr"));
        let certificate = self.path(&format!("{file}.crt"));
        let signer = ["-CA", &self.path("root.crt"), "-CAkey", &self.path("root.key"), "-CAcreateserial"];
        let what = ["x509", "-req", "-days", "2", "-in", &request, "-out", &certificate];
        match extensions {
            None => self.openssl(&what, &signer, &[], &[]),
            Some(extensions) => {
                let path = self.path(&format!("{file}.ext"));
                std::fs::write(&path, extensions).unwrap();
                self.openssl(&what, &signer, &["-extfile", &path], &[]);
            }
        }
    }

    /// A certificate that nobody else has signed.
    pub(in crate::database) fn signed_by_itself(&self, file: &str, name: &str) {
        let subject = ["-days", "2", "-subj", &format!("/CN={name}")];
        self.openssl(&["req", "-x509"], &KEY, &subject, &self.out(file, "crt"));
    }

    /// The same key behind a passphrase.
    pub(in crate::database) fn lock(&self, from: &str, to: &str) {
        let how = ["-aes256", "-passout", "pass:not-told"];
        self.openssl(&["pkey"], &how, &["-in", &self.path(from), "-out", &self.path(to)], &[]);
    }

    fn out(&self, file: &str, extension: &str) -> [String; 4] {
        let path = |extension| self.path(&format!("{file}.{extension}"));
        ["-keyout".to_owned(), path("key"), "-out".to_owned(), path(extension)]
    }

    fn openssl(&self, what: &[&str], how: &[&str], more: &[&str], out: &[String]) {
        let mut command = Command::new("openssl");
        command.args(what).args(how).args(more).args(out).current_dir(Path::new("/"));
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "openssl {what:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
