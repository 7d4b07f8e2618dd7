use super::*;

fn ignored(patterns: &str, path: &str) -> bool {
    Ignore::parse(patterns).unwrap().ignores(path)
}

/// (patterns, path, ignored?)
const CASES: &[(&str, &str, bool)] = &[
    // Plain names are anchored at the root and take whole directories.
    ("foo", "foo", true),
    ("foo", "foo/bar/baz", true),
    ("foo", "bar/foo", false),
    ("foo", "foobar", false),
    ("foo/bar", "foo/bar/x", true),
    ("foo/bar", "foo/x", false),
    // Tidying: leading and trailing slashes, dots, blanks.
    ("/foo", "foo", true),
    ("/foo", "bar/foo", false),
    ("foo/", "foo", true),
    ("foo/", "foo/bar", true),
    ("./foo", "foo", true),
    ("foo/./bar", "foo/bar", true),
    ("foo//bar", "foo/bar", true),
    ("foo/../bar", "bar", true),
    ("/../foo", "foo", true),
    ("../foo", "foo", false),
    ("  foo\t", "foo", true),
    (".", "foo", false),
    ("/", "foo", false),
    // Comments, blank lines, line ends, a byte order mark.
    ("# foo\n\n   \nbar", "bar", true),
    ("#foo", "#foo", false),
    (" #foo", "#foo", true),
    ("\\#foo", "#foo", true),
    ("foo\r\nbar\r\n", "foo", true),
    ("\u{feff}foo", "foo", true),
    // `*` and `?` stay within a name.
    ("*", "foo", true),
    ("*", "foo/bar", true),
    ("*", ".hidden", true),
    ("*.md", "README.md", true),
    ("*.md", "docs/README.md", false),
    ("*.md", "README.md/x", true),
    ("*/*.md", "docs/README.md", true),
    ("*/*.md", "a/b/README.md", false),
    ("*/temp*", "a/temporary/x", true),
    ("temp?", "tempa", true),
    ("temp?", "temp", false),
    ("temp?", "temp/", false),
    ("a*b", "a/b", false),
    ("a*b*c", "aXbYc", true),
    ("a*b*c", "abcb", false),
    ("f?o", "f/o", false),
    // `**`.
    ("**", "a", true),
    ("**", "a/b/c", true),
    ("**/", "a/b", true),
    ("**/foo", "foo", true),
    ("**/foo", "a/foo", true),
    ("**/foo", "a/b/foo/c", true),
    ("**/foo", "afoo", false),
    ("**/*.go", "a.go", true),
    ("**/*.go", "a/b/c.go", true),
    ("**/*.go", "a/b/c.gox", false),
    ("**/.git", ".git/config", true),
    ("**/__pycache__", "a/b/__pycache__/c.pyc", true),
    ("foo/**", "foo/a", true),
    ("foo/**", "foo", false),
    ("foo/**", "foo/a/b", true),
    ("foo/**", "x/foo/a", false),
    ("foo**", "foobar", true),
    ("foo**", "foo/bar", true),
    ("foo/**/bar", "foo/bar", true),
    ("foo/**/bar", "foo/a/b/bar", true),
    ("foo/**/bar", "foo/abar", false),
    ("foo/**/bar/*", "foo/x/bar/y", true),
    ("**/foo/**", "a/foo/b", true),
    ("**/foo/**", "foo", false),
    ("**/**/foo", "a/b/foo", true),
    ("**foo", "a/xfoo", true),
    ("**.txt", "a/b.txt", true),
    ("a**b", "ab", true),
    ("a**b", "axb", false),
    ("a**b", "ax/b", true),
    ("**file", "dir/dir/file", true),
    ("**/dir2/*", "dir/dir2/file", true),
    ("**/dir2/*", "dir/dir2/dir2/file", true),
    ("dir/**/file*", "dir/dir2/file.txt", true),
    // Classes and escapes.
    ("[a-c]x", "bx", true),
    ("[a-c]x", "dx", false),
    ("[^a-c]x", "dx", true),
    ("[^a-c]x", "ax", false),
    ("[!a]x", "!x", true),
    ("[a\\-c]x", "-x", true),
    ("[\\]]x", "]x", true),
    ("a\\*b", "a*b", true),
    ("a\\*b", "axb", false),
    ("a]b", "a]b", true),
    ("a.b", "axb", false),
    ("a+b(c)|{d}$^", "a+b(c)|{d}$^", true),
    ("ä?ö", "äüö", true),
    ("Foo", "foo", false),
    // Exceptions; the last match decides.
    ("*\n!keep", "keep", false),
    ("*\n!keep", "keep/below", false),
    ("*\n!keep", "other", true),
    ("*.md\n!README.md", "README.md", false),
    ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true),
    ("*.md\nREADME-secret.md\n!README*.md", "README-secret.md", false),
    ("!keep\n*", "keep", true),
    ("a\n!a/b/c", "a/b/c", false),
    ("a\n!a/b/c", "a/b/d", true),
    ("a\n!a/b\na/b/secret", "a/b/secret", true),
    ("a\n!a/b\na/b/secret", "a/b/open", false),
    ("*\n!src\nsrc/**/*.log", "src/a/b.log", true),
    ("*\n!src\nsrc/**/*.log", "src/a/b.py", false),
    ("**\n!**/*.go", "a/b/c.go", false),
    ("**\n! a", "a", false),
    ("*\n!/a", "a/x", false),
    ("*\n!./a/", "a/x", false),
];

