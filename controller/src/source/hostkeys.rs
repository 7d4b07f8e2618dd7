//! The known_hosts file that the helper's ssh reads: the operator's, reduced to what libssh2 understands.
//!
//! libssh2 gives up on a whole file for one line of a kind that it does not know (security keys, certificate authorities).

use std::collections::HashSet;
use std::path::{Path, PathBuf};

const KINDS: [&str; 5] =
    ["ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"];

/// The files that are trusted: the configured one alone, or else the user's and the system's.
pub(super) fn files(configured: Option<&Path>) -> Vec<PathBuf> {
    match configured {
        Some(file) => vec![file.to_path_buf()],
        None => std::env::home_dir()
            .map(|home| home.join(".ssh/known_hosts"))
            .into_iter()
            .chain([PathBuf::from("/etc/ssh/ssh_known_hosts")])
            .collect(),
    }
}

/// The usable lines of all the texts. A key that any line revokes is trusted by none.
pub(super) fn usable(texts: &[String]) -> String {
    let lines = || texts.iter().flat_map(|text| text.lines()).map(str::trim);
    let revoked: HashSet<&str> = lines()
        .filter(|line| line.starts_with("@revoked"))
        .filter_map(|line| line.split_whitespace().nth(3))
        .collect();
    lines().filter(|line| plain(line, &revoked)).map(|line| format!("{line}\n")).collect()
}

fn plain(line: &str, revoked: &HashSet<&str>) -> bool {
    let mut words = line.split_whitespace();
    let (Some(hosts), Some(kind), Some(key)) = (words.next(), words.next(), words.next()) else {
        return false;
    };
    !hosts.starts_with(['#', '@']) && KINDS.contains(&kind) && !revoked.contains(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_what_the_library_chokes_on_and_what_is_revoked() {
        let text = "# comment\n\na ssh-ed25519 AAA note\n@cert-authority *.x ssh-rsa BBB\nb sk-ssh-ed25519@openssh.com CCC\n\
                    c ssh-rsa DDD\n@revoked * ssh-rsa DDD\nbroken\n|1|x=|y= ssh-rsa EEE\n";
        assert_eq!(usable(&[text.to_owned()]), "a ssh-ed25519 AAA note\n|1|x=|y= ssh-rsa EEE\n");
    }
}