#[test]
fn decides_as_docker_does() {
    for (patterns, path, expected) in CASES {
        assert_eq!(ignored(patterns, path), *expected, "{patterns:?} on {path:?}");
    }
}

#[test]
fn malformed_patterns_are_located() {
    for (text, line) in [
        ("a\n\n[b", 3),
        ("!", 1),
        ("# c\na\\", 2),
        ("[]", 1),
        ("[z-a]", 1),
        ("a[^", 1),
        ("[a-", 1),
        ("[ab-]", 1),
        ("[-a]", 1),
    ] {
        let error = Ignore::parse(text).unwrap_err();
        assert_eq!(error.line, line, "{text:?}: {error}");
    }
}

#[test]
fn a_hostile_pattern_takes_no_time() {
    let pattern = format!("{}b", "*a".repeat(200));
    assert!(!ignored(&pattern, &"a".repeat(2000)));
    assert!(!ignored(&format!("{}x", "**/".repeat(100)), &"a/".repeat(500)));
}

/// The same table against Docker's own command line and engine, one build for each `.dockerignore`.
#[test]
fn decides_like_a_real_docker() {
    // Not a file's name; and the old builder's client, unlike BuildKit's, does not look into an ignored directory for an
    // exception that begins with a wildcard.
    let told = CASES.iter().filter(|(patterns, path, _)| !path.ends_with('/') && !patterns.contains("!**"));
    let mut builds: Vec<(&str, Vec<(&str, bool)>)> = Vec::new();
    for (patterns, path, ignored) in told {
        let below = |one: &str, other: &str| one == other || one.starts_with(&format!("{other}/"));
        let fits = |(known, paths): &&mut (&str, Vec<(&str, bool)>)| {
            known == patterns && !paths.iter().any(|(other, _)| below(path, other) || below(other, path))
        };
        match builds.iter_mut().find(fits) {
            Some((_, paths)) => paths.push((path, *ignored)),
            None => builds.push((patterns, vec![(path, *ignored)])),
        }
    }
    for (patterns, paths) in builds {
        let files: Vec<&str> = paths.iter().map(|(path, _)| *path).collect();
        let expected: Vec<&str> =
            paths.iter().filter(|(_, ignored)| !ignored).map(|(path, _)| *path).collect();
        assert_eq!(docker::sent(patterns, &files), expected, "{patterns:?} on {files:?}");
    }
}

/// What patterns are put together from. A letter behind a `\` is not among them: Docker hands it to its regular expressions, where `\a` is a
/// bell.
const PIECES: &[&str] = &[
    "a", "b", "ab", ".md", "*", "**", "?", "/", "/", "**/", "/**", "[ab]", "[^a]", "[a-b]", ".", "..", "\\*",
    "-", "é",
];
/// Files that they are tried on.
const FILES: &[&str] = &[
    "a",
    "b/a",
    "b/b/a",
    "b/b/ab.md",
    "b/ab/a",
    "ab/a",
    "ab/b",
    "ab/ab/ab",
    "ab.md",
    "b.md/a",
    ".md",
    "é/a",
    "-",
    "b/*",
    "b/é",
    "bb/.a",
    "bb/aa/b",
    "bb/aa/.md",
    "aab",
    "*a",
];

/// Patterns that nobody would write, the same for the same seed.
fn odd(seed: u64) -> String {
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut line = || {
        let exception = if dice.u8(..4) == 0 { "!" } else { "" };
        let pieces: String = (0..dice.usize(1..6)).map(|_| PIECES[dice.usize(..PIECES.len())]).collect();
        format!("{exception}{pieces}\n")
    };
    (0..3).map(|_| line()).collect()
}

/// What is read is read the same with comments, twice over, and below what is ignored; and takes no exponential time.
#[test]
fn odd_patterns_keep_the_rules() {
    let mut read = 0;
    for seed in 0..4_000 {
        let patterns = odd(seed);
        let Ok(ignore) = Ignore::parse(&patterns) else { continue };
        read += 1;
        for file in FILES {
            let ignored = ignore.ignores(file);
            let again = |text: &str| Ignore::parse(text).unwrap().ignores(file);
            assert_eq!(again(&format!("# a comment\n\n{patterns}")), ignored, "{patterns:?} on {file}");
            assert_eq!(again(&format!("{patterns}{patterns}")), ignored, "{patterns:?} twice on {file}");
            assert!(again(&format!("{patterns}**")) && !again(&format!("{patterns}!**")), "{patterns:?}");
            if ignored && !ignore.has_exceptions() {
                assert!(ignore.ignores(&format!("{file}/x")), "{patterns:?} below {file}");
            }
        }
    }
    assert!(read > 1_000, "most are patterns: {read}");
    let (stars, path) = ("**/a*".repeat(200), "a/".repeat(2_000));
    assert!(Ignore::parse(&format!("{stars}b")).is_ok_and(|ignore| !ignore.ignores(&path)));
}

/// A Docker takes the same files. `EVENKEEL_FUZZ=600` goes on for so many seconds, from another seed each time.
#[test]
fn odd_patterns_are_read_as_docker_reads_them() {
    let more = std::env::var("EVENKEEL_FUZZ").ok().and_then(|seconds| seconds.parse().ok());
    let until = more.map(|seconds| std::time::Instant::now() + std::time::Duration::from_secs(seconds));
    let first = if more.is_some() { fastrand::u64(..) } else { 0 };
    for seed in (0..).map(|number| first.wrapping_add(number)) {
        if until.map_or(seed == 24, |until| std::time::Instant::now() > until) {
            return;
        }
        let patterns = odd(seed);
        let Ok(ignore) = Ignore::parse(&patterns) else { continue };
        let expected: Vec<&str> = FILES.iter().copied().filter(|file| !ignore.ignores(file)).collect();
        assert_eq!(docker::sent(&patterns, FILES), expected, "seed {seed}: {patterns:?}");
    }
}

mod docker {
    use std::path::Path;
    use std::process::Command;

    /// Which of the files reach an image by way of `COPY . /`.
    pub(super) fn sent<'a>(patterns: &str, files: &[&'a str]) -> Vec<&'a str> {
        let directory = tempfile::TempDir::new().unwrap();
        for file in files {
            let file = directory.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "x").unwrap();
        }
        std::fs::write(directory.path().join(".dockerignore"), patterns).unwrap();
        let name = format!("source-ignore-{:x}", fastrand::u64(..));
        // An image without any content cannot be made into a container; and what another test builds of the same files, and removes,
        // must not be what this one finds in the cache.
        let dockerfile = format!("FROM scratch\nLABEL by={name}\nCOPY . /x/\nCMD [\"x\"]\n");
        std::fs::write(directory.path().join("Dockerfile"), dockerfile).unwrap();
        // Whoever prunes on this machine meanwhile may take a layer from under the build: that says nothing of patterns.
        let mut tries = (0..5).map(|_| extract(directory.path(), &name));
        tries.find(Result::is_ok).unwrap_or_else(|| extract(directory.path(), &name)).unwrap();
        let out = directory.path().join("out");
        assert!(out.join("Dockerfile").is_file() || patterns.contains('*'), "nothing was sent");
        files.iter().copied().filter(|file| out.join(file).is_file()).collect()
    }

    /// Builds the directory, and takes what it sent out of the image again.
    fn extract(directory: &Path, name: &str) -> Result<(), String> {
        let made = docker(directory, &["build", "-q", "-t", name, "."])
            .and_then(|()| docker(directory, &["create", "--name", name, name]))
            .and_then(|()| docker(directory, &["cp", &format!("{name}:/x"), "out"]));
        let removed = docker(directory, &["rm", name]).and_then(|()| docker(directory, &["rmi", name]));
        made.and(removed)
    }

    fn docker(directory: &Path, arguments: &[&str]) -> Result<(), String> {
        let mut command = Command::new("docker");
        let output =
            command.args(arguments).current_dir(directory).env("DOCKER_BUILDKIT", "0").output().unwrap();
        let said = || format!("docker {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(()) } else { Err(said()) }
    }
}
